"""Observers of requests and their responses, for logs, metrics and traces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.http.log_text import shown

if TYPE_CHECKING:
    from kick.http.context.context import RequestContext

KEY: Final = "kick.exchange"
"""The key of the `ObservedRequest` in the scope."""

CLIENT_CLOSED_REQUEST: Final = 499
"""The status of a request whose client disconnected before the response was complete."""

ASK_AFTER: Final = 0.01
"""Seconds after which the server is asked whether the client is still connected, before the end of the response."""

_NOTHING: Final[Scope] = {}

Finished: TypeAlias = Callable[["ObservedRequest"], None]


class Observer(Protocol):
    """Is called for each request. A module lists its observers in `observers`.

    An observer may also have these methods:

    * `around(app)` returns an ASGI application around the given one; the observed request is in its scope.
    * `attach(layers)` is called once at start-up with all middleware of the application.
    * `close()` is called when the application stops.
    """

    def finished(self, exchange: ObservedRequest) -> None:
        """Record a request, when the server has got the last byte of its response."""
        ...


class ObservedRequest(msgspec.Struct, eq=False, gc=False):
    """A request and its response.

    `status` is 499 if the client disconnected, and 500 if the application failed before the end of its response. `size`
    is the number of bytes sent of the body.
    """

    # A Struct, because one is made for every request, and nothing in Python is made as quickly.

    scope: Scope
    _receive: Receive
    _send: Send
    _finished: Finished
    began: float
    """The start in seconds of `time.perf_counter`; `ended` is the end."""
    ended: float = 0.0
    status: int = 0
    size: int = 0
    context: RequestContext[Any] | None = None
    """The context of the request; `None` if the response came from before the router."""
    is_done: bool = False

    def __repr__(self) -> str:
        scope = self.scope
        return f"<ObservedRequest {shown(scope.get('method', '?'))} {shown(scope.get('path', '?'))} {self.status}>"

    @property
    def duration(self) -> float:
        """Seconds from the start of the request to the end of its response."""
        return self.ended - self.began

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message and record it."""
        kind = message["type"]
        if kind == "http.response.body":
            size = len(message.get("body", b""))
            self.size += size
            if not message.get("more_body") and not self.is_done:
                self._complete(size)
        elif kind == "http.response.start":
            self.status = message["status"]
        elif kind == "http.response.pathsend":  # an extension of ASGI: the server sends the file by itself
            size = Path(message["path"]).stat().st_size
            self.size += size
            self._complete(size)
        return self._send(message)

    def _complete(self, last: int) -> None:
        self.is_done = True
        self.ended = ended = perf_counter()
        if ended - self.began > ASK_AFTER and _has_gone(self._receive):
            self.status = CLIENT_CLOSED_REQUEST
            self.size -= last
        self._finished(self)

    def release(self) -> None:
        """Drop the request, so that no reference to the scope is left."""
        self.context, self.scope = None, _NOTHING
        self._receive = self._send = _gone

    def give_up(self, status: int) -> None:
        """End the request, if its response was not completed."""
        if not self.is_done:
            self.is_done = True
            self.status = status
            self.ended = perf_counter()
            self._finished(self)


class Observed:
    """ASGI middleware that creates the `ObservedRequest` of each request, and reports its end."""

    def __init__(self, app: ASGIApp, finished: Finished) -> None:
        self._app = app
        self._finished = finished

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or KEY in scope:
            await self._app(scope, receive, send)
            return
        exchange = ObservedRequest(scope, receive, send, self._finished, perf_counter())
        scope[KEY] = exchange
        try:
            await self._app(scope, receive, exchange.send)
        except Exception:
            exchange.give_up(500)
            raise
        finally:
            if not exchange.is_done:
                exchange.give_up(CLIENT_CLOSED_REQUEST)
            # Nothing may be left that leads in a circle: the collector does not look into exchanges. What servers have
            # us receive and send with leads to the scope.
            scope.pop(KEY, None)
            exchange.release()


async def _gone(*_: Any) -> Any:
    """Replace `receive` and `send` of the server after the end of the request."""
    raise RuntimeError("the request is over")


def _has_gone(receive: Receive) -> bool:
    """Return true if the server reports, without waiting, that the client has disconnected."""
    asking = receive()
    if not isinstance(asking, Coroutine):
        return False
    try:
        asking.send(None)
    except StopIteration as answer:
        return bool(answer.value["type"] == "http.disconnect")
    except Exception:  # noqa: BLE001  # an error of the server will show in its send()
        return False
    asking.close()
    return False
