"""What becomes of what a handler returns."""

import dataclasses
import datetime
import decimal
import enum
import logging
import uuid
from collections import OrderedDict, UserDict, deque
from typing import Any, NamedTuple

import msgspec
import pytest
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.responses import Response as StarletteResponse

from kick import App, Controller, Delete, Get, Post, RequestContext, Response
from tests.http.support import app_of, ask


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


class Note(msgspec.Struct, rename="camel"):
    note_title: str


@dataclasses.dataclass
class Card:
    name: str


class Model(BaseModel):
    when: datetime.date


class Text(str): ...


def app_returning(make: Any, **options: Any) -> App:
    async def show(self: Any, ctx: RequestContext) -> Any:
        return make(ctx)

    return app_of(Controller()(type("Returning", (), {"show": Get("/", **options)(show)})))


@pytest.mark.parametrize(
    ("value", "json"),
    [
        ({"a": [1, 2.5, None, True]}, {"a": [1, 2.5, None, True]}),
        ([], []),
        ({}, {}),
        ("text", "text"),
        ("", ""),
        (0, 0),
        (False, False),
        (1.5, 1.5),
        (float("nan"), None),
        ((1, 2), [1, 2]),
        ({1}, [1]),
        (Note("t"), {"noteTitle": "t"}),
        ([Note("t")], [{"noteTitle": "t"}]),
        (Card("ace"), {"name": "ace"}),
        (Model(when=datetime.date(2024, 2, 29)), {"when": "2024-02-29"}),
        ({"model": Model(when=datetime.date(2024, 2, 29))}, {"model": {"when": "2024-02-29"}}),
        (Point(1, 2), [1, 2]),
        (Colour.RED, "red"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (decimal.Decimal("1.10"), "1.10"),
        (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), "2024-01-01T00:00:00Z"),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        (deque([1]), [1]),
        (Text("subclass"), "subclass"),
        ({1: "a"}.keys(), [1]),
    ],
)
async def test_a_returned_value_is_the_json_of_a_200(value: object, json: object) -> None:
    answer = await ask(app_returning(lambda ctx: value), "/")
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.json() == json


async def test_none_is_a_204_without_content() -> None:
    answer = await ask(app_returning(lambda ctx: None), "/")
    assert (answer.status, answer.body, answer.headers) == (204, b"", [])


async def test_the_status_of_the_decorator_is_that_of_returned_values() -> None:
    @Controller()
    class Statuses:
        @Post("/value", status=201)
        async def value(self) -> Any:
            return {"id": 1}

        @Post("/nothing", status=202)
        async def nothing(self) -> None: ...

        @Delete("/empty", status=204)
        async def empty(self) -> Any:
            return "not sent"

        @Post("/own", status=201)
        async def own(self, ctx: RequestContext) -> Any:
            return ctx.json({}, status=203)

    app = app_of(Statuses)
    assert (await ask(app, "/value", method="POST")).status == 201
    nothing = await ask(app, "/nothing", method="POST")
    assert (nothing.status, nothing.headers) == (202, [("content-length", "0")])
    assert (await ask(app, "/empty", method="DELETE")).body == b""
    assert (await ask(app, "/own", method="POST")).status == 203


@pytest.mark.parametrize(
    ("response", "status", "body"),
    [
        (Response("mine", media_type="text/plain"), 200, b"mine"),
        (StarletteResponse(b"raw", 418), 418, b"raw"),
        (PlainTextResponse("text"), 200, b"text"),
        (JSONResponse({"a": 1}, 201), 201, b'{"a":1}'),
        (RedirectResponse("/elsewhere"), 307, b""),
    ],
)
async def test_a_response_of_starlette_is_sent_as_it_is(response: Response, status: int, body: bytes) -> None:
    answer = await ask(app_returning(lambda ctx: response), "/")
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers == [(name.decode(), value.decode()) for name, value in response.raw_headers]


async def test_a_streaming_response_of_starlette_is_streamed() -> None:
    answer = await ask(app_returning(lambda ctx: StreamingResponse(iter(["a", "b"]))), "/")
    assert answer.body == b"ab"


async def test_background_tasks_run_after_the_response() -> None:
    ran: list[str] = []

    def with_background(response: Response) -> Response:
        response.background = BackgroundTask(ran.append, "helper")
        return response

    for make in (
        lambda ctx: Response("x", background=BackgroundTask(ran.append, "starlette")),
        lambda ctx: with_background(ctx.json({})),
    ):
        await ask(app_returning(make), "/")
    assert ran == ["starlette", "helper"]


async def test_a_response_that_is_kept_never_carries_what_another_request_added() -> None:
    kept: list[Response] = []

    async def tagging(ctx: RequestContext, call_next: Any) -> Response:
        response: Response = await call_next(ctx)
        response.raw_headers.append((b"set-cookie", f"sid={ctx.headers['x-user']}".encode()))
        return response

    @Controller()
    class Kept:
        @Get("/handler")
        async def handler(self, ctx: RequestContext) -> Any:
            if not kept:
                kept.append(ctx.json({"cached": True}))
            ctx.set_cookie("own", ctx.headers["x-user"])
            return kept[0]

    for app in (app_of(Kept, middleware=[tagging]), app_of(Kept)):
        kept.clear()
        await ask(app, "/handler", headers={"x-user": "alice"})
        answer = await ask(app, "/handler", headers={"x-user": "bob"})
        assert "alice" not in str(answer.headers)
        assert "bob" in str(answer.headers)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (object(), "object has no JSON form"),
        ({(1, 2): 3}, "tuple has no JSON form"),
        ("\ud800", "surrogates"),
    ],
)
async def test_what_has_no_json_form_is_a_500_whose_log_says_what_and_where(
    value: object, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(app_returning(lambda ctx: value), "/")
    assert answer.status == 500
    assert answer.json()["detail"] == "The server had an unexpected error, which was logged."
    assert hint in caplog.text
    assert "kick: in what Returning.show() at tests/http/handlers/test_endpoint.py" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


async def test_a_coroutine_that_was_not_awaited_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def later() -> None: ...

    assert (await ask(app_returning(lambda ctx: later()), "/")).status == 500
    assert "await it" in caplog.text


async def test_the_last_response_built_is_sent_when_nothing_is_returned() -> None:
    def build(ctx: RequestContext) -> None:
        ctx.json({"first": 1})
        ctx.text("second", 202)

    answer = await ask(app_returning(build), "/")
    assert (answer.status, answer.text) == (202, "second")
