"""Server-side sessions.

`session()` is the middleware; `ctx.session` is a `Session`; `Sessions` finds those of a person.
"""

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
