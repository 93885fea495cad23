"""How requests end, on each server: clean-up after the last byte, clients that leave, streams that break."""

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import pytest

from kick import App, Controller, Get, Module, Post, Provider, RequestContext, Response, bootstrap
from kick.health import Health
from tests.support.servers import Serves, on_each_server
from tests.support.waiting import wait_until
from tests.support.wire import Wire

SIZE = 1 << 18


class Trail(list[str]):
    """What has happened."""


class Resource:
    """What is opened for a request."""


async def resource(trail: Trail) -> AsyncIterator[Resource]:
    trail.append("open")
    error: BaseException | None = None
    try:
        yield Resource()
    except BaseException as raised:
        error = raised
        raise
    finally:
        trail.append("closed" if error is None else f"closed after {type(error).__name__}")


Held = Annotated[Resource, "of a request"]


@Controller()
class Endings:
    def __init__(self, trail: Trail) -> None:
        self.trail = trail

    @Get("/plain")
    async def plain(self, held: Held) -> str:
        self.trail.append("handled")
        return "plain"

    @Get("/stream")
    async def stream(self, ctx: RequestContext, held: Held) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            for number in range(3):
                self.trail.append(f"chunk {number}")
                yield b"%d" % number

        return ctx.stream(chunks())

    @Get("/raises")
    async def raises(self, held: Held) -> None:
        raise LookupError("nothing there")

    @Get("/endless")
    async def endless(self, ctx: RequestContext, held: Held) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 1000
                    await anyio.sleep(0.01)
            finally:
                self.trail.append("stream over")

        return ctx.stream(chunks())

    @Get("/breaks")
    async def breaks(self, ctx: RequestContext, held: Held) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begun"
            raise LookupError("in the middle")

        return ctx.stream(chunks())

    @Get("/short")
    async def short(self, ctx: RequestContext) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"x" * (SIZE // 2)
            raise LookupError("in the middle")

        response = ctx.stream(chunks())
        response.headers["content-length"] = str(SIZE)
        return response

    @Get("/slow")
    async def slow(self, held: Held) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self.trail.append("handler over")

    @Get("/watched", cancel_on_disconnect=True)
    async def watched(self, held: Held) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self.trail.append("handler over")

    @Get("/answers", cancel_on_disconnect=True)
    async def answers(self, ctx: RequestContext) -> str:
        return "in time"

    @Get("/fails", cancel_on_disconnect=True)
    async def fails(self) -> None:
        raise LookupError("of its own")

    @Post("/echo", cancel_on_disconnect=True)
    async def echo(self, body: dict[str, int], ctx: RequestContext) -> Any:
        return body

    @Post("/posted", cancel_on_disconnect=True)
    async def posted(self, body: dict[str, int], held: Held) -> None:
        await self.slow(held)

    @Get("/waits")
    async def waits(self, ctx: RequestContext) -> None:
        self.trail.append(f"gone: {await ctx.is_disconnected()}")
        await ctx.disconnected()
        self.trail.append(f"gone: {await ctx.is_disconnected()}")


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def app(trail: Trail) -> App:
    providers = [trail, Provider(Held, resource, scope="request")]
    return bootstrap([Module("endings", controllers=[Endings])], providers=providers)


class Connection(Wire):
    """A connection whose bytes are read by nobody's library."""

    def send(self, target: str, *, body: bytes = b"", close: bool = True) -> None:
        lines = [f"{'POST' if body else 'GET'} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        if body:
            lines.append("Content-Type: application/json")
        if close:
            lines.append("Connection: close")
        self.say("\r\n".join([*lines, "", ""]).encode() + body)


def get(url: str, target: str) -> bytes:
    with Connection(url) as connection:
        connection.send(target)
        return connection.rest()


@on_each_server
def test_what_belongs_to_a_request_is_cleaned_up_before_a_plain_response_leaves(
    serves: Serves, app: App, trail: Trail
) -> None:
    with serves(app) as url:
        assert get(url, "/plain").endswith(b'"plain"')
    assert trail == ["open", "handled", "closed"]


@on_each_server
def test_what_belongs_to_a_request_lives_until_the_last_byte_of_its_stream(
    serves: Serves, app: App, trail: Trail
) -> None:
    with serves(app) as url:
        assert get(url, "/stream").endswith(b"0\r\n\r\n")
    assert trail == ["open", "chunk 0", "chunk 1", "chunk 2", "closed"]


@on_each_server
def test_an_exception_of_the_handler_reaches_what_is_cleaned_up(serves: Serves, app: App, trail: Trail) -> None:
    with serves(app) as url:
        assert get(url, "/raises").startswith(b"HTTP/1.1 500")
    assert trail == ["open", "closed after LookupError"]


@on_each_server
def test_a_client_that_leaves_ends_the_stream_and_then_its_resources(serves: Serves, app: App, trail: Trail) -> None:
    with serves(app) as url:
        with Connection(url) as connection:
            connection.send("/endless")
            connection.read_until(b"xxx")
        wait_until(lambda: len(trail) == 3, "the clean-up")
    assert trail[:2] == ["open", "stream over"]
    assert trail[2].startswith("closed")


@on_each_server
def test_an_exception_after_the_headers_closes_the_connection_at_once(serves: Serves, app: App, trail: Trail) -> None:
    with serves(app) as url, Connection(url) as connection:
        connection.send("/breaks", close=False)
        received = connection.rest()
        assert received.startswith(b"HTTP/1.1 200")
        assert b"begun" in received
        assert not received.endswith(b"0\r\n\r\n")
    assert trail == ["open", "closed after LookupError"]


@on_each_server
def test_a_body_of_announced_length_that_breaks_off_is_short(serves: Serves, app: App) -> None:
    with serves(app) as url, Connection(url) as connection:
        connection.send("/short", close=False)
        head, _, body = connection.rest().partition(b"\r\n\r\n")
        assert str(SIZE).encode() in head
        assert 0 < len(body) <= SIZE // 2


@on_each_server
@pytest.mark.parametrize("path", ["breaks", "short"])
def test_a_failure_after_the_headers_is_logged_with_its_request_and_seen_by_asgi_middleware(
    serves: Serves, app: App, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Exception] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            seen.append(error)
            raise

    with serves(watched) as url:
        get(url, f"/{path}")
    (record,) = [each for each in caplog.records if each.name == "kick.http"]
    assert record.getMessage().startswith(f"GET /{path} (Endings.{path}() at ")
    assert ") failed, request id " in record.getMessage()
    assert record.exc_info is not None
    assert [record.exc_info[1]] == seen
    assert type(seen[0]) is LookupError


# Clients that leave while the handler runs


@on_each_server
def test_a_handler_is_cancelled_when_the_client_leaves_if_it_says_so(serves: Serves, app: App, trail: Trail) -> None:
    with serves(app) as url:
        for send in ({"target": "/watched"}, {"target": "/posted", "body": b'{"a": 1}'}):
            trail.clear()
            with Connection(url) as connection:
                connection.send(**send)  # type: ignore[arg-type]
                wait_until(lambda: trail == ["open"], "the handler")
            wait_until(lambda: len(trail) == 3, "the end of the handler")
            # The handler is cancelled; what it held is closed outside of the cancellation, where it can await.
            assert trail == ["open", "handler over", "closed after ClientDisconnect"]


@on_each_server
def test_a_handler_that_is_watched_answers_as_any_other(serves: Serves, app: App) -> None:
    with serves(app) as url:
        assert get(url, "/answers").endswith(b'"in time"')
        assert get(url, "/fails").startswith(b"HTTP/1.1 500")
        with Connection(url) as connection:
            connection.send("/echo", body=b'{"a": 1}')
            assert connection.rest().endswith(b'{"a":1}')


@on_each_server
def test_a_handler_may_wait_for_the_client_to_leave(serves: Serves, app: App, trail: Trail) -> None:
    with serves(app) as url:
        with Connection(url) as connection:
            connection.send("/waits")
            wait_until(lambda: trail == ["gone: False"], "the handler")
        wait_until(lambda: len(trail) == 2, "the handler to notice")
    assert trail == ["gone: False", "gone: True"]


def test_other_routes_are_not_watched(app: App) -> None:
    async def requests() -> None:
        received: list[str] = []

        async def receive() -> Any:
            received.append("asked")
            await anyio.sleep_forever()

        async def send(message: Any) -> None:
            pass

        scope = {"type": "http", "method": "GET", "path": "/plain", "headers": [], "query_string": b""}
        await app(scope, receive, send)
        assert received == []
        with anyio.fail_after(60):
            await app({**scope, "path": "/answers"}, receive, send)
        assert received == ["asked"]

    anyio.run(requests)


# Handlers in threads


@pytest.fixture
def wedge() -> Iterator[threading.Event]:
    """Holds handlers in their threads until it is set."""
    event = threading.Event()
    yield event
    event.set()


@on_each_server
def test_a_handler_that_hangs_in_its_thread_holds_no_resource_when_it_is_cancelled(
    serves: Serves, trail: Trail, wedge: threading.Event
) -> None:
    @Controller()
    class Wedged:
        @Get("/wedged", cancel_on_disconnect=True)
        def wedged(self, held: Held) -> None:
            trail.append("handled")
            wedge.wait(30)
            trail.append("handler over")

        @Get("/other")
        def other(self) -> str:
            return "served"

    providers = [trail, Provider(Held, resource, scope="request")]
    app = bootstrap([Module("wedged", controllers=[Wedged])], providers=providers, threads=2)
    with serves(app) as url:
        with Connection(url) as connection:
            connection.send("/wedged")
            wait_until(lambda: trail == ["open", "handled"], "the handler")
        wait_until(lambda: len(trail) == 3, "the clean-up")
        assert trail == ["open", "handled", "closed after ClientDisconnect"]
        assert get(url, "/other").endswith(b'"served"')
        (running,) = app.settings.threads.running
        assert running.startswith("Wedged.wedged()") or ".Wedged.wedged()" in running
        wedge.set()
        wait_until(lambda: not app.settings.threads.running, "the thread")


# The end of the application


@on_each_server
def test_a_graceful_end_ends_events_and_lets_requests_finish(
    serves: Serves, trail: Trail, wedge: threading.Event
) -> None:
    @Controller()
    class Ends:
        @Get("/events")
        async def events(self, ctx: RequestContext, held: Held) -> Response:
            async def events() -> AsyncIterator[str]:
                yield "begun"
                await anyio.sleep_forever()

            return ctx.sse(events())

        @Get("/slow")
        def slow(self) -> str:
            trail.append("handled")
            wedge.wait(60)
            return "finished"

    providers = [trail, Provider(Held, resource, scope="request")]
    app = bootstrap([Module("ends", controllers=[Ends]), Health()], providers=providers)
    with serves(app) as url, Wire(url) as events, Wire(url) as slow, Wire(url) as other:
        events.say(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.say(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: sorted(trail) == ["handled", "open"], "both requests")
        app.begin_shutdown()
        assert events.reply().body == b"data: begun\n\n"
        wait_until(lambda: len(trail) == 3, "the clean-up")
        assert (other.ask("/health/live").status, other.ask("/health/ready").status) == (200, 503)
        wedge.set()
        assert slow.reply().body == b'"finished"'
    assert sorted(trail) == ["closed", "handled", "open"]
