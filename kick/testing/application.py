"""The parts of an application that tests work with."""

from __future__ import annotations

from typing import Any

from kick.app import App
from kick.middleware.session import SessionLayer


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
