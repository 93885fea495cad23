"""Who is logged in, as the session knows it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from time import time
from typing import Any, Final

import msgspec

from kick.http.context.context import RequestContext
from kick.session.reserved import LOGIN
from kick.session.session import Session
from kick.session.values import encode

_SKEW: Final = 60.0
"""How many seconds the clocks of two servers may differ by."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who is logged in: what `login()` was told, and when.

    A handler asks for it by type where `authentication()` is among the middleware: `Identity`, which answers strangers
    with a 401, or `Identity | None`.

    >>> who = Identity(user_id=7, roles=frozenset({"editor"}), logged_in_at=datetime.now(UTC))
    >>> who.has_any(["admin", "editor"]), who.is_fresh(60)
    (True, True)
    """

    user_id: Any
    """As it was given to `login()`: an `int` is one again, a `UUID` too."""
    roles: frozenset[str]
    logged_in_at: datetime

    def has_any(self, roles: Collection[str]) -> bool:
        """Whether one of these roles is among them."""
        return not self.roles.isdisjoint(roles)

    def is_fresh(self, max_age: float) -> bool:
        """Whether the login is at most so many seconds old."""
        return -_SKEW <= time() - self.logged_in_at.timestamp() <= max_age


def identity(ctx: RequestContext[Any]) -> Identity | None:
    """Who is logged in; `None` for a stranger.

    Raises `SessionUnavailable`, a 503, when the store does not answer, and a `KickError` where there is no session.

    >>> async def greet(ctx: RequestContext) -> str:
    ...     who = identity(ctx)
    ...     return "Hello, stranger" if who is None else f"Hello, user {who.user_id}"
    """
    return identity_of(ctx.session)


def identity_of(session: Session[Any]) -> Identity | None:
    """Who is logged in with a session. One whose principal was changed by other means is nobody's."""
    held = session.reserved.get(LOGIN)
    try:
        user_id, roles, logged_in_at = held["user"], frozenset(held["roles"]), datetime.fromtimestamp(held["at"], UTC)
    except (TypeError, KeyError, ValueError, OverflowError, OSError):
        return None
    if session.principal != str(user_id):
        return None
    return Identity(user_id=user_id, roles=roles, logged_in_at=logged_in_at)


def kept(user_id: Any, roles: Collection[str], *, logged_in_at: datetime | None = None) -> dict[str, Any]:
    """What the session keeps of a login, which was just now unless something else is said.

    >>> kept(7, ["editor", "admin"], logged_in_at=datetime(2026, 1, 1, tzinfo=UTC))
    {'user': 7, 'roles': ['admin', 'editor'], 'at': 1767225600.0}

    Raises `TypeError` for what cannot be kept.
    """
    if isinstance(roles, str) or not all(isinstance(role, str) for role in roles):
        raise TypeError(f"roles are a list of texts, not {roles!r}")
    at = time() if logged_in_at is None else logged_in_at.timestamp()
    held = {"user": user_id, "roles": sorted({str(role) for role in roles}), "at": at}
    encode(LOGIN, held)
    return held
