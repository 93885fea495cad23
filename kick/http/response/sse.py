"""Server-sent events: `text/event-stream` (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from kick.concurrency import IN_A_ROW, Threads
from kick.http.response.streaming import Ending, Reason, StreamResponse, close
from kick.http.validation.encoding import Encode, encode_json
from kick.shutdown import Shutdown

HEARTBEAT: Final = 15.0
"""Seconds without an event after which a comment is sent. Proxies close idle connections after 30 or 60 seconds."""

_COMMENT: Final = b":\n\n"


class ServerSentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    >>> ServerSentEvent(data="two\\nlines", event="note", id="7").encode()
    b'event: note\\nid: 7\\ndata: two\\ndata: lines\\n\\n'
    """

    data: Any = ""
    """A text, or any JSON value."""
    event: str | None = None
    """The type of the event, for `addEventListener()`. Without one, browsers take it for `message`."""
    id: str | None = None
    """Sent back as `Last-Event-ID` when the browser connects again."""
    retry: int | None = None
    """The number of milliseconds after which the browser shall connect again."""

    def encode(self, to_json: Encode = encode_json) -> bytes:
        """Return the event as it is sent; `to_json` encodes its data.

        Line breaks in `event` and `id` are removed, because they would end the field.
        """
        lines: list[str] = []
        if self.event is not None:
            lines.append(f"event: {_one_line(self.event)}")
        if self.id is not None:
            lines.append(f"id: {_one_line(self.id)}")
        if self.retry is not None:
            lines.append(f"retry: {int(self.retry)}")
        text = self.data if isinstance(self.data, str) else to_json(self.data).decode()
        lines += [f"data: {line}" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


Event: TypeAlias = ServerSentEvent | str | Mapping[str, Any]
Events: TypeAlias = AsyncIterable[Event] | Iterable[Event]


class EventStream(StreamResponse):
    """A stream of events, with comments as heartbeats.

    It ends when the application stops, and when the session of its request ends.
    """

    watch: Callable[[Callable[[], None]], Callable[[], None]] | None = None
    """`Session.on_end`: registers the function that ends the stream, and returns a function that cancels this."""
    encode: Encode = staticmethod(encode_json)
    """Writes the data of an event as JSON."""

    def __init__(
        self,
        events: Events,
        shutdown: Shutdown,
        *,
        heartbeat: float | None,
        retry: int | None,
        threads: Threads | None = None,
    ) -> None:
        if heartbeat is not None and not heartbeat > 0:
            raise ValueError(
                f"heartbeat={heartbeat!r}: it must be a number of seconds above 0, or None for no heartbeat"
            )
        super().__init__(events, 200, "text/event-stream")  # type: ignore[arg-type]
        self.threads = threads
        self.raw_headers += [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        self._shutdown = shutdown
        self._heartbeat = heartbeat
        self._first = b"" if retry is None else b"retry: %d\n\n" % retry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises `ClientDisconnect` where the client went away."""
        ending = Ending(receive)
        await ending.around(self._send_events(send, ending))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.background is not None:
            await self.background()

    async def _send_events(self, send: Send, ending: Ending) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        events = self._pieces()
        line = Line(send, ending, self._heartbeat)
        unwatch = None if self.watch is None else self.watch(partial(ending.end, Reason.SESSION_ENDED))
        try:
            with self._shutdown.telling(partial(ending.end, Reason.SHUTDOWN)):
                if self._first:
                    line.send_soon(self._first)
                left = IN_A_ROW
                async for event in events:
                    left -= 1
                    if not left:
                        left = IN_A_ROW
                        await asyncio.sleep(0)
                    await line.send(_encoded(event, self.encode))
                await line.settle()
        except BaseException:
            await close(events)
            raise
        finally:
            line.close()
            if unwatch is not None:
                unwatch()


class Line:
    """The sender of one stream's events and heartbeats, one at a time.

    A heartbeat is a comment. It is sent after `heartbeat` seconds without an event.
    """

    __slots__ = ("_beat", "_ending", "_last", "_loop", "_send", "_sends", "_timer")

    def __init__(self, send: Send, ending: Ending, heartbeat: float | None) -> None:
        self._send = send
        self._ending = ending
        self._sends = False
        self._beat: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if heartbeat is not None:
            self._loop = asyncio.get_running_loop()
            self._last = self._loop.time()
            self._timer = self._loop.call_later(heartbeat, self._look, heartbeat)

    async def send(self, body: bytes) -> None:
        """Send an event. Raises `ClientDisconnect` where the client went away."""
        await self.settle()
        self._sends = True
        try:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except OSError:
            raise ClientDisconnect from None
        finally:
            self._sends = False
        if self._timer is not None:
            self._last = self._loop.time()

    def send_soon(self, body: bytes) -> None:
        """Send what is no event as soon as the generator waits: it runs before the client knows of the stream."""
        self._beat = asyncio.ensure_future(self._send_beside(body))

    async def settle(self) -> None:
        """Wait until what is no event is sent."""
        if self._beat is not None:
            await asyncio.wait([self._beat])

    def _look(self, heartbeat: float) -> None:
        """Send a comment if the line was silent. An event moves no timer, because there may be many of them."""
        now = self._loop.time()
        if now >= self._last + heartbeat:
            self._last = now
            # A client that does not read gets no heartbeats.
            if not self._sends and self._beat is None:
                self.send_soon(_COMMENT)
        self._timer = self._loop.call_at(self._last + heartbeat, self._look, heartbeat)

    def close(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()

    async def _send_beside(self, body: bytes) -> None:
        try:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except OSError:
            self._ending.end(Reason.CLIENT_GONE)
        finally:
            self._beat = None


def _encoded(event: Any, to_json: Encode) -> bytes:
    return (event if isinstance(event, ServerSentEvent) else ServerSentEvent(data=event)).encode(to_json)


def _one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "").replace("\0", "")
