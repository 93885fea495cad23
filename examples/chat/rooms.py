"""Rooms, their guests and their messages."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec
from broker import Broker

from kick import Service

MOST_UNREAD = 100
"""The most messages that wait for a guest with a slow connection. With more, the guest is disconnected."""

ANNOUNCE_EVERY = 5.0
"""Seconds after which a process says again who its guests are."""

FORGET_AFTER = 3 * ANNOUNCE_EVERY
"""Seconds after which a process that says nothing counts as ended."""


class Told(msgspec.Struct, tag="told"):
    by: str
    text: str


class Present(msgspec.Struct, tag="present"):
    names: list[str]


class Said(msgspec.Struct, tag="said"):
    """Between processes: a message to a room."""

    room: str
    message: Told


class Guests(msgspec.Struct, tag="guests"):
    """Between processes: the guests of one process in a room."""

    process: str
    room: str
    names: list[str]


_DECODER = msgspec.json.Decoder(Said | Guests)


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
        self._names: dict[str, dict[str, list[str]]] = {}  # by room and process
        self._heard: dict[str, float] = {}

    @property
    def known(self) -> set[str]:
        """The rooms in which somebody is, in any process."""
        return set(self._names)

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
        self._remember(message.process, message.room, message.names)

    def _remember(self, process: str, room: str, names: list[str]) -> None:
        """Replace the guests of a process in a room. Of a room without guests nothing is kept."""
        known = self._names.setdefault(room, {})
        before = known.pop(process, [])
        if names:
            known[process] = names
        elif not known:
            del self._names[room]
        if before != names:
            self._deliver(room, self._present(room))

    def _deliver(self, room: str, message: Told | Present) -> None:
        for guest in self._guests.get(room, []):
            guest.tell(message)

    def _present(self, room: str) -> Present:
        return Present(sorted(name for names in self._names.get(room, {}).values() for name in names))

    async def _announce(self, room: str) -> None:
        names = sorted(guest.name for guest in self._guests.get(room, []))
        if not names:
            self._guests.pop(room, None)
        await self._broker.publish(msgspec.json.encode(Guests(self._process, room, names)))

    async def _announce_all(self) -> None:
        while True:
            await anyio.sleep(ANNOUNCE_EVERY)
            for room in list(self._guests):
                await self._announce(room)
            for process in [each for each, heard in self._heard.items() if time.monotonic() - heard > FORGET_AFTER]:
                self._forget(process)

    def _forget(self, process: str) -> None:
        del self._heard[process]
        for room in list(self._names):
            self._remember(process, room, [])


@Service(scope="singleton")
async def open_rooms(broker: Broker) -> AsyncIterator[Rooms]:
    """Provide the rooms, and run them as long as the application."""
    rooms = Rooms(broker)
    running = asyncio.create_task(rooms.run())
    yield rooms
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
