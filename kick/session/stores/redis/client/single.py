"""Where commands go when there is one server for all of them: standalone, or the primary that Sentinel names."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.node import Limits, Server

_IN_SCRIPT: Final = re.compile(r"^(?:ERR Error running script .*?|@user_script: \d+): -(?=[A-Z]+ )", re.DOTALL)

_ERRORS: Final[dict[str, type[Exception]]] = {
    "CLUSTERDOWN": ClusterDownError,
    "LOADING": BusyLoadingError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
}


class Single:
    """One server."""

    def __init__(self, name: str, connect: Callable[[], Awaitable[Any]], limits: Limits) -> None:
        self._server = Server(name, connect, self, limits)
        self.submit = self._server.submit

    async def servers(self) -> Sequence[Server]:
        """The servers that between them have all the data."""
        return [self._server]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()

    def refused(self, server: Server, command: Command, text: str) -> None:
        """Send a command again that was not carried out and may well be now; raise what the server said for others.

        READONLY is what a primary says that has become a replica: the next connection is made to the new primary.
        """
        text = plain_error(text)
        code = text.partition(" ")[0]
        if code == "NOSCRIPT" and command.bring_script():
            server.submit(command)
        elif code == "READONLY" and not command.tries:
            command.tries += 1
            server.retire_connections()
            server.submit(command)
        else:
            command.fail(error_of(text))

    def unreachable(self, server: Server) -> None:
        """Nothing to do: the next command makes a new connection."""


def plain_error(text: str) -> str:
    """What a command inside a script was refused with. Redis 6 wraps it into an error of the script.

    >>> plain_error("ERR Error running script (call to f_0): @user_script:7: @user_script: 7: -READONLY You can't.")
    "READONLY You can't."
    """
    return _IN_SCRIPT.sub("", text)


def error_of(text: str) -> Exception:
    """The exception of redis-py for what a server said."""
    return _ERRORS.get(text.partition(" ")[0], ResponseError)(text)
