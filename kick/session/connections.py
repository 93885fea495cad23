"""Connections that stay open - WebSockets and event streams - and the end of the session they were opened with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

from kick.session.errors import SessionUnavailable
from kick.session.ids import key_of, successor_id
from kick.session.stores.base import Record, Superseded

logger: Final = logging.getLogger("kick.session")

AT_ONCE: Final = 64
"""The number of sessions that are looked up side by side."""

LEAST_WAIT: Final = 0.05
"""The shortest time between two checks, in seconds."""

End: TypeAlias = Callable[[], None]
Load: TypeAlias = Callable[[str], Awaitable[Record | Superseded | None]]


class _Watched:
    """A session with open connections: one for each, however many there are."""

    def __init__(self, session_id: str, key: str, record: Record) -> None:
        self.session_id = session_id
        self.key = key
        self.principal = record.principal
        self.expires_at = record.expires_at
        self.ends: dict[object, End] = {}


class Connections:
    """Tells open connections that their session has ended: destroyed, revoked, regenerated or expired.

    An end in this process is told at once. One elsewhere is found by asking the store, every `interval` seconds and
    when a session should have expired: one call for each session. A rotation is followed, and a store that does not
    answer ends nothing. Without open connections nothing runs.
    """

    def __init__(self, load: Load, now: Callable[[], float], interval: float) -> None:
        self._load = load
        self._now = now
        self._interval = interval
        self._sessions: dict[asyncio.AbstractEventLoop, dict[str, _Watched]] = {}
        self._tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    @property
    def count(self) -> int:
        """The number of sessions that have open connections."""
        return sum(map(len, self._sessions.values()))

    def add(self, session_id: str, record: Record, end: End) -> Callable[[], None]:
        """Call `end` once when the session has ended; return a function that takes this back."""
        loop = asyncio.get_running_loop()
        for other in [each for each in self._sessions if each.is_closed()]:
            del self._sessions[other]
            self._tasks.pop(other, None)
        here = self._sessions.setdefault(loop, {})
        key = key_of(session_id)
        watched = here.get(key)
        if watched is None:
            watched = here[key] = _Watched(session_id, key, record)
        token = object()
        watched.ends[token] = end
        if loop not in self._tasks:
            self._tasks[loop] = loop.create_task(self._check_again_and_again(here))

        def remove() -> None:
            watched.ends.pop(token, None)
            if not watched.ends and here.get(watched.key) is watched:
                del here[watched.key]
            if not here and self._sessions.get(loop) is here:
                del self._sessions[loop]
                task = self._tasks.pop(loop, None)
                if task is not None:
                    task.cancel()

        return remove

    def ended(self, key: str) -> None:
        """Tell the connections of a session that this process has ended."""
        for loop, here in list(self._sessions.items()):
            watched = here.pop(key, None)
            if watched is not None:
                loop.call_soon_threadsafe(_tell, watched)

    def renamed(self, key: str, session_id: str) -> None:
        """Go on under the id that this process has given to a session by a rotation."""
        for here in self._sessions.values():
            if key in here:
                self._follow(here, here[key], session_id)

    async def check(self, principal: str) -> None:
        """Ask the store at once for the sessions of a principal."""
        here = self._sessions.get(asyncio.get_running_loop(), {})
        await self._check(here, [each for each in here.values() if each.principal == principal])

    async def _check_again_and_again(self, here: dict[str, _Watched]) -> None:
        while True:
            soonest = min((each.expires_at for each in here.values()), default=float("inf")) - self._now()
            await asyncio.sleep(max(LEAST_WAIT, min(self._interval, soonest + LEAST_WAIT)))
            try:
                await self._check(here, list(here.values()))
            except Exception:  # whatever it is, the connections of others go on being checked
                logger.exception("the sessions of open connections could not be checked")

    async def _check(self, here: dict[str, _Watched], sessions: Iterable[_Watched]) -> None:
        rest = list(sessions)
        while rest:
            now, rest = rest[:AT_ONCE], rest[AT_ONCE:]
            await asyncio.gather(*(self._check_one(here, each) for each in now))

    async def _check_one(self, here: dict[str, _Watched], watched: _Watched) -> None:
        try:
            found = await self._load(watched.key)
        except SessionUnavailable:
            watched.expires_at = max(watched.expires_at, self._now() + self._interval)
            return
        if isinstance(found, Record):
            watched.principal, watched.expires_at = found.principal, found.expires_at
            return
        successor = successor_id(found.successor, watched.session_id) if isinstance(found, Superseded) else None
        if successor is not None:
            self._follow(here, watched, successor)
        elif here.get(watched.key) is watched:
            del here[watched.key]
            _tell(watched)

    def _follow(self, here: dict[str, _Watched], watched: _Watched, session_id: str) -> None:
        here.pop(watched.key, None)
        watched.session_id, watched.key = session_id, key_of(session_id)
        other = here.setdefault(watched.key, watched)
        if other is not watched:  # connections were opened under the new id, too
            other.ends.update(watched.ends)
            watched.ends = other.ends


def connections_of(store: Any, load: Load, now: Callable[[], float], interval: float) -> Connections:
    """Return the connections of a store: several `session()` or `SessionMiddleware` with one store share them.

    A framework may make a middleware for each of its routes; a logout on one of them ends the sockets of all. They are
    kept in the attribute `open_connections` of the store, where it takes one.
    """
    connections = getattr(store, "open_connections", None)
    if not isinstance(connections, Connections):
        connections = Connections(load, now, interval)
        try:
            store.open_connections = connections
        except AttributeError:  # a class with slots: each of its users has connections of its own
            pass
    return connections


def _tell(watched: _Watched) -> None:
    ends, watched.ends = list(watched.ends.values()), {}
    for end in ends:
        end()
