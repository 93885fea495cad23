"""The application of a project, and a session store of its own for each test."""

from __future__ import annotations

import importlib
import inspect
import secrets
import tomllib
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kick.di.hints import takes
from kick.errors import KickError
from kick.session.stores.base import AtomicStore
from kick.session.stores.url import open_store, scheme_of
from kick.testing.application import session_layers


def load_app(named: str, folder: Path) -> Any:
    """Import an application, or call the function that returns one.

    Raises `KickError`: `test-app` if none is named, or if there is none of this name.
    """
    target = named or _target_in(folder / "pyproject.toml") or ("app:app" if (folder / "app.py").is_file() else "")
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise _no_app(f"{target!r} names no application" if target else "No application is named")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.removesuffix("()").split("."):
            found = getattr(found, name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise _no_app(f"There is no module {error.name!r}, of {target!r}") from error
    except AttributeError as error:
        raise _no_app(f"{module} has no {attribute!r}") from error
    return found() if attribute.endswith("()") or _is_factory(found) else found


@contextmanager
def own_store(app: Any, url: str, folder: Path) -> Generator[None]:
    """Keep the sessions of an application in a store of this test, or in a part of one that no other test uses."""
    with ExitStack() as stack:
        for layer in session_layers(app):
            stack.callback(layer.manager.use, layer.manager.store)
            layer.manager.use(stack.enter_context(_store(url, secrets.token_hex(4), folder)))
        yield


@contextmanager
def _store(url: str, name: str, folder: Path) -> Generator[AtomicStore]:
    scheme, joint = scheme_of(url), "&" if "?" in url else "?"
    if scheme == "memory":
        yield open_store(url)
    elif scheme == "sqlite":
        yield open_store(f"sqlite:///{folder}/sessions-{name}.db")
    elif scheme in ("postgresql", "postgres"):
        table = f"{getattr(open_store(url), 'table', '')}_{name}"
        try:
            yield open_store(f"{url}{joint}table={table}&migrate=yes&unlogged=yes")
        finally:
            _drop(url, table)
    else:
        yield open_store(f"{url}{joint}prefix=kick-test-{name}:")


def _drop(url: str, table: str) -> None:
    import psycopg

    from kick.session.stores.postgres.errors import bad_postgres_option
    from kick.session.stores.postgres.schema import quoted
    from kick.session.stores.postgres.store import OWN_OPTIONS
    from kick.session.stores.server_options import UrlOptions

    address = UrlOptions(url, OWN_OPTIONS, bad_postgres_option).address
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {quoted(table)}".encode())


def _is_factory(found: Any) -> bool:
    """Return true for a function that can be called without arguments, which no ASGI application can."""
    return inspect.isfunction(found) and not takes(found, 3)


def _target_in(path: Path) -> str:
    if not path.is_file():
        return ""
    settings = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("kick", {})
    return str(settings.get("app", ""))


def _no_app(cause: str) -> KickError:
    """Return the error for a fixture `app` that finds no application."""
    return KickError(
        "test-app",
        cause=f"{cause}.",
        fix='Write it into pyproject.toml, `[tool.kick]` with `app = "package.module:app"`, or write a fixture `app` '
        "that returns one.",
    )
