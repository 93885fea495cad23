"""The request id in records of `logging`: everywhere that code of a request runs, and nowhere else."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import anyio
import pytest
from anyio import to_thread

from kick import App, Controller, Get, Module, RequestContext, Response, Socket, WebSocket, bootstrap
from kick.middleware import request_id
from kick.telemetry import JSONFormatter, RequestIdFilter, current_request_id
from kick.testing import TestClient
from tests.http.support import ask

logger = logging.getLogger("shop")

PATHS = (
    *("/", "/thread", "/worker", "/task", "/failing", "/background", "/background-thread", "/stream", "/stream-thread"),
    *("/events", "/cancel", "/nowhere"),
)


class Records(logging.Handler):
    """What was logged: the message, and the id that the filter has added."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(RequestIdFilter())
        self.seen: list[tuple[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.getMessage(), vars(record)["request_id"]))

    def of(self, message: str) -> list[Any]:
        return [request_id for each, request_id in self.seen if each == message]


@pytest.fixture
def records(logging_as_before: None) -> Records:
    handler = Records()
    logger.addHandler(handler)
    logger.setLevel("INFO")
    return handler


def note() -> None:
    logger.info("here")


async def anote() -> None:
    note()


async def chunks() -> AsyncIterator[str]:
    for text in ("a", "b"):
        note()
        yield text


def plain_chunks() -> Iterator[str]:
    for text in ("a", "b"):
        note()
        yield text


@Controller()
class Everywhere:
    @Get("/")
    async def index(self) -> None:
        note()

    @Get("/thread")
    def thread(self) -> None:
        note()

    @Get("/worker")
    async def worker(self) -> None:
        await to_thread.run_sync(note)

    @Get("/task")
    async def task(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anote)

    @Get("/failing")
    async def failing(self) -> None:
        note()
        raise LookupError("broken")

    @Get("/background")
    async def background(self, ctx: RequestContext) -> None:
        ctx.background(anote)

    @Get("/background-thread")
    async def background_thread(self, ctx: RequestContext) -> None:
        ctx.background(note)

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Response:
        return ctx.stream(chunks())

    @Get("/stream-thread")
    async def stream_thread(self, ctx: RequestContext) -> Response:
        return ctx.stream(plain_chunks())

    @Get("/events")
    async def events(self, ctx: RequestContext) -> Response:
        return ctx.sse(chunks())

    @Get("/cancel", cancel_on_disconnect=True)
    async def cancel(self) -> None:
        note()

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str]) -> None:
        async for text in socket:
            note()
            await socket.send(text)


async def noting(ctx: RequestContext, call_next: Any) -> Response:
    """Middleware that logs on every path, also where no route is."""
    note()
    response: Response = await call_next(ctx)
    return response


def application(**options: Any) -> App:
    module = Module("everywhere", controllers=[Everywhere])
    return bootstrap([module], [request_id(**{"logs": True, **options}), noting])


