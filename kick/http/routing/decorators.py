"""`@Controller`, `@Get` and the other methods, `@WebSocket`, `@Use`. They only record their options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import FrameType, FunctionType
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from kick.di.naming import place_of
from kick.errors import KickError
from kick.http.errors import decorator_not_called, duplicate_handler_name, hidden_by_decorator
from kick.http.uploads import File

_CONTROLLER: Final = "__kick_controller__"
_ROUTES: Final = "__kick_routes__"
_MIDDLEWARE: Final = "__kick_middleware__"

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

SessionUse: TypeAlias = bool | Literal["passive"]
"""The session of a route: on, off, or `"passive"`, which does not extend it."""


OperationFields: TypeAlias = bool | Mapping[str, Any]
"""`False` hides a route from the OpenAPI document; a mapping is merged into its Operation Object."""


class ControllerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `@Controller`."""

    prefix: str
    session: SessionUse | None
    version: str | None = None
    deprecated: bool = False
    openapi: OperationFields = True


class RouteInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `@Get` and the like."""

    method: str
    path: str
    status: int | None = None
    session: SessionUse | None = None
    stream: bool = False
    max_body: int | None = None
    decompress: bool | None = None
    files: File | None = None
    name: str | None = None
    cancel_on_disconnect: bool = False
    path_errors: Literal[404, 422] = 404
    response: Any = None
    deprecated: bool = False
    openapi: OperationFields = True


class SocketInfo(RouteInfo, frozen=True, kw_only=True):
    """The options of `@WebSocket`. Its `method` is that of the handshake (RFC 6455, section 4.1)."""

    origins: Any = ()
    max_message: int = 1 << 20
    on_invalid: Literal["close", "reply"] = "close"


def Controller(
    prefix: str = "",
    *,
    session: SessionUse | None = None,
    version: str | None = None,
    deprecated: bool = False,
    openapi: OperationFields = True,
) -> Callable[[C], C]:
    """Make a class a controller: its methods with `@Get` and the like handle requests below `prefix`.

    The container provides the arguments of its constructor by their types. The class is created once, when the
    application starts, or for each request if one of its dependencies lives that long.

    Arguments:
        prefix: the path before those of its handlers.
        session: `False` switches the session off for all its routes.
        version: `"v2"` puts `/v2` before its paths, and replaces the version of the module.
        deprecated: mark its routes in the OpenAPI document.
        openapi: `False` hides its routes from the OpenAPI document. A mapping is merged into the Operation Object of
            each.

    Raises `KickError`: `decorator-not-called` if the parentheses are missing.

    >>> @Controller("/notes")
    ... class NoteController:
    ...     @Get("/{note_id}")
    ...     async def show(self, note_id: int) -> dict[str, int]:
    ...         return {"id": note_id}
    """
    if not isinstance(prefix, str):
        raise decorator_not_called("Controller", prefix)

    def decorate(cls: C) -> C:
        info = ControllerInfo(prefix=prefix, session=session, version=version, deprecated=deprecated, openapi=openapi)
        setattr(cls, _CONTROLLER, info)
        return cls

    return decorate


class Verb:
    """A decorator for the handlers of one method: `@Get("/path")`.

    Arguments of a call:
        path: appended to the prefixes of the module and the controller. `{name}` matches one segment, `{name:path}` the
            rest of the path. The value is converted to the type of the handler's parameter `name`, or to the type that
            the path states: `{name:int}`.
        status: the status of a returned value; by default 200, or 204 for `None`.
        session: `False` switches the session off: no store call, no cookie. `"passive"` does not extend the session,
            for requests that poll; what the handler writes is stored.
        stream: the handler reads the body itself, from `ctx.body_stream()`.
        max_body: the size limit of the body in bytes, in place of the limit of the application.
        decompress: decode bodies with `Content-Encoding: gzip`, `deflate` or `zstd`, or reject them with 415. The
            default is the option of the application. `max_body` limits the decoded body.
        files: the limits of an uploaded file whose parameter type sets none.
        name: the name for `kick routes`, `ctx.route` and `ctx.url_for()`, by default `Controller.method`.
        cancel_on_disconnect: cancel the handler when the client disconnects. A handler in a thread cannot be cancelled;
            it continues, but its result is dropped.
        response: the type of the response, in place of the return annotation. Only its fields are sent, by `ctx.json()`
            and `ctx.sse()` too. A response with a status of 400 or above may have any fields.
        path_errors: the status for a path parameter outside of its constraints, such as `Annotated[int, Meta(ge=1)]`:
            404, or 422 with the errors. A segment that cannot be converted is always a 404.
        deprecated: mark the route in the OpenAPI document.
        openapi: `False` hides the route from the OpenAPI document. A mapping is merged into its Operation Object:
            `openapi={"responses": {"200": {"content": {"text/csv": {}}}}}`.

    >>> @Post("/notes", status=201)
    ... async def create(body: dict[str, str]) -> dict[str, str]:
    ...     return body
    """

    __slots__ = ("method",)

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(
        self,
        path: str = "",
        *,
        status: int | None = None,
        session: SessionUse | None = None,
        stream: bool = False,
        max_body: int | None = None,
        decompress: bool | None = None,
        files: File | None = None,
        name: str | None = None,
        cancel_on_disconnect: bool = False,
        path_errors: Literal[404, 422] = 404,
        response: Any = None,
        deprecated: bool = False,
        openapi: OperationFields = True,
    ) -> Callable[[F], F]:
        """Return the decorator; the function keeps its type.

        Raises `KickError`: `decorator-not-called` if the parentheses are missing, and `handler-twice` for a second
        handler with the same name in a class.
        """
        if callable(path):
            raise decorator_not_called(self.method.capitalize(), path)
        info = RouteInfo(
            method=self.method,
            path=path,
            status=status,
            session=session,
            stream=stream,
            max_body=max_body,
            decompress=decompress,
            files=files,
            name=name,
            cancel_on_disconnect=cancel_on_disconnect,
            path_errors=path_errors,
            response=response,
            deprecated=deprecated,
            openapi=openapi,
        )

        def decorate(func: F) -> F:
            _check_name(func, inspect.currentframe())
            setattr(func, _ROUTES, (*getattr(func, _ROUTES, ()), info))
            return func

        return decorate


Get: Final = Verb("GET")
Post: Final = Verb("POST")
Put: Final = Verb("PUT")
Patch: Final = Verb("PATCH")
Delete: Final = Verb("DELETE")
Head: Final = Verb("HEAD")
Options: Final = Verb("OPTIONS")


def WebSocket(
    path: str = "",
    *,
    session: SessionUse | None = None,
    origins: Sequence[str] = (),
    max_message: int = 1 << 20,
    on_invalid: Literal["close", "reply"] = "close",
    name: str | None = None,
) -> Callable[[F], F]:
    """Make a method the handler of a WebSocket (RFC 6455). It takes a `Socket` and the parameters of other handlers.

    Arguments:
        path: as for `@Get`. A page and a WebSocket may have the same path.
        session: `False` switches the session off: no store call, no cookie. `"passive"` does not extend the session;
            what the handler writes is stored.
        origins: other sites whose pages may connect, such as `"https://app.example.com"`, or `"*"` for all sites.
            Browsers send cookies with connections from any site.
        max_message: the most bytes of a message of the client. A longer one closes the connection with 1009.
        on_invalid: the action for a message that does not fit its type. `"close"` raises `InvalidMessage`, which closes
            the connection with 1007 unless the handler catches it. `"reply"` sends the errors to the client and
            continues with the next message.
        name: the name for `kick routes`, `ctx.route` and `ctx.url_for()`, by default `Controller.method`.

    Raises `KickError`: `decorator-not-called` if the parentheses are missing, and `handler-twice` for a second handler
    with the same name in a class.

    >>> from kick.http import Socket
    >>> @Controller("/echo")
    ... class EchoController:
    ...     @WebSocket("/{room}")
    ...     async def echo(self, socket: Socket[str, str], room: str) -> None:
    ...         async for text in socket:
    ...             await socket.send(f"{room}: {text}")
    """
    if callable(path):
        raise decorator_not_called("WebSocket", path)
    info = SocketInfo(
        method="GET",
        path=path,
        session=session,
        name=name,
        origins=tuple(origins) if isinstance(origins, list | tuple | set | frozenset) else origins,
        max_message=max_message,
        on_invalid=on_invalid,
    )

    def decorate(func: F) -> F:
        _check_name(func, inspect.currentframe())
        setattr(func, _ROUTES, (*getattr(func, _ROUTES, ()), info))
        return func

    return decorate


def Use(*middleware: Any) -> Callable[[Decorated], Decorated]:
    """Run middleware around the handlers of a class, or around one handler. The first is the outermost.

    The middleware sees the exceptions of the handler, so it can roll a transaction back. `@Use` may stand above or
    below `@Get` and the like, or `@Controller`.

    Arguments:
        middleware: functions, and instances of `Middleware`.

    >>> async def logged(ctx, call_next):
    ...     return await call_next(ctx)
    >>> @Use(logged)
    ... @Controller("/notes")
    ... class NoteController: ...
    """
    for each in middleware:
        if hasattr(each, _ROUTES) or (isinstance(each, type) and controller_info(each) is not None):
            raise decorator_not_called("Use", each)

    def decorate(target: Decorated) -> Decorated:
        setattr(target, _MIDDLEWARE, (*middleware, *vars(target).get(_MIDDLEWARE, ())))
        return target

    return decorate


def _check_name(function: Any, frame: FrameType | None) -> None:
    """Raise `handler-twice` if the class that is being defined already has a handler with this name."""
    body = frame.f_back.f_locals if frame is not None and frame.f_back is not None else {}
    name = getattr(function, "__name__", "")
    first: Any = body.get(name) if "__qualname__" in body and "__module__" in body else None
    if getattr(first, _ROUTES, None) and inspect.unwrap(first) is not inspect.unwrap(function):
        raise duplicate_handler_name(
            f"{body['__qualname__'].rpartition('<locals>.')[2]}.{name}", place_of(first), place_of(function)
        )


def controller_info(cls: type) -> ControllerInfo | None:
    """Return the options of `@Controller` on this very class."""
    return vars(cls).get(_CONTROLLER)


def handlers_of(cls: type) -> Iterator[tuple[Any, RouteInfo]]:
    """Return the handlers of a class with their routes, inherited ones included, in the order of their definition.

    A method that overrides an inherited handler has the same routes, unless it has routes of its own, and then the same
    middleware, too: see `middleware_of_handler`. An attribute `None` removes them.
    """
    routes: dict[str, tuple[RouteInfo, ...]] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            if own := _routes_of(member):
                routes[name] = own
    for name, infos in routes.items():
        handler = inspect.getattr_static(cls, name)
        if handler is not None:
            for info in infos:
                yield handler, info


def middleware_of_handler(cls: type, handler: Any) -> tuple[Any, ...]:
    """Return the middleware and guards of a handler, outermost first, with those of the methods that it overrides.

    A method with routes of its own inherits none.
    """
    name = next(name for base in cls.__mro__ for name, member in vars(base).items() if member is handler)
    layers: list[Any] = []
    for base in reversed(cls.__mro__):
        if name in vars(base):
            member = vars(base)[name]
            inherited = [] if member is None or _routes_of(member) else layers
            layers = [*inherited, *(each for each in middleware_of(member) if not any(each is x for x in inherited))]
    return tuple(layers)


def hidden_handlers(cls: type) -> Iterator[KickError]:
    """Return an error for each handler that has lost its routes, middleware or guards by a decorator.

    A decorator without `functools.wraps` returns a function that has none of the attributes of the one it calls.
    """
    for base in cls.__mro__:
        for name, member in vars(base).items():
            function = getattr(member, "__func__", member)
            for variable, inner in _called_by(function, set()):
                if inner.__name__ == name:
                    for attribute, what in ((_ROUTES, "routes"), (_MIDDLEWARE, "middleware and guards")):
                        kept = [id(each) for each in getattr(function, attribute, ())]
                        if any(id(each) not in kept for each in getattr(inner, attribute, ())):
                            yield hidden_by_decorator(
                                f"{base.__name__}.{name}", place_of(function), variable, what=what
                            )


def _called_by(function: Any, seen: set[int]) -> Iterator[tuple[str, FunctionType]]:
    """Return the functions in the closure of a function, and in theirs, with the names of their variables."""
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # of an empty cell
            if isinstance(cell.cell_contents, FunctionType):
                yield variable, cell.cell_contents
                yield from _called_by(cell.cell_contents, seen)


def _routes_of(member: Any) -> tuple[RouteInfo, ...]:
    """Return the routes that a member of a class declares itself."""
    own: tuple[RouteInfo, ...] = getattr(getattr(member, "__func__", member), _ROUTES, ())
    return own or getattr(member, _ROUTES, ())


def middleware_of(target: Any) -> tuple[Any, ...]:
    """Return the middleware of `@Use` on a handler, or on a class and its bases, outermost first."""
    if not isinstance(target, type):
        return tuple(getattr(target, _MIDDLEWARE, ()))
    return tuple(each for base in reversed(target.__mro__) for each in vars(base).get(_MIDDLEWARE, ()))
