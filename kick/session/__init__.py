"""Server-side sessions.

`session()` is the middleware, `ctx.session` is a `Session`, and `Sessions` finds the sessions of a user.
"""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.middleware.csrf import CsrfExempt as CsrfExempt
    from kick.middleware.csrf import CsrfLayer as CsrfLayer
    from kick.middleware.csrf import csrf as csrf
    from kick.middleware.session import SessionLayer as SessionLayer
    from kick.middleware.session import session as session
    from kick.session.asgi.dict_session import RequestSession as RequestSession
    from kick.session.asgi.middleware import SessionMiddleware as SessionMiddleware
    from kick.session.cookie import CookieOptions as CookieOptions
    from kick.session.devices import SessionInfo as SessionInfo
    from kick.session.devices import Sessions as Sessions
    from kick.session.errors import SessionChanged as SessionChanged
    from kick.session.errors import SessionClosed as SessionClosed
    from kick.session.errors import SessionEnded as SessionEnded
    from kick.session.errors import SessionTooLarge as SessionTooLarge
    from kick.session.errors import SessionUnavailable as SessionUnavailable
    from kick.session.events import Event as Event
    from kick.session.events import SessionEvent as SessionEvent
    from kick.session.session import Session as Session
    from kick.session.stores.base import AtomicStore as AtomicStore
    from kick.session.stores.base import SessionStore as SessionStore
    from kick.session.stores.memory import MemoryStore as MemoryStore
else:
    __all__ = lazy_exports(
        __name__,
        {
            "kick.middleware.csrf": ("CsrfExempt", "CsrfLayer", "csrf"),
            "kick.middleware.session": ("SessionLayer", "session"),
            "kick.session.asgi.middleware": ("SessionMiddleware",),
            "kick.session.cookie": ("CookieOptions",),
            "kick.session.devices": ("SessionInfo", "Sessions"),
            "kick.session.errors": (
                "SessionChanged",
                "SessionClosed",
                "SessionEnded",
                "SessionTooLarge",
                "SessionUnavailable",
            ),
            "kick.session.events": ("Event", "SessionEvent"),
            "kick.session.asgi.dict_session": ("RequestSession",),
            "kick.session.session": ("Session",),
            "kick.session.stores.base": ("AtomicStore", "SessionStore"),
            "kick.session.stores.memory": ("MemoryStore",),
        },
    )
