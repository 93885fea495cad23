"""Server-side sessions.

`session()` is the middleware; `ctx.session` is a `Session`; `Sessions` finds those of a person.
"""

# ruff: noqa: TC004  # type checkers see these imports, and `hand_on` makes the others

from typing import TYPE_CHECKING

from kick.names import hand_on

if TYPE_CHECKING:
    from kick.session.asgi import SessionMiddleware
    from kick.session.cookie import CookieOptions
    from kick.session.csrf import CsrfExempt, CsrfLayer, csrf
    from kick.session.directory import SessionInfo, Sessions
    from kick.session.errors import SessionClosed, SessionEnded, SessionTooLarge, SessionUnavailable
    from kick.session.events import Event, SessionEvent
    from kick.session.middleware import SessionLayer, session
    from kick.session.session import Session
    from kick.session.store import AtomicStore, SessionStore
    from kick.session.stores.memory import MemoryStore
else:
    hand_on(
        __name__,
        {
            "kick.session.asgi": ("SessionMiddleware",),
            "kick.session.cookie": ("CookieOptions",),
            "kick.session.csrf": ("CsrfExempt", "CsrfLayer", "csrf"),
            "kick.session.directory": ("SessionInfo", "Sessions"),
            "kick.session.errors": ("SessionClosed", "SessionEnded", "SessionTooLarge", "SessionUnavailable"),
            "kick.session.events": ("Event", "SessionEvent"),
            "kick.session.middleware": ("SessionLayer", "session"),
            "kick.session.session": ("Session",),
            "kick.session.store": ("AtomicStore", "SessionStore"),
            "kick.session.stores.memory": ("MemoryStore",),
        },
    )

__all__ = [
    "AtomicStore",
    "CookieOptions",
    "CsrfExempt",
    "CsrfLayer",
    "Event",
    "MemoryStore",
    "Session",
    "SessionClosed",
    "SessionEnded",
    "SessionEvent",
    "SessionInfo",
    "SessionLayer",
    "SessionMiddleware",
    "SessionStore",
    "SessionTooLarge",
    "SessionUnavailable",
    "Sessions",
    "csrf",
    "session",
]
