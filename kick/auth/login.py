"""`login()`, `logout()`, `set_roles()`: the only ways to change who is logged in, each with a new session id."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kick.auth.errors import LoginRequired
from kick.auth.identities import identity_of, kept
from kick.http.context.context import RequestContext
from kick.session.errors import SessionEnded
from kick.session.reserved import LOGIN


async def login(
    ctx: RequestContext[Any],
    user_id: Any,
    *,
    roles: Collection[str] = (),
    keep: bool | Collection[str] | None = None,
) -> None:
    """Log somebody in, whose password or the like has been checked.

    The session gets a new id, so that one which was planted or seen before is worth nothing, and with it a new CSRF
    token; the user is its principal, as `Sessions.of()` finds it. Calling it again for whoever is logged in makes the
    login fresh, as `@Authenticated(max_age=...)` asks for.

    Arguments:
        user_id: an `int`, `str` or `UUID`; `identity(ctx).user_id` is equal to it.
        roles: what `@Roles` asks for.
        keep: what of the data stays: `True`, `False`, or a list of keys. By default all of it, unless somebody else was
            logged in before: nothing of theirs comes along.

    Costs one call of the store for a visitor without a session, and two for one with: the move to the new id, and what
    is written, together with all that the handler writes, before the response leaves.

    Raises `SessionUnavailable`, a 503, when the store does not answer; then nobody is logged in.

    >>> from kick import Post, RequestContext
    >>> @Post("/login")
    ... async def log_in(self, ctx: RequestContext, body: dict[str, str]) -> None:
    ...     user = await self.users.authenticate(body)
    ...     await login(ctx, user.id, roles=user.roles)
    """
    if user_id is None or isinstance(user_id, bool):
        raise TypeError(f"login() takes the id of a user, not {user_id!r}")
    held = kept(user_id, roles)
    session = ctx.session
    if keep is None:
        keep = session.principal in (None, str(user_id))
    await session.regenerate(keep=keep)
    session.principal = user_id
    session.reserved[LOGIN] = held


async def logout(ctx: RequestContext[Any]) -> None:
    """Log out: the session is ended in the store, for every request, and its cookie removed.

    >>> from kick import Post, RequestContext
    >>> @Post("/logout")
    ... async def log_out(self, ctx: RequestContext) -> None:
    ...     await logout(ctx)
    """
    await ctx.session.destroy()


async def set_roles(ctx: RequestContext[Any], roles: Collection[str]) -> None:
    """Change the roles of whoever is logged in, in this session; it gets a new id, as with every change of rights.

    Other sessions of theirs keep the roles they have: end those with `Sessions.revoke(user_id, except_id=...)`.

    Raises `LoginRequired`, a 401, when nobody is logged in, and `SessionEnded`, a 409, when a logout was faster.

    >>> async def promote(ctx: RequestContext) -> None:
    ...     await set_roles(ctx, ["editor", "admin"])
    """
    session = ctx.session
    who = identity_of(session)
    if who is None:
        raise LoginRequired
    held = kept(who.user_id, roles, logged_in_at=who.logged_in_at)
    await session.regenerate()
    if identity_of(session) is None:
        raise SessionEnded
    session.reserved[LOGIN] = held
