"""`ctx.session`: what a handler sees of a session. It does no I/O itself; the engine does it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol

import msgspec
from typing_extensions import TypeVar

from kick.session.cookie import Claim
from kick.session.csrf_token import draw_token
from kick.session.data import Contents, Refusal, SessionData, StructMapping
from kick.session.errors import SessionClosed, SessionUnavailable
from kick.session.flash import Flash
from kick.session.ids import draw_id, fingerprint, key_of
from kick.session.reserved import TOKEN, Marks, mark_in
from kick.session.stores.base import KEEP, Change, Keep, Record

if TYPE_CHECKING:
    DataT = TypeVar("DataT", default=SessionData)
else:
    DataT = TypeVar("DataT", default=Any)


class Status(enum.Enum):
    """How a session stands with the store."""

    NEW = "new"
    """Nothing is stored under its id."""
    STORED = "stored"
    DESTROYED = "destroyed"
    """This request ended it."""
    GONE = "gone"
    """Another request ended it, or it expired meanwhile."""
    SUPERSEDED = "superseded"
    """Another request gave it a new id that this one is not to know."""
    UNAVAILABLE = "unavailable"
    """The store did not answer."""


class SessionVerbs(Protocol):
    """What a session asks of its engine."""

    @property
    def open_contents(self) -> Callable[[Mapping[str, bytes]], Contents]:
        """Makes the data of these fields."""
        ...

    def claimed(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The id that the cookies of a request carry, whether or not it leads anywhere."""
        ...

    def save(self, session: Session[Any]) -> Awaitable[bool]: ...
    def destroy(self, session: Session[Any]) -> Awaitable[None]: ...
    def rotate(self, session: Session[Any]) -> Awaitable[None]: ...
    def regenerate(self, session: Session[Any], keep: Collection[str] | None) -> Awaitable[None]: ...
    def increment(self, session: Session[Any], key: str, by: int) -> Awaitable[int]: ...


