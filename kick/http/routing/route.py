"""`Route`: one route of an application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from kick.http.request.upload_limits import UploadLimits
from kick.http.response.base import Response
from kick.http.routing.decorators import RouteInfo, SessionUse, SocketInfo

ANY_METHOD: Final = "*"
"""The method of the route of a mounted application."""


class Route(msgspec.Struct, kw_only=True, eq=False):
    """One route and its endpoint. Middleware gets it as `ctx.route`.

    >>> from kick import Controller, Get, Module, bootstrap
    >>> @Controller("/notes")
    ... class NoteController:
    ...     @Get("/{note_id}")
    ...     async def show(self, note_id: int) -> int:
    ...         return note_id
    >>> (route,) = bootstrap([Module("notes", controllers=[NoteController])]).routes
    >>> route.method, route.path, route.name, route.module
    ('GET', '/notes/{note_id}', 'NoteController.show', 'notes')
    """

    method: str
    """The HTTP method. `*` for a mount, which serves any method."""
    path: str
    """The whole path, with `{names}`."""
    name: str
    """`NoteController.show`, or the `name=` of the decorator."""
    handler: Callable[..., Any]
    """The method of the controller, as it was written."""
    controller: type | None
    """The class of the controller; `None` for a mount."""
    module: str
    """The name of the module."""
    place: str
    """Where the handler is defined, for error messages."""
    info: RouteInfo
    """The arguments of the decorator."""
    session: SessionUse | None
    """`False` if the session is switched off, `"passive"` if requests do not extend it.

    The default is `None`: a handler has the session, and a mounted application has none.
    """
    max_body: int | None
    """The most bytes of a body, if the route has a limit of its own."""
    version: str | None = None
    """The version of the API: that of the controller, or of the module."""
    upload_limits: UploadLimits | None = None
    """Limits of uploaded files; `None` if the handler declares no files."""
    middleware: tuple[Any, ...] = ()
    """The middleware of the module, the controller and the method, outermost first."""
    endpoint: Callable[[Any], Awaitable[Response]]
    """Serves a request: takes its `RequestContext`."""

    @property
    def is_mount(self) -> bool:
        """True if an application or a folder is mounted at its path."""
        return self.controller is None

    @property
    def has_no_session(self) -> bool:
        """True if the session is switched off, or a mounted application does not ask for it."""
        return self.session is False or (self.is_mount and self.session is None)

    @property
    def is_websocket(self) -> bool:
        """True if it serves a WebSocket; its method is that of the handshake, GET."""
        return isinstance(self.info, SocketInfo)

    def __repr__(self) -> str:
        return f"<Route {self.method} {self.path} {self.name}>"
