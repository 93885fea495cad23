"""Events of sessions, for logs and listeners."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from kick.session.ids import fingerprint

logger: Final = logging.getLogger("kick.session")


class SessionEvent(enum.Enum):
    """The kinds of events."""

    CREATED = "created"
    """A new session was stored."""
    REGENERATED = "regenerated"
    """The session has a new id, by `regenerate()` or `login()`."""
    ROTATED = "rotated"
    """The session has a new id, by `rotate()` or `rotate_after`."""
    DESTROYED = "destroyed"
    """The session was ended, by `destroy()` or `logout()`."""
    REVOKED = "revoked"
    """A session was ended through `Sessions`."""
    GONE = "gone"
    """A request used a session that had ended meanwhile."""
    BAD_SIGNATURE = "bad_signature"
    """No secret of the application has signed a cookie."""
    UNKNOWN_ID = "unknown_id"
    """The store does not know the id of a valid cookie: the session has expired or was logged out."""
    AMBIGUOUS_COOKIE = "ambiguous_cookie"
    """A request had cookies of several living sessions. Only the prefix `__Host-` keeps out cookies of sub-domains."""
    WITHHELD = "withheld"
    """A cross-site request wrote to a session whose cookie `SameSite` had withheld. What it wrote was dropped."""
    EVICTED = "evicted"
    """A living session was ended to make room: the memory store was full, or its principal had `max_per_principal`."""
    STORE_ERROR = "store_error"
    """The store has failed, or did not answer in time."""


class Event(msgspec.Struct, frozen=True):
    """One event."""

    kind: SessionEvent
    """The kind of the event."""
    session: str | None
    """A short hash that identifies the session in logs, without access to it; `None` if no session is known."""
    error: BaseException | None = None
    """The exception of a `STORE_ERROR`."""


Listener: TypeAlias = Callable[[Event], None]

_LEVELS: Final = {
    SessionEvent.STORE_ERROR: logging.ERROR,
    SessionEvent.BAD_SIGNATURE: logging.INFO,
    SessionEvent.UNKNOWN_ID: logging.INFO,
    SessionEvent.GONE: logging.INFO,
    SessionEvent.EVICTED: logging.INFO,
    SessionEvent.AMBIGUOUS_COOKIE: logging.WARNING,
    SessionEvent.WITHHELD: logging.WARNING,
}


class Events:
    """Passes each event to the logger `kick.session`, and to the listener if there is one.

    >>> seen = []
    >>> Events(seen.append).emit(SessionEvent.CREATED, "{abcd}:0123456789abcdef")
    >>> seen[0].kind.value, seen[0].session
    ('created', '01234567')
    """

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener

    def also(self, listener: Listener) -> None:
        """Add a listener that is called before the existing one. It must not raise.

        >>> seen = []
        >>> events = Events()
        >>> events.also(seen.append)
        >>> events.emit(SessionEvent.BAD_SIGNATURE, None)
        >>> seen[0].kind.value
        'bad_signature'
        """
        first = self._listener
        if first is None:
            self._listener = listener
            return

        def both(event: Event) -> None:
            listener(event)
            first(event)

        self._listener = both

    def emit(self, kind: SessionEvent, key: str | None, error: BaseException | None = None) -> None:
        """Report one event. An error of the listener is logged and does not affect the request."""
        level = _LEVELS.get(kind, logging.DEBUG)
        listener = self._listener
        if listener is None and not logger.isEnabledFor(level):
            return
        event = Event(kind, None if key is None else fingerprint(key), error)
        shown = "" if error is None else f": {type(error).__name__}: {error}"
        logger.log(level, "session %s: %s%s", event.session or "-", kind.value, shown)
        if listener is not None:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener of session events failed")
