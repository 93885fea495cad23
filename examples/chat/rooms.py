"""Rooms, their guests and their messages."""

from __future__ import annotations

import asyncio
import heapq
import secrets
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec
from broker import Broker

from kick import Service

MOST_UNREAD = 100
"""The most messages that wait for a guest with a slow connection. With more, the guest is disconnected."""

MOST_NAMED = 50
"""The most names in a list of guests. With all of them, n guests would get n names for each one who enters."""

ANNOUNCE_EVERY = 5.0
"""Seconds after which a process says again who its guests are."""

FORGET_AFTER = 3 * ANNOUNCE_EVERY
"""Seconds after which a process that says nothing counts as ended."""


class Told(msgspec.Struct, tag="told"):
    by: str
    text: str


class Present(msgspec.Struct, tag="present", omit_defaults=True):
    names: list[str]
    more: int = 0
    """The number of guests who are not named."""


class Said(msgspec.Struct, tag="said"):
    """Between processes: a message to a room."""

    room: str
    message: Told


class Guests(msgspec.Struct, tag="guests", omit_defaults=True):
    """Between processes: the guests of one process in a room."""

    process: str
    room: str
    names: list[str]
    more: int = 0


NOBODY = Present([])
_DECODER = msgspec.json.Decoder(Said | Guests)


def shortened(names: Collection[str], more: int = 0) -> Present:
    """Return the list of guests with the first names in order, and the number of the others."""
    first = heapq.nsmallest(MOST_NAMED, names)
    return Present(first, len(names) - len(first) + more)


def united(lists: Collection[Present]) -> Present:
    """Return one list of the guests of all processes."""
    return shortened([name for each in lists for name in each.names], sum(each.more for each in lists))


class Guest:
    """A guest of a room. `unread` ends if the guest is too slow."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._inbox, self.unread = anyio.create_memory_object_stream[Told | Present](MOST_UNREAD)

    def tell(self, message: Told | Present) -> None:
        try:
            self._inbox.send_nowait(message)
        except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._inbox.close()

    def leave(self) -> None:
        self._inbox.close()
        self.unread.close()


class Rooms:
    """The rooms, and the guests of this process in them.

    Everything goes through the broker, also between two guests of this process. So all guests of a room receive the
    messages in the same order.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._process = secrets.token_hex(8)
        self._guests: dict[str, list[Guest]] = {}
        self._present: dict[str, dict[str, Present]] = {}  # by room and process
        self._heard: dict[str, float] = {}

    @property
    def known(self) -> set[str]:
        """The rooms in which somebody is, in any process."""
        return set(self._present)

    @asynccontextmanager
    async def entered(self, room: str, name: str) -> AsyncIterator[Guest]:
        """Enter a room for the duration of an `async with` block. All guests receive the new list of names."""
        guest = Guest(name)
        self._guests.setdefault(room, []).append(guest)
        try:
            await self._announce(room)
            yield guest
        finally:
            guest.leave()
            self._guests[room].remove(guest)
            with anyio.CancelScope(shield=True):  # the others hear of it although this request is cancelled
                await self._announce(room)

    async def tell(self, room: str, message: Told) -> None:
        await self._broker.publish(msgspec.json.encode(Said(room, message)))

    async def run(self) -> None:
        """Receive what the processes say. Does not end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._announce_all)
            async for message in self._broker.messages():
                with suppress(msgspec.DecodeError):  # something else uses the channel
                    self._receive(_DECODER.decode(message))

    def _receive(self, message: Said | Guests) -> None:
        if isinstance(message, Said):
            self._deliver(message.room, message.message)
            return
        self._heard[message.process] = time.monotonic()
        self._remember(message.process, message.room, Present(message.names, message.more))

    def _remember(self, process: str, room: str, present: Present) -> None:
        """Replace the guests of a process in a room. Of a room without guests nothing is kept."""
        known = self._present.setdefault(room, {})
        before = known.pop(process, NOBODY)
        if present != NOBODY:
            known[process] = present
        elif not known:
            del self._present[room]
        if before != present:
            self._deliver(room, united(known.values()))

    def _deliver(self, room: str, message: Told | Present) -> None:
        for guest in self._guests.get(room, []):
            guest.tell(message)

    async def _announce(self, room: str) -> None:
        guests = self._guests.get(room, [])
        if not guests:
            self._guests.pop(room, None)
        present = shortened([guest.name for guest in guests])
        await self._broker.publish(msgspec.json.encode(Guests(self._process, room, present.names, present.more)))

    async def _announce_all(self) -> None:
        while True:
            await anyio.sleep(ANNOUNCE_EVERY)
            for room in list(self._guests):
                await self._announce(room)
            for process in [each for each, heard in self._heard.items() if time.monotonic() - heard > FORGET_AFTER]:
                self._forget(process)

    def _forget(self, process: str) -> None:
        del self._heard[process]
        for room in list(self._present):
            self._remember(process, room, NOBODY)


@Service(scope="singleton")
async def open_rooms(broker: Broker) -> AsyncIterator[Rooms]:
    """Provide the rooms, and run them as long as the application."""
    rooms = Rooms(broker)
    running = asyncio.create_task(rooms.run())
    yield rooms
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
