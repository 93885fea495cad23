"""Open connections (WebSockets and event streams), which are told when their session ends."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from math import inf
from typing import Any, Final, TypeAlias

from kick.session.errors import SessionUnavailable
from kick.session.ids import key_of, successor_id
from kick.session.stores.base import Record, Superseded

logger: Final = logging.getLogger("kick.session")

AT_ONCE: Final = 64
"""The number of sessions that are loaded at the same time."""

LEAST_WAIT: Final = 0.05
"""The shortest time between two checks, in seconds."""

RECENT: Final = 1024
"""The number of ended and renamed sessions that are remembered for connections that are just being opened."""

UNKNOWN: Final = "*"
"""Stands for the keys of a principal whose sessions were not looked up."""

End: TypeAlias = Callable[[], None]
Load: TypeAlias = Callable[[str], Awaitable[Record | Superseded | None]]


class _Watched:
    """A session with its open connections."""

    def __init__(self, session_id: str, record: Record) -> None:
        self.session_id = session_id
        self.key = key_of(session_id)
        self.principal = record.principal
        self.expires_at = record.expires_at
        self.ends: dict[object, End] = {}
        self.merged_into: _Watched | None = None
        """The object that has taken over the connections: some were opened under the old id, some under the new."""

    def tell(self) -> None:
        """Tell all connections that the session has ended. An error of one is logged and does not affect the others."""
        ends, self.ends = list(self.ends.values()), {}
        for end in ends:
            try:
                end()
            except Exception:
                logger.exception("a connection could not be told that its session has ended")


class _InLoop:
    """The sessions with connections in one event loop. All methods run in that loop."""

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.sessions: dict[str, _Watched] = {}
        self._connections = connections
        self._task: asyncio.Task[None] | None = None
        self._checks: set[asyncio.Task[None]] = set()

    def add(self, session_id: str, record: Record, end: End) -> Callable[[], None]:
        watched = self.sessions.setdefault(key_of(session_id), _Watched(session_id, record))
        token = object()
        watched.ends[token] = end
        if self._task is None or self._task.done():
            self._task = self.loop.create_task(self._check_again_and_again())
        recent = self._connections.recent
        if any(each in recent for each in (watched.key, watched.principal, UNKNOWN)):
            self.check_soon([watched])  # it may have ended between its load and now
        return lambda: self._remove(watched, token)

    def _remove(self, watched: _Watched, token: object) -> None:
        while watched.merged_into is not None:
            watched = watched.merged_into
        watched.ends.pop(token, None)
        if not watched.ends and self.sessions.get(watched.key) is watched:
            del self.sessions[watched.key]
        if not self.sessions and self._task is not None:
            self._task.cancel()
            self._task = None

    def end(self, key: str) -> None:
        """Tell the connections of a session that has ended."""
        watched = self.sessions.pop(key, None)
        if watched is not None:
            watched.tell()

    def follow(self, key: str, session_id: str) -> None:
        """Go on under the id that a rotation has given to a session."""
        watched = self.sessions.pop(key, None)
        if watched is None:
            return
        watched.session_id, watched.key = session_id, key_of(session_id)
        other = self.sessions.setdefault(watched.key, watched)
        if other is not watched:
            other.ends.update(watched.ends)
            watched.merged_into = other

    async def check(self, sessions: Iterable[_Watched]) -> None:
        """Ask the store which sessions still exist."""
        rest = list(sessions)
        while rest:
            now, rest = rest[:AT_ONCE], rest[AT_ONCE:]
            await asyncio.gather(*map(self._check_one, now))

    def check_soon(self, sessions: Iterable[_Watched]) -> None:
        """Ask the store in a task."""
        task = self.loop.create_task(self._check_and_log(list(sessions)))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    def check_all(self) -> None:
        """Ask the store in a task for all sessions."""
        self.check_soon(self.sessions.values())

    def check_of(self, principal: str, keys: Collection[str]) -> None:
        """Ask the store in a task for the sessions that `of` returns."""
        self.check_soon(self.of(principal, keys))

    def of(self, principal: str, keys: Collection[str]) -> list[_Watched]:
        """Return the sessions of a principal, and those with one of the keys."""
        return [each for each in self.sessions.values() if each.principal == principal or each.key in keys]

    async def _check_again_and_again(self) -> None:
        """Ask for all sessions at each interval, and between these for those that should have expired."""
        round_at = self.loop.time() + self._connections.interval
        while True:
            await asyncio.sleep(max(LEAST_WAIT, min(round_at - self.loop.time(), self._until_expiry() + LEAST_WAIT)))
            if self.loop.time() < round_at:
                now = self._connections.now()
                await self._check_and_log([each for each in self.sessions.values() if each.expires_at <= now])
            else:
                await self._check_and_log(self.sessions.values())
                round_at = self.loop.time() + self._connections.interval

    async def _check_and_log(self, sessions: Iterable[_Watched]) -> None:
        try:
            await self.check(sessions)
        except Exception:  # of any kind: the other connections must still be checked
            logger.exception("the sessions of open connections could not be checked")

    def _until_expiry(self) -> float:
        soonest = min((each.expires_at for each in self.sessions.values()), default=inf)
        return soonest - self._connections.now()

    async def _check_one(self, watched: _Watched) -> None:
        key, session_id = watched.key, watched.session_id
        later = self._connections.now() + self._connections.interval
        try:
            found = await self._connections.load(key)
        except SessionUnavailable:
            watched.expires_at = max(watched.expires_at, later)
            return
        if self.sessions.get(key) is not watched:  # it was moved or ended, or its connections closed, meanwhile
            return
        if isinstance(found, Record):
            watched.principal = found.principal
            watched.expires_at = found.expires_at if found.expires_at > self._connections.now() else later
            return
        successor = successor_id(found.successor, session_id) if isinstance(found, Superseded) else None
        if successor is None:
            self.end(key)
        else:
            self.follow(key, successor)
            if self.sessions.get(watched.key) is watched:  # it may have ended under its new id, too
                await self._check_one(watched)


class Connections:
    """Tells open connections that their session has ended: destroyed, revoked, regenerated or expired.

    If a session ends in this process, its connections are told immediately. For sessions that end elsewhere, the store
    is asked every `interval` seconds, and when a session should have expired: one call for each session. A rotation
    ends no connection, and neither does a store that does not answer. Without open connections nothing runs.
    """

    def __init__(self, load: Load, now: Callable[[], float], interval: float) -> None:
        self.load = load
        self.now = now
        self.interval = interval
        self.loops: dict[asyncio.AbstractEventLoop, _InLoop] = {}
        """Empty while no connection was ever opened, so nothing is to be told."""
        self.recent: deque[str] = deque(maxlen=RECENT)
        """Keys that this process has ended or renamed, and principals that it has revoked, for connections that are
        just being opened."""

    @property
    def count(self) -> int:
        """The number of sessions that have open connections."""
        return sum(len(each.sessions) for each in list(self.loops.values()))

    def add(self, session_id: str, record: Record, end: End) -> Callable[[], None]:
        """Call `end` once when the session has ended; return a function that cancels this."""
        loop = asyncio.get_running_loop()
        here = self.loops.get(loop)
        if here is None:
            here = self.loops[loop] = _InLoop(self, loop)
        return here.add(session_id, record, end)

    def ended(self, key: str) -> None:
        """Tell the connections of a session that this process has ended."""
        for here in self._open_loops():
            self._post(here, here.end, key)

    def renamed(self, key: str, session_id: str) -> None:
        """Go on under the id that this process has given to a session by a rotation."""
        for here in self._open_loops():
            self._post(here, here.follow, key, session_id)

    def check_all(self) -> None:
        """Ask the store now for the sessions of all connections, because time has passed that no timer has seen."""
        for here in self._open_loops():
            self._post(here, here.check_all)

    async def revoked(self, principal: str, keys: Collection[str]) -> None:
        """Ask the store now for the sessions of a principal that this process has revoked.

        `keys` are those that the store had under this principal: a login may be younger than a connection. With
        `UNKNOWN` in their place, all connections of this process are checked, and once more when they open.
        """
        self.recent.extend([principal, *keys])
        for here in self._open_loops():
            if here.loop is asyncio.get_running_loop():
                await here.check(here.of(principal, keys))
            else:
                self._post(here, here.check_of, principal, keys)
            if UNKNOWN in keys:
                self._post(here, here.check_all)

    def _open_loops(self) -> list[_InLoop]:
        for loop in [each for each in list(self.loops) if each.is_closed()]:
            self.loops.pop(loop, None)
        return list(self.loops.values())

    def _post(self, here: _InLoop, call: Callable[..., None], *arguments: Any) -> None:
        """Call a function in its event loop: immediately if this loop is running."""
        if _running_loop() is here.loop:
            call(*arguments)
            return
        try:
            here.loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # it was just closed, and its connections with it
            self.loops.pop(here.loop, None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # called from a thread without one: a test that moves the clock
        return None


def connections_of(store: Any, load: Load, now: Callable[[], float], interval: float) -> Connections:
    """Return the connections of a store. Several `session()` or `SessionMiddleware` with one store share them.

    A framework may create a middleware for each of its routes. A logout on one route then ends the sockets of all. The
    connections are kept in the attribute `open_connections` of the store, if it can have one. The shortest interval
    counts.
    """
    connections = getattr(store, "open_connections", None)
    if not isinstance(connections, Connections):
        connections = Connections(load, now, interval)
        try:
            store.open_connections = connections
        except AttributeError:  # a class with slots: each user of the store has its own connections
            pass
    connections.interval = min(connections.interval, interval)
    return connections
