"""What sessions ask of their store: create, commit, move, destroy, and what to do when another request was first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from time import time
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from kick.errors import KickError
from kick.session.cookie import Claim
from kick.session.data import Contents, SessionData, check_key
from kick.session.errors import SessionEnded, SessionTooLarge, SessionUnavailable
from kick.session.events import Events, SessionEvent
from kick.session.headers import client_of
from kick.session.ids import (
    draw_id,
    draw_successor,
    forward_to_id,
    forward_to_key,
    key_of,
    successor_id,
    successor_key,
)
from kick.session.options import SessionOptions
from kick.session.session import Session, Status
from kick.session.stores.base import (
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
from kick.session.values import encode

CLIENT: Final = "$client"
"""The reserved field that says from where a principal's session was started."""

OWED: Final = "$cookie"
"""The reserved field in which a WebSocket that prolonged the session notes that the browser's cookie has to follow."""

MARKER_SECONDS: Final = 60.0
"""How long a store knows that an id was given up by a regenerate: requests that began before it are in flight."""

MOST_HOPS: Final = 16
"""How many rotations an old id is followed through."""

T = TypeVar("T")


class Verbs:
    """Does to a session in the store what `Session` is asked for.

    Whatever the store answers, one of two things is true afterwards: the session is as it was and an exception is
    raised, or its status says how it stands with the store.
    """

    def __init__(self, options: SessionOptions, store: AtomicStore, events: Events) -> None:
        self.options = options
        self.store = store
        self.events = events
        shape = options.shape
        self.open_contents: Callable[[Mapping[str, bytes]], Contents] = SessionData if shape is None else shape.contents
        self.now: Callable[[], float] = getattr(store, "now", time)
        self._adopt: Callable[..., Awaitable[Record | Superseded | None]] | None = getattr(store, "adopt", None)
        self._disown: Callable[[str], Awaitable[None]] | None = getattr(store, "disown", None)
        self._time_limit = None if getattr(store, "keeps_time", False) else options.store_timeout
        self._tick = options.tick
        self.is_in_memory = type(store) is MemoryStore  # which neither fails nor lets anybody wait

    # What sessions ask for

    def claimed(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The id that the cookies of a request carry, whether or not it leads anywhere."""
        claim = self.options.cookie.read(headers)
        return None if claim is None else claim.session_id

    async def save(self, session: Session[Any]) -> bool:
        """See `Session.save`."""
        if session._status is Status.NEW:
            await self.create(session, session._change() or Change())
        elif session._status is Status.STORED:
            change = session._change()
            if change is not None:
                await self.commit(session, change)
        return session._status is Status.STORED

    async def increment(self, session: Session[Any], key: str, by: int) -> int:
        """See `Session.increment`."""
        check_key(key)
        if type(by) is not int:
            raise TypeError(f"a count goes up or down by an int, not by {by!r}")
        shape = self.options.shape
        if shape is not None and shape.defaults.get(key, b"0") not in (b"0", b"null"):
            raise TypeError(f"counting begins at 0: give the field {key!r} the default 0")
        if session._status is Status.NEW:
            await self.save(session)
        changed, dropped = session._open().pending(key)
        counters = await self.commit(session, Change(set=changed, delete=dropped, increment={key: by}))
        if key not in counters:
            raise SessionEnded
        return counters[key]

    async def destroy(self, session: Session[Any]) -> None:
        """See `Session.destroy`. Follows the session to wherever a parallel request has moved it."""
        if session._status is Status.NEW:
            session._destroyed()
        elif session._status is Status.STORED and session._id is not None and self._disown is not None:
            await self.ask(self._disown(session._id))
        key = session._key
        while session._status in (Status.STORED, Status.SUPERSEDED):
            answer = False if key is None else await self.ask(self.store.destroy(key))
            if isinstance(answer, Superseded):
                key = successor_key(answer.successor)
            elif answer:
                self.events.emit(SessionEvent.DESTROYED, key)
                session._destroyed()
            else:
                self._lose(session, Status.GONE)

    async def regenerate(self, session: Session[Any], keep: Collection[str] | None) -> None:
        """See `Session.regenerate`; `keep` names the keys that go along, `None` all of them."""
        status = session._status
        if status is Status.NEW:
            session._id, session._attempted = None, False
            if keep is not None:
                session._retain(keep, {})
                session._principal = KEEP
        elif status is Status.STORED:
            await self._move(session, keep, max_age=self.options.max_age, leads_on=False)
        elif status is not Status.SUPERSEDED or session._record is None:
            session._start_over()

    async def rotate(self, session: Session[Any], *, max_age: float | None = None) -> None:
        """See `Session.rotate`; `max_age` is how long it then lives."""
        if session._status is Status.STORED:
            await self._move(session, None, max_age=max_age or self.options.max_age, leads_on=True)

    # What the engine asks for

    async def follow(self, session: Session[Any], claim: Claim, found: Record | Superseded | None) -> None:
        """Take over what another framework has stored under an id, or what is under the ids it was rotated to."""
        session_id, key = claim.session_id, claim.key
        if found is None and self._adopt is not None:
            ages = {"max_age": self.options.max_age, "absolute_max_age": self.options.absolute_max_age}
            found = await self.ask(self._adopt(session_id, key, **ages))
            if isinstance(found, Record):
                session._found(claim, found)
                return
        for _ in range(MOST_HOPS):
            if not isinstance(found, Superseded):
                break
            successor = successor_id(found.successor, session_id)
            if successor is None:
                session._status = Status.SUPERSEDED
                break
            session_id = successor
            claim = Claim(session_id, key_of(session_id), is_current=False)
            found = await self.ask(self.store.load(claim.key))
            if isinstance(found, Record):
                session._found(claim, found)
                return
        self.events.emit(SessionEvent.UNKNOWN_ID, key)

    async def create(self, session: Session[Any], change: Change) -> None:
        """Store a new session, under an id that nobody else has."""
        change = self._prepared(session, change)
        while True:
            if session._id is None:
                session._id, session._attempted = draw_id(), False
            key = key_of(session._id)
            repeated, session._attempted = session._attempted, True
            age, deadline = self.options.max_age, self.options.absolute_max_age
            answer = await self.ask(self.store.create(key, change, max_age=age, absolute_max_age=deadline))
            if isinstance(answer, Committed):
                break
            if repeated:  # the create before, of which no answer came, was carried out
                found = await self.ask(self.store.load(key))
                if isinstance(found, Record):
                    session._adopt(session._id, key, found)
                    session._cookie_wanted = True
                    await self.commit(session, change)
                    return
            session._id = None
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
        session._adopt(session._id, key, record)
        session._principal = KEEP
        session._rebase(change.set)
        session._cookie_due = True
        self.events.emit(SessionEvent.CREATED, key)

    async def commit(self, session: Session[Any], change: Change) -> Mapping[str, int]:
        """Commit, wherever the session has been rotated to meanwhile; the counters that were incremented."""
        fields, is_plain = session._fields, change.principal is KEEP
        for name, raw in change.set.items():
            if len(raw) > len(fields.get(name, b"")):  # what does not grow is not added up
                is_plain = False
        if not is_plain:
            change = self._prepared(session, change)
        if session._id_is_settled or OWED in fields:
            change = self._with_debt(session, change)
        max_age = self.options.max_age
        while session._status is Status.STORED:
            assert session._key is not None
            call = self.store.commit(session._key, change, max_age=max_age)
            answer = await (call if self.is_in_memory else self.guarded(call))
            if type(answer) is Committed:
                self._committed(session, change, answer)
                return answer.counters
            if isinstance(answer, Superseded):
                self._follow(session, answer)
            elif answer is NOT_A_COUNTER:
                (name,) = change.increment
                raise TypeError(f"session.data[{name!r}] does not hold a whole number of 64 bits")
            else:
                self._lose(session, Status.GONE)
        return {}

    async def touch(self, session: Session[Any]) -> None:
        """Let the session live `max_age` from now, and its cookie with it."""
        if await self.ask(self.store.touch(_key(session), max_age=self.options.max_age)):
            session._cookie_due = True
        else:
            await self.confirm(session)

    async def confirm(self, session: Session[Any]) -> None:
        """See that the session is still there, and under which id, before its cookie is sent."""
        while session._status is Status.STORED:
            found = await self.ask(self.store.load(_key(session)))
            if isinstance(found, Record):
                session._cookie_due = True
                return
            if isinstance(found, Superseded):
                self._follow(session, found)
            else:
                self._lose(session, Status.GONE)

    def ask(self, call: Awaitable[T]) -> Awaitable[T]:
        """What the store answers, within the time limit; `SessionUnavailable` for whatever goes wrong in it."""
        return call if self.is_in_memory else self.guarded(call)

    async def guarded(self, call: Awaitable[T]) -> T:
        """The same, where the store is known to be elsewhere: one call less on the way of nearly every request."""
        try:
            if self._time_limit is None:
                return await call
            async with asyncio.timeout(self._time_limit):
                return await call
        except KickError:
            raise
        except Exception as error:
            self.events.emit(SessionEvent.STORE_ERROR, None, error)
            raise SessionUnavailable from error

    # How it ends

    async def _move(
        self, session: Session[Any], keep: Collection[str] | None, *, max_age: float, leads_on: bool
    ) -> None:
        grace = self.options.grace if leads_on else MARKER_SECONDS
        while session._status is Status.STORED:
            old_id, old_key = session._id, _key(session)
            assert old_id is not None
            new_id = draw_successor(old_id)
            new_key = key_of(new_id)
            forward = forward_to_id(new_id, old_id) if leads_on else forward_to_key(new_key)
            call = self.store.move(old_key, new_key, max_age=max_age, grace=grace, keep=keep, successor=forward)
            answer = await self.ask(call)
            if isinstance(answer, Committed):
                session._id, session._key, session._cookie_due = new_id, new_key, True
                self._moved(session, keep, answer)
                self.events.emit(SessionEvent.ROTATED if leads_on else SessionEvent.REGENERATED, new_key)
                return
            if isinstance(answer, Superseded):
                self._follow(session, answer)
                if leads_on:
                    return
            elif answer is not TAKEN:
                self._lose(session, Status.GONE)
                if not leads_on:
                    session._start_over()
        if session._status is Status.SUPERSEDED and keep is not None:
            session._retain(keep, {})

    def _moved(self, session: Session[Any], keep: Collection[str] | None, answer: Committed) -> None:
        assert session._record is not None
        session._record = replace(
            session._record,
            issued_at=self.now(),
            expires_at=answer.expires_at,
            principal=session._record.principal if keep is None else None,
        )
        if keep is not None:
            session._principal = KEEP
            session._retain(keep, {name: raw for name, raw in session._fields.items() if name in keep})

    def _committed(self, session: Session[Any], change: Change, answer: Committed) -> None:
        record, principal = session._record, change.principal
        assert record is not None
        fields = {**session._fields, **change.set}
        for name in change.delete:
            fields.pop(name, None)
        if principal is KEEP and not self.options.rolling:
            session._record = replace(record, expires_at=answer.expires_at)
        else:
            held = record.principal if principal is KEEP else principal
            session._record = replace(record, seen_at=self.now(), expires_at=answer.expires_at, principal=held)
            if principal is not KEEP:  # else one may have been set meanwhile, and is still to be stored
                session._principal = KEEP
        # The browser's cookie is prolonged along with the session, now and then: not with every write.
        is_later = record.expires_at // self._tick != answer.expires_at // self._tick
        if is_later or session._cookie_wanted or OWED in change.delete:
            session._cookie_due = True
        if change.increment:
            fields.update({name: str(value).encode() for name, value in answer.counters.items()})
            session._fields = fields
            for name in answer.counters:
                session._open().refresh(name, fields)
        else:
            session._rebase(fields)

    def _with_debt(self, session: Session[Any], change: Change) -> Change:
        """The change, and with it what a WebSocket leaves for the next response, or what that response redeems.

        A WebSocket can send no cookie. Without the note its writes would keep every other request from sending one: by
        the store, the session has just been prolonged.
        """
        if session._id_is_settled:
            turn = b"%d" % ((self.now() + self.options.max_age) // self._tick)
            if session._fields.get(OWED) != turn:
                return replace(change, set={**change.set, OWED: turn})
        elif OWED in session._fields:
            return replace(change, delete=[*change.delete, OWED])
        return change

    def _follow(self, session: Session[Any], answer: Superseded) -> None:
        """Go on under the id that another request has given the session, if we may know it."""
        assert session._id is not None
        assert session._record is not None
        successor = successor_id(answer.successor, session._id)
        if successor is None:
            self._lose(session, Status.SUPERSEDED)
        else:
            session._id, session._key = successor, key_of(successor)
            session._record = replace(session._record, issued_at=self.now())
            session._cookie_due, session._cookie_wanted = False, True

    def _lose(self, session: Session[Any], status: Status) -> None:
        """Another request was first. This one may go on reading and writing; nothing of it is stored any more."""
        self.events.emit(SessionEvent.GONE, session._key)
        session._status = status
        session._cookie_due = session._cookie_wanted = False

    def _prepared(self, session: Session[Any], change: Change) -> Change:
        """The change as it goes to the store. Raises `SessionTooLarge`."""
        fields, most = session._fields, self.options.max_size
        if sum(map(len, fields.values())) + sum(map(len, change.set.values())) > most and change.set:
            after = {**{name: raw for name, raw in fields.items() if name not in change.delete}, **change.set}
            size = sum(map(len, after.values()))
            if size > most:
                largest = max(after, key=lambda name: len(after[name]))
                raise SessionTooLarge(size, most, largest)
        if change.principal is KEEP or change.principal is None:
            return change
        client = encode(CLIENT, client_of(session._scope))
        return replace(change, set={**change.set, CLIENT: client})


def _key(session: Session[Any]) -> str:
    assert session._key is not None
    return session._key
