"""`Session`, the class of `ctx.session`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, MutableMapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from kick.clock import moment
from kick.errors import OfRequest
from kick.session.csrf_token import digest_of, either, masked, new_token
from kick.session.data.flash import Flash
from kick.session.data.mapping import DictLike, SessionData
from kick.session.data.reserved import LIFE, Reserved
from kick.session.ids import fingerprint
from kick.session.operations import Operations
from kick.session.options import Duration
from kick.session.state import SessionState, Status

if TYPE_CHECKING:
    DataT = TypeVar("DataT", default=SessionData)
else:
    DataT = TypeVar("DataT", default=Any)


class Session(OfRequest, DictLike, Generic[DataT]):
    """The session of a request: `ctx.session`.

    | | |
    |---|---|
    | `session.data` | the values; also `session["key"]` |
    | `await session.regenerate()` | replaces the id and ends the old one: after a login or a change of rights |
    | `await session.destroy()` | ends the session: a logout |
    | `await session.save()` | saves now; otherwise the session is saved before the response is sent |
    | `await session.increment("n")` | counts in the store, so parallel requests lose no count |
    | `await session.modify("cart", function, [])` | changes a value; no change of a parallel request is lost |
    | `await session.reload()` | reads what other requests have written |
    | `session.max_age`, `session.persistent` | the lifetime of this session only |
    | `session.principal = user_id` | `Sessions` finds and revokes the session by this id |
    | `session.flash["status"] = "Saved"` | a value for the next page |
    | `session.csrf_token` | the token that `csrf()` expects with a request |

    Changes are found automatically, and only changed values are written.
    """

    __slots__ = ()  # for subclasses that are dicts: those of a base class would be in the way

    _operations: Operations
    _state: SessionState

    # Values

    @property
    def id(self) -> str:
        """The session id. Never log it: together with the signature it gives access to the session."""
        self._state.touch()
        return self._state.require_id()

    @property
    def fingerprint(self) -> str:
        """A short name of the session for pages and logs, 8 characters. It gives no access to the session."""
        self._state.touch()
        return fingerprint(self._state.require_key())

    @property
    def data(self) -> DataT:
        """The values of the session: a mapping, or an instance of the type in `session(data=...)`."""
        contents = self._state.contents
        if contents is None or not self._state.accessed:
            contents = self._state.look()
        return contents if type(contents) is SessionData else contents.value  # type: ignore[return-value]

    @data.setter
    def data(self, value: Any) -> None:
        self._state.touch()
        self._state.require_writable()
        self._state.open().replace(value)

    @property
    def principal(self) -> str | None:
        """The user id, as text, under which `Sessions.of` finds the session.

        Setting it raises `ValueError` for a text of more than 512 bytes in UTF-8: stores index it.
        """
        self._state.touch()
        return self._state.principal

    @principal.setter
    def principal(self, value: object) -> None:
        self._state.touch()
        self._state.require_writable()
        self._state.set_principal(value)

    @property
    def flash(self) -> Flash:
        """Values for the next page. Each can be read once."""
        self._state.touch()
        return self._state.open_flash()

    @property
    def reserved(self) -> Reserved:
        """Values of kick and other libraries by name, separate from the application's data."""
        self._state.touch()
        return self._state.open_reserved()

    @property
    def _begins(self) -> bool:
        """True if a new session is stored even if nothing is written to it."""
        state = self._state
        return self._operations.options.save_uninitialized and not state.is_passive and not state.begins_none

    @property
    def csrf_token(self) -> str:
        """The CSRF token of this session: put it into pages, so that their requests can send it to `csrf()`.

        Each read returns another token. All of them are valid until the id changes, by `regenerate()`, `rotate()` or a
        login. Reading it writes nothing. Without a session, the token belongs to a cookie of its own, and is valid
        until a session begins.
        """
        state = self._state
        state.touch()
        if state.status is not Status.NEW or self._begins or state.pending() is not None:
            return new_token(self.id)
        if state.token is None:
            came = self._operations.options.token.read(state.scope["headers"])
            state.handed_out(digest_of(self.id) if came is None else came, is_new=came is None)
            assert state.token is not None  # noqa: S101  # what the type checker cannot see
        if state.token_is_new:
            return masked(state.token)
        # The second token is valid if this request still begins a session, the first if it does not.
        return either(masked(state.token), new_token(self.id))

    @property
    def is_new(self) -> bool:
        """`True` if this request has created the session."""
        self._state.touch()
        return self._state.is_new

    @property
    def created_at(self) -> datetime | None:
        """The time at which the session was first stored; `None` if it is not stored yet."""
        self._state.touch()
        record = self._state.record
        return None if record is None else moment(record.created_at)

    @property
    def expires_at(self) -> datetime | None:
        """The time at which the session ends if nothing extends it; `None` if it is not stored yet."""
        self._state.touch()
        record = self._state.record
        return None if record is None else moment(record.expires_at)

    @property
    def operations(self) -> Operations:
        """The operations on the session in its store, for middleware."""
        return self._operations

    @property
    def state(self) -> SessionState:
        """The state of the session, for middleware: reading it does not count as using the session."""
        return self._state

    @property
    def max_age(self) -> float:
        """The lifetime of this session without a write (rolling: without a request), in seconds.

        Set it in seconds or as a `timedelta`, for this session only. `None` restores the `max_age` of the application.
        The session never lives longer than its absolute deadline. Its cookie gets the same lifetime.
        """
        self._state.touch()
        return self._operations.max_age_of(self._state)

    @max_age.setter
    def max_age(self, value: Duration | None) -> None:
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        if seconds is not None and not 0 < seconds < float("inf"):
            raise ValueError(f"max_age is a timedelta or a number of seconds above 0, not {value!r}")
        self._set_life(max_age=seconds)

    @property
    def persistent(self) -> bool:
        """`True` if the cookie stays when the browser is closed. Set it for this session only."""
        self._state.touch()
        return self._operations.life_of(self._state)[1]

    @persistent.setter
    def persistent(self, value: bool) -> None:
        self._set_life(persistent=bool(value))

    def remember(self, remember: bool = True) -> None:  # `remember(body.remember)` reads well
        """Let the session live for `remember_max_age`, with a cookie that stays when the browser is closed.

        `remember(False)` restores the lifetime of the application's sessions.
        """
        if remember:
            self._set_life(max_age=self._operations.options.remember_max_age, persistent=True)
        elif self._operations.own_life(self._state):
            self._set_life(max_age=None, persistent=None)

    def _set_life(self, **changes: float | bool | None) -> None:
        self._state.touch()
        own = self._operations.own_life(self._state)
        life = {name: value for name, value in {**own, **changes}.items() if value is not None}
        if life:
            self._state.open_reserved()[LIFE] = life
        else:
            self._state.open_reserved().remove(LIFE)

    # Methods that write to the store immediately

    async def regenerate(self, *, keep: bool | Collection[str] = True, new_deadline: bool = False) -> None:
        """Generate a new id and end the old one immediately. The old id does not lead to the new one.

        Call it after a login and after every change of rights, so that an id that somebody else knows becomes
        worthless (session fixation). `keep=False` drops the data, `keep=["cart"]` keeps only these keys; both drop the
        principal. `new_deadline=True` restarts `absolute_max_age`, as a login does.

        If another request has destroyed the session meanwhile, a new, empty session begins. If the store fails,
        `SessionUnavailable` is raised, and the id, the data and the cookie do not change.
        """
        lock = self._state.lock_to_renew()
        if isinstance(keep, str):
            raise TypeError(f"keep is True, False or a list of keys, not the text {keep!r}")
        kept = None if keep is True else () if keep is False else tuple(keep)
        async with lock:
            await self._operations.regenerate(self._state, kept, new_deadline=new_deadline)

    async def rotate(self) -> None:
        """Generate a new id as `regenerate()` does, but let the old one lead to it for the time of `grace`.

        It is for a change of the id by time, while other requests still use the old one. Do not use it for a login.
        """
        async with self._state.lock_to_renew():
            await self._operations.rotate(self._state)

    async def destroy(self) -> None:
        """End the session in the store, for every request, and remove the cookie. A second call does nothing."""
        async with self._state.lock_to_use():
            await self._operations.destroy(self._state)

    async def save(self) -> bool:
        """Write all changes to the store now; return true if the session is in the store.

        Return false if another request has ended the session meanwhile, or this one has destroyed it. Then nothing was
        written. If nothing has changed, the store is only asked for the session.
        """
        async with self._state.lock_to_use():
            return await self._operations.save(self._state)

    async def commit_with(self, connection: object, *, expect: str | Collection[str] = ()) -> bool:
        """Write all changes in a transaction of the application, so that both are stored together or not at all.

        `connection` is a `psycopg.AsyncConnection`, an `asyncpg.Connection`, or SQLAlchemy's `AsyncSession` or
        `AsyncConnection`, to the database with the sessions. Call this last, just before the commit: until then the row
        of the session is locked, and parallel requests that write to it wait, at most for `store_timeout`.

        `expect` names the keys whose values the transaction relies on, such as the cart of an order. If another request
        has changed one of them since this one has read the session, nothing is written, `SessionChanged` (409) is
        raised, and the session has what is stored. So of two orders of one cart, sent at the same time, one is made.

        Return false if another request has ended the session meanwhile; then nothing was written. After a rollback
        nothing is stored, and a new session gets no cookie. The session keeps what the handler wrote, until `reload()`.

        Raises `SessionUnavailable` (503) if the row stays locked or the statement fails, and the `KickError`
        `session-transaction`, `postgres-connection` or `postgres-transaction`.
        """
        async with self._state.lock_to_use():
            keys = [expect] if isinstance(expect, str) else expect
            return await self._operations.save_with(self._state, connection, keys)

    async def increment(self, key: str, by: int = 1) -> int:
        """Add to an integer in the store itself and return the sum. A missing key counts from 0.

        Parallel requests lose no count. Raises `TypeError` if the value is not an integer, and `SessionEnded` (409) if
        another request has ended the session.
        """
        async with self._state.lock_to_write():
            return await self._operations.increment(self._state, key, by)

    async def modify(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Change a value so that no change of a parallel request is lost; return the new value.

        `function` gets the value in the store, or `default` if there is none, and returns the new value. It is called
        again if another request has changed the value meanwhile, so it should have no side effects. A value that this
        request has assigned to the key is stored first.

        Raises `SessionEnded` (409) if another request has ended the session, and `TypeError` for a function that
        returns `None` instead of a list or dict.

        >>> from kick import RequestContext
        >>> async def add(ctx: RequestContext, item: str) -> list[str]:
        ...     return await ctx.session.modify("cart", lambda cart: [*cart, item], [])
        """
        async with self._state.lock_to_write():
            return await self._operations.modify(self._state, key, function, default)

    async def reload(self) -> bool:
        """Read what other requests have written meanwhile, and drop changes that are not saved.

        Return false if the session has ended, or was never stored.
        """
        async with self._state.lock_to_use():
            return await self._operations.reload(self._state)

    @property
    def cookie_name(self) -> str:
        """The name of the session cookie."""
        return self._operations.options.cookie.name

    def on_end(self, call: Callable[[], None]) -> Callable[[], None]:
        """Call a function once when the session has ended; return a function that cancels this.

        It is for connections that stay open. The function is called immediately if the session ends in this process,
        and within `session_check` if it ends in another one. A rotation or a store that does not answer does not end
        the session. The function is not called for a session that was never stored, or that this connection has
        destroyed itself.
        """
        state, record = self._state, self._state.record
        if record is None or state.status not in (Status.STORED, Status.GONE, Status.SUPERSEDED):
            return lambda: None

        def end() -> None:
            if state.status is not Status.DESTROYED:
                call()

        if state.status is not Status.STORED:  # it has ended before the connection was open
            return asyncio.get_running_loop().call_soon(end).cancel
        return self._operations.connections.add(state.require_id(), record, end)

    # Mapping methods over `data`, for code that was written for Starlette's `request.session`

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

    def popitem(self) -> tuple[str, Any]:
        """Remove the key that was set last; return it and its value."""
        return self._mapping().popitem()

    def clear(self) -> None:
        """Remove all values, or reset the fields of typed data to their defaults. The session stays."""
        self._mapping().clear()

    def __repr__(self) -> str:
        name = "-" if self._state.key is None else fingerprint(self._state.key)
        return f"<Session {name} {self._state.status.value}>"

    def _mapping(self) -> MutableMapping[str, Any]:
        contents = self._state.look()
        return contents if type(contents) is SessionData else contents.mapping


class ContextSession(Session[DataT]):
    """`ctx.session`."""

    __slots__ = ("_operations", "_state")

    def __init__(self, state: SessionState, operations: Operations) -> None:
        self._state = state
        self._operations = operations
