"""Responses piece by piece: sent as quickly as the client takes them, ended when it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from enum import Enum, auto
from threading import Lock
from typing import Any, Final, TypeAlias

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from kick.http.response import SafeResponse, header_line

Chunk: TypeAlias = "bytes | str | bytearray | memoryview"
Chunks: TypeAlias = "AsyncIterable[Chunk] | Iterable[Chunk]"

_END: Final = object()


class Reason(Enum):
    """Why a stream ends before it has come to its end."""

    CLIENT_GONE = auto()
    SHUTDOWN = auto()


class Ending:
    """Ends what a task streams, from outside of it.

    The task is cancelled, so that a stream ends while it waits too, and the cancellation is taken back: whoever cancels
    the task for another reason is not mistaken for this. It begins to listen for the client when the stream first
    gives way to others: a stream that is sent in one go costs no second task.
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

    def close(self) -> bool:
        """Listen no more, and take a cancellation back; whether there was one, and by nobody else."""
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
    """A response whose body is made while it is sent.

    The next piece is asked for when the client has room for it. When the client goes away, or something goes wrong,
    the generator is closed at once: what is in its `finally` runs. Pieces of a plain iterable are made in a worker
    thread, except for those of a list or tuple, which are there already.

    >>> StreamResponse([b"a", b"b"], 200, "text/csv").raw_headers
    [(b'content-type', b'text/csv; charset=utf-8')]

    `listens=False` leaves what the client sends to the generator. Raises `ValueError` for a media type that would
    break out of its line, and `TypeError` for one text in place of pieces.
    """

    def __init__(self, chunks: Chunks, status: int, media_type: str, *, listens: bool = True) -> None:
        if isinstance(chunks, str | bytes | bytearray | memoryview):
            raise TypeError("a stream takes pieces, an iterable of them: send what is in one piece with ctx.text()")
        if media_type.startswith("text/") and "charset=" not in media_type.lower():
            media_type += "; charset=utf-8"
        self.status_code = status
        self.background = None
        self.raw_headers = [header_line("content-type", media_type)]
        self.chunks: Any = chunks
        self._listens = listens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises `ClientDisconnect` where the client went away."""
        ending = Ending(receive if self._listens else None)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send_all(send, ending)
        except asyncio.CancelledError:
            if not ending.close():
                raise
        finally:
            ending.close()
        if ending.reason is Reason.CLIENT_GONE:
            raise ClientDisconnect
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.background is not None:
            await self.background()

    async def _send_all(self, send: Send, ending: Ending) -> None:
        chunks = self.chunks if isinstance(self.chunks, AsyncIterable) else in_threads(self.chunks)
        try:
            async for chunk in chunks:
                body = chunk if type(chunk) is bytes else _bytes(chunk)
                if body:
                    try:
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                    except OSError:  # how servers say it since version 2.4 of the ASGI specification
                        raise ClientDisconnect from None
        except BaseException:
            await close(chunks)
            raise


async def close(chunks: AsyncIterable[Any]) -> None:
    """Close a generator, wherever it stands; what is in its `finally` is awaited, in a cancelled task too."""
    aclose = getattr(chunks, "aclose", None)
    if aclose is not None:  # where it has come to its end by itself, there is nothing to close
        with anyio.CancelScope(shield=True):
            await aclose()


async def in_threads(chunks: Iterable[Any]) -> AsyncGenerator[Any]:
    """The pieces of a plain iterable, each made in a worker thread; those of a list or tuple are there already.

    >>> async def joined() -> str:
    ...     return "".join([each async for each in in_threads(iter("abc"))])
    >>> anyio.run(joined)
    'abc'
    """
    if isinstance(chunks, list | tuple):
        for chunk in chunks:
            yield chunk
        return
    iterator = iter(chunks)
    lock = Lock()
    try:
        while (chunk := await anyio.to_thread.run_sync(_next, iterator, lock)) is not _END:
            yield chunk
    finally:
        if hasattr(iterator, "close"):
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_close, iterator, lock)


def _next(iterator: Any, lock: Lock) -> Any:
    with lock:
        return next(iterator, _END)


def _close(iterator: Any, lock: Lock) -> None:
    """Close a generator; one that still runs, in the thread of a request that was cancelled, when it gives way."""
    with lock:
        iterator.close()


def _bytes(chunk: object) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode()
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"a stream is made of bytes and texts, not of {type(chunk).__qualname__}")
