"""The parts of an application that tests work with."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from kick.app import App
from kick.di.hints import signature_of
from kick.di.signature import needs_of
from kick.middleware.session import SessionLayer

T = TypeVar("T")

MISSING: Final[Any] = object()
"""No replacement."""


def app_of(given: Any) -> App | None:
    """Return the application of a client, or an application itself; `None` for one that is not of kick."""
    app = given if isinstance(given, App) else getattr(given, "app", None)
    return app if isinstance(app, App) else None


def session_layers(given: Any) -> list[SessionLayer]:
    """Return the `session()` layers of an application or of the one of a client; that of the whole application first.

    >>> from kick import bootstrap
    >>> session_layers(bootstrap([]))
    []
    """
    app = app_of(given)
    if app is None:
        return []
    layers = [*app.middleware, *(layer for route in (*app.routes, *app.sockets) for layer in route.middleware)]
    return [*dict.fromkeys(layer for layer in layers if isinstance(layer, SessionLayer))]


async def call(given: Any, function: Callable[..., Awaitable[T]], args: tuple[Any, ...], options: dict[str, Any]) -> T:
    """Call a coroutine function. Parameters that are not passed are injected, from a scope that ends with the call."""
    app = app_of(given)
    passed = signature_of(function).bind_partial(*args, **options).arguments
    missing = [need for need in needs_of(function) if need.name not in passed and not need.has_default]
    if app is None or not missing:
        return await function(*args, **options)
    async with app.scope() as scope:
        injected = {need.name: await scope.get(need.hint) for need in missing}
        return await function(*args, **options, **injected)


@contextmanager
def overridden(given: Any, key: Any, replacement: Any, changes: Mapping[str, Any]) -> Generator[Any]:
    """Override a dependency by an object, or by its present value with some attributes changed."""
    app = app_of(given)
    if app is None:
        raise TypeError(f"only applications of kick have dependencies to override, not {given!r}")
    if (replacement is MISSING) != bool(changes):
        raise TypeError("override() takes an instance in place of the type, or attributes to change: one of the two")
    if changes:
        replacement = changed(app.container.instance(key), changes)
    with app.override(key, replacement):
        yield replacement


def changed(value: Any, changes: Mapping[str, Any]) -> Any:
    """Return a copy of an object with other values of some attributes. Raises `TypeError` for one that it lacks.

    >>> @dataclasses.dataclass
    ... class Settings:
    ...     debug: bool = False
    >>> changed(Settings(), {"debug": True}).debug
    True
    """
    lacking = [name for name in changes if not hasattr(value, name)]
    if lacking:
        raise TypeError(f"{type(value).__qualname__} has no attribute {lacking[0]!r}")
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **changes)
    model_copy = getattr(value, "model_copy", None)  # of pydantic
    if model_copy is not None:
        return model_copy(update=dict(changes))
    other = copy.copy(value)
    for name, each in changes.items():
        setattr(other, name, each)
    return other
