"""Errors of login, guards and passwords.

Set-up errors are functions that return a `KickError`. While requests run, all of them are HTTPErrors:

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


def bad_login_page(given: object) -> KickError:
    """Return the error for a `login_page` that is not a path of this site."""
    return KickError(
        "auth-login-page",
        cause=f"login_page={given!r} is no path of this site.",
        fix='Name one: `login_page="/login"`.',
    )


def bad_loader(given: object, problem: str) -> KickError:
    """Return the error for an argument of `authentication(...)` that does not load a user."""
    return KickError(
        "auth-loader",
        cause=f"authentication({getattr(given, '__name__', repr(given))}): {problem}.",
        fix="Write it as `async def load_user(user_id: int, users: Users) -> User | None: "
        "return await users.find(user_id)`.",
    )


def bad_password_option(name: str, value: object, expected: str, example: str) -> KickError:
    """Return the error for an invalid option of `Passwords`."""
    return KickError(
        "auth-passwords",
        cause=f"Passwords({name}={value!r}): expected {expected}.",
        fix=f"For example `Passwords({example})`.",
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
