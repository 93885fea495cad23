"""Set-up errors of routes and handlers: one function for each mistake."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard

from starlette.middleware import Middleware as ASGIMiddleware

from kick.di.hints import takes
from kick.di.naming import snake_name, type_name
from kick.errors import KickError

_PLAIN: Final = (str, int, float, bool, bytes, dict, list, tuple, set, frozenset, type(None))


def _name(given: object) -> str:
    return str(getattr(given, "__qualname__", None) or repr(given)).rpartition("<locals>.")[2]


def not_a_list(option: str, owner: str, given: object) -> KickError:
    """Return the error of an option that needs a list: `Module("shop", controllers=ShopController)`."""
    inside, shown = "...", f"a value of type {type(given).__name__}"
    if isinstance(given, type) or inspect.isroutine(given):
        inside = shown = _name(given)
    elif option == "providers" and _is_by_type(given):
        inside = _providers(given)
    return KickError(
        "list-missing",
        cause=f"{option}= of {owner} takes a list, and was given {shown} as it is.",
        fix=f"Put it into brackets: `{option}=[{inside}]`.",
    )


def plain_value(given: object, owner: str) -> KickError:
    """Return the error for a value in `providers=` whose type, such as `str`, does not say what it is for."""
    kind = type(given).__name__
    own = f'Annotated[{kind}, "name"]'
    return KickError(
        "provider-plain",
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


def not_a_module(given: object, *, in_list: bool = True) -> KickError:
    """Return the error of an object in `modules=` that is not a `Module`; with `in_list=False`, of a missing list."""
    if in_list:
        controller = _name(given if isinstance(given, type) else type(given))
        cause = f"bootstrap(modules=[...]) was given {_name(given)}, which is no Module."
        fix = f'Wrap the class: `Module("app", controllers=[{controller}])`.'
    else:
        cause = f"bootstrap(modules=...) takes a list of modules, and was given {given!r}."
        fix = "Put it into one: `modules=[module]`."
    return KickError("module-missing", cause, fix)


def unknown_module_option(name: object, option: str) -> KickError:
    """Return the error for `imports=` and the like of `Module(...)`, which other frameworks have."""
    return KickError(
        "module-option",
        cause=f"Module({name!r}, {option}=...): there is no {option}=. An application has one container, so each "
        "module can use what another one provides.",
        fix=f"Leave it out: `Module({name!r})`. Each module is an entry of `bootstrap(modules=[...])`.",
    )


def not_a_controller(given: object, module: str) -> KickError:
    """Return the error for a class in `controllers=` that no `@Controller` decorates."""
    name = _name(given)
    path = name.rpartition(".")[2].removesuffix("Controller").lower()
    return KickError(
        "controller-missing",
        cause=f"Module {module!r} lists {name} as a controller, but it is not one.",
        fix=f'Decorate the class: `@Controller("/{path}")`.'
        if isinstance(given, type)
        else 'List classes, decorated with `@Controller("/path")`.',
    )


def not_a_handler(place: str, problem: str, fix: str) -> KickError:
    """Return the error of `@Get` and the like on an object that cannot be called as a handler."""
    return KickError("handler-kind", cause=f"{place} cannot handle requests: {problem}.", fix=fix)


def duplicate_handler_name(name: str, first: str, second: str) -> KickError:
    """Return the error of two handlers with one name in a class, of which Python keeps only the second."""
    return KickError(
        "handler-twice",
        cause=f"{name} is defined twice, at {first} and at {second}; the second one takes the place of the first, "
        "whose route would be lost.",
        fix=f"Give the second one a name of its own: `{name.rpartition('.')[2]}_2`.",
    )


def bad_response_type(given: object, place: str) -> KickError:
    """Return the error of a `response=` that is no type."""
    kind: Any = given
    while isinstance(kind, Mapping | list | tuple) and kind:  # such as {200: Note}, or [Note]
        kind = next(iter(kind.values() if isinstance(kind, Mapping) else kind))
    name = type_name(kind) if isinstance(kind, type) else "Note"
    hint = f"list[{name}]" if isinstance(given, list) else name
    return KickError(
        "response-type",
        cause=f"response={given!r} of {place} is no type, so nothing could be checked or described.",
        fix=f"Write the type of what it sends: `response={hint}`. Errors are declared with `@Raises()`, and other "
        "statuses in `openapi=`.",
    )


def hidden_by_decorator(name: str, place: str, variable: str, *, what: str) -> KickError:
    """Return the error of a handler whose decorator returns a function that has lost what kick has noted on it."""
    return KickError(
        "decorator-hides",
        cause=f"a decorator of {name} returns a function of its own, at {place}, which has lost the {what} of {name}.",
        fix=f"Write `@functools.wraps({variable})` above that function, or that decorator below those of kick.",
    )


def decorator_not_called(decorator: str, target: object) -> KickError:
    """Return the error for a decorator without its parentheses."""
    return KickError(
        "decorator-not-called",
        cause=f"@{decorator} is written without parentheses on {_name(target)}.",
        fix=f"Call it: `@{decorator}()`.",
    )


def not_middleware(given: object, problem: str) -> KickError:
    """Return the error of an object in `middleware=` or `@Use(...)` that cannot be called as middleware."""
    name = _name(given)
    return KickError(
        "middleware-signature", cause=f"{name} is no middleware: {problem}.", fix=_middleware_fix(given, name)
    )


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


def not_asgi_middleware(given: object) -> KickError:
    """Return the error of an object in `asgi_middleware=` that is not a `starlette.middleware.Middleware`."""
    name = _name(given if isinstance(given, type) else type(given))
    return KickError(
        "middleware-asgi",
        cause=f"asgi_middleware=[...] was given {name} as it is, so it could not be put around the application.",
        fix=f"Wrap the class, with its options, in starlette.middleware.Middleware: `Middleware({name})`.",
    )


def middleware_order(problem: str, order: str) -> KickError:
    """Return the error of middleware in the wrong order."""
    return KickError("middleware-order", cause=problem, fix=f"Put them in this order: `middleware=[{order}]`.")


def bad_route_path(path: object, place: str, problem: str, fix: str | None = None) -> KickError:
    """Return the error for a path that cannot be read."""
    return KickError(
        "route-path",
        cause=f"The path {path!r} of {place} {problem}.",
        fix=fix or 'Write paths like `"/users/{user_id}"`, a name once in each.',
    )


def duplicate_route(method: str, path: str, first: str, second: str) -> KickError:
    """Return the error of two handlers for one method and path."""
    other = f"{path.rstrip('/')}/other"
    return KickError(
        "route-duplicate",
        cause=f"{method} {path} has two handlers: {first} and {second}.",
        fix=f"Give one of them another path, so that it ends up at `{other}`, or another method; or remove it.",
    )


def listed_twice(controller: type, first: str, second: str) -> KickError:
    """Return the error for a controller that two modules list under one prefix."""
    where = f"twice by Module {first!r}" if first == second else f"by Module {first!r} and by Module {second!r}"
    return KickError(
        "controller-twice",
        cause=f"{_name(controller)} is listed {where}, so each of its paths would have two handlers.",
        fix=f"List it once, in `controllers=[{_name(controller)}]` of Module {first!r}; or give the other module "
        f'a prefix of its own: `prefix="/{second}"`.',
    )


def bad_status(status: object, method: str, place: str) -> KickError:
    """Return the error for a status that no response can have."""
    return KickError(
        "route-status",
        cause=f"{place} has the status {status!r}; a status is a number from 200 to 599 (RFC 9110, section 15).",
        fix=f"Say what a success is: `@{method.capitalize()}(status=201)`.",
    )


def bad_path_errors(status: object, method: str, place: str) -> KickError:
    """Return the error for a status that path parameters outside of their constraints cannot have."""
    return KickError(
        "route-path-errors",
        cause=f"{place} has path_errors={status!r}; 404 and 422 are possible.",
        fix=f"Use one of them, as in `@{method.capitalize()}(path_errors=422)`, or leave it out for 404.",
    )


def bad_file_limit(cause: str, example: str) -> KickError:
    """Return the error of `File(...)` with invalid limits, or of another object in its place."""
    return KickError("file-limit", cause=f"{cause}.", fix=f"Write it like `{example}`.")


def watched_stream(method: str, place: str) -> KickError:
    """Return the error of `cancel_on_disconnect` on a handler that reads the body itself."""
    return KickError(
        "handler-watched-stream",
        cause=f"{place} has stream=True and cancel_on_disconnect=True. It reads the body itself, and learns there, "
        "by a ClientDisconnect, that the client has gone away.",
        fix=f"Leave the option out: `@{method.capitalize()}(stream=True)`.",
    )


def unbound_path_parameter(name: str, path: str, place: str) -> KickError:
    """Return the error for a name in the path that the handler does not take."""
    return KickError(
        "route-parameter",
        cause=f"The path {path!r} has {{{name}}}, but {place} takes neither {name!r} nor the context.",
        fix=f"Add the parameter `{name}: str` to the handler.",
    )


def provider_path_parameter(name: str, path: str, place: str, provider: str) -> KickError:
    """Return the error for a provider that takes a path parameter which the route does not have."""
    below = f"{path.rstrip('/')}/{{{name}}}"
    return KickError(
        "provider-path",
        cause=f"{provider} takes the path parameter {name!r}, but {place} needs it, whose path {path!r} has none.",
        fix=f"Name it in the path: `{below}`; or give the parameter a default.",
    )


def background_parameter(function: str, parameter: str, hint: str | None) -> KickError:
    """Return the error for a parameter of a background task that is neither passed nor provided."""
    provide = f"; or provide its type: `providers=[{hint}]`" if hint else "; or give it the type of something provided"
    return KickError(
        "background-parameter",
        cause=f"ctx.background({function}, ...) does not pass {parameter!r}, and nobody provides {hint or 'it'}.",
        fix=f"Pass it: `ctx.background({function}, {parameter}=...)`{provide}.",
    )


def closed_resource(name: str, function: str) -> KickError:
    """Return the error for a background task that is given something of the request that is closed by then."""
    parameter = snake_name(name)
    return KickError(
        "background-resource",
        cause=f"ctx.background({function}, ...) is given {name} of this request, which is closed before the task runs: "
        "what the task writes to it would be lost.",
        fix=f"Let the function take its own, which is passed to it: `async def task({parameter}: {name})` and "
        "`ctx.background(task)`.",
    )


def closed_in_stream(name: str, place: str) -> KickError:
    """Return the error for a stream that uses what ends with the handler."""
    variable = snake_name(name)
    return KickError(
        "stream-resource",
        cause=f'The stream of {place} uses {name}, which has the scope "handler": it is closed before the stream '
        "begins.",
        fix='Hold it until the end of the stream: `scope="request"`; or open a scope in the stream, with the parameter '
        f"`scopes: Scopes`: `async with scopes.open() as scope: {variable} = await scope.get({name})`.",
    )


def untyped_parameter(name: str, place: str) -> KickError:
    """Return the error for a handler parameter without a type."""
    hint = {"body": "dict[str, str]", "query": "dict[str, str]"}.get(name, "YourService")
    return KickError(
        "handler-untyped",
        cause=f"The parameter {name!r} of {place} has no type, so nothing says where it comes from.",
        fix=f"Give it a type, such as `{name}: {hint}`; the context is `ctx: RequestContext`.",
    )


def scalar_parameter(
    name: str, type_name: str, place: str, *, default: str | None = None, fits_path: bool = True
) -> KickError:
    """Return the error for a handler parameter of a plain type; `default` is its default as it is written."""
    marked = f"{name}: Query[{type_name}]" if default is None else f"{name}: Query[{type_name}] = {default}"
    path = f"For a path parameter put `{{{name}}}` into the path; for" if fits_path else "For"
    return KickError(
        "handler-scalar",
        cause=f"{place} asks for {name}: {type_name}, which is neither in the path nor a service.",
        fix=f"{path} a parameter of the query string declare `{marked}`, with `from kick import Query`.",
    )


def data_parameter(name: str, type_name: str, place: str, *, has_names: bool = True) -> KickError:
    """Return the error for a handler parameter whose type is that of a body, and which is called otherwise."""
    query = f", or `query: {type_name}` for the query string" if has_names else ""
    return KickError(
        "handler-data",
        cause=f"{place} asks for {name}: {type_name}. That is data, not a service, and nothing says where it is from.",
        fix=f"Call the parameter by its source: `body: {type_name}` for the body{query}.",
    )


def unsupported_type(part: str, type_name: str, place: str, reason: str, *, name: str = "") -> KickError:
    """Return the error for a type that nothing can be validated as."""
    if part in ("header", "cookie", "query parameter"):
        fix = f"Give it a plain type, as in `{name}: {part.partition(' ')[0].title()}[str]`."
    elif part == "path":
        fix = f"Use constraints that fit the type, as in `{name}: Annotated[int, Meta(ge=1)]`."
    elif part == "form":
        fix = f"Give it a type with fields, as in `{name}: Form[dict[str, str]]`."
    elif part == "file":
        fix = f"Declare files as `{name}: UploadFile`, or as `{name}: list[UploadFile]`."
    else:
        fix = f"Use a msgspec.Struct, dataclass, TypedDict, attrs class or builtin, as in `{part}: dict[str, str]`."
    return KickError(
        "handler-type",
        cause=f"{place} takes {name or part}: {type_name}, which cannot be read from a request: {reason}",
        fix=fix,
    )


def body_without_method(method: str, place: str) -> KickError:
    """Return the error of `body:` on a handler for a method without request bodies."""
    return KickError(
        "handler-body",
        cause=f"{place} takes a body, but the body of a {method} request means nothing (RFC 9110, section 9.3).",
        fix="Take it from the query string, `query: T`, or use `@Post()`.",
    )


def body_with_stream(place: str) -> KickError:
    """Return the error of `body:` on a handler that reads the body itself."""
    return KickError(
        "handler-stream",
        cause=f"{place} takes a body, but stream=True leaves the reading of it to the handler.",
        fix="Take `ctx: RequestContext` and read `ctx.body_stream()`; or leave out stream=True.",
    )


def several_bodies(place: str, names: Iterable[str]) -> KickError:
    """Return the error of a handler with several parameters for the body."""
    first, *others = names
    return KickError(
        "handler-bodies",
        cause=f"{place} takes the body as {first} and as {', '.join(others)}; a request has one.",
        fix=f"Put all that the body holds into one type, and take that: `{first}: Body[dict[str, int]]`.",
    )


class NoSession(enum.Enum):
    """The reasons why a request has no session, and how to change it."""

    NO_MIDDLEWARE = (
        "no session() middleware runs for it",
        'Add it: `bootstrap(modules, middleware=[session(secret=os.environ["SESSION_SECRET"])])`.',
    )
    OUTSIDE_PATH = (
        "the path is outside of that of the session's cookie",
        'Let the cookie be sent there too: `cookie={"path": "/"}`.',
    )
    SWITCHED_OFF = ("the route says session=False", "Switch it on again: `session=True` on the route.")
    MOUNT = (
        "the application is mounted in another one, and has no session() of its own",
        'Add it: `bootstrap(modules, middleware=[session(secret=os.environ["SESSION_SECRET"])])`. Or let it use the '
        'other one: `Module("shop", mounts={"/shop": app}, session=True)`, and `ctx.request.session`.',
    )


def missing_session(place: str, why: NoSession) -> KickError:
    """Return the error of `ctx.session` in a request without a session."""
    cause, fix = why.value
    return KickError("session-missing", cause=f"{place} uses ctx.session, but {cause}.", fix=fix)


def bad_session_use(given: object, place: str) -> KickError:
    """Return the error of an invalid `session=` of a route."""
    return KickError(
        "session-use",
        cause=f"session={given!r} of {place} is neither True nor False nor 'passive'.",
        fix='Take one of them: `session="passive"`.',
    )


def missing_templates() -> KickError:
    """Return the error of `ctx.render` without a folder of templates."""
    return KickError(
        "templates-missing",
        cause="ctx.render() was called, but the application has no templates.",
        fix='Say where they are: `bootstrap(modules, templates="templates")`.',
    )


def missing_cookie_secret() -> KickError:
    """Return the error of signed cookies without a secret."""
    return KickError(
        "cookie-secret-missing",
        cause="Signed cookies need a secret.",
        fix='Pass one: `bootstrap(modules, cookie_secret=os.environ["COOKIE_SECRET"])`.',
    )


def two_cookie_secrets() -> KickError:
    """Return the error of two places that say the secret of signed cookies."""
    return KickError(
        "cookie-secret-twice",
        cause="The secret of signed cookies is there twice: `bootstrap(cookie_secret=...)`, `cookie_parser(secret)`.",
        fix="Keep one: `cookie_secret=secret`. If there are several secrets, pass a list; the first one signs.",
    )


def list_problem(given: object, option: str, owner: str) -> KickError | None:
    """Return the mistake in an option that takes a list; `None` for a list, a tuple and the like."""
    no_list = isinstance(given, type | str | bytes | Mapping | ASGIMiddleware) or not isinstance(given, Iterable)
    return not_a_list(option, owner, given) if no_list else None


def plain_values(providers: Iterable[object], owner: str) -> list[KickError]:
    """Return a mistake for each provider that is a value of a plain type."""
    return [plain_value(each, owner) for each in providers if type(each) in _PLAIN]
