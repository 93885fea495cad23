"""Errors of login, guards and passwords.

At start-up:

    KickError
    ├── BadMaxAge            @Authenticated(max_age=...) is not a duration
    ├── BadRoles             @Roles() without roles, or with values that are not roles
    ├── BadLoginPage         login_page= is not a path of this site
    ├── BadLoader            authentication(...) without a loader of users
    └── BadPasswordOption    an invalid option of Passwords

(`NeedsSession` is in `kick.session.errors`.)

In requests; all of them are HTTPErrors:

    LoginRequired            401: the user is anonymous
    LoginTooOld              401: the login is older than `max_age`
    RoleMissing              403: the user lacks a role
    PasswordRefused          422: a new password is too short or too long
"""

from __future__ import annotations

from typing import Final

from kick.errors import KickError
from kick.exceptions import Forbidden, Unauthorized, UnprocessableEntity

SCHEME: Final = "Session"
"""The scheme in `WWW-Authenticate`, a header that each 401 must have (RFC 9110, section 15.5.2). No registered scheme
describes a login form with a cookie, and browsers show no dialog for an unknown scheme."""


class BadMaxAge(KickError):
    """The `max_age` of a guard is not a duration."""

    code = "auth-max-age"

    def __init__(self, given: object) -> None:
        super().__init__(
            cause=f"@Authenticated(max_age={given!r}): expected a timedelta or a number of seconds above 0.",
            fix="For example `@Authenticated(max_age=timedelta(minutes=10))`.",
        )


class BadRoles(KickError):
    """A guard for roles has no roles, or a role that is not a string."""

    code = "auth-roles"

    def __init__(self, given: object) -> None:
        super().__init__(
            cause=f"@Roles was given {given!r}; it takes the names of roles, at least one.",
            fix='For example `@Roles("admin")`, or `@Roles(all_of=["editor", "author"])`.',
        )


class BadLoginPage(KickError):
    """The `login_page` of a guard is not a path of this site."""

    code = "auth-login-page"

    def __init__(self, given: object) -> None:
        super().__init__(cause=f"login_page={given!r} is no path of this site.", fix='Name one: `login_page="/login"`.')


class BadLoader(KickError):
    """The argument of `authentication(...)` does not load a user."""

    code = "auth-loader"

    def __init__(self, given: object, problem: str) -> None:
        super().__init__(
            cause=f"authentication({getattr(given, '__name__', repr(given))}): {problem}.",
            fix="Write it as `async def load_user(user_id: int, users: Users) -> User | None: "
            "return await users.find(user_id)`.",
        )


class BadPasswordOption(KickError):
    """An option of `Passwords` has an invalid value."""

    code = "auth-passwords"

    def __init__(self, name: str, value: object, expected: str, example: str) -> None:
        super().__init__(
            cause=f"Passwords({name}={value!r}): expected {expected}.", fix=f"For example `Passwords({example})`."
        )


class LoginRequired(Unauthorized):
    """401: the user is anonymous.

    >>> LoginRequired().headers, LoginRequired().extensions
    ({'www-authenticate': 'Session'}, {'code': 'login-required'})
    """

    def __init__(self) -> None:
        super().__init__("Log in first.", headers={"www-authenticate": SCHEME}, code="login-required")


class LoginTooOld(Unauthorized):
    """401: the login is too old, so the client must ask for the password again.

    The challenge has the members of RFC 9470, section 3.

    >>> LoginTooOld(300).headers
    {'www-authenticate': 'Session error="insufficient_user_authentication", max_age="300"'}
    """

    def __init__(self, max_age: float) -> None:
        seconds = int(max_age)
        challenge = f'{SCHEME} error="insufficient_user_authentication", max_age="{seconds}"'
        super().__init__(
            "Log in again: this asks for a login that is more recent.",
            headers={"www-authenticate": challenge},
            code="reauthenticate",
            reauthenticate=True,
            max_age=seconds,
        )


class RoleMissing(Forbidden):
    """403: the user lacks a role. Another login would not help, so there is no challenge.

    >>> RoleMissing().extensions
    {'code': 'role-missing'}
    """

    def __init__(self) -> None:
        super().__init__("You may not do this.", code="role-missing")


class PasswordRefused(UnprocessableEntity):
    """422: a new password is too short or too long.

    >>> PasswordRefused("It has 8 characters at least.").extensions["errors"][0]["location"]
    '/body/password'
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, errors=[{"location": "/body/password", "message": message, "code": "length"}])
