"""`login()`, `logout()` and `set_roles()`, which change the logged-in user and the session id."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kick.auth.errors import LoginRequired
from kick.auth.identities import identity_of, kept
from kick.http import RequestContext
from kick.session.data.reserved import LOGIN
from kick.session.errors import SessionEnded
from kick.session.ids import principal_text


async def login(
    ctx: RequestContext[Any],
    user_id: Any,
    *,
    roles: Collection[str] = (),
    keep: bool | Collection[str] | None = None,
    remember: bool = False,
) -> None:
    """Log in a user whose identity has been proven.

    The session gets a new id, which prevents session fixation, and a new CSRF token. The user becomes its principal, so
    that `Sessions.of()` finds it. A second call for the same user renews the time of the login, which
    `@Authenticated(max_age=...)` checks.

    Arguments:
        ctx: the context of the request.
        user_id: an `int`, `str` or `UUID`; `identity(ctx).user_id` is equal to it. As text it has at most 512 bytes.
        roles: the roles that `@Roles` checks.
        keep: the session data that stays: `True`, `False`, or a list of keys. By default all data stays, unless another
            user was logged in before.
        remember: the session lives for `remember_max_age`, and the session cookie stays when the browser is closed. No
            second cookie is needed.

    Costs one store call without a session, and two with one: the move to the new id, and the commit before the response
    is sent.

    Raises `SessionUnavailable` (503) if the store does not answer. Then the user is not logged in. Raises `ValueError`
    for an id that is too long, before anything has changed.

    >>> from kick import Post, RequestContext
    >>> @Post("/login")
    ... async def log_in(self, ctx: RequestContext, body: dict[str, str]) -> None:
    ...     user = await self.users.authenticate(body)
    ...     await login(ctx, user.id, roles=user.roles)
    """
    if user_id is None or isinstance(user_id, bool):
        raise TypeError(f"login() takes the id of a user, not {user_id!r}")
    # Before the id changes, so that a wrong argument leaves the session as it is.
    held, principal = kept(user_id, roles), principal_text(user_id)
    session = ctx.session
    if keep is None:
        keep = session.principal in (None, principal)
    await session.regenerate(keep=keep, new_deadline=True)
    session.principal = principal
    session.remember(remember)
    session.reserved[LOGIN] = held


async def logout(ctx: RequestContext[Any]) -> None:
    """Log out: end the session in the store, for every running request too, and delete its cookie.

    Writes to the session raise `SessionClosed` from then on. For a message on the next page, call
    `await ctx.session.regenerate()` first, which begins a new, empty session.

    >>> from kick import Post, RequestContext
    >>> @Post("/logout")
    ... async def log_out(self, ctx: RequestContext) -> None:
    ...     await logout(ctx)
    """
    await ctx.session.destroy()


async def set_roles(ctx: RequestContext[Any], roles: Collection[str]) -> None:
    """Change the roles of the logged-in user in this session, and give it a new id.

    Arguments:
        ctx: the context of the request.
        roles: all roles of the user from now on.

    Other sessions of the user keep their roles. End them with `Sessions.revoke(user_id, except_id=...)`.

    Raises `LoginRequired` (401) for an anonymous user, and `SessionEnded` (409) if the user has logged out meanwhile.

    >>> async def promote(ctx: RequestContext) -> None:
    ...     await set_roles(ctx, ["editor", "admin"])
    """
    session = ctx.session
    who = identity_of(session)
    if who is None:
        raise LoginRequired
    held = kept(who.user_id, roles, logged_in_at=who.logged_in_at)
    await session.regenerate()
    # After a concurrent logout the session is empty: the roles must not begin a new one.
    if identity_of(session) is None:
        raise SessionEnded
    session.reserved[LOGIN] = held