class TestWhereTheIdIs:
    @pytest.mark.parametrize("path", PATHS)
    async def test_every_record_of_a_request_has_its_id_and_the_next_one_has_another(
        self, path: str, records: Records
    ) -> None:
        app, sent = application(), []
        for _ in range(2):
            records.seen.clear()
            answer = await ask(app, path)
            note()
            *during, after = records.of("here")
            sent.append(answer.header("x-request-id"))
            assert len(during) == 1 if path == "/nowhere" else len(during) > 1
            assert {*during} == {sent[-1]}
            assert after == "-"
        assert len({*sent}) == 2
        await app.aclose()

    async def test_requests_at_the_same_time_do_not_mix(self, records: Records) -> None:
        app, answers = application(), []

        async def one() -> None:
            answers.append(await ask(app, "/stream"))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one)
        seen = records.of("here")
        assert sorted(seen) == sorted(3 * [answer.header("x-request-id") for answer in answers])

    async def test_an_id_of_the_proxy_is_taken(self, records: Records) -> None:
        await ask(application(inbound=True), "/background", headers={"x-request-id": "abc-1"})
        assert records.of("here") == ["abc-1"] * 2

    def test_a_websocket_has_one_id_for_its_life(self, records: Records) -> None:
        with TestClient(application()) as client, client.websocket_connect("/socket") as socket:
            for text in ("a", "b"):
                socket.send_json(text)
                assert socket.receive_json() == text
        first, *others = records.of("here")
        assert first != "-"
        assert others == [first] * 2

    async def test_an_application_within_another_gives_the_id_back(self, records: Records) -> None:
        inner, seen = application(), []

        async def watching(ctx: RequestContext, call_next: Any) -> Response:
            response: Response = await call_next(ctx)

            async def look(_: BaseException | None) -> None:
                seen.append((current_request_id.get(), ctx.request_id))

            ctx.on_end(look)
            return response

        app = bootstrap([Module("outer", mounts={"/in": inner})], [request_id(logs=True), watching])
        await ask(app, "/in/background")
        assert len({*records.of("here")}) == 1
        assert len(seen) == 1
        assert seen[0][0] == seen[0][1] != records.of("here")[0]

    async def test_without_the_option_nothing_is_set_and_nothing_is_left_to_clean_up(self, records: Records) -> None:
        cleanups: list[Any] = []

        async def watching(ctx: RequestContext, call_next: Any) -> Response:
            response: Response = await call_next(ctx)
            cleanups.append(ctx.cleanups)
            return response

        module = Module("everywhere", controllers=[Everywhere])
        await ask(bootstrap([module], [request_id(), watching]), "/")
        assert records.of("here") == ["-"]
        assert cleanups == [None]


def record(message: str = "sold %s", *args: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("shop").makeRecord(
        "shop", logging.WARNING, "shop.py", 1, message, args or ("tea",), None, extra=extra
    )


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


ODD = ({1, 2}, object(), "\ud800", float("nan"), {("a", 1): 2}, Unprintable(), "a\nb", b"\xff")


class TestJSON:
    def test_a_record_is_one_line_with_the_names_of_the_access_log(self) -> None:
        token = current_request_id.set("abc-1")
        line = json.loads(JSONFormatter().format(record(order=7)))
        current_request_id.reset(token)
        assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
        assert line == {
            "level": "warning",
            "logger": "shop",
            "message": "sold tea",
            "request_id": "abc-1",
            "order": 7,
        }

    def test_a_filter_before_a_queue_decides_the_id(self) -> None:
        made = record()
        token = current_request_id.set("of-the-request")
        RequestIdFilter().filter(made)
        current_request_id.reset(token)
        token = current_request_id.set("of-the-listener")
        RequestIdFilter().filter(made)
        assert json.loads(JSONFormatter().format(made))["request_id"] == "of-the-request"
        current_request_id.reset(token)

    def test_a_traceback_is_a_member(self) -> None:
        made = record()
        try:
            raise LookupError("lost\nforged")
        except LookupError as error:
            made.exc_info = (type(error), error, error.__traceback__)
        text = JSONFormatter().format(made)
        assert "\n" not in text
        assert json.loads(text)["exception"].endswith("LookupError: lost\nforged")

    @pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
    def test_no_value_loses_a_record_or_breaks_its_line(self, value: object) -> None:
        text = JSONFormatter().format(record(value=value))
        assert "\n" not in text
        line = json.loads(text)
        assert line["message"] == "sold tea"
        assert "value" in line

    def test_a_value_that_holds_itself_is_written_too(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        assert json.loads(JSONFormatter().format(record(loop=loop)))["loop"] == "[[...]]"

    def test_a_value_does_not_take_the_place_of_the_level(self) -> None:
        line = json.loads(JSONFormatter().format(record(level="mine", time="mine", logger="mine")))
        assert (line["level"], line["logger"]) == ("warning", "shop")
        assert line["time"] != "mine"
