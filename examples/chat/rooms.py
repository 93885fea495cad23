"""Rooms, their guests and their messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import msgspec

from kick import Service

MOST_UNREAD = 100
"""The most messages that wait for a guest with a slow connection. With more, the guest is disconnected."""


class Told(msgspec.Struct, tag="told"):
    by: str
    text: str


class Present(msgspec.Struct, tag="present"):
    names: list[str]


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


@Service()
class Rooms:
    """The rooms of this process. Several processes need a message broker, such as Redis."""

    def __init__(self) -> None:
        self._guests: dict[str, list[Guest]] = {}

    @contextmanager
    def entered(self, room: str, name: str) -> Iterator[Guest]:
        """Enter a room for the duration of a `with` block. The other guests receive the new list of names."""
        guest = Guest(name)
        guests = self._guests.setdefault(room, [])
        guests.append(guest)
        self._say_who_is_there(room)
        try:
            yield guest
        finally:
            guests.remove(guest)
            guest.leave()
            if guests:
                self._say_who_is_there(room)
            else:
                del self._guests[room]

    def tell(self, room: str, message: Told | Present) -> None:
        for guest in self._guests[room]:
            guest.tell(message)

    def _say_who_is_there(self, room: str) -> None:
        self.tell(room, Present(sorted(guest.name for guest in self._guests[room])))
