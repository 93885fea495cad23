"""Mistakes in routes and handlers, found when the application is put together.

KickError
├── NotAList             one thing where a list of them has to stand
├── PlainValue           a text, a dict and the like in `providers=`
├── NotAModule           something in `modules=` that is no Module
├── NotAController       a class in `controllers=` without @Controller
├── NotAHandler          @Get and the like on what cannot handle requests
├── SameName             two handlers of one name in a class
├── DecoratorNotCalled   @Get, @Controller and the like without parentheses
├── NotMiddleware        something in `middleware=` or @Use that cannot be called as such
├── NotASGIMiddleware    something in `asgi_middleware=` that is not wrapped in Middleware(...)
├── MiddlewareOrder      cookie_parser() after session(), and the like
├── BadRoutePath         a path that no request can have, or that cannot be read
├── DuplicateRoute       two handlers for one method and path
├── ListedTwice          a controller that is listed twice under one prefix
├── BadStatus            a status that no response has
├── BadBodyLimit         a limit of bodies that is no number of bytes
├── BadFileLimit         File(...) with what is no limit of files
├── WatchedStream        cancel_on_disconnect on a handler that reads the body itself
├── UnboundPathParameter a name in the path that the handler does not take
├── UntypedParameter     a handler parameter without a type
├── ScalarParameter      a handler parameter of a plain type, which no container provides
├── DataParameter        a handler parameter of a type that bodies have, but not called `body`
├── UnsupportedType      a type that nothing can be validated as
├── BodyWithoutMethod    `body:` on a handler for GET and the like
├── BodyOfStream         `body:` on a handler that reads the body itself
├── NoSession            ctx.session without session()
├── NoTemplates          ctx.render() without templates
└── NoCookieSecret       signed cookies without a secret
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Final, TypeGuard

from starlette.middleware import Middleware as ASGIMiddleware

from kick.di.hints import takes
from kick.errors import KickError

_PLAIN: Final = (str, int, float, bool, bytes, dict, list, tuple, set, frozenset, type(None))


def _name(given: object) -> str:
    return str(getattr(given, "__qualname__", None) or repr(given)).rpartition("<locals>.")[2]


class NotAList(KickError):
    """One thing, or a mapping, where a list has to stand: `Module("shop", controllers=ShopController)`."""

    code = "list-missing"

    def __init__(self, option: str, owner: str, given: object) -> None:
        inside, shown = "...", f"a value of type {type(given).__name__}"
        if isinstance(given, type) or inspect.isroutine(given):
            inside = shown = _name(given)
        elif option == "providers" and _is_by_type(given):
            inside = _providers(given)
        super().__init__(
            cause=f"{option}= of {owner} takes a list, and was given {shown} as it is.",
            fix=f"Put it into brackets: `{option}=[{inside}]`.",
        )


class PlainValue(KickError):
    """A value in `providers=` whose type, such as `str`, does not say what it is for.

    >>> PlainValue({float: int}, "bootstrap()").fix
    'List a provider for each: `Provider(float, int)`.'
    """

    code = "provider-plain"

    def __init__(self, given: object, owner: str) -> None:
        kind = type(given).__name__
        own = f'Annotated[{kind}, "name"]'
        super().__init__(
            cause=f"providers=[...] of {owner} has a value of type {kind}, which does not say what it is for.",
            fix=f"List a provider for each: `{_providers(given)}`."
            if _is_by_type(given)
            else f"Provide it under a key of its own, `Provider({own}, value=...)`, or a class for the type that is "
            "asked for: `Provider(Key, Implementation)`.",
        )


def _is_by_type(given: object) -> TypeGuard[Mapping[type, type]]:
    return (
        isinstance(given, Mapping)
        and bool(given)
        and all(isinstance(each, type) for pair in given.items() for each in pair)
    )


def _providers(given: Mapping[type, type]) -> str:
    return ", ".join(f"Provider({_name(key)}, {_name(value)})" for key, value in given.items())


class NotAModule(KickError):
    """Something in `modules=` that is no `Module`; `in_list=False` where the list itself is missing."""

    code = "module-missing"

    def __init__(self, given: object, *, in_list: bool = True) -> None:
        if not in_list:
            super().__init__(
                cause=f"bootstrap(modules=...) takes a list of modules, and was given {given!r}.",
                fix="Put it into one: `modules=[module]`.",
            )
            return
        controller = _name(given if isinstance(given, type) else type(given))
        super().__init__(
            cause=f"bootstrap(modules=[...]) was given {_name(given)}, which is no Module.",
            fix=f'Wrap the class: `Module("app", controllers=[{controller}])`.',
        )


class NotAController(KickError):
    """A class in `controllers=` that no `@Controller` decorates."""

    code = "controller-missing"

    def __init__(self, given: object, module: str) -> None:
        name = _name(given)
        path = name.rpartition(".")[2].removesuffix("Controller").lower()
        super().__init__(
            cause=f"Module {module!r} lists {name} as a controller, but it is not one.",
            fix=f'Decorate the class: `@Controller("/{path}")`.'
            if isinstance(given, type)
            else 'List classes, decorated with `@Controller("/path")`.',
        )


class NotAHandler(KickError):
    """`@Get` and the like on something that cannot be called as a handler."""

    code = "handler-kind"

    def __init__(self, place: str, problem: str, fix: str) -> None:
        super().__init__(cause=f"{place} cannot handle requests: {problem}.", fix=fix)


class SameName(KickError):
    """Two handlers of one name in a class: Python keeps the second one only."""

    code = "handler-twice"

    def __init__(self, name: str, first: str, second: str) -> None:
        super().__init__(
            cause=f"{name} is defined twice, at {first} and at {second}; the second one takes the place of the first, "
            "whose route would be lost.",
            fix=f"Give the second one a name of its own: `{name.rpartition('.')[2]}_2`.",
        )


class DecoratorNotCalled(KickError):
    """A decorator without its parentheses."""

    code = "decorator-not-called"

    def __init__(self, decorator: str, target: object) -> None:
        super().__init__(
            cause=f"@{decorator} stands over {_name(target)} without parentheses.", fix=f"Call it: `@{decorator}()`."
        )


class NotMiddleware(KickError):
    """Something in `middleware=` or `@Use(...)` that cannot be called as middleware."""

    code = "middleware-signature"

    def __init__(self, given: object, problem: str) -> None:
        name = _name(given)
        super().__init__(cause=f"{name} is no middleware: {problem}.", fix=_middleware_fix(given, name))


def _middleware_fix(given: object, name: str) -> str:
    if isinstance(given, ASGIMiddleware):
        return f"It is ASGI middleware, which has a list of its own: `asgi_middleware=[{given!r}]`."
    if isinstance(given, type):
        if inspect.iscoroutinefunction(given.__call__) and not takes(given.__call__, 4):
            return f"Pass an instance: `middleware=[{name}()]`."
        return f"For an ASGI middleware class: `asgi_middleware=[Middleware({name})]`."
    if inspect.isfunction(given) and not inspect.iscoroutinefunction(given) and not takes(given, 2):
        return f"Pass what it returns: `middleware=[{name}()]`, with the options it takes."
    return "Write it as `async def timing(ctx, call_next): return await call_next(ctx)`."


class NotASGIMiddleware(KickError):
    """Something in `asgi_middleware=` that is no `starlette.middleware.Middleware`."""

    code = "middleware-asgi"

    def __init__(self, given: object) -> None:
        name = _name(given if isinstance(given, type) else type(given))
        super().__init__(
            cause=f"asgi_middleware=[...] was given {name} as it is, so it could not be put around the application.",
            fix=f"Wrap the class, with its options, in starlette.middleware.Middleware: `Middleware({name})`.",
        )


class MiddlewareOrder(KickError):
    """Middleware in an order in which it cannot work."""

    code = "middleware-order"

    def __init__(self, problem: str, order: str) -> None:
        super().__init__(cause=problem, fix=f"Put them in this order: `middleware=[{order}]`.")


class BadRoutePath(KickError):
    """A path that cannot be read."""

    code = "route-path"

    def __init__(self, path: object, place: str, problem: str, fix: str | None = None) -> None:
        super().__init__(
            cause=f"The path {path!r} of {place} {problem}.",
            fix=fix or 'Write paths like `"/users/{user_id}"`, a name once in each.',
        )


class DuplicateRoute(KickError):
    """Two handlers for one method and path."""

    code = "route-duplicate"

    def __init__(self, method: str, path: str, first: str, second: str) -> None:
        self.places = first, second
        other = f"{path.rstrip('/')}/other"
        super().__init__(
            cause=f"{method} {path} has two handlers: {first} and {second}.",
            fix=f"Give one of them another path, so that it ends up at `{other}`, or another method; or remove it.",
        )


class ListedTwice(KickError):
    """A controller that two modules list under one prefix, so that each of its paths is there twice."""

    code = "controller-twice"

    def __init__(self, controller: type, first: str, second: str) -> None:
        where = f"twice by Module {first!r}" if first == second else f"by Module {first!r} and by Module {second!r}"
        super().__init__(
            cause=f"{_name(controller)} is listed {where}, so each of its paths would have two handlers.",
            fix=f"List it once, in `controllers=[{_name(controller)}]` of Module {first!r}; or give the other module "
            f'a prefix of its own: `prefix="/{second}"`.',
        )


class BadStatus(KickError):
    """A status that no response can have."""

    code = "route-status"

    def __init__(self, status: object, method: str, place: str) -> None:
        super().__init__(
            cause=f"{place} has the status {status!r}; a status is a number from 200 to 599 (RFC 9110, section 15).",
            fix=f"Say what a success is: `@{method.capitalize()}(status=201)`.",
        )


class BadBodyLimit(KickError):
    """`max_body=` that is no number of bytes."""

    code = "body-limit"

    def __init__(self, given: object, place: str) -> None:
        super().__init__(
            cause=f"max_body={given!r} of {place} is no number of bytes.",
            fix="Say how many bytes a body may have: `max_body=10 * 1024 * 1024`.",
        )


class BadFileLimit(KickError):
    """`File(...)` with something that is no limit of files, or something else in its place."""

    code = "file-limit"

    def __init__(self, cause: str, example: str) -> None:
        super().__init__(cause=f"{cause}.", fix=f"Write it like `{example}`.")


class WatchedStream(KickError):
    """`cancel_on_disconnect` on a handler that reads the body itself: two would take its pieces from one another."""

    code = "handler-watched-stream"

    def __init__(self, method: str, place: str) -> None:
        super().__init__(
            cause=f"{place} has stream=True and cancel_on_disconnect=True. It reads the body itself, and learns there, "
            "by a ClientDisconnect, that the client has gone away.",
            fix=f"Leave the option out: `@{method.capitalize()}(stream=True)`.",
        )


class UnboundPathParameter(KickError):
    """A name in the path that the handler does not take."""

    code = "route-parameter"

    def __init__(self, name: str, path: str, place: str) -> None:
        super().__init__(
            cause=f"The path {path!r} has {{{name}}}, but {place} takes neither {name!r} nor the context.",
            fix=f"Add the parameter `{name}: str` to the handler.",
        )


class UntypedParameter(KickError):
    """A handler parameter without a type."""

    code = "handler-untyped"

    def __init__(self, name: str, place: str) -> None:
        hint = {"body": "dict[str, str]", "query": "dict[str, str]"}.get(name, "YourService")
        super().__init__(
            cause=f"The parameter {name!r} of {place} has no type, so nothing says where it comes from.",
            fix=f"Give it a type, such as `{name}: {hint}`; the context is `ctx: RequestContext`.",
        )


class ScalarParameter(KickError):
    """A handler parameter of a plain type, which no container provides; `default` is its default as it is written."""

    code = "handler-scalar"

    def __init__(
        self, name: str, type_name: str, place: str, *, default: str | None = None, fits_path: bool = True
    ) -> None:
        field = f"{name}: {type_name}" if default is None else f"{name}: {type_name} = {default}"
        path = f"For a path parameter put `{{{name}}}` into the path; for" if fits_path else "For"
        super().__init__(
            cause=f"{place} asks for {name}: {type_name}, which is neither in the path nor a service.",
            fix=f"{path} a query parameter declare `query: Query` with `class Query(msgspec.Struct): {field}`.",
        )


class DataParameter(KickError):
    """A handler parameter whose type is that of a body, and which is called otherwise."""

    code = "handler-data"

    def __init__(self, name: str, type_name: str, place: str, *, has_names: bool = True) -> None:
        query = f", or `query: {type_name}` for the query string" if has_names else ""
        super().__init__(
            cause=f"{place} asks for {name}: {type_name}. That is data, not a service, and nothing says where it is "
            "from.",
            fix=f"Call the parameter by its source: `body: {type_name}` for the body{query}.",
        )


class UnsupportedType(KickError):
    """A type that nothing can be validated as."""

    code = "handler-type"

    def __init__(self, part: str, type_name: str, place: str, reason: str, *, name: str = "") -> None:
        if part in ("header", "cookie"):
            fix = f"Give it a plain type, as in `{name}: {part.capitalize()}[str]`."
        elif part == "file":
            fix = f"Declare files as `{name}: UploadFile`, or as `{name}: list[UploadFile]`."
        else:
            fix = f"Use a msgspec.Struct, dataclass, TypedDict, attrs class or builtin, as in `{part}: dict[str, str]`."
        super().__init__(
            cause=f"{place} takes {name or part}: {type_name}, which cannot be read from a request: {reason}", fix=fix
        )


class BodyWithoutMethod(KickError):
    """`body:` on a handler for a method whose requests have none."""

    code = "handler-body"

    def __init__(self, method: str, place: str) -> None:
        super().__init__(
            cause=f"{place} takes a body, but the body of a {method} request means nothing (RFC 9110, section 9.3).",
            fix="Take it from the query string, `query: T`, or use `@Post()`.",
        )


class BodyOfStream(KickError):
    """`body:` on a handler that reads the body itself."""

    code = "handler-stream"

    def __init__(self, place: str) -> None:
        super().__init__(
            cause=f"{place} takes a body, but stream=True leaves the reading of it to the handler.",
            fix="Take `ctx: RequestContext` and read `ctx.body_stream()`; or leave out stream=True.",
        )


class NoSession(KickError):
    """`ctx.session` where there is none."""

    code = "session-missing"

    def __init__(self, place: str, switched_off: bool) -> None:
        if switched_off:
            fix = "Switch it on again: `session=True` on the route."
        else:
            fix = 'Add it: `bootstrap(modules, middleware=[session(secret=os.environ["SESSION_SECRET"])])`.'
        super().__init__(cause=f"{place} uses ctx.session, but no session() middleware runs for it.", fix=fix)


class NoTemplates(KickError):
    """`ctx.render` without a folder of templates."""

    code = "templates-missing"

    def __init__(self) -> None:
        super().__init__(
            cause="ctx.render() was called, but the application has no templates.",
            fix='Say where they are: `bootstrap(modules, templates="templates")`.',
        )


class NoCookieSecret(KickError):
    """Signed cookies without a secret."""

    code = "cookie-secret-missing"

    def __init__(self) -> None:
        super().__init__(
            cause="Signed cookies need a secret.",
            fix='Pass one: `cookie_parser(secret=os.environ["COOKIE_SECRET"])`.',
        )


def list_problem(given: object, option: str, owner: str) -> NotAList | None:
    """What is wrong with what has to be a list; `None` for a list, a tuple and the like.

    >>> list_problem(int, "controllers", "Module('shop')").fix
    'Put it into brackets: `controllers=[int]`.'
    """
    no_list = isinstance(given, type | str | bytes | Mapping | ASGIMiddleware) or not isinstance(given, Iterable)
    return NotAList(option, owner, given) if no_list else None


def plain_values(providers: Iterable[object], owner: str) -> list[KickError]:
    """What is wrong with the providers that are values of plain types.

    >>> plain_values([int, "sqlite://"], "bootstrap()")[0].cause
    'providers=[...] of bootstrap() has a value of type str, which does not say what it is for.'
    """
    return [PlainValue(each, owner) for each in providers if type(each) in _PLAIN]
