"""Mounts: other ASGI applications and folders of files below a path of this application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.background import BackgroundTask
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.di import Container
from kick.di.hints import takes
from kick.errors import KickError
from kick.http.context.context import RequestContext
from kick.http.exception_handlers import REQUEST
from kick.http.middleware import Endpoint
from kick.http.pipeline import answer_error, around, finished, guarded
from kick.http.response.base import Response, add_vary
from kick.http.response.static import StaticFiles
from kick.http.routing.decorators import RouteInfo
from kick.http.routing.paths import Segment, root_in, split_path
from kick.http.routing.route import ANY_METHOD, Route
from kick.http.routing.urls import BELOW
from kick.http.sending import end_failed, end_request
from kick.http.websocket.scope import as_websocket

BELOW_MOUNT: Final = Segment(None, "path", BELOW, None)
"""The segments below the path of a mount, for `url_for()`."""

_OF_OTHER_ROUTERS: Final = ("app_root_path", "endpoint", "path_params", "route", "router")
"""Keys in the scope that belong to routers outside of this application."""

_OF_THE_BODY: Final = frozenset(
    {b"content-length", b"content-encoding", b"content-range", b"etag", b"transfer-encoding"}
)
"""Headers about the transfer of the body, which only its sender can set."""


def bad_mount(place: str, problem: str, fix: str) -> KickError:
    """Return the error of an object in `mounts=` that cannot be mounted."""
    return KickError("mount", cause=f"{place} {problem}.", fix=fix)


def duplicate_mount(path: str, first: str, second: str) -> KickError:
    """Return the error of two mounts at one path."""
    return KickError(
        "mount-duplicate",
        cause=f"Two things are mounted at {path}: {first} and {second}.",
        fix=f'Mount one of them elsewhere, such as at `"{path.rstrip("/")}/other"`; or remove it.',
    )


class Mount(msgspec.Struct, eq=False, kw_only=True):
    """An application or a folder of files at a path, with its middleware. `App.mounts` lists them.

    >>> from kick import Module, bootstrap
    >>> async def old(scope, receive, send): ...
    >>> (mount,) = bootstrap([Module("legacy", mounts={"/old": old})]).mounts
    >>> mount.path, mount.app is old, mount.route.name, mount.route.module
    ('/old', True, 'legacy.old', 'legacy')
    """

    app: ASGIApp | StaticFiles
    route: Route
    state: dict[str, Any] = {}
    """State that the lifespan of a mounted application sets for its requests: their `scope["state"]`."""
    outer: list[Any] = []
    inner: list[Any] = []

    @property
    def path(self) -> str:
        """The path of the mount, with the prefixes of the application and the module."""
        return self.route.path

    @property
    def has_lifespan(self) -> bool:
        """True for an application, which may have its own lifespan; false for files."""
        return not isinstance(self.app, StaticFiles)

    def link(self, container: Container) -> Endpoint:
        """Return the whole chain, composed."""
        serve = _files(self.app, self) if isinstance(self.app, StaticFiles) else _application(self)
        return guarded(self.outer, around(self.inner, serve))

    def below(self, scope: Scope) -> tuple[list[str], list[str]]:
        """Return the decoded segments of a request's path up to the mount, and those below it."""
        path: str = scope["path"]
        parts = split_path(path, scope.get("raw_path"), root_in(path, scope.get("root_path", "")))
        depth = 1 if self.path == "/" else self.path.count("/") + 1
        return parts[:depth], parts[depth:]

    def inside(self, scope: Scope, params: dict[str, Any]) -> Scope:
        """Return the scope of a request as the mounted application sees it.

        `root_path` ends with the path of the mount, and `path` is the whole path, `root_path` included (ASGI, HTTP
        Connection Scope).
        """
        root_path, path = scope.get("root_path", "").rstrip("/"), scope["path"]
        inner = {key: value for key, value in scope.items() if key not in _OF_OTHER_ROUTERS}
        if root_in(path, root_path) != root_path:  # for a server that has removed the prefix
            inner["path"] = root_path + path
            raw_path = scope.get("raw_path")
            if raw_path is not None:
                inner["raw_path"] = quote(root_path).encode("ascii") + raw_path
        inner["root_path"] = root_path + "/".join(self.below(scope)[0])
        if params:
            inner["path_params"] = params
        inner["state"] = dict(self.state)
        inner["kick.mount"] = self.path
        return inner


