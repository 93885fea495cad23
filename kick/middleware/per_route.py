"""Middleware of which an application has one, and a route perhaps another in its place."""

from __future__ import annotations

from typing import Any

from kick.http import Middleware, Route, Settings


class PerRoute(Middleware):
    """A layer whose likes on a route, given with `@Use`, take its place around the application.

    That way the choice of a route holds for its errors too, which are made into responses further out.
    """

    _shared: dict[str, Any] | None = None

    @property
    def is_idle(self) -> bool:
        """True if there is nothing to do at all."""
        return False

    def configure(self, settings: Settings) -> None:
        """Remember what the layers of one application have in common."""
        self._shared = settings.shared

    def for_route(self, route: Route | None) -> Middleware | None:
        """Return the layer for a route: its own innermost one, or that of the application; `None` for an idle one."""
        shared = {} if self._shared is None else self._shared
        kind = type(self).__name__
        if route is None:
            shared[kind] = self  # it is asked about no route because it stands around the application
            return None if self.is_idle else self
        own = [layer for layer in route.middleware if isinstance(layer, type(self))]
        if any(layer is self for layer in own) and shared.get(kind) is not self:
            chosen = None if kind in shared or own[-1] is not self else self
        else:
            chosen = own[-1] if own else self
        return None if chosen is None or chosen.is_idle else chosen
