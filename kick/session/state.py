"""The state of a session within one request: `SessionState` is the only object that changes it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from kick.session.data.flash import Flash
from kick.session.data.mapping import Contents, OpenContents, Refusal
from kick.session.data.reserved import LIFE, LIFE_FIELD, Reserved
from kick.session.errors import SessionClosed, SessionUnavailable
from kick.session.ids import Claim, draw_id, key_of
from kick.session.stores.base import KEEP, Change, Committed, Keep, Record


class Status(enum.Enum):
    """The relation between a session and its store."""

    NEW = "new"
    """Nothing is stored under its id."""
    STORED = "stored"
    DESTROYED = "destroyed"
    """This request ended it."""
    GONE = "gone"
    """Another request ended it, or it has expired."""
    SUPERSEDED = "superseded"
    """Another request gave it a new id that this request must not learn."""
    UNAVAILABLE = "unavailable"
    """The store did not answer: using the session is a 503."""
    ANONYMOUS = "anonymous"
    """The store did not answer: an empty session that refuses writes takes its place."""


class CookieAction(enum.Enum):
    """What the response does about the session cookie."""

    KEEP = "keep"
    """Nothing: the browser keeps what it has."""
    CONFIRM = "confirm"
    """Send it, but only after the store has confirmed that the id is still good."""
    SEND = "send"
    """Send it: the store has confirmed the id in this request."""
    REMOVE = "remove"


class SessionState:
    """Everything that one request knows about its session.

    Everybody may read the attributes. Only the methods change them, and each is named after what happened:

    | method | event |
    |---|---|
    | `found` | the store has a record under the id that the cookie carries |
    | `created` | the store has a record for a new session |
    | `committed` | the store has applied a change |
    | `moved` | the store has moved the record to a new id, for this request |
    | `followed` | another request rotated the id, and this one goes on under the new id |
    | `reloaded` | the store was asked for the record once more |
    | `lost` | another request ended the session, or it expired |
    | `destroyed` | this request ended the session |
    | `restarted` | a new, empty session takes the place of one that has ended |
    | `confirmed` | the store has confirmed the id, so its cookie may be sent |
    | `sealed` | the response is on its way |
    | `accepted` | the handshake of a WebSocket is over |
    """

    # Defaults are class attributes: an instance holds only what differs, so it is made quickly.

    status: Status = Status.NEW
    cookie: CookieAction = CookieAction.KEEP
    is_new: bool = True
    id: str | None = None
    key: str | None = None
    """The key under which the store knows the id."""
    record: Record | None = None
    fields: Mapping[str, bytes] = {}
    """The encoded values that the store has."""
    contents: Contents | None = None
    """The decoded values, once somebody has looked."""
    flash: Flash | None = None
    reserved: Reserved | None = None
    new_principal: str | Keep | None = KEEP
    """A principal that is not stored yet."""
    accessed: bool = False
    """The request has looked at the session, so the response depends on its cookie."""
    refusal: Refusal | None = None
    """Makes the error that a write gets, while writes are refused."""
    is_sealed: bool = False
    is_accepted: bool = False
    """The handshake of a WebSocket is over: no cookie can be sent any more, so the id can no longer change."""
    create_sent: bool = False
    """A `create` under this id was sent; whether the store carried it out is not known."""
    is_passive: bool = False
    """The route reads the session and prolongs nothing."""
    begins_none: bool = False
    """No handler runs, so no session begins."""
    is_deliberate: bool = False
    """The handler has asked for a new session, by `regenerate()` or a login."""
    rivals: Collection[str] = ()
    """The keys of other living sessions whose cookies came, too."""
    replaced: Collection[str] = ()
    """The names of cookies that came and that the session cookie replaces."""
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
        """The ASGI scope of the request, or the part of it that describes the client."""
        self.claim = claim
        """The id that the cookie carries, if it is signed; whether it leads anywhere is another question."""
        self.cookie_came = cookie_came
        if claim is not None and record is not None:  # as `found` does: one call less on nearly every request
            self.id, self.key, self.record = claim.session_id, claim.key, record
            self.fields = record.fields
            self.status = Status.STORED
            self.is_new = False
            if not claim.is_current:
                self.cookie = CookieAction.CONFIRM

    # Access

    def look(self) -> Contents:
        """Return the decoded values, and note that the response depends on the cookie of the session."""
        self.accessed = True
        return self.open()

    def touch(self) -> None:
        """Note that the request uses the session. Raises `SessionUnavailable` when the store did not answer."""
        self.accessed = True
        if self.status is Status.UNAVAILABLE:
            raise SessionUnavailable

    def require_writable(self) -> None:
        """Raise the error that a write gets now, if it gets one."""
        if self.refusal is not None:
            raise self.refusal()

    def require_usable(self) -> None:
        """Raise unless the session may ask the store for something."""
        self.touch()
        if self.is_sealed:
            raise (self.refusal or response_started)()
        if self.status is Status.ANONYMOUS:
            raise SessionUnavailable

    def require_new_id(self) -> None:
        """Raise unless the session may get a new id, whose cookie the response has to carry."""
        self.require_usable()
        if self.is_accepted:
            raise handshake_over()

    def require_id(self) -> str:
        """Return the id; draw one if there is none yet."""
        if self.id is None:
            self.id = draw_id()
            self.create_sent = False
        return self.id

    def require_key(self) -> str:
        """Return the key under which the store knows the session."""
        return self.key or key_of(self.require_id())

    def open(self) -> Contents:
        """Return the decoded values of the session."""
        contents = self.contents
        if contents is None:
            if self.status is Status.UNAVAILABLE:
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
        """Note a principal that the next commit stores."""
        text = None if value is None else str(value)
        held = None if self.record is None else self.record.principal
        self.new_principal = KEEP if text == held else text

    @property
    def life(self) -> Mapping[str, Any]:
        """The `max_age` and the `persistent` of this session alone, as far as it has its own."""
        if self.reserved is None and LIFE_FIELD not in self.fields:
            return {}
        held = self.open_reserved().get(LIFE)
        return held if isinstance(held, dict) else {}

    def pending(self) -> Change | None:
        """Return all that differs from the store; `None` when nothing does."""
        contents, flash, reserved, principal = self.contents, self.flash, self.reserved, self.new_principal
        found = None if contents is None else contents.changes()
        if found is None and flash is None and reserved is None and principal is KEEP:
            return None
        changed, dropped = found or ({}, [])
        for own in (flash, reserved):
            if own is not None:
                set_here, dropped_here = own.changes()
                changed.update(set_here)
                dropped += dropped_here
        if dropped or principal is not KEEP:
            return Change(set=changed, delete=dropped, principal=principal)
        return Change(set=changed) if changed else None

    def lock(self) -> asyncio.Lock:
        """Return the lock for tasks of one request that use its session at the same time."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    # Events

    def came_with(self, rivals: Collection[str]) -> None:
        """Note that cookies of other living sessions came, too."""
        self.rivals = rivals

    def is_to_replace(self, names: Collection[str]) -> None:
        """Note that cookies came that the session cookie replaces."""
        self.replaced = names

    def restricted(self, *, begins: bool) -> None:
        """Prolong nothing in this request; `begins=False` also begins no session."""
        self.is_passive = True
        self.begins_none = not begins

    def found(self, claim: Claim, record: Record) -> None:
        """Take over the record that the store has under the id of a claim, or under the id it was rotated to."""
        self.id, self.key, self.record = claim.session_id, claim.key, record
        self.fields = record.fields
        self.status = Status.STORED
        self.is_new = False
        if not claim.is_current:
            self.cookie = CookieAction.CONFIRM

    def created(self, key: str, record: Record) -> None:
        """Take over the record that `create` has made under the present id."""
        self.key, self.record = key, record
        self.status = Status.STORED
        if self.new_principal == record.principal:  # else another one was set meanwhile
            self.new_principal = KEEP
        self._rebase(record.fields)
        self.cookie = CookieAction.SEND

    def recreated(self, key: str, record: Record) -> None:
        """Take over the record of an earlier `create` whose answer was lost; its changes are still to be committed."""
        self.key, self.record, self.fields = key, record, record.fields
        self.status = Status.STORED
        self.cookie = CookieAction.CONFIRM

    def collided(self) -> None:
        """Give up an id that another session has."""
        self.id = None

    def sent_create(self) -> bool:
        """Note that a `create` is sent under the present id; return whether one was sent before."""
        before, self.create_sent = self.create_sent, True
        return before

    def committed(self, change: Change, answer: Committed, *, now: float | None, only: str | None = None) -> None:
        """Note that the store has applied `change`.

        `now` is the new time of last use, or `None` to keep the old. `only` is the key that the change was about; other
        changes of the request are still pending then.
        """
        assert self.record is not None
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
        """Note what another request has stored under one key; other changes of this request are still pending."""
        fields = {name: held for name, held in self.fields.items() if name != key}
        self.fields = fields if raw is None else {**fields, key: raw}
        self.open().refresh(key, self.fields)

    def reloaded(self, record: Record) -> None:
        """Take over what the store has by now, and drop every change that is not stored."""
        self.record, self.fields = record, record.fields
        self.new_principal = KEEP
        if self.contents is not None:
            self.contents.reset(record.fields)
        if self.flash is not None:
            self.flash.reset(record.fields)
        if self.reserved is not None:
            self.reserved.reset(record.fields)

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
        assert self.record is not None
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
        """Go on under the id that another request has given the session; its cookie is sent once it is confirmed."""
        assert self.record is not None
        self.id, self.key = new_id, key_of(new_id)
        self.record = replace(self.record, issued_at=now)
        self.cookie = CookieAction.CONFIRM

    def lost(self, status: Status, *, keep: Collection[str] | None = None) -> None:
        """Note that another request was first. This one may go on reading and writing; none of it is stored.

        It sends no cookie: that would overwrite the one that the winner has just set.
        """
        self.status = status
        self.cookie = CookieAction.KEEP
        if keep is not None:
            self._retain(keep, {})

    def superseded(self) -> None:
        """Note that the id of the cookie was given up by a regenerate, whose new id is not for this request."""
        self.status = Status.SUPERSEDED

    def destroyed(self) -> None:
        """Drop all data, refuse new data, and remove the cookie if one came."""
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
        """Keep only these keys of a session that is not stored, and no principal."""
        self.new_principal = KEEP
        self._retain(keep, {})

    def renewed(self) -> None:
        """Give up the id of a session that is not stored: the handler asks for a new one."""
        self.id, self.create_sent = None, False
        self.is_deliberate = True

    def confirmed(self) -> None:
        """Let the cookie be sent: the store has just confirmed the id."""
        self.cookie = CookieAction.SEND

    def unavailable(self, *, anonymous: bool) -> None:
        """Note that the store did not answer when the session was to be loaded."""
        self.status = Status.UNAVAILABLE
        if anonymous:
            self.status = Status.ANONYMOUS
            self._refuse_writes(SessionUnavailable)

    def sealed(self) -> None:
        """Refuse every further write: the response is on its way."""
        self.is_sealed = True
        self.refusal = response_started
        if self.contents is not None:
            self.contents.seal(response_started)

    def accepted(self) -> None:
        """Take writes again, for `save()`: a WebSocket outlives its handshake. No cookie is sent any more."""
        self.is_accepted = True
        self.is_sealed = self.status in (Status.ANONYMOUS, Status.NEW)
        if self.status is Status.NEW:
            self._refuse_writes(handshake_over)
        elif self.status is Status.DESTROYED:
            self._refuse_writes(session_destroyed)
        elif self.status not in (Status.UNAVAILABLE, Status.ANONYMOUS):
            self._allow_writes()

    # The objects that a handler may hold follow the state

    def _rebase(self, fields: Mapping[str, bytes]) -> None:
        """Note that the store has `fields`, all changes included."""
        self.fields = fields
        if self.contents is not None:
            self.contents.rebase(fields)
        if self.flash is not None:
            self.flash.rebase(fields)
        if self.reserved is not None:
            self.reserved.rebase(fields)

    def _retain(self, keys: Collection[str], fields: Mapping[str, bytes]) -> None:
        """Forget all keys but these; the store has `fields`."""
        self.fields = fields
        if self.contents is not None:
            self.contents.retain(keys, fields)
        if self.flash is not None:
            self.flash.reset(fields)
        if self.reserved is not None:
            self.reserved.reset(fields)

    def _refuse_writes(self, refusal: Refusal) -> None:
        self.refusal = refusal
        if self.contents is not None:
            self.contents.seal(refusal)

    def _allow_writes(self) -> None:
        if self.refusal is not None:
            self.refusal = None
            if self.contents is not None:
                self.contents.seal(None)


def session_destroyed() -> Exception:
    """Return the error of a write to a session that this request has destroyed."""
    return SessionClosed("it was destroyed. For a new one, `await ctx.session.regenerate()`.")


def handshake_over() -> Exception:
    """Return the error of what would need a cookie after the handshake of a WebSocket."""
    return SessionClosed("the handshake is over, and no cookie can be sent any more. Do it before `socket.accept()`.")


def response_started() -> Exception:
    """Return the error of a write when the response is on its way."""
    return SessionClosed("the response has started. Write before the handler returns.")
