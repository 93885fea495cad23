"""What happens to sessions, for logs and for whoever wants to know."""

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
    REGENERATED = "regenerated"
    ROTATED = "rotated"
    DESTROYED = "destroyed"
    REVOKED = "revoked"
    GONE = "gone"
    """A request wanted to write to a session that another one had ended."""
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_ID = "unknown_id"
    """A signed id that the store does not know: expired, logged out, or stolen and used too late."""
    AMBIGUOUS_COOKIE = "ambiguous_cookie"
    """Cookies of several living sessions came. Only `__Host-` keeps out the cookies of a sibling sub-domain."""
    WITHHELD = "withheld"
    """A cross-site request wrote to a session whose cookie `SameSite` had withheld. What it wrote was dropped."""
    STORE_ERROR = "store_error"


class Event(msgspec.Struct, frozen=True):
    """One event. `session` is a short hash that tells sessions apart and opens none; `None` where there is none."""

    kind: SessionEvent
    session: str | None
    error: BaseException | None = None


Listener: TypeAlias = Callable[[Event], None]

_LEVELS: Final = {
    SessionEvent.STORE_ERROR: logging.ERROR,
    SessionEvent.BAD_SIGNATURE: logging.INFO,
    SessionEvent.UNKNOWN_ID: logging.INFO,
    SessionEvent.GONE: logging.INFO,
    SessionEvent.AMBIGUOUS_COOKIE: logging.WARNING,
    SessionEvent.WITHHELD: logging.WARNING,
}


class Events:
    """Hands each event to the logger `kick.session` and to the listener, if there is one.

    >>> seen = []
    >>> Events(seen.append).emit(SessionEvent.CREATED, "{abcd}:0123456789abcdef")
    >>> seen[0].kind.value, seen[0].session
    ('created', '01234567')
    """

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener

    def also(self, listener: Listener) -> None:
        """Tell another listener of every event, before the one there is; it must not raise.

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
        """Tell of one event; an error of the listener is logged and disturbs no request."""
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
