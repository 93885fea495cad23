"""Checks of a set-up for production, used by `kick doctor` and `kick start`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from kick.errors import KickError

if TYPE_CHECKING:
    from kick.app import App
    from kick.session import SessionLayer

SECRET: Final = "SESSION_SECRET"  # noqa: S105  # a name, and no secret

FEWEST_CHARACTERS: Final = 10
"""The least number of different characters in a secret. 32 random bytes almost certainly have more, in any encoding."""

_KNOWN: Final = ("secret", "password", "changeme", "change-me", "change me", "example", "abcdef", "123456", "qwerty")
_DEVELOPMENT: Final = ("PYTHONDEVMODE", "PYTHONASYNCIODEBUG", "PYTHONDEBUG")


def guessable_secret(reason: str) -> KickError:
    """Return the error for a secret that is long enough, but can be guessed."""
    return KickError(
        "secret-guessable",
        cause=f"{SECRET} is long enough, but could be guessed: {reason}.",
        fix="Generate one: `kick secret --env` writes it into .env. If it is set elsewhere, set it to what "
        "`kick secret` prints.",
    )


def joined_secrets(number: int) -> KickError:
    """Return the error for several secrets, separated by commas, that the application uses as one."""
    return KickError(
        "secret-list",
        cause=f"{SECRET} contains {number} secrets, separated by commas, and the application uses them as one: "
        "all sessions from before the rotation have ended.",
        fix=f'Split them where they are read: `session(secret=os.environ["{SECRET}"].split(","))`.',
    )


def insecure_cookie(name: str, missing: str) -> KickError:
    """Return the error for a session cookie that is not `Secure` or not `HttpOnly`."""
    story = {
        "Secure": "browsers send it over plain http too, where others can read it",
        "HttpOnly": "all scripts in a page can read it",
    }
    option = {"Secure": "secure", "HttpOnly": "http_only"}[missing]
    default = "None" if missing == "Secure" else "True"
    return KickError(
        "session-cookie-open",
        cause=f"The session cookie {name} is not {missing}: {story[missing]}.",
        fix=f"Leave `{option}` out of `session(cookie={{...}})`, or write `{option}={default}` into its "
        "`CookieOptions(...)`.",
    )


def debug_mode(switch: str) -> KickError:
    """Return the error for a development mode of Python."""
    return KickError(
        "debug-mode",
        cause=f"{switch} is set: Python does extra checks and logs for developers, and is slow.",
        fix=f"Take it away: `unset {switch}`." if switch.isupper() else f"Start Python without `{switch}`.",
    )


def weaknesses(app: Any, *, workers: int) -> list[KickError]:
    """Return the errors of a set-up for production. It reads settings only, and connects to nothing."""
    found: list[KickError] = [*_of_secret(app), *map(debug_mode, _debug_switches())]
    layers = list(session_layers(app))
    for layer in layers:
        found += _of_cookie(layer)
    if workers > 1 and any(map(is_in_process, layers)):
        found.append(
            KickError(
                "session-store-not-shared",
                cause=f"The sessions are in memory, and each of the {workers} workers has its own memory: "
                "a user who logs in with one worker is not logged in with the others.",
                fix='Use a store that processes share, `session(store="sqlite:///sessions.db")` or '
                '`session(store="redis://localhost:6379/0")`, or one worker: `kick start --workers 1`.',
            )
        )
    return found


def unshared_limits(app: Any, *, workers: int) -> list[KickError]:
    """Return the warning about limits that each worker counts for itself.

    The application must have started, because the providers of `LoginLimit` are functions.
    """
    counting = list(_limits_in_process(app)) if workers > 1 else []
    if not counting:
        return []
    return [
        KickError(
            "rate-limit-not-shared",
            cause=f"{' and '.join(counting)} count{'s' * (len(counting) == 1)} in memory, and each of the {workers} "
            f"workers has its own memory: a client may get up to {workers} times the limit.",
            fix='Let the workers count together, with `store="redis://localhost:6379/1"` at each of them, or start one '
            "worker: `kick start --workers 1`.",
        )
    ]


def session_layers(app: Any) -> Iterator[SessionLayer]:
    """Return each `session()` of an application once; none for an application of another framework."""
    from kick.app import App

    if isinstance(app, App) and "kick.middleware.session" in sys.modules:  # otherwise no `session()` was created
        from kick.session import SessionLayer

        found = {id(each): each for each in _layers(app)}
        yield from (each for each in found.values() if isinstance(each, SessionLayer))


def is_in_process(layer: SessionLayer) -> bool:
    """Return true if sessions are in the memory of the process."""
    return bool(getattr(layer.manager.store, "in_process", False))


def guessable(secret: str) -> str | None:
    """Return the reason why a long secret can be guessed, or `None` if it looks random.

    >>> guessable("x" * 40), guessable("please-change-me-before-production")
    ('it has 1 different characters', "it contains 'change-me'")
    >>> guessable("9fQ2-vT7bXw0cKzLr4YhNs8aUeJd1mGi")
    """
    different = len(set(secret))
    if different < FEWEST_CHARACTERS:
        return f"it has {different} different characters"
    lowered = secret.lower()
    known = next((word for word in _KNOWN if word in lowered), None)
    if known is not None:
        return f"it contains {known!r}"
    half = len(secret) // 2
    if secret[:half] * 2 == secret[: half * 2]:
        return "its second half is its first"
    return None


def _of_secret(app: Any) -> Iterator[KickError]:
    secrets = os.environ.get(SECRET, "").split(",")
    reasons = [reason for each in secrets if each and (reason := guessable(each)) is not None]
    if reasons:
        yield guessable_secret(reasons[0])
    layers = list(session_layers(app))
    if len(secrets) > 1 and layers and all(layer.manager.options.cookie.secrets == 1 for layer in layers):
        yield joined_secrets(len(secrets))


def _of_cookie(layer: SessionLayer) -> Iterator[KickError]:
    cookie = layer.manager.options.cookie
    flags = {each.strip() for each in cookie.remove().decode().split(";")}
    for flag in ("Secure", "HttpOnly"):
        if flag not in flags:
            yield insecure_cookie(cookie.name, flag)


def _debug_switches() -> list[str]:
    named = [name for name in _DEVELOPMENT if os.environ.get(name, "0") not in ("", "0")]
    if sys.flags.dev_mode and "PYTHONDEVMODE" not in named:
        named.append("-X dev")
    return named


def _limits_in_process(app: Any) -> Iterator[str]:
    """Return the kinds of limits of an application that are counted in the memory of the process."""
    from kick.app import App

    if not isinstance(app, App) or "kick.middleware.rate_limit.options" not in sys.modules:  # then there is no limit
        return
    from kick.auth import LoginLimit
    from kick.di.lifetime import Lifetime
    from kick.middleware.rate_limit.middleware import RateLimitLayer

    if any(isinstance(layer, RateLimitLayer) and layer.is_in_process for layer in _layers(app)):
        yield "rate_limit()"
    container = app.container
    kinds = [key for key in container.provided() if isinstance(key, type) and issubclass(key, LoginLimit)]
    singletons = [container.instance(key) for key in kinds if container.lifetime(key) is Lifetime.SINGLETON]
    if any(limit.is_in_process for limit in singletons):
        yield "LoginLimit"


def _layers(app: App) -> Iterator[Any]:
    """Return all middleware of an application."""
    yield from app.middleware
    for each in (*app.routes, *app.sockets, *(mount.route for mount in app.mounts)):
        yield from each.middleware
