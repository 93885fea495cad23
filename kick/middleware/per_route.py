"""Middleware of the application that a route can replace by its own."""

from __future__ import annotations

from typing import Any

from kick.http import Middleware, Route, Settings


class PerRoute(Middleware):
    """Middleware of the application that is replaced, on a route, by one of the same class in `@Use`.

    It runs at the position of the application's middleware, where the errors of the route are already responses.
    """

    _shared: dict[str, Any] | None = None

    @property
    def is_idle(self) -> bool:
        """True if there is nothing to do at all."""
        return False

    def configure(self, settings: Settings) -> None:
        """Keep the values that the middleware of one application shares."""
        self._shared = settings.shared

    def for_route(self, route: Route | None) -> Middleware | None:
        """Return the middleware for a route: its innermost one, or that of the application; `None` for an idle one."""
        shared = {} if self._shared is None else self._shared
        kind = type(self).__name__
        if route is None:
            shared[kind] = self  # only middleware of the application is asked about `None`
            return None if self.is_idle else self
        own = [layer for layer in route.middleware if isinstance(layer, type(self))]
        if any(layer is self for layer in own) and shared.get(kind) is not self:
            chosen = None if kind in shared or own[-1] is not self else self
        else:
            chosen = own[-1] if own else self
        return None if chosen is None or chosen.is_idle else chosen
