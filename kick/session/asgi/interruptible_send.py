"""`InterruptibleSend`: sends messages to a client, and can give up those that wait for it."""

from __future__ import annotations

from typing import Any, Final

import anyio
from starlette.types import Message, Send

from kick.concurrency import rest_of

CLOSING: Final = 5.0
"""Seconds for the last message to a client that does not read."""

_SENT: Final = object()


class InterruptibleSend:
    """The `send` of a server. A message waits there as long as the client does not read.

    `give_up()` ends this waiting, so that a handler does not wait for a client that it must not serve any more.
    """

    __slots__ = ("_send", "_waiting")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: set[anyio.CancelScope] = set()

    async def send(self, message: Message) -> None:
        """Send a message. Raises `OSError` if it was given up, as a server does for a client that has gone."""
        sending: Any = self._send(message).__await__()
        waits_for = next(sending, _SENT)
        if waits_for is _SENT:  # nearly always, and then no scope is needed
            return
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                await rest_of(sending, waits_for)
            finally:
                self._waiting.discard(scope)
        if scope.cancelled_caught:
            raise OSError("The message was given up: the client did not read it in time.")

    def give_up(self) -> None:
        """Give up the messages that wait for the client."""
        for scope in list(self._waiting):
            scope.cancel()
