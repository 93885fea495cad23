"""A client of one server: standalone, or the primary that Sentinel names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.connection import Connection
from kick.session.stores.redis.client.errors import error_of, plain_error
from kick.session.stores.redis.client.node import Limits, Node


class Single:
    """One server."""

    def __init__(self, name: str, connect: Callable[[], Awaitable[Connection]], limits: Limits) -> None:
        self._node = Node(name, connect, self, limits)
        self.submit = self._node.submit

    async def nodes(self) -> Sequence[Node]:
        """Return the nodes that together hold all data."""
        return [self._node]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._node.aclose()

    def refused(self, node: Node, command: Command, text: str) -> None:
        """Send the command again if it was not run and may be now, else raise the answer for its caller.

        READONLY is the answer of a primary that became a replica: the next connection is opened to the new primary.
        """
        text = plain_error(text)
        code = text.partition(" ")[0]
        if code == "NOSCRIPT" and command.bring_script():
            node.submit(command)
        elif code == "READONLY" and not command.tries:
            command.tries += 1
            node.retire_connections()
            node.submit(command)
        else:
            command.fail(error_of(text))

    def unreachable(self, node: Node) -> None:
        """Do nothing: the next command opens a new connection."""
