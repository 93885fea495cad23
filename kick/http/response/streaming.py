"""Streams: responses in pieces, sent as fast as the client reads them, and ended when it disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextvars import Context, copy_context
from enum import Enum, auto
from functools import lru_cache
from threading import Lock
from types import AsyncGeneratorType
from typing import Any, Final, TypeAlias

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from kick.concurrency import IN_A_ROW, Threads, rest_of
from kick.http.response.base import SafeResponse, header_line

Chunk: TypeAlias = bytes | str | bytearray | memoryview
Chunks: TypeAlias = AsyncIterable[Chunk] | Iterable[Chunk]

_END: Final = object()
_IN_ONE_PIECE: Final = (str, bytes, bytearray, memoryview)


class Reason(Enum):
    """The reason why a stream ends early."""

    CLIENT_GONE = auto()
    SHUTDOWN = auto()
    SESSION_ENDED = auto()
    """The session of an event stream has ended, for example by a logout."""


class Ending:
    """Ends a stream from outside of its task.

    The task is cancelled, so a stream ends while it waits. Then the cancellation is undone, unless other code has
    cancelled the task too. A second task that listens for the client starts only at the next turn of the event loop, so
    a stream that ends before it needs no second task.
    """

    __slots__ = ("_beginning", "_cancelled_before", "_listening", "_task", "reason")

    def __init__(self, receive: Receive | None) -> None:
        task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]  # it runs in one
        self.reason: Reason | None = None
        self._task: asyncio.Task[Any] | None = task
        self._cancelled_before = task.cancelling()
        self._listening: asyncio.Task[None] | None = None
        self._beginning: asyncio.Handle | None = None
        if receive is not None:
            self._beginning = asyncio.get_running_loop().call_soon(self._begin, receive)

    def end(self, reason: Reason) -> None:
        """End the stream; once it has ended, nothing."""
        if self._task is not None and self.reason is None:
            self.reason = reason
            self._task.cancel()

    async def around(self, streaming: Awaitable[None]) -> None:
        """Await the stream or its early end. Raises `ClientDisconnect` if the client disconnects."""
        try:
            await streaming
        except asyncio.CancelledError:
            if not self._close():
                raise
        finally:
            self._close()
        if self.reason is Reason.CLIENT_GONE:
            raise ClientDisconnect

    def _close(self) -> bool:
        """Stop listening and undo the cancellation; return true if only this object has cancelled the task."""
        task, self._task = self._task, None
        if self._beginning is not None:
            self._beginning.cancel()
        if self._listening is not None:
            self._listening.cancel()
        return self.reason is not None and task is not None and task.uncancel() <= self._cancelled_before

    def _begin(self, receive: Receive) -> None:
        self._listening = asyncio.ensure_future(self._listen(receive))

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end(Reason.CLIENT_GONE)


class StreamResponse(SafeResponse):
    """A response whose body is created while it is sent.

    The next piece is created when the client can receive it. If the client disconnects or an error occurs, the
    generator is closed immediately, so its `finally` runs. A plain iterable runs in a worker thread, except a list or
    tuple.

    >>> StreamResponse([b"a", b"b"], 200, "text/csv").raw_headers
    [(b'content-type', b'text/csv; charset=utf-8')]

    Raises `ValueError` for a media type with a line break, and `TypeError` for a single text instead of pieces.
    """

    listens = True
    """True if it watches for the client to disconnect. If false, the generator reads what the client sends."""
    threads: Threads | None = None
    """Limits the number of plain iterables that run at the same time."""

    # Attributes instead of arguments: the few streams that differ set them, and the others pay nothing.

    def __init__(self, chunks: Chunks, status: int, media_type: str) -> None:
        if type(chunks) is not AsyncGeneratorType and isinstance(chunks, _IN_ONE_PIECE):
            raise TypeError("a stream needs an iterable of pieces: send a single text with ctx.text()")
        self.status_code = status
        self.background = None
        self.raw_headers = [_content_type(media_type)]
        self.chunks: Any = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Raises `ClientDisconnect` if the client disconnects."""
        sending = self._send_all(send)
        waits_for = next(sending.__await__(), _END)
        if waits_for is not _END:  # a stream that never waited cannot have been ended
            await Ending(receive if self.listens else None).around(rest_of(sending, waits_for))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.background is not None:
            await self.background()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        chunks = self.chunks if type(self.chunks) is AsyncGeneratorType else self._pieces()
        left = IN_A_ROW
        try:
            async for chunk in chunks:
                left -= 1
                if not left:
                    left = IN_A_ROW
                    await asyncio.sleep(0)
                if type(chunk) is not bytes:
                    chunk = _bytes(chunk)
                if chunk:
                    try:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    except OSError:  # servers raise it since version 2.4 of the ASGI specification
                        raise ClientDisconnect from None
        except BaseException:
            await close(chunks)
            raise

    def _pieces(self) -> AsyncIterable[Any]:
        return self.chunks if isinstance(self.chunks, AsyncIterable) else in_threads(self.chunks, self.threads)


