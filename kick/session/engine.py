"""The engine: from the cookie of a request to a `Session`, and from the `Session` to the cookie of the response.

Of requests it knows the ASGI scope, of responses nothing; `kick.middleware.session` puts it into kick's pipeline,
`kick.session.asgi` into any other ASGI application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from kick.session.errors import SessionUnavailable
from kick.session.events import Events, SessionEvent
from kick.session.options import SessionOptions
from kick.session.session import Session, Status, too_late
from kick.session.stores.base import KEEP, AtomicStore, Change, Record
from kick.session.verbs import OWED, Verbs

_NOTHING = Change()


class Engine:
    """Opens and closes sessions.

    One engine serves one application. `open()` before the handler, `close()` before the first byte of the response.
    """

    def __init__(self, options: SessionOptions, store: AtomicStore) -> None:
        self.options = options
        self.store = store
        self.events = Events(options.on_event)
        self.verbs = Verbs(options, store, self.events)
        self._prolongs = options.rolling or options.rotate_after is not None
        self._stores_all = options.save_uninitialized

    def is_within(self, path: str) -> bool:
        """Whether browsers send the cookie to a path (RFC 6265, section 5.1.4): elsewhere there is no session."""
        prefix = self.options.path
        return prefix == "/" or path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")

    async def open(self, scope: Mapping[str, Any]) -> Session[Any]:
        """The session of a request, by its ASGI scope. Never raises for what a client sent.

        When the store does not answer, the session says so as soon as somebody uses it, and not before.
        """
        claim = self.options.cookie.read(scope["headers"])
        if claim is None:
            return self._begin(scope)
        try:
            call = self.store.load(claim.key)
            found = await (call if self.verbs.is_in_memory else self.verbs.guarded(call))
            if type(found) is Record:
                return Session(  # by position: names take twice the time
                    self.verbs,
                    scope,
                    True,  # a cookie came
                    Status.STORED,
                    False,  # it is not new
                    claim.session_id,
                    claim.key,
                    found,
                    found.fields,
                    self.verbs.open_contents(found.fields),
                    not claim.is_current,  # a cookie of an older secret is issued anew
                )
            session: Session[Any] = Session(self.verbs, scope, _cookie_came=True)
            await self.verbs.follow(session, claim, found)
        except SessionUnavailable:
            session = Session(self.verbs, scope, _cookie_came=True, _status=Status.UNAVAILABLE)
            if self.options.on_store_error == "anonymous":
                session._anonymous = True
                session._refuse_writes(SessionUnavailable)
        return session

    def _begin(self, scope: Mapping[str, Any]) -> Session[Any]:
        """A new session, for a client that came with none of ours."""
        came = self.options.cookie.came(scope["headers"])
        if came:
            self.events.emit(SessionEvent.BAD_SIGNATURE, None)
        return Session(self.verbs, scope, _cookie_came=came)

    def close(self, session: Session[Any], status: int) -> Awaitable[bytes | None] | None:
        """Seal a session; what is to be awaited then, if the store or the browser has to hear of it.

        That saves what is to be saved, and gives the `Set-Cookie` value for the response, if there is to be one.
        `status` is that of the response: from 500 on, nothing is saved that was not saved explicitly.

        Raises `SessionUnavailable` when the store fails, and what is wrong with the data; then the response must not
        be sent, but what `cookie_of` says holds for the one that is sent in its place.
        """
        is_kept = status < 500
        try:
            change = session._change() if is_kept else None
        finally:
            session._sealed, session._refusal = True, too_late
            if session._contents is not None:
                session._contents.seal(too_late)
        if change is None and not (session._cookie_due or session._cookie_wanted or session._removal_due):
            state = session._status
            adds = (self._prolongs and state is Status.STORED) or (self._stores_all and state is Status.NEW)
            if not (adds and is_kept):
                return None
        return self._settle(session, change, is_kept)

    async def _settle(self, session: Session[Any], change: Change | None, is_kept: bool) -> bytes | None:
        if session._status is Status.NEW:
            if change is not None and (change.set or change.principal is not KEEP):
                await self.verbs.create(session, change)
            elif self._stores_all and is_kept:
                await self._unasked(self.verbs.create(session, Change()))  # one of its own: stores may keep it
        elif session._status is Status.STORED:
            if change is not None:
                await self.verbs.commit(session, change)
            if self._prolongs and is_kept:
                await self._unasked(self._prolong(session))
            if session._cookie_wanted and not session._cookie_due:
                await self._unasked(self.verbs.confirm(session))
        return self.cookie_of(session) if session._cookie_due or session._removal_due else None

    def cookie_of(self, session: Session[Any]) -> bytes | None:
        """The one decision about the cookie, from the final state.

        The id of a session is sent when the store has confirmed it in this request, and only then: a request that
        has lost a race must not overwrite the cookie that the winner has just set.
        """
        if session._cookie_due and session._status is Status.STORED:
            assert session._id is not None
            return self.options.cookie.issue(session._id, self._cookie_age(session))
        if session._removal_due and session._status in (Status.DESTROYED, Status.NEW):
            return self.options.cookie.remove()
        return None

    def _cookie_age(self, session: Session[Any]) -> float:
        record = session._record
        if record is None or record.deadline is None:
            return self.options.max_age
        return max(1.0, min(self.options.max_age, record.deadline - self.verbs.now()))

    async def _prolong(self, session: Session[Any]) -> None:
        """What time brings: a touch of a rolling session, a new id after `rotate_after`."""
        options, record = self.options, session._record
        if record is None or session._status is not Status.STORED:
            return
        now = self.verbs.now()
        if options.rotate_after is not None and now - record.issued_at >= options.rotate_after:
            left = options.max_age if options.rolling else max(0.001, record.expires_at - now)
            await self.verbs.rotate(session, max_age=left)
        elif options.rolling and OWED in session._fields:
            await self.verbs.commit(session, _NOTHING)
        elif options.rolling and now - record.seen_at >= options.tick:
            await self.verbs.touch(session)

    async def _unasked(self, call: Awaitable[None]) -> None:
        """Do what no handler has asked for, and let no request fail because of it: the failure is an event."""
        try:
            await call
        except SessionUnavailable:
            pass
