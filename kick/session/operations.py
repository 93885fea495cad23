"""Operations on a session in its store, in the order of section 5 of the contract (`docs/sessions.md`).

The store makes each operation atomic. `kick.session.races` decides what happens if another request was first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from copy import copy
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from kick.clock import time
from kick.errors import KickError
from kick.session.data.mapping import check_key
from kick.session.data.reserved import CLIENT_FIELD, LIFE, LIFE_FIELD, OWED_FIELD
from kick.session.data.typed import applied, value_of
from kick.session.data.values import encode
from kick.session.errors import SessionChanged, SessionEnded, SessionUnavailable, no_transactions
from kick.session.events import Events, SessionEvent
from kick.session.headers import client_of, is_withheld
from kick.session.ids import key_of, renewed, successor_key
from kick.session.open_connections import UNKNOWN, connections_of
from kick.session.options import SessionOptions, tick_of
from kick.session.races import MARKER_SECONDS, Races, Turns, ask_latest
from kick.session.state import CookieAction, SessionState, Status
from kick.session.stores.base import (
    CHANGED,
    KEEP,
    NOT_A_COUNTER,
    TAKEN,
    AtomicStore,
    Change,
    Committed,
    Record,
    Superseded,
)
from kick.session.stores.memory import MemoryStore

T = TypeVar("T")

# An attribute of an enum class costs a request several times what a name of the module costs.
_STORED: Final = Status.STORED
_NEW: Final = Status.NEW
_CONFIRM: Final = CookieAction.CONFIRM


class Operations:
    """Operations of sessions: create, commit, increment, move, destroy, touch, confirm.

    If an operation raises, the session has not changed. Otherwise its status tells the result.
    """

    def __init__(self, options: SessionOptions, store: AtomicStore, events: Events) -> None:
        self.options = options
        self.events = events
        self.races = Races(events)
        self._turns = Turns(options.store_timeout)
        self._rolls, self._tick = options.rolling, tick_of(options.max_age)
        self._has_ages = options.anonymous_max_age is not None
        self._least_age = min(options.max_age, options.anonymous_max_age or options.max_age)
        self._most = options.max_per_principal
        self._life = options.max_age, options.cookie.persistent
        self.use(store)
        self.connections = connections_of(
            store,
            lambda key: self.ask(self.store.load(key)),
            lambda: self.now(),
            min(options.session_check, options.grace / 2),  # the old id leads to the new one for `grace`
        )

    def use(self, store: AtomicStore) -> None:
        """Send operations to this store from now on."""
        self.store = store
        self.is_in_memory = type(store) is MemoryStore
        """A store in memory never fails or waits, so it needs no time limit."""
        if isinstance(store, MemoryStore):
            store.on_eviction = lambda key: self.events.emit(SessionEvent.EVICTED, key)
        self.now: Callable[[], float] = getattr(store, "now", time)
        self._disown: Callable[[str], Awaitable[None]] | None = getattr(store, "disown", None)
        self._explain: Callable[[Exception], str | None] = getattr(store, "explain", lambda _: None)
        self.keeps_time: bool = getattr(store, "keeps_time", False)

    def move_into(self, transaction: AtomicStore) -> None:
        """Send operations through a connection of the application, within the time limit, from now on."""
        self.store = transaction
        self.is_in_memory = False
        self.keeps_time = False
        self._most = None  # other sessions end at the next login: this transaction may be rolled back

    # Writes: all or nothing, key by key, and never to a session that has ended (5.1 to 5.4)

    async def save(self, state: SessionState) -> bool:
        """Write the changes; return true if the session is in the store."""
        if self.is_withheld(state):
            return False
        if state.status is _NEW:
            await self.create(state, state.pending() or Change())
        elif state.status is _STORED:
            change = state.pending()
            if change is None:
                await self.confirm(state, sends_cookie=False)
            else:
                await self.commit(state, change)
        return state.status is _STORED

    async def save_with(self, state: SessionState, connection: object, expect: Collection[str]) -> bool:
        """Do the same through a connection of the application, in the transaction that is open there.

        Raises `SessionChanged` if another request has changed the value of a key in `expect`.
        """
        transaction = getattr(self.store, "transaction", None)
        if transaction is None:
            raise no_transactions(self.store)
        within = copy(self)
        within.move_into(transaction(connection))
        is_new = state.status is _NEW
        known = {check_key(key): state.fields.get(key) for key in expect}
        if known and not is_new:
            if await within.commit(state, replace(state.pending() or Change(), expect=known)) is None:
                await within.reload(state)  # so that the response does not store it either
                raise SessionChanged
        elif await within.save(state) and is_new:
            state.to_be_confirmed()  # a rollback takes it back, and then there is no cookie
        return state.status is _STORED

    async def create(self, state: SessionState, change: Change) -> None:
        """Store a new session, under an id that no other session has."""
        change = self._prepared(state, change)
        while True:
            session_id = state.require_id()
            key = key_of(session_id)
            was_sent = state.sent_create()
            age, deadline = self.max_age_of(state), self.options.absolute_max_age
            answer = await self.ask(self.store.create(key, change, max_age=age, absolute_max_age=deadline))
            if isinstance(answer, Committed):
                break
            if was_sent:  # the answer to the first create was lost, but the store has carried it out
                found = await self.ask(self.store.load(key))
                if isinstance(found, Record):
                    state.recreated(key, found)
                    await self.commit(state, change)
                    return
            state.collided()
        now = self.now()
        record = Record(
            fields=change.set,
            created_at=now,
            issued_at=now,
            seen_at=now,
            expires_at=answer.expires_at,
            deadline=None if deadline is None else now + deadline,
            principal=None if change.principal is KEEP else change.principal,
        )
        state.created(key, record)
        self.events.emit(SessionEvent.CREATED, key)
        if self._most is not None and record.principal is not None:
            await self._end_oldest(record.principal, key, self._most)

    async def commit(self, state: SessionState, change: Change, *, only: str | None = None) -> Mapping[str, int] | None:
        """Commit a change under the current id of the session; return the counters that were incremented.

        Return `None` if the store does not have the values that the change expects. `only` is the key of a change of
        one key, while changes of other keys may be pending.
        """
        fields = state.fields
        grows = change.principal is not KEEP or not change.increment.keys() <= fields.keys()
        for name, raw in change.set.items():
            if len(raw) > len(fields.get(name, b"")):
                grows = True
        if grows:  # only then the size can exceed its limit
            change = self._prepared(state, change)
        if state.is_accepted or OWED_FIELD in fields:
            change = self._with_owed_cookie(state, change)
        max_age, tick = self.options.max_age, self._tick
        if self._has_ages or LIFE_FIELD in fields or LIFE_FIELD in change.set:
            max_age = self.max_age_of(state)
            tick = tick_of(max_age)
        while state.status is _STORED:
            call = self.store.commit(state.key or state.require_key(), change, max_age=max_age)
            answer = await (call if self.is_in_memory else self.guarded(call))
            if type(answer) is Committed:
                self._committed(state, change, answer, tick, only)
                if self._most is not None and isinstance(change.principal, str):
                    await self._end_oldest(change.principal, state.require_key(), self._most)
                return answer.counters
            if isinstance(answer, Superseded):
                self.races.follow(state, answer, now=self.now())
            elif answer is NOT_A_COUNTER:
                (name,) = change.increment
                raise TypeError(f"session.data[{name!r}] does not hold a whole number of 64 bits")
            elif answer is CHANGED:
                return None
            else:
                self.races.lose(state, Status.GONE)
        return {}

    async def increment(self, state: SessionState, key: str, by: int) -> int:
        """Add to an integer in the store itself; return the sum."""
        key = check_key(key)
        if type(by) is not int:
            raise TypeError(f"increment() needs an int, not {by!r}")
        shape = self.options.shape
        if shape is not None and shape.defaults.get(key, b"0") not in (b"0", b"null"):
            raise TypeError(f"increment() counts from 0: give the field {key!r} the default 0")
        if self.is_withheld(state):  # dropped at the end of the request, like every write of it
            contents = state.open()
            held = contents.value.get(key, 0) if shape is None else getattr(contents.value, key)
            contents.assign(key, (held or 0) + by)
            return int(held or 0) + by
        if state.status is _NEW:
            await self.save(state)
        changed, dropped = state.open().pending(key)
        change = Change(set=changed, delete=dropped, increment={key: by})
        counters = await self.commit(state, change, only=key)
        if counters is None or key not in counters:
            raise SessionEnded
        return counters[key]

    async def modify(self, state: SessionState, key: str, function: Callable[[Any], Any], default: Any) -> Any:
        """Read, change and store a value; repeat this if another request has changed it meanwhile."""
        key = check_key(key)
        contents = state.open()
        changed, dropped = contents.pending(key)
        if state.status is _NEW:
            value = contents.decode(key, changed[key]) if key in changed else contents.default(key, default)
            value = applied(function, value, key)
            contents.assign(key, value)
            await self.save(state)
            return value
        if changed or dropped:
            await self.commit(state, Change(set=changed, delete=dropped), only=key)
        async with self._turns.of(state.require_key()):
            while state.status is _STORED:
                raw = state.fields.get(key)
                value = applied(function, value_of(contents, key, raw, default), key)
                encoded = contents.encode(key, value)
                change = Change(set={} if encoded == raw else {key: encoded}, expect={key: raw})
                if await self.commit(state, change, only=key) is None:
                    found = await self.ask(self.store.load(state.require_key()))
                    if isinstance(found, Record):
                        state.refreshed(key, found.fields.get(key))
                elif state.status is _STORED:
                    return value
        raise SessionEnded

    async def reload(self, state: SessionState) -> bool:
        """Load the session again and drop unsaved changes; return true if it still exists."""
        while state.status is _STORED:
            found = await self.ask(self.store.load(state.require_key()))
            if isinstance(found, Record):
                state.reloaded(found)
                return True
            self.races.follow_or_lose(state, found, now=self.now())
        return False

    # A new id: of several requests, one succeeds (5.5, 5.6)

    async def regenerate(
        self, state: SessionState, keep: Collection[str] | None, *, new_deadline: bool = False
    ) -> None:
        """Generate a new id and end the old one. `keep` names the keys that are kept; `None` keeps all."""
        if state.status is _NEW:
            state.renewed()
            if keep is not None:
                state.forgot_all_but(keep)
        elif state.status is _STORED:
            age = self.max_age_of(state) if keep is None else self._least_age
            await self._move(state, keep, max_age=age, leads_on=False, new_deadline=new_deadline)
        elif state.status is not Status.SUPERSEDED or state.record is None:
            state.restarted()

    async def rotate(self, state: SessionState, *, max_age: float | None = None) -> None:
        """Generate a new id, to which the old one leads for `grace`. The session then lives for `max_age` seconds."""
        if state.status is _STORED:
            await self._move(state, None, max_age=max_age or self.max_age_of(state), leads_on=True)

    async def _move(
        self,
        state: SessionState,
        keep: Collection[str] | None,
        *,
        max_age: float,
        leads_on: bool,
        new_deadline: bool = False,
    ) -> None:
        absolute = self.options.absolute_max_age if new_deadline else None
        grace = self.options.grace if leads_on else MARKER_SECONDS
        while state.status is _STORED:
            old_id, old_key = state.id, state.key
            assert old_id is not None  # noqa: S101  # a stored session has both
            assert old_key is not None  # noqa: S101
            new_id, new_key, marker = renewed(old_id, leads_on=leads_on)
            call = self.store.move(
                old_key,
                new_key,
                max_age=max_age,
                grace=grace,
                keep=keep,
                successor=marker,
                absolute_max_age=absolute,
            )
            answer = await self.ask(call)
            if isinstance(answer, Committed):
                now = self.now()
                new = None if absolute is None else now + absolute
                state.moved(new_id, new_key, answer, keep=keep, now=now, new_deadline=new)
                self._tell_connections(old_key, new_id if leads_on else None)
                self.events.emit(SessionEvent.ROTATED if leads_on else SessionEvent.REGENERATED, new_key)
                return
            if isinstance(answer, Superseded):
                self.races.follow(state, answer, now=self.now())
                if leads_on:  # the other request has already rotated the id
                    return
            elif answer is not TAKEN:
                self.races.lose(state, Status.GONE)
                if not leads_on:
                    state.restarted()
        if state.status is Status.SUPERSEDED and keep is not None:
            state.forgot_all_but(keep)

    # The end of a session, for every request (5.3)

    async def destroy(self, state: SessionState) -> None:
        """End the session, even if a parallel request has given it a new id."""
        if state.status is _NEW:
            state.destroyed()
        elif state.status is _STORED and self._disown is not None:
            await self.ask(self._disown(state.require_id()))
        key = state.key
        while state.status in (_STORED, Status.SUPERSEDED):
            answer = False if key is None else await self.ask(self.store.destroy(key))
            if isinstance(answer, Superseded):
                key = successor_key(answer.successor)
            elif answer and key is not None:
                self.events.emit(SessionEvent.DESTROYED, key)
                state.destroyed()
                self._tell_connections(key)
            else:
                self.races.lose(state, Status.GONE)
        self.races.destroy_lost(state)
        if state.rivals:
            await asyncio.gather(*(self.end(key) for key in state.rivals))

    async def end(self, key: str) -> bool:
        """End the session of a key, even if its id has changed; return true if it still existed."""
        key, ended = await ask_latest(key, lambda key: self.ask(self.store.destroy(key)))
        if not isinstance(ended, bool):  # too many rotations at once
            return False
        self._tell_connections(key)
        return self.races.ended(key, ended)

    async def _end_oldest(self, principal: str, new: str, most: int) -> None:
        """End sessions of a principal until it has `most`: those seen longest ago, and never the `new` one.

        The login that begins the new session is stored already. If the store fails now, the next login ends them.
        """
        with suppress(SessionUnavailable):
            found = sorted((record.seen_at, key) for key, record in await self.ask(self.store.find(principal)))
            # The same for logins at the same moment, which so end none of the latest.
            doomed = [key for _, key in found[: max(0, len(found) - most)] if key != new]
            for key, has_ended in zip(doomed, await asyncio.gather(*map(self.end, doomed)), strict=True):
                if has_ended:
                    self.events.emit(SessionEvent.EVICTED, key)

    def _tell_connections(self, key: str, new_id: str | None = None) -> None:
        """Tell open connections that their session has ended, or that it continues under a new id."""
        connections = self.connections
        connections.recent.append(key)
        if not connections.loops:
            return
        if new_id is None:
            connections.ended(key)
        else:
            connections.renamed(key, new_id)

    async def revoke(self, principal: str, *, keep: str | None) -> int:
        """End all sessions of a principal except the one with the key `keep`; return the number of sessions ended."""
        keys = [UNKNOWN]
        if self.connections.loops:  # one call less, as long as no connection was opened
            with suppress(SessionUnavailable):  # what cannot be listed in time can still be ended
                keys = [key for key, _ in await self.ask(self.store.find(principal))]
        ended = await self.ask(self.store.revoke(principal, keep=keep))
        await self.connections.revoked(principal, keys)
        return ended if keep is not None else self.races.ended(principal, ended)

    # Lifetime: an operation never revives a session or shortens its life (5.7)
    async def touch(self, state: SessionState) -> None:
        """Let the session and its cookie live for `max_age` from now."""
        if await self.ask(self.store.touch(state.require_key(), max_age=self.max_age_of(state))):
            state.confirmed()
        else:
            await self.confirm(state)

    async def confirm(self, state: SessionState, *, sends_cookie: bool = True) -> None:
        """Check that the session still exists, and find its current id, before its cookie is sent."""
        while state.status is _STORED:
            found = await self.ask(self.store.load(state.require_key()))
            if isinstance(found, Record):
                if sends_cookie:
                    state.confirmed()
                return
            self.races.follow_or_lose(state, found, now=self.now())

    def max_age_of(self, state: SessionState) -> float:
        """Return the seconds that a session lives."""
        return self.life_of(state)[0]

    def life_of(self, state: SessionState) -> tuple[float, bool]:
        """Return the seconds that a session lives, and whether its cookie stays when the browser is closed."""
        own = self.own_life(state)
        if not own and not self._has_ages:
            return self._life
        return self.options.life(own, is_anonymous=state.principal is None)

    def own_life(self, state: SessionState) -> Mapping[str, Any]:
        """Return the `max_age` and `persistent` that were set for this session only, if any."""
        if state.reserved is None and LIFE_FIELD not in state.fields:
            return {}
        held = state.open_reserved().get(LIFE)
        return held if isinstance(held, dict) else {}

    def is_withheld(self, state: SessionState) -> bool:
        """Return true if this request must not store a new session.

        It must not if no handler runs, or if `SameSite` may have withheld a cookie. A new cookie would then replace the
        one of a living session. An exception is a handler that asks for a new session.
        """
        if state.status is not _NEW:
            return False
        if state.begins_none:
            return True
        if state.cookie_came or state.is_deliberate:
            return False
        return is_withheld(state.scope, self.options.cookie.same_site)

    # The store and its time limit

    def ask(self, call: Awaitable[T]) -> Awaitable[T]:
        """Await an answer of the store within the time limit. Raises `SessionUnavailable` for every failure."""
        return call if self.is_in_memory else self.guarded(call)

    async def guarded(self, call: Awaitable[T]) -> T:
        """Do the same as `ask`, for a store that is not in memory."""
        try:
            return await (call if self.keeps_time else self.limited(call))
        except Exception as error:
            raise self.failure(error) from error

    async def limited(self, call: Awaitable[T]) -> T:
        """Await an answer of a store that has no time limit of its own."""
        async with asyncio.timeout(self.options.store_timeout):
            return await call

    def failure(self, error: Exception) -> SessionUnavailable:
        """Report an error of the store; return that of the request. Raises a `KickError`, a mistake in the set-up."""
        if isinstance(error, KickError):
            raise error
        self.events.emit(SessionEvent.STORE_ERROR, None, error)
        state = self._explain(error)
        return SessionUnavailable() if state is None else SessionUnavailable(state)

    # Outcomes

    def _committed(self, state: SessionState, change: Change, answer: Committed, tick: float, only: str | None) -> None:
        assert state.record is not None  # noqa: S101  # what the type checker cannot see
        before, is_seen = state.record.expires_at, self._rolls or change.principal is not KEEP
        state.committed(change, answer, now=self.now() if is_seen else None, only=only)
        # The cookie of the browser is extended together with the session, but not with every write.
        is_later = before // tick != answer.expires_at // tick
        settles = change.delete and (OWED_FIELD in change.delete or LIFE_FIELD in change.delete)
        if is_later or settles or state.cookie is _CONFIRM or LIFE_FIELD in change.set:
            state.confirmed()

    # Changes before they are sent to the store

    def _prepared(self, state: SessionState, change: Change) -> Change:
        """Return the change as the store gets it. Raises `SessionTooLarge`."""
        self.options.check_size(state.fields, change)
        if change.principal is KEEP or change.principal is None:
            return change
        client = encode(CLIENT_FIELD, client_of(state.scope))
        return replace(change, set={**change.set, CLIENT_FIELD: client})

    def _with_owed_cookie(self, state: SessionState, change: Change) -> Change:
        """Add the note that a WebSocket has extended the session, or remove the note in a response with a cookie.

        A WebSocket cannot send a cookie. Without the note, other requests would not send one either after its writes,
        because the store has just extended the session.
        """
        if state.is_accepted:
            turn = b"%d" % ((self.now() + self.options.max_age) // self._tick)
            if state.fields.get(OWED_FIELD) != turn:
                return replace(change, set={**change.set, OWED_FIELD: turn})
        elif OWED_FIELD in state.fields:
            return replace(change, delete=[*change.delete, OWED_FIELD])
        return change
