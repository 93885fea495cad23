"""Creation of the store from the argument of `session(store=...)`."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote

from kick.errors import without_secrets
from kick.session.errors import bad_session_option, missing_store_method, store_without_index, unknown_store
from kick.session.stores.base import AtomicStore, SessionStore
from kick.session.stores.memory import MemoryStore

SCHEMES: Final = (
    "memory://",
    "sqlite://",
    "redis://",
    "rediss://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
    "unix://",
    "postgresql://",
    "postgres://",
)

_BASIC: Final = {
    "get": "get(self, sid: str) -> dict | None",
    "set": "set(self, sid: str, data: dict, max_age: float) -> None",
    "destroy": "destroy(self, sid: str) -> None",
}


def open_store(store: object, *, timeout: float = 1.0, needs_index: bool = False) -> AtomicStore:
    """Return the store for a URL, a store of either protocol, or `None` (memory).

    >>> open_store("memory://?max_sessions=10").max_sessions
    10

    `timeout` is the time limit, in seconds, of a store that is created from a URL. Connects to nothing. Raises
    `session-store-unknown`, `session-store-method` or `missing-extra`; with `needs_index`, for a store that cannot find
    sessions by principal, `session-store-no-index`.
    """
    if store is None:
        return MemoryStore()
    if isinstance(store, str):
        return _from_url(store, timeout)
    if all(callable(getattr(store, name, None)) for name in ("load", "create", "commit", "move")):
        return cast(AtomicStore, store)
    missing = [name for name in _BASIC if not callable(getattr(store, name, None))]
    if len(missing) == len(_BASIC) or isinstance(store, type):
        raise unknown_store(_shown(store), SCHEMES)
    if missing:
        raise missing_store_method(store, missing[0], _BASIC[missing[0]])
    for name in _BASIC:
        if not inspect.iscoroutinefunction(getattr(store, name)):
            raise missing_store_method(store, name, _BASIC[name])
    if needs_index:
        raise store_without_index(store)
    from kick.session.stores.custom import BasicStore

    return BasicStore(cast(SessionStore, store))


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case, or an empty text (RFC 3986, section 3.1); the rest may be broken.

    >>> scheme_of("redis+sentinel://one,[::1]:2/service"), scheme_of("sessions.db")
    ('redis+sentinel', '')
    """
    found = re.match(r"([a-z][a-z0-9+.-]*):", url, re.IGNORECASE)
    return found[1].lower() if found else ""


def _from_url(url: str, timeout: float) -> AtomicStore:
    scheme = scheme_of(url)
    if scheme == "memory":
        return MemoryStore(**_max_sessions(url))
    if scheme == "sqlite":
        from kick.session.stores.sqlite import SQLiteStore

        return SQLiteStore(_sqlite_path(url), busy_timeout=timeout)
    if scheme in ("postgresql", "postgres"):
        from kick.session.stores.postgres import PostgresStore

        return PostgresStore(url, timeout=timeout)
    if f"{scheme}://" in SCHEMES:
        from kick.session.stores.redis import RedisStore

        return RedisStore(url, timeout=timeout)
    raise unknown_store(repr(f"{scheme}://...") if scheme else repr(without_secrets(url)), SCHEMES)


def _max_sessions(url: str) -> dict[str, Any]:
    options = dict(parse_qsl(url.partition("?")[2]))
    text = options.pop("max_sessions", None)
    if options or (text is not None and not (text.isdecimal() and int(text) > 0)):
        raise bad_session_option(
            "store", without_secrets(url), "no option but max_sessions", 'store="memory://?max_sessions=1000"'
        )
    return {} if text is None else {"max_sessions": int(text)}


def _sqlite_path(url: str) -> str:
    """Return the path in an SQLite URL: three slashes before a relative one, four before an absolute one."""
    rest = url.partition("://")[2]
    if not rest.startswith("/") or rest == "/":
        raise bad_session_option(
            "store",
            without_secrets(url),
            "three slashes and a path, four for an absolute one",
            'store="sqlite:///sessions.db"',
        )
    return unquote(rest[1:])


def _shown(store: object) -> str:
    return store.__qualname__ if isinstance(store, type) else f"<{type(store).__qualname__}>"
