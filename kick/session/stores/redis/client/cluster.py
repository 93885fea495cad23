"""A client of a Redis Cluster: commands go to the node that has the slot of their key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.crc import key_slot
from redis.exceptions import ClusterDownError, RedisError

from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.connection import Connection
from kick.session.stores.redis.client.errors import error_of, plain_error
from kick.session.stores.redis.client.node import Limits, Node
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.redis.client.settings import Address
from kick.session.stores.redis.client.time_limit import time_limit

SLOTS: Final = 16_384
MOST_TRIES: Final = 8
"""Tries of one command: redirections to another node, and pauses for keys that are being moved."""

TRY_AGAIN_AFTER: Final = 0.02
"""Seconds of the first pause for keys that are being moved to another node."""

REFRESH_AFTER: Final = 0.1
"""Seconds between two requests for the map of slots."""

ASKED_IN_TIME: Final = 3
"""The number of nodes without an answer that can be tried within the time limit."""


class Cluster:
    """The nodes of a cluster, and the map from slots to nodes.

    A node answers MOVED or ASK for a slot that it gave away, so an old map costs a round trip and no error.
    """

    def __init__(
        self,
        seeds: Sequence[Address],
        connect: Callable[[Address], Awaitable[Connection]],
        limits: Limits,
        *,
        remap: Callable[[str, int], Address] = lambda host, port: (host, port),
    ) -> None:
        self._seeds = tuple(seeds)
        self._connect = connect
        self._limits = limits
        self._remap = remap
        self._loop = asyncio.get_running_loop()
        self._nodes: dict[Address, Node] = {}
        self._slots: list[Address | None] = [None] * SLOTS
        self._homeless: list[Command] = []
        self._refresh: asyncio.Task[None] | None = None
        self._refreshed_at = float("-inf")

    def submit(self, command: Command) -> None:
        """Send a command to the node that has its key. If the node is not known yet, the command waits."""
        address = self._slots[key_slot(command.key)]
        if address is None:
            self._homeless.append(command)
            self._ask_for_slots()
        else:
            self._nodes[address].submit(command)

    async def nodes(self) -> Sequence[Node]:
        """Return the nodes that together hold all data."""
        if None in self._slots:
            self._ask_for_slots()
        if self._refresh is not None:
            await asyncio.wait([self._refresh])
        primaries = [self._nodes[address] for address in dict.fromkeys(self._slots) if address is not None]
        if not primaries:
            raise ClusterDownError("no node of the cluster could be asked for its slots")
        return primaries

    async def aclose(self) -> None:
        """Close the connections."""
        if self._refresh is not None:
            await asyncio.wait([self._refresh])
        nodes, self._nodes = list(self._nodes.values()), {}
        self._slots = [None] * SLOTS
        await asyncio.gather(*(node.aclose() for node in nodes))

    def refused(self, node: Node, command: Command, text: str) -> None:
        """Send the command to the node that has its key now, or raise the answer for its caller."""
        text = plain_error(text)
        code, _, rest = text.partition(" ")
        if code == "NOSCRIPT" and command.bring_script():
            node.submit(command)
            return
        command.tries += 1
        command.ask_no_more()
        if command.tries > MOST_TRIES:
            command.fail(error_of(text))
        elif code == "MOVED":
            slot, _, address = rest.partition(" ")
            self._slots[int(slot)] = self._named(address, node)
            self._ask_for_slots()
            self.submit(command)
        elif code == "ASK":
            command.ask()
            self._nodes[self._named(rest.partition(" ")[2], node)].submit(command)
        elif code == "TRYAGAIN":
            self._loop.call_later(TRY_AGAIN_AFTER * command.tries, self.submit, command)
        else:
            if code == "CLUSTERDOWN":
                self._ask_for_slots()
            command.fail(error_of(text))

    def unreachable(self, node: Node) -> None:
        """Read the map again: another node may have taken the place of this one."""
        self._ask_for_slots()

    # The map

    def _named(self, text: str, node: Node) -> Address:
        """Return the address that a node names; without a host, it is the host of that node."""
        host, _, port = text.rpartition(":")
        if host in ("", "?"):
            host = node.name.rpartition(":")[0]
        return self._known(self._remap(host, int(port)))

    def _known(self, address: Address) -> Address:
        if address not in self._nodes:
            name = f"{address[0]}:{address[1]}"
            self._nodes[address] = Node(name, lambda: self._connect(address), self, self._limits)
        return address

    def _ask_for_slots(self) -> None:
        if self._refresh is None:
            self._refresh = self._loop.create_task(self._refresh_slots())

    async def _refresh_slots(self) -> None:
        try:
            await asyncio.sleep(max(0.0, self._refreshed_at + REFRESH_AFTER - self._loop.time()))
            await self._read_slots()
        finally:
            self._refreshed_at = self._loop.time()
            self._refresh = None

    async def _read_slots(self) -> None:
        error: Exception = ClusterDownError("no node of the cluster could be asked for its slots")
        for address in dict.fromkeys([*self._nodes, *self._seeds]):
            node = self._nodes[self._known(address)]
            command = Command(b"", pack(b"CLUSTER", b"SLOTS"), self._loop.create_future(), repeatable=True)
            node.submit(command)
            try:
                async with time_limit(self._limits.timeout / ASKED_IN_TIME):
                    self._map(await command.answer, node)
            except (RedisError, TimeoutError) as failed:
                error = failed
                self._nodes[address] = self._nodes.pop(address)  # next time, this node is the last to be tried
            else:
                error = ClusterDownError("no node of the cluster has the slot")
                break
        self._settle(error)

    def _map(self, ranges: Any, node: Node) -> None:
        slots: list[Address | None] = [None] * SLOTS
        for first, last, primary, *_ in ranges:
            address = self._named(f"{(primary[0] or b'').decode()}:{primary[1]}", node)
            slots[first : last + 1] = [address] * (last + 1 - first)
        self._slots = slots
        for address in self._nodes.keys() - set(slots):
            self._nodes[address].retire_connections()

    def _settle(self, error: Exception) -> None:
        """Send the commands that waited for the map; commands whose slot has no node fail."""
        homeless, self._homeless = self._homeless, []
        for command in homeless:
            if self._slots[key_slot(command.key)] is None:
                command.fail(type(error)(*error.args))
            else:
                self.submit(command)
