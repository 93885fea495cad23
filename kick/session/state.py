"""`SessionState`: the state of a session in one request. No other object changes it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec.structs import replace

from kick.errors import OfRequest
from kick.session.data.flash import Flash
from kick.session.data.mapping import Refusal
from kick.session.data.reserved import Reserved
from kick.session.data.typed import Contents, OpenContents
from kick.session.errors import SessionUnavailable, handshake_over, response_started, session_destroyed
from kick.session.ids import Claim, generate_id, key_of, principal_text
from kick.session.stores.base import KEEP, Change, Committed, Keep, Record


class Status(enum.Enum):
    """The status of a session in its store."""

    NEW = "new"
    """It is not stored."""
    STORED = "stored"
    DESTROYED = "destroyed"
    """This request ended it."""
    GONE = "gone"
    """Another request ended it, or it has expired."""
    SUPERSEDED = "superseded"
    """Another request has given it a new id, which this request must not learn."""
    UNAVAILABLE = "unavailable"
    """The store did not answer. Using the session raises `SessionUnavailable` (503)."""
    ANONYMOUS = "anonymous"
    """The store did not answer. The request gets an empty session that refuses writes."""


class CookieAction(enum.Enum):
    """The action of the response for the session cookie."""

    KEEP = "keep"
    """Send no cookie; the browser keeps the one it has."""
    CONFIRM = "confirm"
    """Send it after the store has confirmed that the id is still valid."""
    SEND = "send"
    """Send it. The store has confirmed the id in this request."""
    REMOVE = "remove"


# An attribute of an enum class costs a request several times what a name of the module costs.
_NEW: Final = Status.NEW
_STORED: Final = Status.STORED
_KEEP: Final = CookieAction.KEEP
_CONFIRM: Final = CookieAction.CONFIRM
_UNAVAILABLE: Final = Status.UNAVAILABLE


class SessionState(OfRequest):
    """State of the session of one request.

    Other objects may read the attributes, but only the methods change them. Each method is named after an event:

    | method | event |
    |---|---|
    | `found` | the store has a record under the id in the cookie |
    | `created` | the store has a record for a new session |
    | `committed` | the store has applied a change |
    | `moved` | the store has moved the record to a new id, for this request |
    | `followed` | another request rotated the id, and this one continues with the new id |
    | `reloaded` | the record was loaded again |
    | `lost` | another request ended the session, or it expired |
    | `given_up` | this request destroyed a session that was lost |
    | `destroyed` | this request ended the session |
    | `restarted` | a new, empty session replaces one that has ended |
    | `confirmed` | the store has confirmed the id, so its cookie may be sent |
    | `sealed` | the response has started |
    | `accepted` | the handshake of a WebSocket is over |
    """

    # `__init__` sets what nearly every request reads: CPython finds it there much sooner than a default of the class.

    status: Status
    cookie: CookieAction
    is_new: bool = True
    id: str | None = None
    key: str | None = None
    """The key under which the store knows the id."""
    record: Record | None = None
    fields: Mapping[str, bytes] = {}
    """The encoded values in the store."""
    contents: Contents | None
    """The decoded values; `None` until they are first used."""
    flash: Flash | None
    reserved: Reserved | None
    new_principal: str | Keep | None
    """A principal that is not stored yet."""
    accessed: bool
    """The request has used the session, so the response depends on the cookie (`Vary`)."""
    refusal: Refusal | None
    """Returns the error that a write raises; `None` while writes are accepted."""
    is_sealed: bool = False
    is_accepted: bool = False
    """The handshake of a WebSocket is over, so no cookie can be sent, and the id can no longer change."""
    create_sent: bool = False
    """A `create` with this id was sent; its result is not known."""
    is_passive: bool
    """The route does not extend the session."""
    begins_none: bool = False
    """No handler runs, so no new session is stored."""
    is_deliberate: bool = False
    """The handler has asked for a new session, by `regenerate()` or a login."""
    token: bytes | None
    """The digest of the CSRF tokens that were handed out while the request had no session."""
    token_is_new: bool = False
    """No cookie of the request has this digest."""
    rivals: Collection[str] = ()
    """The keys of other living sessions whose cookies the request has."""
    replaced: Collection[str]
    """The former names of the session cookie with which the request has cookies."""
    _lock: asyncio.Lock | None = None

    def __init__(
        self,
        open_contents: OpenContents,
        scope: Mapping[str, Any],
        claim: Claim | None,
        record: Record | None = None,
        *,
        cookie_came: bool = True,
    ) -> None:
        self.open_contents = open_contents
        self.scope = scope
        """The ASGI scope of the request, or only its parts about the client."""
        self.claim = claim
        """The id from the cookie that has led to the session, or of the first with a valid signature if none has."""
        self.cookie_came = cookie_came
        self.cookie = _KEEP
        self.contents = self.flash = self.reserved = self.refusal = self.token = None
        self.new_principal = KEEP
        self.accessed = self.is_passive = False
        self.replaced = ()
        if claim is not None and record is not None:  # the same as `found`, without a call for nearly every request
            self.id, self.key, self.record = claim.session_id, claim.key, record
            self.fields = record.fields
            self.status = _STORED
            self.is_new = False
            if not claim.is_current:
                self.cookie = _CONFIRM
        else:
            self.status = _NEW

    # Access

    def look(self) -> Contents:
        """Return the decoded values, and note that the response depends on the session."""
        self.accessed = True
        return self.open()

    def touch(self) -> None:
        """Note that the request uses the session. Raises `SessionUnavailable` if the store did not answer."""
        self.accessed = True
        if self.status is _UNAVAILABLE:
            raise SessionUnavailable

    def require_writable(self) -> None:
        """Raise an error if writes are refused."""
        if self.refusal is not None:
            raise self.refusal()

    def lock_to_use(self) -> asyncio.Lock:
        """Return the lock for an operation. Raises an error if no operation can reach the store any more."""
        self.touch()
        if self.is_sealed:
            raise (self.refusal or response_started)()
        if self.status is Status.ANONYMOUS:
            raise SessionUnavailable
        return self._lock_of_tasks()

    def lock_to_write(self) -> asyncio.Lock:
        """Return the lock for a change of a value. Raises an error if writes are refused."""
        self.touch()
        self.require_writable()
        return self._lock_of_tasks()

    def lock_to_renew(self) -> asyncio.Lock:
        """Return the lock for a new id. Raises an error if there can be none, because no cookie can be sent."""
        lock = self.lock_to_use()
        if self.is_accepted:
            raise handshake_over()
        return lock

    def require_id(self) -> str:
        """Return the id; generate one if there is none yet."""
        if self.id is None:
            self.id = generate_id()
            self.create_sent = False
        return self.id

    def require_key(self) -> str:
        """Return the key under which the store knows the session."""
        return self.key or key_of(self.require_id())

    def open(self) -> Contents:
        """Return the decoded values of the session."""
        contents = self.contents
        if contents is None:
            if self.status is _UNAVAILABLE:
                self.touch()
            contents = self.contents = self.open_contents(self.fields)
            if self.refusal is not None:
                contents.seal(self.refusal)
        return contents

    def open_flash(self) -> Flash:
        """Return the flash values."""
        if self.flash is None:
            self.flash = Flash(self.fields, self.require_writable)
        return self.flash

    def open_reserved(self) -> Reserved:
        """Return the reserved values."""
        if self.reserved is None:
            self.reserved = Reserved(self.fields, self.require_writable)
        return self.reserved

    @property
    def principal(self) -> str | None:
        """The principal, stored or not yet."""
        if self.new_principal is not KEEP:
            return self.new_principal
        return None if self.record is None else self.record.principal

    def set_principal(self, value: object) -> None:
        """Set the principal, which the next commit stores. Raises `ValueError` as `principal_text` does."""
        text = principal_text(value)
        # One that is pending may be on its way to the store, so taking it back is a change, too.
        self.new_principal = KEEP if self.new_principal is KEEP and text == self.principal else text

    def pending(self) -> Change | None:
        """Return all differences from the store; `None` if there are none."""
        contents, principal = self.contents, self.new_principal
        found = None if contents is None else contents.changes()
        if found is None and self.flash is None and self.reserved is None and principal is KEEP:
            return None
        if principal is not KEEP and principal == (None if self.record is None else self.record.principal):
            principal = KEEP
        changed, dropped = found or ({}, [])
        for own in (self.flash, self.reserved):
            if own is not None:
                set_here, dropped_here = own.changes()
                changed.update(set_here)
                dropped += dropped_here
        if dropped or principal is not KEEP:
            return Change(set=changed, delete=dropped, principal=principal)
        return Change(set=changed) if changed else None

    def _lock_of_tasks(self) -> asyncio.Lock:
        """Return the lock for tasks of one request that use its session at the same time."""
        lock = self._lock = self._lock or asyncio.Lock()
        return lock

    # Events

    def came_with(self, rivals: Collection[str]) -> None:
        """Note that the request has cookies of other living sessions."""
        self.rivals = rivals

    def is_to_replace(self, names: Collection[str]) -> None:
        """Note that the request has cookies with former names."""
        self.replaced = names

    def handed_out(self, token: bytes, *, is_new: bool) -> None:
        """Note that a page has a CSRF token that belongs to no session."""
        self.token, self.token_is_new = token, is_new

    def restricted(self, *, begins: bool) -> None:
        """Do not extend the session in this request. With `begins=False`, store no new session either."""
        self.is_passive = True
        self.begins_none = not begins

    def found(self, came: Claim, claim: Claim, record: Record) -> None:
        """Take over the record under the id of a claim, to which the cookie with the claim `came` has led."""
        self.claim, self.id, self.key, self.record = came, claim.session_id, claim.key, record
        self.fields = record.fields
        self.status = Status.STORED
        self.is_new = False
        if not claim.is_current:
            self.cookie = CookieAction.CONFIRM

    def created(self, key: str, record: Record) -> None:
        """Take over the record that `create` has stored under the current id."""
        self.key, self.record = key, record
        self.status = Status.STORED
        if self.new_principal == record.principal:  # else another one was set meanwhile
            self.new_principal = KEEP
        self._rebase(record.fields)
        self.cookie = CookieAction.SEND

    def recreated(self, key: str, record: Record) -> None:
        """Take over the record of an earlier `create` whose answer was lost. The changes must still be committed."""
        self.key, self.record, self.fields = key, record, record.fields
        self.status = Status.STORED
        self.cookie = CookieAction.CONFIRM

    def to_be_confirmed(self) -> None:
        """Note that the cookie is sent only if the session is in the store when the request ends."""
        self.cookie = CookieAction.CONFIRM

    def collided(self) -> None:
        """Drop an id that another session has."""
        self.id = None

    def sent_create(self) -> bool:
        """Note that a `create` with the current id is sent; return true if one was sent before."""
        before, self.create_sent = self.create_sent, True
        return before

    def committed(self, change: Change, answer: Committed, *, now: float | None, only: str | None = None) -> None:
        """Note that the store has applied `change`.

        `now` is the new time of last use, or `None` to keep the old. `only` is the key that the change was about; other
        changes of the request are still pending then.
        """
        assert self.record is not None  # noqa: S101  # what the type checker cannot see
        principal = change.principal
        if principal is KEEP and now is None:
            self.record = replace(self.record, expires_at=answer.expires_at)
        else:
            self.record = replace(
                self.record,
                seen_at=self.record.seen_at if now is None else now,
                expires_at=answer.expires_at,
                principal=self.record.principal if principal is KEEP else principal,
            )
            if principal is not KEEP and principal == self.new_principal:  # else another one was set meanwhile
                self.new_principal = KEEP
        fields = {**self.fields, **change.set}
        for name in change.delete:
            fields.pop(name, None)
        if only is None:
            self._rebase(fields)
        else:
            fields.update({name: str(value).encode() for name, value in answer.counters.items()})
            self.fields = fields
            self.open().refresh(only, fields)

    def refreshed(self, key: str, raw: bytes | None) -> None:
        """Take over the value that another request has stored under one key. Other changes are still pending."""
        fields = {name: held for name, held in self.fields.items() if name != key}
        self.fields = fields if raw is None else {**fields, key: raw}
        self.open().refresh(key, self.fields)

    def reloaded(self, record: Record) -> None:
        """Take over the current record of the store, and drop every change that is not stored."""
        self.record, self.fields = record, record.fields
        self.new_principal = KEEP
        for each in (self.contents, self.flash, self.reserved):
            if each is not None:
                each.reset(record.fields)

    def moved(
        self,
        new_id: str,
        new_key: str,
        answer: Committed,
        *,
        keep: Collection[str] | None,
        now: float,
        new_deadline: float | None,
    ) -> None:
        """Note that the store has moved the record to a new id, with the fields of `keep` or all of them."""
        assert self.record is not None  # noqa: S101  # what the type checker cannot see
        self.id, self.key, self.cookie = new_id, new_key, CookieAction.SEND
        self.record = replace(
            self.record,
            issued_at=now,
            expires_at=answer.expires_at,
            deadline=self.record.deadline if new_deadline is None else new_deadline,
            principal=self.record.principal if keep is None else None,
        )
        if keep is not None:
            self.new_principal = KEEP
            self._retain(keep, {name: raw for name, raw in self.fields.items() if name in keep})

    def followed(self, new_id: str, *, now: float) -> None:
        """Continue with the id that another request has given to the session. Its cookie needs a confirmation."""
        assert self.record is not None  # noqa: S101  # what the type checker cannot see
        self.id, self.key = new_id, key_of(new_id)
        self.record = replace(self.record, issued_at=now)
        self.cookie = CookieAction.CONFIRM

    def lost(self, status: Status, *, keep: Collection[str] | None = None) -> None:
        """Note that another request was first. The handler may still read and write, but nothing is stored.

        The response sends no cookie, because it would overwrite the one that the other request has set.
        """
        self.status = status
        self.cookie = CookieAction.KEEP
        if keep is not None:
            self._retain(keep, {})

    def given_up(self) -> None:
        """Drop all data and refuse writes, but keep the cookie: another request may have set a newer one."""
        self.forgot_all_but(())
        self._refuse_writes(session_destroyed)

    def superseded(self) -> None:
        """Note that a regenerate has replaced the id, and that this request must not learn the new one."""
        self.status = Status.SUPERSEDED

    def destroyed(self) -> None:
        """Drop all data, refuse writes, and remove the cookie if the request has one."""
        self.restarted()
        self.status = Status.DESTROYED
        self.cookie = CookieAction.REMOVE if self.cookie_came else CookieAction.KEEP
        self._refuse_writes(session_destroyed)

    def restarted(self) -> None:
        """Become a new, empty session."""
        self.status = Status.NEW
        self.is_new = True
        self.create_sent = False
        self.id = self.key = self.record = None
        if self.cookie is not CookieAction.REMOVE:
            self.cookie = CookieAction.KEEP
        self.is_deliberate = True
        self.forgot_all_but(())
        self._allow_writes()

    def forgot_all_but(self, keep: Collection[str]) -> None:
        """Keep only these keys of a session that is not stored, and drop the principal."""
        self.new_principal = KEEP
        self._retain(keep, {})

    def renewed(self) -> None:
        """Drop the id of a session that is not stored, because the handler asks for a new one."""
        self.id, self.create_sent = None, False
        self.is_deliberate = True

    def confirmed(self) -> None:
        """Note that the store has confirmed the id, so the cookie may be sent."""
        self.cookie = CookieAction.SEND

    def unavailable(self, *, anonymous: bool) -> None:
        """Note that the store did not answer when the session was loaded."""
        self.status = Status.ANONYMOUS if anonymous else Status.UNAVAILABLE
        if anonymous:
            self._refuse_writes(SessionUnavailable)

    def sealed(self, is_kept: bool) -> Change | None:
        """Refuse every further write, because the response has started; return the changes if they are to be kept."""
        try:
            return self.pending() if is_kept else None
        finally:
            self.is_sealed, self.refusal = True, response_started
            if self.contents is not None:  # as `_refuse_writes`: every request comes here
                self.contents.seal(response_started)

    def accepted(self) -> None:
        """Accept writes again, for the `save()` of a WebSocket after its handshake. No cookie can be sent any more."""
        self.is_accepted = True
        self.is_sealed = self.status in (Status.ANONYMOUS, Status.NEW)
        if self.status is Status.NEW:
            self._refuse_writes(handshake_over)
        elif self.status is Status.DESTROYED:
            self._refuse_writes(session_destroyed)
        elif self.status not in (Status.UNAVAILABLE, Status.ANONYMOUS):
            self._allow_writes()

    # Update the objects that a handler may hold

    def _rebase(self, fields: Mapping[str, bytes]) -> None:
        """Note that the store has `fields`, all changes included."""
        self.fields = fields
        for each in (self.contents, self.flash, self.reserved):
            if each is not None:
                each.rebase(fields)

    def _retain(self, keys: Collection[str], fields: Mapping[str, bytes]) -> None:
        """Keep only these keys. The store has `fields`."""
        self.fields = fields
        if self.contents is not None:
            self.contents.retain(keys, fields)
        for own in (self.flash, self.reserved):
            if own is not None:
                own.reset(fields)

    def _refuse_writes(self, refusal: Refusal) -> None:
        self.refusal = refusal
        if self.contents is not None:
            self.contents.seal(refusal)

    def _allow_writes(self) -> None:
        if self.refusal is not None:
            self.refusal = None
            if self.contents is not None:
                self.contents.seal(None)
