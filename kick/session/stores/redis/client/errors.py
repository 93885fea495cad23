"""Errors of the client: set-up errors, and the exceptions of redis-py for error answers.

While requests run, a failure of Redis is an exception of redis-py: `redis.exceptions.ConnectionError`, `TimeoutError`,
or a `ResponseError` with the answer of the server.
"""

from __future__ import annotations

import re
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from kick.errors import KickError, without_secrets

_IN_SCRIPT: Final = re.compile(r"^(?:ERR Error running script .*?|@user_script: \d+): -(?=[A-Z]+ )", re.DOTALL)

_ERRORS: Final[dict[str, type[Exception]]] = {
    "CLUSTERDOWN": ClusterDownError,
    "LOADING": BusyLoadingError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "WRONGPASS": AuthenticationError,
}

URL_FORMS: Final = (
    "redis://host:6379/0",
    "rediss://host:6379/0",
    "unix:///run/redis.sock",
    "redis+sentinel://host:26379,host2:26379/service/0",
    "redis+cluster://host:6379,host2:6379",
)


def bad_redis_url(url: str, problem: str) -> KickError:
    """Return the error for a URL that is not a valid URL of Redis. It does not show the password."""
    return KickError(
        "redis-url",
        cause=f"{without_secrets(url)!r} leads to no Redis: {_harmless(problem, url)}.",
        fix=f"The forms are: {', '.join(f'`{form}`' for form in URL_FORMS)}. With TLS: `rediss`; "
        "credentials: `redis://user:password@host`.",
    )


def bad_redis_option(url: str, name: str, value: str, allowed: str) -> KickError:
    """Return the error for an option in a URL that has no such value."""
    return bad_redis_url(url, f"{name} must be {allowed}, not {value!r}")


def bad_redis_client(client: object) -> KickError:
    """Return the error for an object that is not a client of redis.asyncio."""
    kind = type(client)
    return KickError(
        "redis-client",
        cause=f"RedisStore got an object of type {kind.__module__}.{kind.__qualname__}.",
        fix="Pass a URL, or a client made by `redis.asyncio.Redis(...)`, `redis.asyncio.RedisCluster(...)` or "
        "`redis.asyncio.Sentinel(...).master_for(...)`.",
    )


def bad_connection_settings(problem: str) -> KickError:
    """Return the error for a client that only redis-py itself can connect."""
    return KickError(
        "redis-connection",
        cause=f"RedisStore cannot use the connection settings of its client: {problem}.",
        fix="Pass a URL, or a client that redis-py connects by itself: host and port or a Unix socket, TLS, and "
        "`username` and `password` or `credential_provider`.",
    )


def plain_error(text: str) -> str:
    """Return the error of a command inside a script, which Redis 6 wraps into an error of the script.

    >>> plain_error("ERR Error running script (call to f_0): @user_script:7: @user_script: 7: -READONLY You can't.")
    "READONLY You can't."
    """
    return _IN_SCRIPT.sub("", text)


def error_of(text: str) -> Exception:
    """Return the exception of redis-py for an error that a server answered.

    >>> type(error_of("WRONGPASS invalid username-password pair or user is disabled.")).__name__
    'AuthenticationError'
    """
    return _ERRORS.get(text.partition(" ")[0], ResponseError)(text)


def _harmless(problem: str, url: str) -> str:
    """Return the reason of an error, unless it quotes a secret part of the URL."""
    shown = without_secrets(url)
    quoted = re.findall(r"'([^']*)'", problem)
    return problem if all(each in shown for each in quoted) else "it cannot be read, see RFC 3986, section 3.2"