class MountedResponse(Response):
    """Placeholder for the response of a mounted application, which runs when the placeholder is sent.

    Its status is not known before. Headers that middleware adds replace those of the application. Those in `unless_set`
    are sent only if the application has not set them.

    >>> from kick.http import CallNext
    >>> async def no_referrer(ctx: RequestContext, call_next: CallNext) -> Response:
    ...     response = await call_next(ctx)
    ...     if isinstance(response, MountedResponse):
    ...         response.unless_set.append((b"referrer-policy", b"no-referrer"))
    ...     return response
    """

    background: BackgroundTask | None
    answers_head = True
    """The application answers HEAD itself."""

    def __init__(self, mount: Mount, ctx: RequestContext[Any]) -> None:
        self.mount = mount
        self.ctx = ctx
        ctx.scope.setdefault(REQUEST, object())
        self.app = _asgi(mount)
        """The mounted application. Middleware may wrap it, to act when the response starts."""
        self.status_code = 200
        self.background = None
        self.body = b""
        self.raw_headers = []
        self.unless_set: list[tuple[bytes, bytes]] = []
        """Headers that are sent unless the application has set them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application. An exception before its first byte becomes a response, as that of a handler does."""
        ctx, begun = self.ctx, False
        send = self.sending(send)

        async def send_on(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(self.mount.inside(scope, ctx.params), _body_of(ctx, receive), send_on)
        except Exception as error:
            if begun:
                raise
            await (await answer_error(ctx, error))(scope, receive, send)
        if self.background is not None:
            await self.background()

    def sending(self, send: Send) -> Send:
        """Return a `send` that adds the headers of this object to the response, or to the accepted WebSocket."""

        async def send_merged(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": self._merged(message.get("headers", ()))}
            await send(message)

        return send_merged

    def _merged(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers of the application and those of this object."""
        put = [(name, value) for name, value in self.raw_headers if name not in _OF_THE_BODY]
        replaced = {name for name, _ in put} - {b"set-cookie", b"vary"}
        merged = Response()
        own = [(name.lower(), value) for name, value in headers]
        merged.raw_headers = [(name, value) for name, value in own if name not in replaced]
        taken = replaced | {name for name, _ in own}
        merged.raw_headers += [(name, value) for name, value in self.unless_set if name not in taken]
        for name, value in put:
            if name == b"vary":
                for field in value.split(b","):
                    add_vary(merged, field.strip())
            else:
                merged.raw_headers.append((name, value))
        return merged.raw_headers


async def serve_websocket(ctx: RequestContext[Any], mount: Mount, receive: Receive, send: Send) -> None:
    """Pass a WebSocket to a mounted application, if the middleware accepts its handshake.

    For middleware, the handshake is a GET request (RFC 6455, section 4.1). If it returns another response, this is the
    response to the handshake. Servers that cannot send one respond with 403. Then the request ends, in any case.
    """
    try:
        await _serve_accepted(ctx, mount, receive, send)
    except BaseException as error:
        await end_failed(ctx, error)
        raise
    await end_request(ctx, None)


async def _serve_accepted(ctx: RequestContext[Any], mount: Mount, receive: Receive, send: Send) -> None:
    try:
        response = await mount.route.endpoint(ctx)
    except Exception as error:  # noqa: BLE001  # any error becomes a response
        response = await answer_error(ctx, error)
    if ctx.added_headers is not None:
        response = finished(ctx)
    if isinstance(response, MountedResponse):
        scope = as_websocket(ctx.scope)
        await response.app(mount.inside(scope, ctx.params), receive, response.sending(send))
        return
    from kick.http.websocket.handshake import refuse  # on first use: most applications have no WebSockets

    await receive()
    await refuse(response, ctx.scope, send)


def mount_problem(app: object, place: str) -> KickError | None:
    """Return the reason why something cannot be mounted; `None` if it can."""
    if isinstance(app, StaticFiles):
        return None
    if isinstance(app, type):
        fix = f"Mount an instance: `{app.__name__}()`."
        return bad_mount(place, f"is the class {app.__name__}", fix)
    if isinstance(app, str | bytes):
        return bad_mount(place, "is a text", f'For the files of a folder: `StaticFiles("{app!s}")`.')
    if callable(app) and takes(app, 3):
        return None
    if callable(app) and takes(app, 2):
        name = getattr(app, "__name__", "app")
        return bad_mount(
            place,
            "takes (environ, start_response): it is a WSGI application",
            f"Put a bridge around it, such as that of the package a2wsgi: `WSGIMiddleware({name})`.",
        )
    return bad_mount(
        place,
        f"is a {type(app).__name__}, and no ASGI application",
        "Mount what can be called as `async def app(scope, receive, send): ...`.",
    )


def mapping_problem(mounts: object, place: str) -> KickError | None:
    """Return the mistake in `mounts=`, which maps paths to applications; `None` for none."""
    if isinstance(mounts, Mapping) and all(isinstance(path, str) for path in mounts):
        return None
    return bad_mount(
        place, "takes paths with what is mounted there", 'Say which path each is at: `mounts={"/old": app}`.'
    )


def mount_info(path: str) -> RouteInfo:
    """Return route options for a mount, which has no decorator."""
    return RouteInfo(method=ANY_METHOD, path=path)


def _application(mount: Mount) -> Endpoint:
    async def serve(ctx: RequestContext[Any]) -> Response:
        ctx.response = response = MountedResponse(mount, ctx)
        return response

    return serve


def _files(files: StaticFiles, mount: Mount) -> Endpoint:
    async def serve(ctx: RequestContext[Any]) -> Response:
        session = ctx.opened_session  # a guard may have looked at it
        private = session is not None and session.state.accessed
        ctx.response = response = await files.answer(ctx.scope, mount.below(ctx.scope)[1], private=private)
        return response

    return serve


def _asgi(mount: Mount) -> ASGIApp:
    return mount.app  # type: ignore[return-value]


def _body_of(ctx: RequestContext[Any], receive: Receive) -> Receive:
    """Return a `receive` for the application, which repeats a body that middleware has read.

    A multipart form that middleware has parsed cannot be repeated, and neither can a body that it has read in part.
    """
    return receive if ctx.received is None else ctx.replay()
