"""`SessionManager`: the steps of a session during one request.

    open      verify the cookie, load the record, follow rotations
      handler: reads and writes the session (`operations.py`)
    close     commit the changes, extend the session; `cookie.py` decides about the cookie

It uses only the ASGI scope of the request and the status of the response. `kick.middleware.session` connects it to the
pipeline of kick, and `kick.session.asgi.middleware` to other ASGI applications.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kick.errors import KickError
from kick.session.data.mapping import SessionData
from kick.session.data.reserved import OWED_FIELD
from kick.session.data.typed import OpenContents
from kick.session.errors import SessionUnavailable
from kick.session.events import Events, SessionEvent
from kick.session.headers import is_withheld
from kick.session.ids import Claim, successor_id
from kick.session.operations import Operations
from kick.session.options import SessionOptions, check_options, tick_of
from kick.session.races import MOST_HOPS
from kick.session.session import ContextSession, Session
from kick.session.state import CookieAction, SessionState, Status
from kick.session.stores.applications import others, shared_store
from kick.session.stores.base import KEEP, AtomicStore, Change, Record, Superseded
from kick.session.stores.url import open_store, scheme_of
from kick.signing import Secret

logger: Final = logging.getLogger("kick.session")

_NOTHING: Final = Change()

# An attribute of an enum class costs a request several times what a name of the module costs.
_KEEP: Final = CookieAction.KEEP
_STORED: Final = Status.STORED
_NEW: Final = Status.NEW
_CONFIRM: Final = CookieAction.CONFIRM


class Found(NamedTuple):
    """Result of looking up the session of a cookie."""

    came: Claim
    """That of the cookie."""
    claim: Claim
    """That of the current id, which differs after a rotation."""
    record: Record | None
    is_superseded: bool = False
    """A regenerate has replaced the id, and this request must not learn the new one."""


class SessionManager:
    """Opens and closes the sessions of an application.

    Call `open()` before the handler, and `close()` before the first byte of the response.
    """

    def __init__(self, options: SessionOptions, store: AtomicStore) -> None:
        self.options = options
        self.place: object = None
        """The URL or the object that was given as the store; `None` for a store that nobody else has."""
        self.events = Events(options.on_event)
        self.operations = Operations(options, store, self.events)
        shape = options.shape
        self._claims_in = options.cookie.read
        self._open_contents: OpenContents = SessionData if shape is None else shape.contents
        self._adopt: Callable[..., Awaitable[Record | Superseded | None]] | None = getattr(store, "adopt", None)
        self._prolongs = options.rolling or options.rotate_after is not None
        self._stores_all = options.save_uninitialized
        self._adds = self._prolongs or self._stores_all
        self._opens_anonymous = options.on_store_error == "anonymous"

    @property
    def store(self) -> AtomicStore:
        """The store of the sessions."""
        return self.operations.store

    @classmethod
    def configured(cls, secret: Secret | None, *, store: object = None, **options: Any) -> SessionManager:
        """Return a manager for the options of `session()`. Raises a `KickError` with all mistakes in them."""
        checked = check_options(secret, **options)
        needs_index = checked.max_per_principal is not None
        manager = cls(checked, open_store(store, timeout=checked.store_timeout, needs_index=needs_index))
        manager.place = None if store is None or (isinstance(store, str) and scheme_of(store) == "memory") else store
        return manager

    def shares_with(self, other: SessionManager) -> bool:
        """Return whether a cookie of one is a login for the other: they have one store, and accept each other's."""
        same_place = self.store is other.store or (self.place is not None and self.place == other.place)
        ours, theirs = self.options.cookie, other.options.cookie
        return same_place and (ours.accepts(theirs) or theirs.accepts(ours))

    def use(self, store: AtomicStore) -> None:
        """Replace the store, for example by a wrapper that measures time."""
        self.operations.use(store)

    def session(self, state: SessionState) -> Session[Any]:
        """Return the session that handlers see."""
        return ContextSession(state, self.operations)

    def is_within(self, path: str) -> bool:
        """Return true if browsers send the cookie to a path (RFC 6265, section 5.1.4). Other paths have no session."""
        prefix = self.options.path
        return prefix == "/" or path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")

    # Start

    async def start(self, secrets: frozenset[str] | None = None) -> None:
        """Log what is wrong with the store for this application, when it starts. See `review`.

        Raises the `KickError` of a store that must not be used so. One that does not answer stops no start.
        """
        try:
            found = await self.review(secrets)
        except SessionUnavailable:
            return  # with an event; requests find out for themselves
        for each in found:
            logger.warning("%s", each)

    async def review(self, secrets: frozenset[str] | None = None, *, remember: bool = True) -> list[KickError]:
        """Return what is wrong with the store for this application: it is shared with others, it loses sessions.

        `secrets` are the fingerprints of all secrets of the application, if it has more than those of this cookie; with
        `remember` the store will know them. Raises `SessionUnavailable`.
        """
        found: list[KickError] = []
        store: Any = self.store
        recognize = getattr(store, "recognize", None)
        if recognize is not None:
            own = secrets or self.options.cookie.fingerprints
            number = others(own, await self.operations.ask(recognize(own, remember=remember)))
            found += [shared_store(number)] if number else []
        review = getattr(store, "review", None)
        if review is not None:
            found += await self.operations.ask(review())
        return found

    # Open

    async def open(self, scope: Mapping[str, Any]) -> SessionState:
        """Open the session of a request, given by its ASGI scope. Nothing that a client sends makes this raise.

        If the store does not answer, this does not raise either; using the session raises `SessionUnavailable`.
        """
        claims = self._claims_in(scope["headers"])
        if len(claims) != 1:
            return await self._open_one_of(claims, scope) if claims else self._without_claim(scope)
        (claim,) = claims
        if claim.rank:
            return await self._open_one_of(claims, scope)
        operations = self.operations
        try:  # as `operations.ask` does, without one more coroutine
            call = operations.store.load(claim.key)
            found = await (call if operations.keeps_time else operations.limited(call))
        except Exception as error:  # noqa: BLE001  # whatever the store raises
            operations.failure(error)
            state = SessionState(self._open_contents, scope, claim)
            state.unavailable(anonymous=self._opens_anonymous)
            return state
        if type(found) is Record:
            return SessionState(self._open_contents, scope, claim, found)
        state = SessionState(self._open_contents, scope, claim)
        try:
            self._take(state, [await self._resolve(claim, found)])
        except SessionUnavailable:
            state.unavailable(anonymous=self._opens_anonymous)
        return state

    def open_empty(self, scope: Mapping[str, Any]) -> SessionState:
        """Open an empty session, whatever cookie came; the store is not asked."""
        return SessionState(self._open_contents, scope, None)

    async def _open_one_of(self, claims: Sequence[Claim], scope: Mapping[str, Any]) -> SessionState:
        """Open the first living session of several cookies."""
        operations = self.operations
        if claims[0].rank > 0 and is_withheld(scope, self.options.cookie.same_site):
            # `SameSite` may withhold the current cookie. One with a former name must not replace it then.
            return SessionState(
                self._open_contents, scope, None, cookie_came=self.options.cookie.came(scope["headers"])
            )
        own_came = claims[0].rank == 0 or self.options.cookie.came(scope["headers"])
        state = SessionState(self._open_contents, scope, claims[0], cookie_came=own_came)
        state.is_to_replace(self.options.cookie.replaced(scope["headers"]))
        try:
            answers = await asyncio.gather(*(operations.ask(operations.store.load(claim.key)) for claim in claims))
            pairs = zip(claims, answers, strict=True)
            self._take(state, [await self._resolve(claim, answer) for claim, answer in pairs])
        except SessionUnavailable:
            state.unavailable(anonymous=self._opens_anonymous)
        return state

    def _take(self, state: SessionState, found: Sequence[Found]) -> None:
        """Take over the first living session. An id without a session is never adopted: a new session gets a new id."""
        living = {each.claim.key: each for each in reversed(found) if each.record is not None}
        if living:
            first, *others = reversed(living.values())
            assert first.record is not None  # noqa: S101  # what the type checker cannot see
            state.found(first.came, first.claim, first.record)
            if others:
                state.came_with([each.claim.key for each in others])
                self.events.emit(SessionEvent.AMBIGUOUS_COOKIE, first.claim.key)
        else:
            if any(each.is_superseded for each in found):
                state.superseded()
            self.events.emit(SessionEvent.UNKNOWN_ID, found[0].claim.key)

    def _without_claim(self, scope: Mapping[str, Any]) -> SessionState:
        """Begin a new session, for a request without a valid cookie."""
        came = self.options.cookie.came(scope["headers"])
        if came:
            self.events.emit(SessionEvent.BAD_SIGNATURE, None)
        state = SessionState(self._open_contents, scope, None, cookie_came=came)
        state.is_to_replace(self.options.cookie.replaced(scope["headers"]))
        return state

    async def _resolve(self, claim: Claim, found: Record | Superseded | None) -> Found:
        """Follow the rotations of an id. If the id is unknown, take over a session of another framework."""
        if isinstance(found, Record):
            return Found(claim, claim, found)
        operations, options = self.operations, self.options
        if found is None and self._adopt is not None:
            ages = {"max_age": options.max_age, "absolute_max_age": options.absolute_max_age}
            found = await operations.ask(self._adopt(claim.session_id, claim.key, **ages))
            if isinstance(found, Record):
                return Found(claim, claim, found)
        current = claim
        for _ in range(MOST_HOPS):
            if not isinstance(found, Superseded):
                break
            successor = successor_id(found.successor, current.session_id)
            if successor is None:
                return Found(claim, claim, None, is_superseded=True)
            current = Claim(successor, is_current=False, rank=claim.rank)
            found = await operations.ask(operations.store.load(current.key))
            if isinstance(found, Record):
                return Found(claim, current, found)
        return Found(claim, claim, None)

    # Close

    def close(self, state: SessionState, status: int) -> tuple[bytes, ...] | Awaitable[tuple[bytes, ...]]:
        """Seal a session; return the `Set-Cookie` values for the response, or an awaitable of them.

        The awaitable is for a session about which the store is asked, mostly to save it. `status` is that of the
        response: from 500 on, nothing is saved that was not saved explicitly.

        Raises `SessionUnavailable` if the store fails, and the error of data that cannot be stored. Then this response
        must not be sent, and `cookies_of` returns the cookies for the error response.
        """
        change = state.sealed(status < 500)
        adds = self._adds and status < 500 and not state.is_passive and self._adds_to(state)
        if change is None and not adds and state.cookie is _KEEP and not state.replaced and state.token is None:
            return ()
        if state.status is _NEW and self.operations.is_withheld(state):
            self._drop(state, change)
            return ()
        if change is None and not adds and state.cookie is not _CONFIRM:
            return self.cookies_of(state)
        return self._settle(state, change, adds)

    def _adds_to(self, state: SessionState) -> bool:
        """Return true if the options ask for more than the handler did: a longer life, a new session without values."""
        return self._prolongs if state.status is _STORED else self._stores_all and state.status is _NEW

    async def _settle(self, state: SessionState, change: Change | None, adds: bool) -> tuple[bytes, ...]:
        """Save the changes, and with `adds` what no handler has asked for; return the cookies."""
        operations = self.operations
        if state.status is _NEW:
            if change is not None and (change.set or change.principal is not KEEP):
                await operations.create(state, change)
            elif adds:
                await self._unasked(operations.create(state, Change()))  # a new object: stores may keep it
        elif state.status is _STORED:
            if change is not None:
                await operations.commit(state, change)
            if adds:
                await self._unasked(self._prolong(state))
            if state.cookie is _CONFIRM and not state.is_passive:
                await self._unasked(operations.confirm(state))
        return self.cookies_of(state)

    def _drop(self, state: SessionState, change: Change | None) -> None:
        """Drop the changes of a request from which the cookie was withheld; emit an event if a handler has written."""
        if change is not None and (change.principal is not KEEP or change.set):
            self.events.emit(SessionEvent.WITHHELD, None)

    async def _prolong(self, state: SessionState) -> None:
        """Do what is due: touch a rolling session, or rotate the id after `rotate_after`."""
        options, operations, record = self.options, self.operations, state.record
        if record is None or state.status is not _STORED:
            return
        now = operations.now()
        if options.rotate_after is not None and now - record.issued_at >= options.rotate_after:
            left = operations.max_age_of(state) if options.rolling else max(0.001, record.expires_at - now)
            await operations.rotate(state, max_age=left)
        elif options.rolling and OWED_FIELD in state.fields:
            await operations.commit(state, _NOTHING)
        elif options.rolling and now - record.seen_at >= tick_of(operations.max_age_of(state)):
            await operations.touch(state)

    async def _unasked(self, call: Awaitable[None]) -> None:
        """Await a call that no handler has asked for. If it fails, the request does not; there is only an event."""
        try:
            await call
        except SessionUnavailable:
            pass

    def cookies_of(self, state: SessionState) -> tuple[bytes, ...]:
        """Return the `Set-Cookie` values for the response, from the final state.

        `SessionCookie.decide` and `TokenCookie.decide` have the rules.
        """
        if state.cookie is _KEEP and not state.replaced and state.token is None:
            return ()
        operations, cookie = self.operations, self.options.cookie
        max_age, persistent = operations.life_of(state)
        own = cookie.decide(state, max_age=max_age, persistent=persistent, now=operations.now)
        cookies = own + self.options.token.decide(state)
        return cookie.for_scheme(cookies, state.scope) if cookie.follows_scheme else cookies
