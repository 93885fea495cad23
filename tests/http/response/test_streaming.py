"""Streams: over real sockets where the client matters, over ASGI where the server does."""

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.from_thread
import httpx2
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message

from kick import App, Controller, Get, Provider, RequestContext, bootstrap
from kick.http.response.streaming import StreamResponse, in_threads
from tests.http.support import app_of, ask
from tests.support.serving import Serve

PIECE = b"x" * 65_536


def app_doing(act: Callable[[RequestContext], Any], **options: Any) -> App:
    @Controller()
    class Doing:
        @Get("/")
        async def do(self, ctx: RequestContext) -> Any:
            return act(ctx)

    return app_of(Doing, **options)


@contextmanager
def requesting(url: str, *, method: str = "GET") -> Iterator[socket.socket]:
    """A connection on which a request was sent, and the head of its response read."""
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as connection:
        connection.sendall(f"{method} / HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        yield connection


# How it ends


class Watched:
    """Generators that tell how they ended."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = threading.Event()

    async def waiting(self) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            self.closed.set()

    async def endless(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.made += 1
                yield PIECE
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    def plain(self) -> Iterator[bytes]:
        try:
            while True:
                self.made += 1
                yield PIECE
        finally:
            self.closed.set()


@pytest.mark.parametrize("kind", ["waiting", "endless", "plain"])
def test_a_generator_is_closed_when_the_client_goes_away(
    kind: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched()
    with serve(app_doing(lambda ctx: ctx.stream(getattr(watched, kind)()))) as url:
        with requesting(url) as connection:
            assert connection.recv(5)
        assert watched.closed.wait(60)
    assert caplog.records == []


SO_MANY = 20_000
"""Pieces of a generator that waits for nothing. A loop that it holds would make them all."""


@pytest.mark.parametrize("of_events", [False, True], ids=["stream", "sse"])
@pytest.mark.parametrize("is_reset", [False, True])
def test_a_generator_that_waits_for_nothing_is_closed_too(serve: Serve, of_events: bool, is_reset: bool) -> None:
    """When the client has gone, `send` of a server returns at once: nothing else let the loop run."""
    watched = Watched()

    async def hurried() -> AsyncIterator[Any]:
        try:
            for _ in range(SO_MANY):
                watched.made += 1
                yield "x" * 1000 if of_events else PIECE
        finally:
            watched.closed.set()

    with serve(app_doing(lambda ctx: ctx.sse(hurried()) if of_events else ctx.stream(hurried()))) as url:
        address = urlsplit(url)
        for _ in range(5):
            watched.made = 0
            watched.closed.clear()
            with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                if is_reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    assert connection.recv(5)
            assert watched.closed.wait(60)
            assert watched.made < SO_MANY


@pytest.mark.parametrize("kind", ["stream", "sse"])
async def test_a_generator_that_waits_for_nothing_lets_others_run(kind: str) -> None:
    sent = 0
    turns: list[int] = []

    async def pieces() -> AsyncIterator[str]:
        for _ in range(1000):
            yield "x"

    async def send(message: Message) -> None:
        nonlocal sent
        sent += 1

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def other() -> None:
        while True:
            turns.append(sent)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await app_doing(lambda ctx: getattr(ctx, kind)(pieces()))(SCOPE, receive, send)
    task.cancel()
    longest = max(after - before for before, after in pairwise([*turns, sent]))
    assert longest <= 64, longest


@pytest.mark.parametrize("kind", ["endless", "plain"])
def test_nothing_is_made_that_the_client_does_not_take(kind: str, serve: Serve) -> None:
    watched = Watched()
    with serve(app_doing(lambda ctx: ctx.stream(getattr(watched, kind)()))) as url, requesting(url):
        made = -1
        while watched.made != made:  # the buffers of the system fill up, and then it stands still
            made = watched.made
            assert not watched.closed.wait(0.3)
        assert made < 1000
    assert watched.closed.wait(60)


def test_a_stream_that_fails_ends_the_connection_at_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    closed = threading.Event()

    async def failing() -> AsyncIterator[bytes]:
        try:
            yield b"begun"
            raise LookupError("in the middle")
        finally:
            closed.set()

    with serve(app_doing(lambda ctx: ctx.stream(failing()))) as url, requesting(url) as connection:
        received = b""
        while piece := connection.recv(1000):
            received += piece
        assert received == b"5\r\nbegun\r\n"  # no last chunk: the client knows that this is not all
        assert closed.is_set()
    assert "in the middle" in caplog.text


async def test_a_server_that_raises_on_a_lost_connection_ends_the_stream() -> None:
    watched = Watched()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        if len(sent) == 3:
            raise OSError("gone")
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    await app_doing(lambda ctx: ctx.stream(watched.endless()))(SCOPE, receive, send)
    assert watched.closed.is_set()
    assert watched.made == 3


async def test_an_os_error_of_the_generator_is_an_error() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"begun"
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await ask(app_doing(lambda ctx: ctx.stream(failing())), "/")


async def test_a_task_that_is_cancelled_by_others_stays_cancelled() -> None:
    waits = asyncio.Event()
    closed: list[bool] = []

    async def waiting() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            waits.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    answered = asyncio.create_task(ask(app_doing(lambda ctx: ctx.stream(waiting())), "/"))
    await waits.wait()
    answered.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answered
    assert closed == [True]


async def test_a_generator_that_swallows_its_end_ends_all_the_same() -> None:
    async def stubborn() -> AsyncIterator[bytes]:
        yield b"x"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield b"still here"

    async def both() -> int:
        await ask(app_doing(lambda ctx: ctx.stream(stubborn())), "/", disconnects=True)
        task: Any = asyncio.current_task()
        return int(task.cancelling())

    assert await asyncio.create_task(both()) == 0


async def test_a_generator_may_wait_for_its_own_end() -> None:
    trail: list[str] = []

    async def rows() -> AsyncIterator[bytes]:
        yield b"x"
        try:
            await asyncio.Event().wait()
        finally:
            trail.append("begins to close")
            for _ in range(3):
                await asyncio.sleep(0)
            trail.append("closed")

    await ask(app_doing(lambda ctx: ctx.stream(rows())), "/", disconnects=True)
    assert trail == ["begins to close", "closed"]


async def test_a_generator_that_fails_at_its_end_fails_as_any_other() -> None:
    async def rows() -> AsyncIterator[bytes]:
        yield b"x"
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("at the end")

    with pytest.raises(LookupError, match="at the end"):
        await ask(app_doing(lambda ctx: ctx.stream(rows())), "/", disconnects=True)


async def test_a_stream_that_is_sent_in_one_go_costs_no_task() -> None:
    tasks: list[set[asyncio.Task[Any]]] = []
    received: list[str] = []

    async def rows(*, waits: bool) -> AsyncIterator[bytes]:
        for _ in range(3):
            if waits:
                await asyncio.sleep(0)
            yield b"x"
        tasks.append(asyncio.all_tasks())

    async def receive() -> Message:
        received.append("asked")
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        pass

    own = asyncio.all_tasks()
    for waits in (False, True):
        await app_doing(lambda ctx: ctx.stream(rows(waits=waits)))(SCOPE, receive, send)  # noqa: B023
        await asyncio.sleep(0)
    assert [each - own == set() for each in tasks] == [True, False]
    assert received == ["asked"]


async def test_a_plain_generator_that_runs_while_the_client_leaves_is_closed_when_it_gives_way() -> None:
    running, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        try:
            running.set()
            go_on.wait(60)
            yield b"x"
        finally:
            closed.set()

    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    answered = asyncio.create_task(app_doing(lambda ctx: ctx.stream(slow()))(SCOPE, receive, send))  # type: ignore[arg-type]
    assert await asyncio.to_thread(running.wait, 5)
    gone.set()
    done, _ = await asyncio.wait([answered], timeout=0.05)
    assert not done  # it waits for the thread
    go_on.set()
    await answered
    assert closed.is_set()


async def test_clean_ups_of_the_request_wait_for_the_last_piece() -> None:
    trail: list[str] = []

    class Connection:
        pass

    async def connection() -> AsyncIterator[Connection]:
        yield Connection()
        trail.append("closed")

    @Controller()
    class Reading:
        @Get("/")
        async def read(self, ctx: RequestContext, connection: Connection) -> Any:
            async def rows() -> AsyncIterator[bytes]:
                try:
                    yield b"x"
                    trail.append("last row")
                    await asyncio.sleep(0)
                finally:
                    trail.append("generator")

            return ctx.stream(rows())

    app = app_of(Reading, providers=[Provider(Connection, connection, scope="request")])
    await ask(app, "/")
    assert trail == ["last row", "generator", "closed"]
    trail.clear()
    await ask(app, "/", disconnects=True)
    assert trail == ["last row", "generator", "closed"]


# What is sent


async def test_head_is_the_head_of_the_stream_and_begins_nothing() -> None:
    begun: list[bool] = []

    async def chunks() -> AsyncIterator[bytes]:
        begun.append(True)
        yield b"x"

    app = app_doing(lambda ctx: ctx.stream(chunks(), media_type="text/csv", status=203))
    answer = await ask(app, "/", method="HEAD")
    assert (answer.status, answer.body, answer.header("content-type")) == (203, b"", "text/csv; charset=utf-8")
    assert begun == []


class Feed:
    """An iterator over something that is open, as a file or a cursor is."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return b"x"  # without an end

    def close(self) -> None:
        self.closed += 1


class AsyncFeed(Feed):
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self  # type: ignore[return-value]

    async def __anext__(self) -> bytes:
        return b"x"

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("kind", [Feed, AsyncFeed])
@pytest.mark.parametrize("how", ["stream", "sse", "starlette"])
async def test_head_closes_what_the_stream_would_have_read(kind: type[Feed], how: str) -> None:
    feed: Any = kind()

    def act(ctx: RequestContext) -> Any:
        return StreamingResponse(feed) if how == "starlette" else getattr(ctx, how)(feed)

    answer = await ask(app_doing(act), "/", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    # Starlette wraps plain iterables in a generator, which has not begun and so has nothing to close.
    assert feed.closed == (0 if how == "starlette" and kind is Feed else 1)


@pytest.mark.parametrize("target", ["/rows", "/events"])
def test_head_of_an_endless_stream_ends_over_a_socket(serve: Serve, target: str) -> None:
    running: list[str] = []

    @Controller()
    class Endless:
        @Get("/rows")
        async def rows(self, ctx: RequestContext) -> Any:
            return ctx.stream(self.forever())

        @Get("/events")
        async def events(self, ctx: RequestContext) -> Any:
            return ctx.sse(self.forever())

        async def forever(self) -> AsyncIterator[str]:
            running.append("begun")
            while True:
                yield "x"
                await asyncio.sleep(0.01)

    with serve(app_of(Endless)) as url:
        answer = httpx2.head(f"{url}{target}", timeout=60)
        assert (answer.status_code, answer.content) == (200, b"")
    assert running == []


@pytest.mark.parametrize("chunks", [[b"a", "é", b""], (b"a", "é"), iter([b"a", memoryview("é".encode())])])
async def test_pieces_may_be_bytes_and_texts_in_any_iterable(chunks: Any) -> None:
    answer = await ask(app_doing(lambda ctx: ctx.stream(chunks)), "/")
    assert answer.text == "aé"
    assert [message["more_body"] for message in answer.messages[1:]] == [True, True, False]


async def test_plain_generators_do_not_run_in_the_event_loop() -> None:
    threads: list[bool] = []

    def chunks() -> Iterator[bytes]:
        threads.append(threading.current_thread() is threading.main_thread())
        yield b"x"

    assert (await ask(app_doing(lambda ctx: ctx.stream(chunks())), "/")).body == b"x"
    assert threads == [False]


current: ContextVar[str] = ContextVar("current", default="none")


@contextmanager
def being(value: str) -> Iterator[None]:
    token = current.set(value)
    try:
        yield
    finally:
        current.reset(token)


def in_one_context() -> Iterator[str]:
    yield current.get()
    with being("inner"):
        yield current.get()
        yield current.get()
    current.set("last")
    yield current.get()


class Counting:
    """An iterator that is no generator."""

    def __init__(self) -> None:
        self.left = 3

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        self.left -= 1
        current.set(current.get() + "+")
        return current.get()


@pytest.mark.parametrize(
    ("make", "pieces"),
    [
        (in_one_context, ["none", "inner", "inner", "last"]),
        (Counting, ["none+", "none++", "none+++"]),
        (lambda: (each for each in in_one_context()), ["none", "inner", "inner", "last"]),
    ],
    ids=["generator", "iterator", "expression"],
)
@pytest.mark.parametrize("kind", ["stream", "sse"])
async def test_a_plain_generator_has_one_context(kind: str, make: Callable[[], Any], pieces: list[str]) -> None:
    def act(ctx: RequestContext) -> Any:
        return ctx.stream(make()) if kind == "stream" else ctx.sse(make(), heartbeat=None)

    answer = await ask(app_doing(act), "/")
    expected = "".join(pieces if kind == "stream" else [f"data: {each}\n\n" for each in pieces])
    assert answer.text == expected
    assert current.get() == "none"


async def test_a_plain_generator_sees_the_context_of_its_request() -> None:
    current.set("caller")
    answer = await ask(app_doing(lambda ctx: ctx.stream(in_one_context())), "/")
    assert answer.text == "callerinnerinnerlast"
    assert current.get() == "caller"


async def test_two_plain_generators_do_not_share_a_context() -> None:
    app = app_doing(lambda ctx: ctx.stream(Counting()))
    answers = await asyncio.gather(*[ask(app, "/") for _ in range(5)])
    assert [each.text for each in answers] == ["none+none++none+++"] * 5


async def test_a_plain_generator_is_closed_in_its_context() -> None:
    closed: list[str] = []

    def pieces() -> Iterator[str]:
        with being("inner"):
            try:
                yield "a"
                yield "b"
            finally:
                closed.append(current.get())
        closed.append(current.get())

    chunks = in_threads(pieces())
    assert await anext(chunks) == "a"
    await chunks.aclose()
    assert closed == ["inner"]
    assert current.get() == "none"


async def test_a_plain_generator_can_call_the_event_loop() -> None:
    async def answer() -> str:
        return "from the loop"

    def pieces() -> Iterator[str]:
        yield anyio.from_thread.run(answer)
        with being("inner"):
            yield anyio.from_thread.run(answer)

    assert [each async for each in in_threads(pieces())] == ["from the loop"] * 2


async def test_what_is_no_stream_is_refused() -> None:
    text: Any = "one text"
    with pytest.raises(TypeError, match=r"ctx\.text"):
        StreamResponse(text, 200, "text/plain")
    with pytest.raises(TypeError, match="not of int"):
        await ask(app_doing(lambda ctx: ctx.stream([1])), "/")  # type: ignore[list-item]


async def test_a_stream_of_the_body_reads_it_alone() -> None:
    from kick import Post

    @Controller()
    class Echo:
        @Post("/", stream=True)
        async def echo(self, ctx: RequestContext) -> Any:
            async def upper() -> AsyncIterator[bytes]:
                async for piece in ctx.body_stream():
                    await asyncio.sleep(0)
                    yield piece.upper()

            return ctx.stream(upper())

    answer = await ask(app_of(Echo), "/", method="POST", body=[b"one ", b"two ", b"three"])
    assert answer.body == b"ONE TWO THREE"


async def test_middleware_may_change_the_headers_of_a_stream() -> None:
    async def named(ctx: RequestContext, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.headers["x-name"] = "stream"
        return response

    app = bootstrap([], [named])  # no route: the layer is around the 404 too
    assert (await ask(app, "/")).header("x-name") == "stream"
    app = app_doing(lambda ctx: ctx.stream([b"x"]), middleware=[named])
    assert (await ask(app, "/")).header("x-name") == "stream"


SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "query_string": b"",
    "headers": [],
}
