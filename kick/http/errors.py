"""Mistakes in routes and handlers, found when the application is put together.

KickError
├── NotAController       a class in `controllers=` without @Controller
├── NotAModule           something in `modules=` that is no Module
├── NotMiddleware        something in `middleware=` or @Use that cannot be called as such
├── MiddlewareOrder      cookie_parser() after session(), and the like
├── BadRoutePath         a path that no request can have, or that cannot be read
├── DuplicateRoute       two handlers for one method and path
├── UnboundPathParameter a name in the path that the handler does not take
├── UntypedParameter     a handler parameter without a type
├── UnknownAnnotation    a hint whose name is not there at run time
├── UnsupportedType      a type that nothing can be validated as
├── BodyWithoutMethod    `body:` on a handler for GET and the like
└── NoSession            ctx.session without session()
"""

from __future__ import annotations

from kick.errors import KickError


class NotAController(KickError):
    """A class in `controllers=` that no `@Controller` decorates."""

    code = "controller-missing"

    def __init__(self, given: object, module: str) -> None:
        name = given.__qualname__ if isinstance(given, type) else repr(given)
        super().__init__(
            cause=f"Module {module!r} lists {name} as a controller, but it is not one.",
            fix=f'Decorate the class: `@Controller("/{name.lower()}")`.'
            if isinstance(given, type)
            else 'List classes, decorated with `@Controller("/path")`.',
        )


class NotAModule(KickError):
    """Something in `modules=` that is no `Module`."""

    code = "module-missing"

    def __init__(self, given: object) -> None:
        name = given.__qualname__ if isinstance(given, type) else repr(given)
        super().__init__(
            cause=f"bootstrap(modules=[...]) was given {name}, which is no Module.",
            fix=f'Wrap it: `Module("app", controllers=[{name}])`.',
        )


class NotMiddleware(KickError):
    """Something in `middleware=` or `@Use(...)` that cannot be called as middleware."""

    code = "middleware-signature"

    def __init__(self, given: object, problem: str) -> None:
        if isinstance(given, type):
            name = given.__qualname__
            fix = f"For an ASGI middleware class: `bootstrap(modules, asgi_middleware=[Middleware({name})])`."
        else:
            name = getattr(given, "__qualname__", repr(given))
            fix = "Write it as `async def timing(ctx, call_next): return await call_next(ctx)`."
        super().__init__(cause=f"{name} is no middleware: {problem}.", fix=fix)


class MiddlewareOrder(KickError):
    """Middleware in an order in which it cannot work."""

    code = "middleware-order"

    def __init__(self, problem: str, order: str) -> None:
        super().__init__(cause=problem, fix=f"Put them in this order: `middleware=[{order}]`.")


class BadRoutePath(KickError):
    """A path that cannot be read."""

    code = "route-path"

    def __init__(self, path: str, place: str, problem: str) -> None:
        super().__init__(
            cause=f"The path {path!r} of {place} {problem}.",
            fix='Write paths like `"/users/{user_id}"`, a name once in each.',
        )


class DuplicateRoute(KickError):
    """Two handlers for one method and path."""

    code = "route-duplicate"

    def __init__(self, method: str, path: str, first: str, second: str) -> None:
        super().__init__(
            cause=f"{method} {path} has two handlers: {first} and {second}.",
            fix="Give one of them another path or method, or remove it.",
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
        super().__init__(
            cause=f"The parameter {name!r} of {place} has no type, so nothing says where it comes from.",
            fix="Give it a type: a service of the container, or `body: T`, `query: T`, `ctx: RequestContext`.",
        )


class ScalarParameter(KickError):
    """A handler parameter of a plain type, which no container provides."""

    code = "handler-scalar"

    def __init__(self, name: str, type_name: str, place: str) -> None:
        super().__init__(
            cause=f"{place} asks for {name}: {type_name}, which is neither in the path nor a service.",
            fix=f"For a path parameter put `{{{name}}}` into the path; for a query parameter declare `query: Query` "
            f"with `class Query(msgspec.Struct): {name}: {type_name}`.",
        )


class UnknownAnnotation(KickError):
    """A hint whose name is not there at run time."""

    code = "handler-annotation"

    def __init__(self, name: str, place: str) -> None:
        super().__init__(
            cause=f"The hints of {place} name {name!r}, which is not defined when the program runs.",
            fix=f"Import `{name}` outside of `if TYPE_CHECKING:`.",
        )


class UnsupportedType(KickError):
    """A type that nothing can be validated as."""

    code = "handler-type"

    def __init__(self, part: str, type_name: str, place: str, reason: str) -> None:
        super().__init__(
            cause=f"{place} takes {part}: {type_name}, which cannot be read from a request: {reason}",
            fix=f"Use a msgspec.Struct, dataclass, TypedDict or builtin, as in `{part}: dict[str, str]`.",
        )


class BodyWithoutMethod(KickError):
    """`body:` on a handler for a method whose requests have none."""

    code = "handler-body"

    def __init__(self, method: str, place: str) -> None:
        super().__init__(
            cause=f"{place} takes a body, but the body of a {method} request means nothing (RFC 9110, section 9.3).",
            fix="Take it from the query string, `query: T`, or use `@Post`.",
        )


class NoSession(KickError):
    """`ctx.session` where there is none."""

    code = "session-missing"

    def __init__(self, place: str, switched_off: bool) -> None:
        if switched_off:
            fix = "Take `session=False` away from the route or its controller."
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
