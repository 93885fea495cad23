"""Races between requests to one session: the rules for the request that was not the first.

The store makes each operation atomic, so it answers each request how the race ended (section 5 of the contract,
`docs/sessions.md`):

| the store answers | the session of this request |
|---|---|
| `Committed` | has what was written, and may send its cookie. Of two writes to one key, the later one stays |
| `CHANGED` | has the current value of the key, and `modify()` calls its function again with it |
| `Superseded`, by a rotation | continues under the new id, and the operation is tried again |
| `Superseded`, by a regenerate | is lost: the new id is not for this request |
| `GONE` | is lost: destroyed or expired, and never written again |
| an error | is as it was, and `SessionUnavailable` is raised |

A session that is lost can be read and written by its handler, but nothing of it is stored, and no cookie is sent.

After `destroy()`, it refuses writes; if this request has ended it through `Sessions`, the cookie is removed, too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from kick.session.events import Events, SessionEvent
from kick.session.ids import successor_id, successor_key
from kick.session.state import SessionState, Status
from kick.session.stores.base import Superseded

MOST_HOPS: Final = 16
"""The number of rotations through which an old id is followed."""

MARKER_SECONDS: Final = 60.0
"""The time for which a store remembers that a regenerate gave up an id: earlier requests may still run."""

MOST_ENDINGS: Final = 16
"""The number of sessions or principals that are remembered for a task that has ended them."""

T = TypeVar("T")
Number = TypeVar("Number", bound=int)


class Races:
    """Applies the rules to the state of the request that was not the first."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._endings: WeakKeyDictionary[asyncio.Task[Any], deque[str]] = WeakKeyDictionary()

    def ended(self, name: str, number: Number) -> Number:
        """Note that the current task has ended a session by its key, or all sessions of a principal; return `number`.

        `Sessions` does not know the request that uses it, and the task of the request tells. Only the last ones are
        kept, because the task of a job may end sessions forever.
        """
        task = asyncio.current_task()
        if number and task is not None:
            self._endings.setdefault(task, deque(maxlen=MOST_ENDINGS)).append(name)
        return number

    def _has_ended(self, state: SessionState) -> bool:
        """Return true if the current task has ended this session through `Sessions`."""
        if state.record is None:
            return False
        task = asyncio.current_task()
        names = () if task is None else self._endings.get(task, ())
        return state.key in names or state.record.principal in names

    def follow(self, state: SessionState, answer: Superseded, *, now: float) -> None:
        """Go on under the id that another request has given the session, if this request may know it."""
        successor = successor_id(answer.successor, state.require_id())
        if successor is None:
            self.lose(state, Status.SUPERSEDED)
        else:
            state.followed(successor, now=now)

    def follow_or_lose(self, state: SessionState, answer: Superseded | None, *, now: float) -> None:
        """Go on under the new id if there is one; without one, the session has ended."""
        if isinstance(answer, Superseded):
            self.follow(state, answer, now=now)
        else:
            self.lose(state, Status.GONE)

    def lose(self, state: SessionState, status: Status) -> None:
        """Give the session up: another request was first."""
        self._events.emit(SessionEvent.GONE, state.key)
        state.lost(status)

    def destroy_lost(self, state: SessionState) -> None:
        """Refuse writes to a session that had ended before the handler destroyed it. Do nothing to other sessions.

        The cookie is removed only if this request has ended the session itself, through `Sessions`.
        """
        if state.status is not Status.GONE:
            return
        if self._has_ended(state):
            state.destroyed()
        else:
            state.given_up()


class Turns:
    """Lets requests of this process that change one value of a session wait for each other.

    The store would let one of them through and make all others try again: four hundred requests at once would cost
    eighty thousand attempts. Nobody waits longer than `patience` seconds, in case that the store does not answer.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._locks: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, key: str) -> AsyncGenerator[None, None]:
        """Wait for the turn at the session with this key."""
        place = id(asyncio.get_running_loop()), key
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = asyncio.Lock()
        is_mine = False
        try:
            async with asyncio.timeout(self._patience):
                is_mine = await lock.acquire()
        except TimeoutError:
            pass
        try:
            yield
        finally:
            if is_mine:
                lock.release()


async def ask_latest(key: str, ask: Callable[[str], Awaitable[T | Superseded]]) -> tuple[str, T | Superseded | None]:
    """Ask the store about a key, and then about each key to which it leads; return the last one and its answer."""
    for _ in range(MOST_HOPS):
        answer = await ask(key)
        successor = successor_key(answer.successor) if isinstance(answer, Superseded) else None
        if successor is None:
            return key, answer
        key = successor
    return key, None
