"""The identity of the logged-in user, stored in the session."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from kick.clock import CLOCK, now
from kick.di import Provider
from kick.http import RequestContext
from kick.session.data.reserved import LOGIN
from kick.session.data.values import encode
from kick.session.session import Session

USER_TYPE: Final = "type of users"
"""The type that `authentication(load_user)` provides, among what the middleware of an application shares."""

_SKEW: Final = 60.0
"""The tolerated difference between the clocks of two servers, in seconds."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The logged-in user: the arguments of `login()`, and its time.

    With `authentication()` among the middleware, it is injected by type. A parameter `Identity` rejects anonymous users
    with a 401; `Identity | None` does not.

    >>> who = Identity(user_id=7, roles=frozenset({"editor"}), logged_in_at=datetime.now(UTC))
    >>> who.has_any(["admin", "editor"]), who.is_fresh(60)
    (True, True)
    """

    user_id: Any
    """The id that was passed to `login()`, with its type: `int`, `str` or `UUID`."""
    roles: frozenset[str]
    """The roles that were passed to `login()`."""
    logged_in_at: datetime
    """The time of the login, with a time zone."""

    def has_any(self, roles: Collection[str]) -> bool:
        """Return true if the user has one of these roles."""
        return not self.roles.isdisjoint(roles)

    def is_fresh(self, max_age: float) -> bool:
        """Return true if the login is at most this many seconds old."""
        return -_SKEW <= CLOCK.time() - self.logged_in_at.timestamp() <= max_age


def identity(ctx: RequestContext[Any]) -> Identity | None:
    """Return the identity of the logged-in user, or `None` for an anonymous user.

    Raises `SessionUnavailable` (503) if the store does not answer, and a `KickError` if the route has no session.

    >>> async def greet(ctx: RequestContext) -> str:
    ...     who = identity(ctx)
    ...     return "Hello, visitor" if who is None else f"Hello, user {who.user_id}"
    """
    container = ctx.settings.container
    if container is not None and container.overridden:
        found = _stand_in(container.overridden, ctx.settings.shared.get(USER_TYPE))
        if found is not None:
            return found
    return identity_of(ctx.session)


def _stand_in(overridden: Mapping[Any, Any], user_type: Any) -> Identity | None:
    """Return the identity that a test has put in place with `override(Identity, ...)` or `override(User, ...)`.

    That of a user has `user.id`, and the roles in `user.roles` or `user.role`.
    """
    found = overridden.get(Identity)
    if isinstance(found, Identity):
        return found
    user = overridden.get(user_type)
    if user is None or isinstance(user, Provider):
        return None
    roles = getattr(user, "roles", None) or getattr(user, "role", None) or ()
    names = [roles] if isinstance(roles, str) else roles
    known = frozenset(str(each if isinstance(each, str) else getattr(each, "name", each)) for each in names)
    return Identity(user_id=getattr(user, "id", None), roles=known, logged_in_at=now())


def identity_of(session: Session[Any]) -> Identity | None:
    """Return the identity of a session, or `None` if its principal was changed by other code."""
    held = session.reserved.get(LOGIN)
    try:
        user_id, roles, logged_in_at = held["user"], frozenset(held["roles"]), datetime.fromtimestamp(held["at"], UTC)
    except (TypeError, KeyError, ValueError, OverflowError, OSError):
        return None
    # Code that changes the principal directly must not turn this login into that of another user.
    if session.principal != str(user_id):
        return None
    return Identity(user_id=user_id, roles=roles, logged_in_at=logged_in_at)


def kept(user_id: Any, roles: Collection[str], *, logged_in_at: datetime | None = None) -> dict[str, Any]:
    """Return the data of a login that the session stores. The time is now, unless given.

    >>> kept(7, ["editor", "admin"], logged_in_at=datetime(2026, 1, 1, tzinfo=UTC))
    {'user': 7, 'roles': ['admin', 'editor'], 'at': 1767225600.0}

    Raises `TypeError` for a user id or role that cannot be stored.
    """
    if isinstance(roles, str) or not all(isinstance(role, str) for role in roles):
        raise TypeError(f"roles are a list of texts, not {roles!r}")
    at = CLOCK.time() if logged_in_at is None else logged_in_at.timestamp()
    held = {"user": user_id, "roles": sorted({str(role) for role in roles}), "at": at}
    encode(LOGIN, held)  # raises for a value that cannot be stored, before anything changes
    return held
