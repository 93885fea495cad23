"""`SessionManager`: the way of a session through one request, from the cookie that comes to the cookie that goes.

    open      verify the cookie, load the record, follow rotations
      handler: reads and writes the session; `operations.py` has what it may ask for
    close     commit what has changed, prolong, decide about the cookie

Of requests it knows the ASGI scope, of responses the status. `kick.middleware.session` connects it to kick's pipeline,
`kick.session.asgi` to every other ASGI application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from kick.session.cookie import Claim
from kick.session.data.mapping import OpenContents, SessionData
from kick.session.data.reserved import OWED_FIELD
from kick.session.errors import SessionUnavailable
from kick.session.events import Events, SessionEvent
from kick.session.ids import key_of, successor_id
from kick.session.operations import Operations
from kick.session.options import SessionOptions, check_options
from kick.session.session import ContextSession, Session
from kick.session.state import CookieAction, SessionState, Status
from kick.session.stores.base import KEEP, AtomicStore, Change, Record, Superseded
from kick.session.stores.url import open_store
from kick.signing import Secret

MOST_HOPS: Final = 16
"""The number of rotations through which an old id is followed."""

_NOTHING: Final = Change()


class SessionManager:
    """Opens and closes the sessions of an application.

    `open()` before the handler, `close()` before the first byte of the response.
    """

    def __init__(self, options: SessionOptions, store: AtomicStore) -> None:
        self.options = options
        self.events = Events(options.on_event)
        self.operations = Operations(options, store, self.events)
        shape = options.shape
        self._open_contents: OpenContents = SessionData if shape is None else shape.contents
        self._adopt: Callable[..., Awaitable[Record | Superseded | None]] | None = getattr(store, "adopt", None)
        self._prolongs = options.rolling or options.rotate_after is not None
        self._stores_all = options.save_uninitialized

    @property
    def store(self) -> AtomicStore:
        """The store of the sessions."""
        return self.operations.store

    @classmethod
    def configured(cls, secret: Secret | None, *, store: object = None, **options: Any) -> SessionManager:
        """Return a manager for the options of `session()`. Raises a `KickError` for all that is wrong with them."""
        checked = check_options(secret, **options)
        return cls(checked, open_store(store, timeout=checked.store_timeout))

    def use(self, store: AtomicStore) -> None:
        """Keep the sessions in this store from now on, which stands for the one before: timed, say."""
        self.operations.use(store)

    def session(self, state: SessionState) -> Session[Any]:
        """Return the session that handlers see."""
        return ContextSession(state, self.operations)

    def is_within(self, path: str) -> bool:
        """Return whether browsers send the cookie to a path (RFC 6265, section 5.1.4); elsewhere is no session."""
        prefix = self.options.path
        return prefix == "/" or path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")

    # Open

    async def open(self, scope: Mapping[str, Any]) -> SessionState:
        """Open the session of a request, by its ASGI scope. Never raises for what a client sent.

        When the store does not answer, using the session raises `SessionUnavailable`; opening it does not.
        """
        claim = self.options.cookie.read(scope["headers"])
        if claim is None:
            return self._without_claim(scope)
        operations = self.operations
        try:
            call = operations.store.load(claim.key)
            found = await (call if operations.is_in_memory else operations.guarded(call))
            if type(found) is Record:
                return SessionState(self._open_contents, scope, claim, found)
            state = SessionState(self._open_contents, scope, claim)
            await self._search(state, claim, found)
        except SessionUnavailable:
            state = SessionState(self._open_contents, scope, claim)
            state.unavailable(anonymous=self.options.on_store_error == "anonymous")
        return state

    def _without_claim(self, scope: Mapping[str, Any]) -> SessionState:
        """Begin a new session, for a client that came without a cookie that this application has signed."""
        came = self.options.cookie.came(scope["headers"])
        if came:
            self.events.emit(SessionEvent.BAD_SIGNATURE, None)
        return SessionState(self._open_contents, scope, None, cookie_came=came)

    async def _search(self, state: SessionState, claim: Claim, found: Record | Superseded | None) -> None:
        """Take over what another framework has stored under an id, or follow the rotations of the id.

        An id that leads nowhere is not adopted: the session stays new and draws one of its own.
        """
        session_id, key = claim.session_id, claim.key
        operations, options = self.operations, self.options
        if found is None and self._adopt is not None:
            ages = {"max_age": options.max_age, "absolute_max_age": options.absolute_max_age}
            found = await operations.ask(self._adopt(session_id, key, **ages))
            if isinstance(found, Record):
                state.found(claim, found)
                return
        for _ in range(MOST_HOPS):
            if not isinstance(found, Superseded):
                break
            successor = successor_id(found.successor, session_id)
            if successor is None:
                state.superseded()
                break
            session_id = successor
            claim = Claim(session_id, key_of(session_id), is_current=False)
            found = await operations.ask(operations.store.load(claim.key))
            if isinstance(found, Record):
                state.found(claim, found)
                return
        self.events.emit(SessionEvent.UNKNOWN_ID, key)

    # Close

    def close(self, state: SessionState, status: int) -> Awaitable[bytes | None] | None:
        """Seal a session; return what is to be awaited, if the store or the browser has to hear of it.

        Awaiting it saves what is to be saved, and gives the `Set-Cookie` value for the response or `None`. `status` is
        that of the response: from 500 on, nothing is saved that was not saved explicitly.

        Raises `SessionUnavailable` when the store fails, and the error of data that cannot be stored; then the response
        must not be sent, and `cookie_of` says what the one in its place does about the cookie.
        """
        is_kept = status < 500
        try:
            change = state.pending() if is_kept else None
        finally:
            state.sealed()
        if change is None and state.cookie is CookieAction.KEEP:
            adds = self._prolongs if state.status is Status.STORED else self._stores_all and state.status is Status.NEW
            if not (adds and is_kept):
                return None
        return self._settle(state, change, is_kept)

    async def _settle(self, state: SessionState, change: Change | None, is_kept: bool) -> bytes | None:
        operations = self.operations
        if state.status is Status.NEW:
            if change is not None and (change.set or change.principal is not KEEP):
                await operations.create(state, change)
            elif self._stores_all and is_kept:
                await self._unasked(operations.create(state, Change()))  # a new object: stores may keep it
        elif state.status is Status.STORED:
            if change is not None:
                await operations.commit(state, change)
            if self._prolongs and is_kept:
                await self._unasked(self._prolong(state))
            if state.cookie is CookieAction.CONFIRM:
                await self._unasked(operations.confirm(state))
        return self.cookie_of(state)

    async def _prolong(self, state: SessionState) -> None:
        """Do what time brings: touch a rolling session, draw a new id after `rotate_after`."""
        options, operations, record = self.options, self.operations, state.record
        if record is None or state.status is not Status.STORED:
            return
        now = operations.now()
        if options.rotate_after is not None and now - record.issued_at >= options.rotate_after:
            left = options.max_age if options.rolling else max(0.001, record.expires_at - now)
            await operations.rotate(state, max_age=left)
        elif options.rolling and OWED_FIELD in state.fields:
            await operations.commit(state, _NOTHING)
        elif options.rolling and now - record.seen_at >= options.tick:
            await operations.touch(state)

    async def _unasked(self, call: Awaitable[None]) -> None:
        """Do what no handler has asked for. No request fails because of it: the failure is an event."""
        try:
            await call
        except SessionUnavailable:
            pass

    # The cookie

    def cookie_of(self, state: SessionState) -> bytes | None:
        """Decide about the cookie of the response, from the final state; return the `Set-Cookie` value or `None`.

        The id is sent only when the store has confirmed it in this request: a request that has lost a race must not
        overwrite the cookie that the winner has just set.
        """
        if state.cookie is CookieAction.KEEP:
            return None
        match state.cookie, state.status:
            case CookieAction.SEND, Status.STORED:
                return self.options.cookie.issue(state.require_id(), self._cookie_age(state))
            case CookieAction.REMOVE, Status.DESTROYED | Status.NEW:
                return self.options.cookie.remove()
            case _:
                return None

    def _cookie_age(self, state: SessionState) -> float:
        record = state.record
        if record is None or record.deadline is None:
            return self.options.max_age
        return max(1.0, min(self.options.max_age, record.deadline - self.operations.now()))