@lru_cache(maxsize=64)
def _content_type(media_type: str) -> tuple[bytes, bytes]:
    """Return the header, with the charset that texts are sent in."""
    if media_type.startswith("text/") and "charset=" not in media_type.lower():
        media_type += "; charset=utf-8"
    return header_line("content-type", media_type)


def variables_of(chunks: Any) -> list[Any]:
    """Return the variables that a generator uses, which has not begun; nothing for other iterables.

    >>> def numbers(start: int):
    ...     yield start
    >>> variables_of(numbers(7)), variables_of([7])
    ([7], [])
    """
    frame = getattr(chunks, "ag_frame", None) or getattr(chunks, "gi_frame", None)
    return [] if frame is None else list(frame.f_locals.values())


async def close(chunks: AsyncIterable[Any]) -> None:
    """Close a generator. Its `finally` is awaited, in a cancelled task too."""
    aclose = getattr(chunks, "aclose", None)
    if aclose is not None:  # a generator that has ended needs no closing
        with anyio.CancelScope(shield=True):
            await aclose()


async def close_unsent(response: Response, _: BaseException | None = None) -> None:
    """Close what a stream would have read, such as an open file: the response to HEAD sends nothing of it."""
    chunks: Any = getattr(response, "chunks", None) or getattr(response, "body_iterator", None)
    if hasattr(chunks, "aclose"):
        await close(chunks)
    elif hasattr(chunks, "close"):
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(chunks.close)


async def in_threads(chunks: Iterable[Any], threads: Threads | None = None) -> AsyncGenerator[Any]:
    """Return the pieces of a plain iterable, which runs in a worker thread unless it is a list or tuple.

    All steps of a generator run in one context: a `ContextVar` that it sets keeps its value, and can be reset.

    >>> async def joined() -> str:
    ...     return "".join([each async for each in in_threads(iter("abc"))])
    >>> anyio.run(joined)
    'abc'
    """
    if isinstance(chunks, list | tuple):
        for chunk in chunks:
            yield chunk
        return
    steps = _Steps(chunks)
    limiter = None if threads is None else threads.streams
    try:
        while (chunk := await anyio.to_thread.run_sync(steps.next, limiter=limiter)) is not _END:
            yield chunk
    finally:
        if steps.can_close:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(steps.close, limiter=limiter)


class _Steps:
    """The steps of a plain iterator, each in any thread, all in one context."""

    __slots__ = ("_context", "_iterator", "_lock", "can_close")

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._iterator: Any = iter(chunks)
        self._lock = Lock()
        self._context: Context | None = None
        self.can_close = hasattr(self._iterator, "close")

    def next(self) -> Any:
        """Return the next piece, or `_END`."""
        with self._lock:
            return self._run(next, self._iterator, _END)

    def close(self) -> None:
        """Close a generator. If it still runs in the thread of a cancelled request, wait for its next `yield`."""
        with self._lock:
            self._run(self._iterator.close)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        # The context is a copy of the first thread's, not the event loop's: in this, anyio and sniffio see no loop.
        if self._context is None:
            self._context = copy_context()
        return self._context.run(function, *arguments)


def _bytes(chunk: object) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode()
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"a stream consists of bytes and texts, not of {type(chunk).__qualname__}")


_STREAMS: Final = (StreamResponse, StreamingResponse)


def is_stream(response: Response) -> bool:
    """Return true if a body is created while it is sent. It may first use the session then: too late for headers.

    A response that encodes another one, as `compression()` does, has it as `inner`.

    >>> is_stream(StreamResponse([b"a"], 200, "text/plain")), is_stream(Response(b"a"))
    (True, False)
    """
    return isinstance(getattr(response, "inner", response), _STREAMS)
