"""Pages of a user are not stored, so that after the logout the back button does not bring them back."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kick import Controller, Get, Module, Post, RequestContext, Response, Use, bootstrap
from kick.auth import authentication, login, logout
from kick.middleware import compression
from kick.session import SessionMiddleware, session
from tests.http.support import Answer, ask

SECRET = "a secret of at least thirty-two bytes"


class User:
    def __init__(self, user_id: str) -> None:
        self.id = user_id


async def load_user(user_id: str) -> User:
    return User(user_id)


@Controller()
class Site:
    @Post("/log-in")
    async def log_in(self, ctx: RequestContext) -> None:
        await login(ctx, "ada")

    @Post("/log-out")
    async def log_out(self, ctx: RequestContext) -> None:
        await logout(ctx)

    @Get("/mine")
    async def mine(self, user: User | None) -> Any:
        return user and user.id

    @Get("/own")
    async def own(self, ctx: RequestContext, user: User) -> Any:
        ctx.set_header("cache-control", "private, max-age=60")
        return user.id

    @Get("/response")
    async def response(self, ctx: RequestContext, user: User) -> Any:
        return Response(b"", headers={"cache-control": "private, no-cache"})

    @Get("/file")
    async def file(self, ctx: RequestContext, user: User | None) -> Any:
        return ctx.send_file(__file__)

    @Get("/data")
    async def data(self, ctx: RequestContext) -> Any:
        ctx.session.data["seen"] = True
        return "seen"

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Response:
        async def lines() -> AsyncIterator[str]:
            yield str(ctx.session.principal)

        return ctx.stream(lines(), media_type="text/plain")

    @Get("/encoded")
    @Use(compression(private=True))
    async def encoded(self, ctx: RequestContext) -> Response:
        return await self.stream(ctx)

    @Get("/ended")
    async def ended(self, ctx: RequestContext) -> Any:
        await ctx.session.operations.end(ctx.session.state.require_key())  # by another request, while this one runs
        ctx.session.principal = "bob"
        return ctx.session.principal

    @Get("/public")
    async def public(self) -> str:
        return "news"


APP = bootstrap(
    [Module("site", controllers=[Site])], [session(SECRET, save_uninitialized=False), authentication(load_user)]
)


def cookie_of(answer: Answer) -> dict[str, str]:
    return {"cookie": answer.all("set-cookie")[0].partition(";")[0]}


async def test_what_a_user_was_shown_is_not_stored() -> None:
    ada = cookie_of(await ask(APP, "/log-in", method="POST"))
    answer = await ask(APP, "/mine", headers=ada)
    assert (answer.json(), answer.header("cache-control"), answer.header("vary")) == ("ada", "no-store", "Cookie")
    assert (await ask(APP, "/log-out", method="POST", headers=ada)).header("cache-control") == "no-store"


async def test_a_handler_may_say_otherwise() -> None:
    ada = cookie_of(await ask(APP, "/log-in", method="POST"))
    assert (await ask(APP, "/own", headers=ada)).header("cache-control") == "private, max-age=60"
    assert (await ask(APP, "/response", headers=ada)).header("cache-control") == "private, no-cache"


async def test_a_file_of_a_user_is_kept_by_the_browser_alone_and_not_without_asking() -> None:
    """Its `Last-Modified` would let any cache keep it, for a tenth of its age."""
    ada = cookie_of(await ask(APP, "/log-in", method="POST"))
    answer = await ask(APP, "/file", headers=ada)
    assert (answer.header("cache-control"), answer.header("vary")) == ("private, no-cache", "Cookie")
    again = await ask(APP, "/file", headers={**ada, "if-none-match": answer.header("etag") or ""})
    assert (again.status, again.header("cache-control")) == (304, "private, no-cache")
    assert (await ask(APP, "/file")).header("cache-control") is None


async def test_a_stream_that_first_reads_the_session_while_it_is_sent_is_not_stored() -> None:
    """A cache in front of the application gave the stream of one user to others."""
    ada = cookie_of(await ask(APP, "/log-in", method="POST"))
    answer = await ask(APP, "/stream", headers=ada)
    assert (answer.text, answer.header("cache-control"), answer.header("vary")) == ("ada", "no-store", "Cookie")
    visitor = await ask(APP, "/stream")
    assert (visitor.text, visitor.header("cache-control"), visitor.header("vary")) == ("None", None, None)


async def test_nor_is_one_that_is_compressed_inside_of_the_session() -> None:
    ada = cookie_of(await ask(APP, "/log-in", method="POST"))
    answer = await ask(APP, "/encoded", headers={**ada, "accept-encoding": "gzip"})
    assert (gzip.decompress(answer.body), answer.header("cache-control")) == (b"ada", "no-store")
    assert answer.header("vary") == "Accept-Encoding, Cookie"


async def test_who_is_not_logged_in_and_what_is_nobodys_may_be_stored() -> None:
    ada = cookie_of(await ask(APP, "/log-in", method="POST"))
    assert (await ask(APP, "/mine")).header("cache-control") is None
    assert (await ask(APP, "/public", headers=ada)).header("cache-control") is None
    visitor = cookie_of(await ask(APP, "/data"))
    assert (await ask(APP, "/data", headers=visitor)).header("cache-control") is None


async def test_streams_of_other_asgi_applications_are_not_stored_either() -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/log-in":
            scope["session"].principal = "ada"
        length = [(b"content-length", b"3")] if scope["path"] == "/public" else []
        await send({"type": "http.response.start", "status": 200, "headers": length})
        text = b"all" if length else str(scope["session"].principal).encode()
        await send({"type": "http.response.body", "body": text})

    app = SessionMiddleware(inner, SECRET)
    ada = cookie_of(await ask(app, "/log-in"))
    answer = await ask(app, "/stream", headers=ada)
    assert (answer.text, answer.header("cache-control"), answer.header("vary")) == ("ada", "no-store", "Cookie")
    assert (await ask(app, "/public", headers=ada)).header("cache-control") is None


async def test_other_asgi_applications_have_it_too() -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        scope["session"].principal = "ada"
        headers = [(b"cache-control", b"private")] if scope["path"] == "/own" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    app = SessionMiddleware(inner, SECRET)
    ada = cookie_of(await ask(app, "/"))
    assert (await ask(app, "/", headers=ada)).header("cache-control") == "no-store"
    assert (await ask(app, "/own", headers=ada)).header("cache-control") == "private"


async def test_neither_is_that_of_a_login_which_could_not_be_stored() -> None:
    cookie = cookie_of(await ask(APP, "/data"))
    answer = await ask(APP, "/ended", headers=cookie)
    assert (answer.text, answer.all("set-cookie"), answer.all("cache-control")) == ('"bob"', [], ["no-store"])


AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36": True,
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0": True,
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Edg/156.0": True,
    "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0": False,
    "curl/8.14": False,
}


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("cookie", [{}, {"secure": True, "prefix": "auto"}, {"domain": "example.com"}])
async def test_for_chromium_a_logout_changes_the_cookie_before_it_removes_it(
    agent: str, cookie: dict[str, Any]
) -> None:
    """`test_after_the_logout_the_back_button_shows_nothing` looks at what it does there."""
    layers = [session(SECRET, save_uninitialized=False, cookie=cookie), authentication(load_user)]
    app = bootstrap([Module("site", controllers=[Site])], layers)
    ada = cookie_of(await ask(app, "/log-in", method="POST")) | {"user-agent": agent}
    name = ada["cookie"].partition("=")[0]
    *changes, removal = (await ask(app, "/log-out", method="POST", headers=ada)).all("set-cookie")
    beginning = f"{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
    assert removal.startswith(beginning)
    change = f"{name}=ended; Max-Age=1; {removal.removeprefix(beginning)}"  # or it would be another cookie
    assert changes == [change] * AGENTS[agent]