class Session(MutableMapping[str, Any], msgspec.Struct, Generic[DataT], metaclass=StructMapping, eq=False):
    """The session of a request: `ctx.session`.

    | | |
    |---|---|
    | `session.data` | the values; also `session["key"]` |
    | `await session.regenerate()` | a new id, the old one ended at once: after a login or a change of rights |
    | `await session.destroy()` | ended for good: a logout |
    | `await session.save()` | in the store now; otherwise it is saved before the response leaves |
    | `await session.increment("n")` | counted in the store, whatever other requests do |
    | `session.principal = user_id` | can be found and revoked by `Sessions` |
    | `session.flash["status"] = "Saved"` | for the next page |
    | `session.csrf_token` | what `csrf()` wants to see with a request |

    Nothing need be declared as changed, and what has not changed is not written.
    """

    # A Struct, because one is made for every request, and nothing in Python is made as quickly.

    _verbs: SessionVerbs
    _scope: Mapping[str, Any]
    """The ASGI scope of the request, or as much of it as there is to know of a client."""
    _cookie_came: bool = False
    _status: Status = Status.NEW
    _is_new: bool = True
    _id: str | None = None
    _key: str | None = None
    _record: Record | None = None
    _fields: Mapping[str, bytes] = {}
    _contents: Contents | None = None
    _cookie_wanted: bool = False
    """Something else than a write asks for the cookie: first the store has to confirm that the id is good."""
    _cookie_due: bool = False
    """The store has just confirmed it."""
    _removal_due: bool = False
    _accessed: bool = False
    _flash: Flash | None = None
    _marks: Marks | None = None
    _principal: str | Keep | None = KEEP
    # Writes are refused for good once the response is on its way (sealed), and while there is a refusal.
    _sealed: bool = False
    _refusal: Refusal | None = None
    _anonymous: bool = False
    _attempted: bool = False
    _lock: asyncio.Lock | None = None
    _id_is_settled: bool = False

    # What there is to read and to write

    @property
    def id(self) -> str:
        """The session id. Whoever has it, signed, has the session: never log it."""
        self._touch()
        if self._id is None:
            self._id = draw_id()
        return self._id

    @property
    def fingerprint(self) -> str:
        """A short name of the session, 8 characters, to show and to log: it opens nothing."""
        self._touch()
        return fingerprint(self._key or key_of(self.id))

    @property
    def data(self) -> DataT:
        """The values of the session, a dict, or what `session(data=...)` names."""
        self._accessed = True
        contents = self._contents
        if contents is None:
            contents = self._open()
        return contents if type(contents) is SessionData else contents.value  # type: ignore[return-value]

    @data.setter
    def data(self, value: DataT | Mapping[str, Any]) -> None:
        self._touch()
        self._writable()
        self._open().replace(value)

    @property
    def principal(self) -> str | None:
        """Whose session it is, as `Sessions.of` finds it: a user id, as text."""
        self._touch()
        if self._principal is not KEEP:
            return self._principal
        return None if self._record is None else self._record.principal

    @principal.setter
    def principal(self, value: object) -> None:
        self._touch()
        self._writable()
        text = None if value is None else str(value)
        held = None if self._record is None else self._record.principal
        self._principal = KEEP if text == held else text

    @property
    def flash(self) -> Flash:
        """Values for the next page, each read once."""
        self._touch()
        if self._flash is None:
            self._flash = Flash(self._fields, self._writable)
        return self._flash

    @property
    def csrf_token(self) -> str:
        """What `csrf()` wants to see with a request of this session: for the pages and clients that it is sent to.

        Every reading gives another one, and all of them are good until the id changes: with `regenerate()`, `rotate()`,
        a login. Reading it writes nothing, but that a session which is new is stored.
        """
        self._touch()
        if self._status is Status.NEW:
            self._set_mark(TOKEN, True)
        return draw_token(self.id)

    @property
    def is_new(self) -> bool:
        """Whether this request began the session."""
        self._touch()
        return self._is_new

    @property
    def created_at(self) -> datetime | None:
        """When the session was first stored; `None` when it is not stored yet."""
        self._touch()
        return None if self._record is None else datetime.fromtimestamp(self._record.created_at, UTC)

    @property
    def expires_at(self) -> datetime | None:
        """When it will end if nothing prolongs it; `None` when it is not stored yet."""
        self._touch()
        return None if self._record is None else datetime.fromtimestamp(self._record.expires_at, UTC)

    # What goes to the store at once

    async def regenerate(self, *, keep: bool | Collection[str] = True) -> None:
        """Draw a new id and end the old one at once; nothing leads from the old to the new.

        Call it after a login and after every change of rights, so that an id that somebody else planted or saw
        before is worth nothing after. `keep=False` leaves the data behind, `keep=["cart"]` takes only those keys
        along; with either, the principal stays behind too.

        A session that another request destroyed meanwhile starts empty. When the store fails, `SessionUnavailable`
        is raised, and the id, the data and the cookie are as they were.
        """
        self._usable()
        self._may_change_id()
        if isinstance(keep, str):
            raise TypeError(f"keep is True, False or a list of keys, not the text {keep!r}")
        kept = None if keep is True else () if keep is False else tuple(keep)
        async with self._one_at_a_time():
            await self._verbs.regenerate(self, kept)

    async def rotate(self) -> None:
        """Draw a new id as `regenerate()` does, but let the old one lead to it for a while (`grace`).

        For a change of id by time, under requests that are in flight. Not for a login.
        """
        self._usable()
        self._may_change_id()
        async with self._one_at_a_time():
            await self._verbs.rotate(self)

    async def destroy(self) -> None:
        """End the session in the store, for every request, and remove the cookie. Twice is as good as once."""
        self._usable()
        async with self._one_at_a_time():
            await self._verbs.destroy(self)

    async def save(self) -> bool:
        """Write what has changed to the store now; whether it is there.

        `False` when another request has ended the session meanwhile, or this one has destroyed it: then
        nothing was written.
        """
        self._usable()
        async with self._one_at_a_time():
            return await self._verbs.save(self)

    async def increment(self, key: str, by: int = 1) -> int:
        """Add to a whole number in the store itself and return the sum; a key that is not there counts from 0.

        Parallel requests lose no count. Raises `TypeError` when the key holds something else, and
        `SessionEnded`, a 409, when another request has ended the session.
        """
        self._touch()
        self._writable()
        async with self._one_at_a_time():
            return await self._verbs.increment(self, key, by)

    # A mapping over `data`, for code written for Starlette's `request.session`

    def __getitem__(self, key: str) -> Any:
        return self._mapping()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._mapping()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._mapping()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    def __contains__(self, key: object) -> bool:
        return key in self._mapping()

    def clear(self) -> None:
        """Remove everything that is there; the session stays."""
        self._mapping().clear()

    def __repr__(self) -> str:
        name = "-" if self._key is None else fingerprint(self._key)
        return f"<Session {name} {self._status.value}>"

    __eq__ = object.__eq__
    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]

    # For the engine

    def _mapping(self) -> SessionData:
        data: Any = self.data
        if not isinstance(data, SessionData):
            raise TypeError(f"the data of this session is a {type(data).__name__}: use session.data.name")
        return data

    def _touch(self) -> None:
        self._accessed = True
        if self._status is Status.UNAVAILABLE and not self._anonymous:
            raise SessionUnavailable

    def _writable(self) -> None:
        if self._refusal is not None:
            raise self._refusal()

    def _usable(self) -> None:
        self._touch()
        if self._sealed:
            raise (self._refusal or too_late)()
        if self._anonymous:
            raise SessionUnavailable

    def _may_change_id(self) -> None:
        if self._id_is_settled:
            raise _no_cookie()

    def _mark(self, name: str) -> Any:
        """What kick itself keeps in the session under a name; `None` where there is nothing."""
        self._touch()
        return mark_in(self._fields, name) if self._marks is None else self._marks.get(name)

    def _set_mark(self, name: str, value: Any) -> None:
        self._touch()
        if self._marks is None:
            self._marks = Marks(self._fields, self._writable)
        self._marks.set(name, value)

    def _open(self) -> Contents:
        if self._status is Status.UNAVAILABLE:
            self._touch()
        contents = self._contents
        if contents is None:
            contents = self._contents = self._verbs.open_contents(self._fields)
            if self._refusal is not None:
                contents.seal(self._refusal)
        return contents

    def _found(self, claim: Claim, record: Record) -> None:
        """Become what the store has under the id that the request came with, or that it has become."""
        self._adopt(claim.session_id, claim.key, record)
        self._is_new = False
        self._cookie_wanted = not claim.is_current

    def _adopt(self, session_id: str, key: str, record: Record) -> None:
        self._id, self._key, self._record = session_id, key, record
        self._fields = record.fields
        self._status = Status.STORED

    def _one_at_a_time(self) -> asyncio.Lock:
        """For tasks of one request that use its session at once."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    def _start_over(self) -> None:
        """Become a new, empty session."""
        self._status = Status.NEW
        self._is_new = True
        self._cookie_due = self._cookie_wanted = self._attempted = False
        self._id = self._key = self._record = None
        self._principal = KEEP
        self._retain((), {})
        self._allow_writes()

    def _destroyed(self) -> None:
        """Have no data any more, and take none."""
        self._start_over()
        self._status = Status.DESTROYED
        self._removal_due = self._cookie_came
        self._refuse_writes(_destroyed)

    def _retain(self, keys: Collection[str], fields: Mapping[str, bytes]) -> None:
        """Forget all but these keys, in the objects that the handler may hold; the store now has `fields`."""
        self._fields = fields
        if self._contents is not None:
            self._contents.retain(keys, fields)
        if self._flash is not None:
            self._flash.rebase(fields)
        if self._marks is not None:
            self._marks.rebase(fields)

    def _refuse_writes(self, refusal: Refusal) -> None:
        self._refusal = refusal
        if self._contents is not None:
            self._contents.seal(refusal)

    def _allow_writes(self) -> None:
        if self._refusal is not None:
            self._refusal = None
            if self._contents is not None:
                self._contents.seal(None)

    def _go_on(self) -> None:
        """Take writes again, for `save()`: a WebSocket outlives its handshake. No cookie is sent any more."""
        self._id_is_settled = True
        self._sealed = self._anonymous or self._status is Status.NEW
        if self._status is Status.NEW:
            self._refuse_writes(_no_cookie)
        elif self._status is Status.DESTROYED:
            self._refuse_writes(_destroyed)
        elif self._status is not Status.UNAVAILABLE:
            self._allow_writes()

    def _change(self) -> Change | None:
        """All that differs from the store; `None` when nothing does."""
        contents, flash, marks, principal = self._contents, self._flash, self._marks, self._principal
        found = None if contents is None else contents.changes()
        if found is None and flash is None and marks is None and principal is KEEP:
            return None
        changed, dropped = found or ({}, [])
        if flash is not None or marks is not None:
            for own in (flash, marks):
                if own is not None:
                    set_here, dropped_here = own.changes()
                    changed.update(set_here)
                    dropped += dropped_here
        if dropped or principal is not KEEP:
            return Change(set=changed, delete=dropped, principal=principal)
        return Change(set=changed) if changed else None

    def _rebase(self, fields: Mapping[str, bytes]) -> None:
        """The store now has `fields`, all changes included."""
        self._fields = fields
        if self._contents is not None:
            self._contents.rebase(fields)
        if self._flash is not None:
            self._flash.rebase(fields)
        if self._marks is not None:
            self._marks.rebase(fields)


def _destroyed() -> Exception:
    return SessionClosed("it was destroyed. For a new one, `await ctx.session.regenerate()`.")


def _no_cookie() -> Exception:
    return SessionClosed("the handshake is over, and no cookie can be sent any more. Do it before `socket.accept()`.")


def too_late() -> Exception:
    """What a write gets when the response is on its way."""
    return SessionClosed("the response has started. Write before the handler returns.")
