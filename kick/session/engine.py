"""The engine: from the cookie of a request to a `Session`, and from the `Session` to the cookie of the response.

It knows nothing of how requests and responses look; `kick.session.middleware` puts it into kick's pipeline,
`kick.session.asgi` into any other ASGI application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from time import time as now
from typing import Any, Final, TypeVar

import msgspec

from kick.session.contents import Contents, SessionData
from kick.session.errors import SessionEnded, SessionTooLarge, SessionUnavailable
from kick.session.events import Events, SessionEvent
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
from kick.session.store import (
    KEEP,
    NOT_A_COUNTER,
    TAKEN,
    AtomicStore,
    Change,
    Committed,
    Record,
    Superseded,
)
from kick.session.values import encode

CLIENT: Final = "$client"
"""The reserved field that says from where a principal's session was started."""

MARKER_SECONDS: Final = 60.0
"""How long a store knows that an id was given up by a regenerate: requests that began before it are in flight."""

_MOST_HOPS: Final = 16
_T = TypeVar("_T")


class Engine:
    """Opens and closes sessions, and does for them what they ask of the store.

    One engine serves one application. `open()` before the handler, `close()` before the first byte of the response.
    """

    def __init__(self, options: SessionOptions, store: AtomicStore) -> None:
        self.options = options
        self.store = store
        self.events = Events(options.on_event)
        self._time_limit = None if getattr(store, "in_process", False) else options.store_timeout
        self._touch_after = min(options.max_age / 10, 60.0)
        self._prolongs = options.rolling or options.rotate_after is not None

    def is_within(self, path: str) -> bool:
        """Whether browsers send the cookie to a path (RFC 6265, section 5.1.4): elsewhere there is no session."""
        prefix = self.options.path
        return prefix == "/" or path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")

    # The two ends of a request

    async def open(self, cookies: Sequence[str]) -> Session[Any]:
        """The session that these cookie values lead to, or a new one. Never raises for what a client sent.

        When the store does not answer, the session says so as soon as somebody uses it, and not before.
        """
        session: Session[Any] = Session(self, cookie_came=bool(cookies))
        if not cookies:
            return session
        claim = self.options.cookie.read(cookies)
        if claim is None:
            self.events.emit(SessionEvent.BAD_SIGNATURE, None)
            return session
        key = key_of(claim.session_id)
        try:
            found = await self._ask(self.store.load(key))
            if isinstance(found, Record):
                session._adopt(claim.session_id, key, found)
            else:
                await self._load_successor(session, claim.session_id, key, found)
        except SessionUnavailable:
            session._status = Status.UNAVAILABLE
            if self.options.on_store_error == "anonymous":
                session._refuse_writes(SessionUnavailable)
            return session
        if session._status is Status.STORED and (self.options.rolling or not claim.is_current):
            session._cookie_due = True
        return session

    async def close(self, session: Session[Any], status: int) -> bytes | None:
        """Save what is to be saved; the `Set-Cookie` value for the response, if there is to be one.

        `status` is that of the response: from 500 on, nothing is saved that was not saved explicitly. Raises
        `SessionUnavailable` when the store fails; then the response must not be sent.
        """
        if status < 500:
            if session._status is Status.NEW:
                if self.options.save_uninitialized or session._may_have_changed():
                    await self._save_new(session)
            elif session._status is Status.STORED and (self._prolongs or session._may_have_changed()):
                await self._save_stored(session)
        cookie = None
        if session._cookie_due or session._status is Status.DESTROYED:
            cookie = self._cookie_of(session)
        session._seal()
        return cookie

    def _cookie_of(self, session: Session[Any]) -> bytes | None:
        """The one decision about the cookie, from the final state."""
        if session._status is Status.STORED and session._cookie_due:
            assert session._id is not None
            return self.options.cookie.issue(session._id, self._cookie_age(session))
        if session._status is Status.DESTROYED and session._cookie_came:
            return self.options.cookie.remove()
        return None

    def _cookie_age(self, session: Session[Any]) -> float:
        record = session._record
        if record is None or record.deadline is None:
            return self.options.max_age
        return max(1.0, min(self.options.max_age, record.deadline - now()))

    async def _save_new(self, session: Session[Any]) -> None:
        change = session._change()
        if self.options.save_uninitialized or change.set or change.principal is not KEEP:
            await self._create(session, change)

    async def _save_stored(self, session: Session[Any]) -> None:
        change = session._change()
        if not change.is_empty:
            await self._commit(session, change)
        elif self.options.rolling:
            await self._touch(session)
        if self.options.rotate_after is not None and session._status is Status.STORED:
            assert session._record is not None
            if now() - session._record.issued_at >= self.options.rotate_after:
                await self.rotate(session)

    # What sessions ask for

    def open_contents(self, fields: Mapping[str, bytes]) -> Contents:
        """The data in these fields, in the type that `session(data=...)` names."""
        shape = self.options.shape
        return SessionData(fields) if shape is None else shape.contents(fields)

    async def save(self, session: Session[Any]) -> bool:
        """See `Session.save`."""
        if session._status is Status.NEW:
            await self._create(session, session._change())
        elif session._status is Status.STORED:
            change = session._change()
            if not change.is_empty:
                await self._commit(session, change)
        return session._status is Status.STORED

    async def increment(self, session: Session[Any], key: str, by: int) -> int:
        """See `Session.increment`."""
        if session._status is Status.NEW:
            await self.save(session)
        session._open()
        pending = session._change().set
        change = Change(set={key: pending[key]} if key in pending else {}, increment={key: by})
        counters = await self._commit(session, change)
        if key not in counters:
            raise SessionEnded
        return counters[key]

    async def destroy(self, session: Session[Any]) -> None:
        """See `Session.destroy`."""
        if session._status is Status.NEW:
            session._destroyed()
        key: str | None = session._key
        while session._status is Status.STORED:
            answer = False if key is None else await self._ask(self.store.destroy(key))
            if isinstance(answer, Superseded):
                key = successor_key(answer.successor)
            elif answer:
                self.events.emit(SessionEvent.DESTROYED, key)
                session._destroyed()
            else:
                self._lose(session, Status.GONE)

    async def regenerate(self, session: Session[Any], keep: Collection[str] | None) -> None:
        """See `Session.regenerate`; `keep` names the keys that go along, `None` all of them."""
        match session._status:
            case Status.NEW:
                session._id = None
                _retain(session, keep, {})
            case Status.DESTROYED | Status.GONE:
                session._start_over()
            case Status.STORED:
                await self._move(session, keep, grace=MARKER_SECONDS, leads_on=False)
            case _:
                pass

    async def rotate(self, session: Session[Any]) -> None:
        """See `Session.rotate`."""
        if session._status is Status.STORED:
            await self._move(session, None, grace=self.options.grace, leads_on=True)

    # What the store is asked for

    async def _load_successor(
        self, session: Session[Any], session_id: str, key: str, found: Record | Superseded | None
    ) -> None:
        """Go from an id that was rotated to the one that it leads to, and to the next."""
        for _ in range(_MOST_HOPS):
            successor = None if not isinstance(found, Superseded) else successor_id(found.successor, session_id)
            if successor is None:
                break
            session_id, key = successor, key_of(successor)
            found = await self._ask(self.store.load(key))
            if isinstance(found, Record):
                session._adopt(session_id, key, found)
                session._cookie_due = True
                return
        self.events.emit(SessionEvent.UNKNOWN_ID, key)

    async def _create(self, session: Session[Any], change: Change) -> None:
        change = self._prepared(session, change)
        age = self.options.max_age
        while True:
            session_id = session._id or draw_id()
            key = key_of(session_id)
            answer = await self._ask(
                self.store.create(key, change, max_age=age, absolute_max_age=self.options.absolute_max_age)
            )
            if answer is not TAKEN:
                break
            session._id = None
        at = now()
        deadline = None if self.options.absolute_max_age is None else at + self.options.absolute_max_age
        record = Record(
            fields=change.set,
            created_at=at,
            issued_at=at,
            seen_at=at,
            expires_at=answer.expires_at,
            deadline=deadline,
            principal=None if change.principal is KEEP else change.principal,
        )
        was_new = session._is_new
        session._adopt(session_id, key, record)
        session._is_new = was_new
        session._principal = KEEP
        session._rebase(change.set, keep_changes=True)
        session._cookie_due = True
        self.events.emit(SessionEvent.CREATED, key)

    async def _commit(self, session: Session[Any], change: Change) -> Mapping[str, int]:
        """Commit, wherever the session has been rotated to meanwhile; the counters that were incremented."""
        change = self._prepared(session, change)
        while session._status is Status.STORED:
            answer = await self._ask(self.store.commit(_key(session), change, max_age=self.options.max_age))
            if isinstance(answer, Committed):
                self._committed(session, change, answer)
                return answer.counters
            if isinstance(answer, Superseded):
                self._follow(session, answer)
            elif answer is NOT_A_COUNTER:
                raise TypeError(
                    f"session.data[{next(iter(change.increment))!r}] does not hold a whole number of 64 bits"
                )
            else:
                self._lose(session, Status.GONE)
        return {}

    def _committed(self, session: Session[Any], change: Change, answer: Committed) -> None:
        assert session._record is not None
        fields = {**session._fields, **change.set}
        for name in change.delete:
            fields.pop(name, None)
        session._record = msgspec.structs.replace(
            session._record,
            expires_at=answer.expires_at,
            principal=session._record.principal if change.principal is KEEP else change.principal,
        )
        if change.principal is not KEEP:
            session._principal = KEEP
        if not change.increment:
            session._rebase(fields, keep_changes=True)
        for name, value in answer.counters.items():
            raw = str(value).encode()
            session._fields = {**session._fields, name: raw}
            session._open().refresh(name, raw)
        session._cookie_due = True

    async def _touch(self, session: Session[Any]) -> None:
        assert session._record is not None
        is_due = now() - session._record.seen_at >= self._touch_after
        if is_due and not await self._ask(self.store.touch(_key(session), max_age=self.options.max_age)):
            self._lose(session, Status.GONE)

    async def _move(self, session: Session[Any], keep: Collection[str] | None, *, grace: float, leads_on: bool) -> None:
        while session._status is Status.STORED:
            old_id, old_key = session._id, _key(session)
            assert old_id is not None
            new_id = draw_successor(old_id)
            new_key = key_of(new_id)
            answer = await self._ask(
                self.store.move(
                    old_key,
                    new_key,
                    max_age=self.options.max_age,
                    grace=grace,
                    keep=keep,
                    successor=forward_to_id(new_id, old_id) if leads_on else forward_to_key(new_key),
                )
            )
            if isinstance(answer, Committed):
                self._moved(session, new_id, new_key, keep, answer)
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
        if session._status is Status.SUPERSEDED:
            _retain(session, keep, {})

    def _moved(
        self, session: Session[Any], new_id: str, new_key: str, keep: Collection[str] | None, answer: Committed
    ) -> None:
        assert session._record is not None
        session._id, session._key = new_id, new_key
        session._record = msgspec.structs.replace(
            session._record,
            issued_at=now(),
            expires_at=answer.expires_at,
            principal=session._record.principal if keep is None else None,
        )
        if keep is not None:
            _retain(session, keep, {name: raw for name, raw in session._fields.items() if name in keep})
        session._cookie_due = True

    def _follow(self, session: Session[Any], answer: Superseded) -> None:
        """Go on under the id that another request has given the session, if we may know it."""
        assert session._id is not None
        successor = successor_id(answer.successor, session._id)
        if successor is None:
            self._lose(session, Status.SUPERSEDED)
        else:
            session._id, session._key = successor, key_of(successor)
            session._cookie_due = True

    def _lose(self, session: Session[Any], status: Status) -> None:
        """Another request was first. This one may go on reading and writing; nothing of it is stored any more."""
        self.events.emit(SessionEvent.GONE, session._key)
        session._status = status

    def _prepared(self, session: Session[Any], change: Change) -> Change:
        """The change as it goes to the store. Raises `SessionTooLarge`."""
        if change.set:
            size = sum(map(len, session._fields.values())) + sum(map(len, change.set.values()))
            if size > self.options.max_size:
                fields = {**session._fields, **change.set}
                size = sum(map(len, fields.values()))
                if size > self.options.max_size:
                    raise SessionTooLarge(size, self.options.max_size, max(fields, key=lambda name: len(fields[name])))
        return _with_client(session, change)

    async def _ask(self, call: Awaitable[_T]) -> _T:
        """What the store answers, within the time limit; `SessionUnavailable` for whatever goes wrong in it."""
        try:
            if self._time_limit is None:
                return await call
            async with asyncio.timeout(self._time_limit):
                return await call
        except Exception as error:
            self.events.emit(SessionEvent.STORE_ERROR, None, error)
            raise SessionUnavailable from error


def _key(session: Session[Any]) -> str:
    assert session._key is not None
    return session._key


def _retain(session: Session[Any], keep: Collection[str] | None, fields: Mapping[str, bytes]) -> None:
    """Forget all but the keys in `keep`; the store now has `fields`."""
    if keep is None:
        return
    session._fields = fields
    session._flash = None
    session._principal = KEEP
    if session._contents is not None:
        session._contents.retain(keep, fields)


def _with_client(session: Session[Any], change: Change) -> Change:
    """A session that gets a principal remembers from where, for the list of a person's devices."""
    describe: Callable[[], Mapping[str, Any]] | None = session._describe_client
    if change.principal is KEEP or change.principal is None or describe is None:
        return change
    return msgspec.structs.replace(change, set={**change.set, CLIENT: encode(CLIENT, dict(describe()))})
