"""What goes wrong with logins.

In set-up, found when the application is put together:

    KickError
    ├── bad_max_age            @Authenticated(max_age=...) with what is no duration
    ├── bad_roles             @Roles() without roles, or with what are none
    ├── bad_login_page         login_page= with what is no path of this site
    ├── bad_loader            authentication(...) with what loads no user
    └── bad_password_option    an option of Passwords that makes no sense

(`session-needed` is in `kick.session.errors`.)

While requests run, all of them HTTPErrors:

    LoginRequired            401: nobody is logged in
    LoginTooOld              401: somebody is, but for longer than `max_age` allows
    RoleMissing              403: whoever is logged in lacks a role
    PasswordRefused          422: a new password that is too short or too long
"""

from __future__ import annotations

from typing import Final

from kick.errors import KickError
from kick.exceptions import Forbidden, Unauthorized, UnprocessableEntity

SCHEME: Final = "Session"
"""What a 401 names in `WWW-Authenticate`, which it must have (RFC 9110, section 15.5.2): no registered scheme is that
of a login form and a cookie, and browsers show no window of their own for one that they do not know."""


def bad_max_age(given: object) -> KickError:
    """`max_age` of a guard that is no duration."""
    return KickError(
        "auth-max-age",
        cause=f"@Authenticated(max_age={given!r}): expected a timedelta or a number of seconds above 0.",
        fix="For example `@Authenticated(max_age=timedelta(minutes=10))`.",
    )


def bad_roles(given: object) -> KickError:
    """A guard for roles that names none, or something else than texts."""
    return KickError(
        "auth-roles",
        cause=f"@Roles was given {given!r}; it takes the names of roles, at least one.",
        fix='For example `@Roles("admin")`, or `@Roles(all_of=["editor", "author"])`.',
    )


def bad_login_page(given: object) -> KickError:
    """`login_page` of a guard that is no path of this site."""
    return KickError(
        "auth-login-page",
        cause=f"login_page={given!r} is no path of this site.",
        fix='Name one: `login_page="/login"`.',
    )


def bad_loader(given: object, problem: str) -> KickError:
    """`authentication(...)` with something that loads no user."""
    return KickError(
        "auth-loader",
        cause=f"authentication({getattr(given, '__name__', repr(given))}): {problem}.",
        fix="Write it as `async def load_user(user_id: int, users: Users) -> User | None: "
        "return await users.find(user_id)`.",
    )


def bad_password_option(name: str, value: object, expected: str, example: str) -> KickError:
    """An option of `Passwords` whose value makes no sense."""
    return KickError(
        "auth-passwords",
        cause=f"Passwords({name}={value!r}): expected {expected}.",
        fix=f"For example `Passwords({example})`.",
    )


class LoginRequired(Unauthorized):
    """401: nobody is logged in.

    >>> LoginRequired().headers, LoginRequired().extensions
    ({'www-authenticate': 'Session'}, {'code': 'login-required'})
    """

    def __init__(self) -> None:
        super().__init__("Log in first.", headers={"www-authenticate": SCHEME}, code="login-required")


class LoginTooOld(Unauthorized):
    """401: somebody is logged in, but too long ago for this; the client asks for the password again.

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
    """403: whoever is logged in may not do this. To log in again would not help, so there is no challenge.

    >>> RoleMissing().extensions
    {'code': 'role-missing'}
    """

    def __init__(self) -> None:
        super().__init__("You may not do this.", code="role-missing")


class PasswordRefused(UnprocessableEntity):
    """422: a new password that is too short or too long.

    >>> PasswordRefused("It has 8 characters at least.").extensions["errors"][0]["location"]
    '/body/password'
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, errors=[{"location": "/body/password", "message": message, "code": "length"}])
