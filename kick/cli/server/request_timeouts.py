"""Time limits for clients that send a request slowly, or never finish it, and the end of clients that have gone.

All connections are checked once a second, so the only cost of a request is a counter.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

logger: Final = logging.getLogger("kick.cli")

INTERVAL: Final = 1.0
"""Seconds between two checks. A time limit is exceeded by at most as much."""

TIMEOUT_RESPONSE: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
"""RFC 9110, section 15.5.9."""


_PEER_CLOSED: Final = getattr(select, "POLLRDHUP", 0)
"""Linux reports it although bytes before it are unread. Other systems always report `POLLHUP`."""


class Wait(NamedTuple):
    """A connection with an incomplete request, or one whose client has gone."""

    since: float
    limit: float
    awaited: tuple[Any, ...]
    """It changes when data is received."""
    has_gone: bool = False


class RequestTimeouts:
    """Closes connections whose request does not arrive, or whose client has gone behind bytes that are not read.

    uvicorn reads no further while requests are pipelined, so that it would not see their client go, and the handler
    that is running would never learn of it.

    Arguments:
        head: seconds from the first byte of a request, or from the start of a connection, to the end of the head.
        body: seconds without a byte of an incomplete body. The time is not measured while the application does not
            read, and before it has asked for the body of a request with `Expect: 100-continue`.
    """

    def __init__(self, head: float, body: float) -> None:
        self._head = head
        self._body = body
        self._waits: WeakKeyDictionary[Any, Wait] = WeakKeyDictionary()
        self._failed: WeakSet[Any] = WeakSet()

    def check(self, connections: Iterable[Any], now: float) -> None:
        """Close the connections (protocols of uvicorn) that exceed a time limit."""
        for connection in list(connections):
            try:
                self._check(connection, now)
            except Exception:  # it must not end the limits of all others
                if connection not in self._failed:
                    self._failed.add(connection)
                    logger.exception("checking the time limits of a connection failed")

    def _check(self, connection: Any, now: float) -> None:
        found = self._wait_of(connection, now)
        known = self._waits.get(connection)
        if found is None:
            self._waits.pop(connection, None)
        elif known is None or known.awaited != found.awaited:
            self._waits[connection] = found
        elif now - known.since >= known.limit:
            self._close(connection, found)

    def _wait_of(self, connection: Any, now: float) -> Wait | None:
        if not hasattr(connection, "cycle"):  # a WebSocket has none, and has a scope once its handshake has come
            return None if hasattr(connection, "scope") else Wait(now, self._head, ())
        cycle, running = connection.cycle, connection.running
        unread = connection.flow.read_paused and cycle is not None and (running is not None or not cycle.more_body)
        if unread and _has_gone(connection.transport):
            return Wait(now, 0, (id(running or cycle),), has_gone=True)
        if cycle is not None and cycle.more_body:
            if connection.flow.read_paused or cycle.waiting_for_100_continue:
                return None
            return Wait(now, self._body, (id(cycle), connection.pieces))
        if cycle is None or (cycle.response_complete and connection.timeout_keep_alive_task is None):
            return Wait(now, self._head, (id(cycle),))
        return None

    def _close(self, connection: Any, wait: Wait) -> None:
        self._waits.pop(connection, None)
        if wait.has_gone or getattr(connection, "running", None) is not None:  # no 408 within its response
            connection.transport.close()
            return
        cycle = getattr(connection, "cycle", None)
        has_come = cycle is not None or getattr(connection, "pending", False)
        # One response for each request: a proxy would take another one for that of its next request.
        if has_come and (cycle is None or not cycle.response_started or not cycle.more_body):
            connection.transport.write(TIMEOUT_RESPONSE)
        connection.transport.close()


def _has_gone(transport: Any) -> bool:
    """Return true if the client has closed. It is not seen behind more bytes than the buffers of the sockets take."""
    if transport.is_closing():
        return False
    asked = select.poll()
    asked.register(transport.get_extra_info("socket").fileno(), _PEER_CLOSED)
    return bool(asked.poll(0))
