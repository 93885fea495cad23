"""The router of WebSockets, which also checks the origin of a handshake."""

from __future__ import annotations

from typing import Any

from starlette.types import Receive, Scope, Send

from kick.exceptions import Forbidden, HTTPError, NotFound, ServiceUnavailable
from kick.http.context.context import RequestContext
from kick.http.middleware import Endpoint
from kick.http.routing.decorators import SocketInfo
from kick.http.routing.paths import root_in, split_path
from kick.http.routing.route import Route
from kick.http.routing.router import Miss, Router
from kick.http.routing.trailing_slash import finder
from kick.http.sending import end_failed, end_request
from kick.http.settings import Settings
from kick.http.websocket.handshake import Handshake, no_body
from kick.http.websocket.origins import may_connect


class WebSocketRouter:
    """Serves WebSockets; `unmatched` is the endpoint of handshakes without a route.

    Clients do not follow redirects of a handshake. So a path with a slash at its end is served without a redirect,
    unless the application is strict.
    """

    def __init__(self, router: Router, settings: Settings, unmatched: Endpoint) -> None:
        self.routes = tuple(router.routes)
        self._look_up = finder(router, "strict" if settings.trailing_slash == "strict" else "ignore").find
        self._settings = settings
        self._unmatched = unmatched

    def are_at(self, parts: list[str]) -> bool:
        """Return true if a WebSocket has the path of these segments."""
        return self._look_up("GET", parts) is not None

    def has(self, scope: Scope) -> bool:
        """Return true if there is a WebSocket for a handshake."""
        try:
            return self._at(scope) is not None
        except HTTPError:
            return False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, from its handshake to its end."""
        handshake = Handshake(scope, receive, send)
        ctx, endpoint = self._find(scope, handshake)
        try:
            await handshake.serve(ctx, endpoint, self._settings.shutdown)
        except BaseException as error:
            await end_failed(ctx, error)
            raise
        await end_request(ctx, None)

    def _find(self, scope: Scope, handshake: Handshake) -> tuple[RequestContext[Any], Endpoint]:
        """Return the context of a handshake, and its endpoint."""
        request, send, settings = handshake.scope, handshake.send, self._settings
        try:
            found = self._at(scope)
            if found is None:
                raise NotFound(f"There is no WebSocket at {scope['path']}.")
            if settings.shutdown.is_set:
                raise ServiceUnavailable("The server is stopping.", retry_after=1)
            route, params = found
            info = route.info
            if isinstance(info, SocketInfo) and not may_connect(scope["headers"], request["scheme"], info.origins):
                raise Forbidden("Pages of this origin may not connect.")
        except HTTPError as error:
            miss = Miss(error=error)
            return RequestContext(request, no_body, send, settings, None, {}, miss=miss), self._unmatched
        return RequestContext(request, no_body, send, settings, route, params), route.endpoint

    def _at(self, scope: Scope) -> tuple[Route, dict[str, Any]] | None:
        path: str = scope["path"]
        parts = split_path(path, scope.get("raw_path"), root_in(path, scope.get("root_path", "")))
        return self._look_up("GET", parts)
