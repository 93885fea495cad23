"""`@Controller`, `@Get` and the like, `@WebSocket`, `@Use`: they write down what they are told, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from kick.di.naming import place_of
from kick.http.errors import decorator_not_called, duplicate_handler_name
from kick.http.uploads import File

_CONTROLLER: Final = "__kick_controller__"
_ROUTES: Final = "__kick_routes__"
_MIDDLEWARE: Final = "__kick_middleware__"

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

SessionUse: TypeAlias = bool | Literal["passive"]
"""The session of a route: on, off, or `"passive"`: read, and not prolonged."""


class ControllerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `@Controller`."""

    prefix: str
    session: SessionUse | None
    version: str | None = None


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


class SocketInfo(RouteInfo, frozen=True, kw_only=True):
    """The options of `@WebSocket`. Its `method` is that of the handshake (RFC 6455, section 4.1)."""

    origins: Any = ()
    max_message: int = 1 << 20
    on_invalid: Literal["close", "reply"] = "close"


def Controller(prefix: str = "", *, session: SessionUse | None = None, version: str | None = None) -> Callable[[C], C]:
    """Make a class a controller: its methods that `@Get` and the like decorate handle requests below `prefix`.

    The class is built once, when the application starts; what its constructor asks for by type comes from the
    container. `session=False` switches the session off for all its routes. `version="v2"` puts `/v2` before its paths,
    in place of the version of the module.

    Raises `KickError`: `decorator-not-called` where its parentheses are missing.

    >>> @Controller("/notes")
    ... class NoteController:
    ...     @Get("/{note_id}")
    ...     async def show(self, note_id: int) -> dict[str, int]:
    ...         return {"id": note_id}
    """
    if not isinstance(prefix, str):
        raise decorator_not_called("Controller", prefix)

    def decorate(cls: C) -> C:
        setattr(cls, _CONTROLLER, ControllerInfo(prefix=prefix, session=session, version=version))
        return cls

    return decorate


class Verb:
    """A decorator for the handlers of one method: `@Get("/path")`.

    Arguments of a call:
        path: appended to the prefixes of the module and the controller; `{name}` takes one segment, `{name:path}`
            the rest. The type of the parameter `name` of the handler, or `{name:int}`, says what it is converted to.
        status: the status of a returned value; 200, or 204 for `None`, when nothing is said.
        session: `False` switches the session off: no store call, no cookie. `"passive"` reads it and prolongs nothing,
            for polling; what the handler writes is written.
        stream: the handler reads the body itself, from `ctx.body_stream()`.
        max_body: the most bytes a body may have, in place of the limit of the application.
        decompress: decode bodies that come with `Content-Encoding: gzip`, `deflate` or `zstd`, or refuse them with 415;
            what the application says, where nothing is said. `max_body` limits the decoded body.
        files: what is allowed of the files of a form, each of them, where their own type says nothing.
        name: how `kick routes` and `ctx.route` name it, in place of `Controller.method`.
        cancel_on_disconnect: cancel the handler when the client goes away. A handler in a thread cannot be cancelled:
            it goes on, and nobody waits for it.
        response: the type of the response, in place of the return annotation. Only its fields leave, by `ctx.json()`
            and `ctx.sse()` too, except with a status of 400 and above.
        path_errors: the status for a path parameter outside of its constraints, `Annotated[int, Meta(ge=1)]`: 404, or
            422 with the errors. A segment that cannot be converted at all is always a 404.

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
    ) -> Callable[[F], F]:
        """Return the decorator; the function keeps its type.

        Raises `KickError`: `decorator-not-called` where its parentheses are missing, and `handler-twice` where it
        decorates a second handler of one name in a class.
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
    """Make a method the handler of a WebSocket (RFC 6455): it takes a `Socket`, and whatever else handlers take.

    Arguments:
        path: as for `@Get`; a page and a WebSocket may share one.
        session: `False` switches the session off: no store call, no cookie. `"passive"` reads it and prolongs nothing,
            for polling; what the handler writes is written.
        origins: the sites whose pages may connect, beside the application's own: `"https://app.example.com"`;
            `"*"` for all of them. Cookies come with a connection from anywhere.
        max_message: the most bytes that a message of the client may have; a longer one closes the connection with 1009.
        on_invalid: what becomes of a message that does not fit its type: `"close"` raises `InvalidMessage`, which
            closes the connection with 1007 unless the handler catches it; `"reply"` sends what is wrong with it to
            the client, and goes on with the next.
        name: how `kick routes` and `ctx.route` name it, in place of `Controller.method`.

    Raises `KickError`: `decorator-not-called` where its parentheses are missing, and `handler-twice` where it decorates
    a second handler of one name in a class.

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
    """Run middleware around the handlers of a class, or around one handler; the first given is the outermost.

    It sees the exceptions of the handler, so that a transaction can be rolled back.

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
    """Raise `handler-twice` where the class whose body is being run has a handler of this name already."""
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

    A method that overrides an inherited handler takes over its routes, unless it has some of its own; `None` in its
    place takes them away.
    """
    routes: dict[str, tuple[RouteInfo, ...]] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            own = getattr(getattr(member, "__func__", member), _ROUTES, None) or getattr(member, _ROUTES, None)
            if own:
                routes[name] = own
    for name, infos in routes.items():
        handler = inspect.getattr_static(cls, name)
        if handler is not None:
            for info in infos:
                yield handler, info


def middleware_of(target: Any) -> tuple[Any, ...]:
    """Return the middleware of `@Use` on a handler, or on a class and its bases, outermost first."""
    if not isinstance(target, type):
        return tuple(getattr(target, _MIDDLEWARE, ()))
    return tuple(each for base in reversed(target.__mro__) for each in vars(base).get(_MIDDLEWARE, ()))
