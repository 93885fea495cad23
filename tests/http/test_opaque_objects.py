"""Objects of kick's own that a handler returns, logs or pickles: an error names them, and nothing of them leaks."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import HTTPConnection, Request

from kick import App, Controller, Get, Middleware, Module, Post, RequestContext, UploadFile, bootstrap
from kick.http import StaticFiles, cookie_parser
from kick.middleware import cors
from kick.session import session
from tests.http.support import ask

SECRET = "a cookie's secret of at least thirty-two bytes"
TOKEN = "only-in-the-request"

OBJECTS: dict[str, Callable[[RequestContext], Any]] = {
    "RequestContext": lambda ctx: ctx,
    "Route": lambda ctx: ctx.route,
    "Settings": lambda ctx: ctx.settings,
    "CookieSigner": lambda ctx: ctx.settings.cookie_signer,
    "Shutdown": lambda ctx: ctx.stopping,
    "Threads": lambda ctx: ctx.settings.threads,
    "URLs": lambda ctx: ctx.settings.urls,
    "CorsLayer": lambda ctx: ctx.settings.layers[-1],
    "ReadyResponse": lambda ctx: ctx.text("x"),
    "App": lambda ctx: ctx.state.app,
    "Container": lambda ctx: ctx.state.app.container,
    "Mount": lambda ctx: ctx.state.app.mounts[0],
    "SharedRequest": lambda ctx: ctx.request,
    "Request": lambda ctx: Request(ctx.scope),
    "HTTPConnection": lambda ctx: HTTPConnection(ctx.scope),
    "State": lambda ctx: ctx.state,
    "Module": lambda ctx: MODULE,
}

WRAPPED: dict[str, Callable[[Any], Any]] = {
    "in a dict": lambda found: {"x": found},
    "in a list of dicts": lambda found: {"xs": [1, {"x": found}]},
    "in a tuple": lambda found: (found,),
}


class Holding(Middleware):
    """Lets a handler get at what belongs to the application."""

    app: App

    async def __call__(self, ctx: RequestContext, call_next: Any) -> Any:
        ctx.state.app = self.app
        ctx.state.secret = TOKEN
        return await call_next(ctx)


@Controller()
class Returning:
    @Get("/{name}/{wrapped}")
    async def show(self, ctx: RequestContext, name: str, wrapped: str) -> Any:
        return WRAPPED[wrapped](OBJECTS[name](ctx))

    @Get("/json/{name}/{wrapped}")
    async def json(self, ctx: RequestContext, name: str, wrapped: str) -> Any:
        return ctx.json(WRAPPED[wrapped](OBJECTS[name](ctx)))


MODULE: Module = Module("returning", controllers=[Returning], mounts={"/files": StaticFiles(".")})


@pytest.fixture(scope="module")
def app() -> App:
    holding = Holding()
    layers = [holding, cookie_parser(SECRET), cors(allow_origins=["https://a.example"])]
    holding.app = bootstrap([MODULE], layers)
    return holding.app


@pytest.mark.parametrize("how", ["", "/json"])
@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("name", OBJECTS)
async def test_an_object_in_a_value_is_named_and_nothing_of_it_is_sent(
    app: App, name: str, wrapped: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "kick.http"):
        answer = await ask(app, f"{how}/{name}/{wrapped}".replace(" ", "%20"), headers={"authorization": TOKEN})
    assert answer.status == 500
    assert answer.json()["title"] == "Internal Server Error"
    assert TOKEN not in answer.text
    (record,) = caplog.records
    assert f".{name} has no JSON form" in str(record.exc_info and record.exc_info[1])


@pytest.mark.parametrize("name", OBJECTS)
async def test_its_text_holds_no_secret(app: App, name: str) -> None:
    texts: list[str] = []

    async def look(ctx: RequestContext, call_next: Any) -> Any:
        ctx.state.app = app
        found = OBJECTS[name](ctx)
        texts.extend([repr(found), str(found), f"{found}"])
        return ctx.no_content()

    signing = bootstrap([MODULE], [look, cookie_parser(SECRET), cors(allow_origins=["https://a.example"])])
    await ask(signing, "/RequestContext/x", headers={"authorization": TOKEN, "cookie": f"a={TOKEN}"})
    assert texts
    assert not any(TOKEN in text or SECRET in text for text in texts)


async def test_a_context_cannot_be_pickled() -> None:
    caught: list[str] = []

    async def look(ctx: RequestContext, call_next: Any) -> Any:
        for value in (ctx, {"ctx": ctx}):
            with pytest.raises(TypeError, match="a RequestContext cannot be pickled: it belongs to a request") as error:
                pickle.dumps(value)
            caught.append(str(error.value))
        return ctx.no_content()

    await ask(bootstrap([], [look]), "/")
    assert len(caught) == 2


FORM = b'--b\r\nContent-Disposition: form-data; name="avatar"; filename="a.txt"\r\n\r\nonly-in-the-file\r\n--b--\r\n'


@Controller()
class OfARequest:
    @Post("/file")
    async def file(self, avatar: UploadFile) -> Any:
        return {"x": avatar}

    @Post("/flash")
    async def flash(self, ctx: RequestContext) -> Any:
        return {"x": ctx.session.flash}


@pytest.mark.parametrize(("path", "name"), [("/file", "UploadFile"), ("/flash", "Flash")])
async def test_what_belongs_to_a_request_is_named_too(path: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    layer = session("a secret of at least thirty-two bytes", save_uninitialized=False)
    app = bootstrap([Module("request", controllers=[OfARequest])], [layer])
    headers = {"content-type": "multipart/form-data; boundary=b"}
    with caplog.at_level(logging.ERROR, "kick.http"):
        answer = await ask(app, path, method="POST", body=FORM, headers=headers)
    assert (answer.status, b"only-in-the-file" in answer.body) == (500, False)
    (record,) = caplog.records
    assert f".{name} has no JSON form" in str(record.exc_info and record.exc_info[1])
