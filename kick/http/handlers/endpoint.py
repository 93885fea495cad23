"""Endpoints: functions made from call plans at start-up, each with only the steps that its route needs."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from inspect import Parameter
from types import MethodType, NoneType
from typing import Any, Final, NamedTuple

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse

from kick.concurrency import Threads
from kick.di import Container, Lifetime, Scope
from kick.di.naming import type_name
from kick.http.context.context import RequestContext
from kick.http.context.responses import NOT_BUILT, Promise
from kick.http.errors import closed_in_stream
from kick.http.handlers.extractors import Getter, default_maker
from kick.http.handlers.plan import Argument, CallPlan, Source
from kick.http.handlers.response_types import InvalidResponse, Writer, writer_of
from kick.http.middleware import Endpoint, admit
from kick.http.request.body import WITHOUT_BODY
from kick.http.response.base import JSON, ReadyResponse, Response, empty_response, head_of, own_copy
from kick.http.response.streaming import close_unsent, is_stream, variables_of
from kick.http.validation.encoding import JSONEncoder, unencodable

Respond = Callable[[RequestContext[Any], Any], Response]
Call = Callable[..., Awaitable[Any]]


_SELF: Final = ""
"""The name of the argument for the controller, which no parameter has."""


class Resolved(NamedTuple):
    """An argument that is resolved in the scope of each request."""

    name: str
    resolve: Callable[[Scope], Any]
    awaits: bool
    opens: bool
    """True if it may hold a connection of a pool, or something else that is closed at the end."""


def endpoint_of(
    plan: CallPlan,
    container: Container,
    controller: Any,
    *,
    in_layers: bool,
    threads: Threads,
    encoder: JSONEncoder,
) -> Endpoint:
    """Return the endpoint of a handler: it extracts the arguments, calls the handler, and makes the response.

    A `controller` that is not a singleton is created for each request. `in_layers` is true if middleware is around it.
    Handlers that are not coroutine functions run in `threads`.
    """
    built = controller_of(controller, container)
    handler = plan.handler if built is not None else MethodType(plan.handler, container.instance(controller))
    call = _call_of(handler, plan.place, threads)
    writer = writer_of(plan.response, encoder, f"the response of {plan.place}")
    respond = responder(plan.info.status, plan.place, writer=writer, in_layers=in_layers)
    scoped = scoped_arguments(plan, container, built)
    takes_body = any(map(plan.takes, (Source.BODY, Source.FORM, Source.FILE, Source.CONTEXT)))
    may_read = not plan.info.stream and plan.info.method not in WITHOUT_BODY
    watches = plan.info.cancel_on_disconnect  # which drops an unread body
    reads = may_read and (takes_body or bool(scoped) or watches)
    promise = None
    if plan.response.for_context and (plan.takes(Source.CONTEXT) or scoped or built is not None):
        promise = Promise(writer.encode, writer.encode_item)
    if scoped:
        endpoint = _with_scope(plan, container, call, respond, scoped, reads=reads, watches=watches)
    elif [each.source for each in plan.arguments] == [Source.CONTEXT] and not reads and not watches:
        return _with_context(call, respond, promise)
    else:
        endpoint = _without_scope(plan, container, call, respond, reads=reads and not watches)
        if watches:
            endpoint = _watched(endpoint)
            endpoint = _reading(endpoint) if reads else endpoint
    return endpoint if promise is None else _promising(endpoint, promise)


def _without_scope(plan: CallPlan, container: Container, call: Call, respond: Respond, *, reads: bool) -> Endpoint:
    by_position = [each for each in plan.arguments if each.kind is not Parameter.KEYWORD_ONLY]
    by_name = [each for each in plan.arguments if each.kind is Parameter.KEYWORD_ONLY]
    getters = [_getter(plan, argument, container) for argument in by_position]
    if by_name:
        named = {argument.name: _getter(plan, argument, container) for argument in by_name}
        endpoint = _by_name(call, respond, getters, named)
        return _reading(endpoint) if reads else endpoint
    if reads:
        return _after_reading(call, respond, getters)
    sources = [argument.source for argument in by_position]
    if sources == [Source.PATH] and not plan.readers:
        return _with_parameter(call, respond, by_position[0].name)
    return _by_position(call, respond, getters)


def _with_context(call: Call, respond: Respond, promise: Promise | None) -> Endpoint:
    if promise is None:

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            return respond(ctx, await call(ctx))

        return endpoint

    async def promising(ctx: RequestContext[Any]) -> Response:
        ctx.promise = promise
        try:
            return respond(ctx, await call(ctx))
        finally:
            ctx.promise = None

    return promising


def _by_position(call: Call, respond: Respond, getters: list[Getter]) -> Endpoint:
    if not getters:

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            return respond(ctx, await call())

    elif len(getters) == 1:
        (get,) = getters

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            return respond(ctx, await call(get(ctx)))

    else:

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            return respond(ctx, await call(*[get(ctx) for get in getters]))

    return endpoint


def _with_parameter(call: Call, respond: Respond, name: str) -> Endpoint:
    async def endpoint(ctx: RequestContext[Any]) -> Response:
        return respond(ctx, await call(ctx.params[name]))

    return endpoint


def _after_reading(call: Call, respond: Respond, getters: list[Getter]) -> Endpoint:
    if len(getters) == 1:
        (get,) = getters

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            await ctx.read()
            return respond(ctx, await call(get(ctx)))

    else:

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            await ctx.read()
            return respond(ctx, await call(*[get(ctx) for get in getters]))

    return endpoint


def _by_name(call: Call, respond: Respond, getters: list[Getter], named: dict[str, Getter]) -> Endpoint:
    async def endpoint(ctx: RequestContext[Any]) -> Response:
        options = {name: get(ctx) for name, get in named.items()}
        return respond(ctx, await call(*[get(ctx) for get in getters], **options))

    return endpoint


def _with_scope(
    plan: CallPlan,
    container: Container,
    call: Call,
    respond: Respond,
    scoped: list[Resolved],
    *,
    reads: bool,
    watches: bool,
) -> Endpoint:
    """Return an endpoint with a scope, which ends before the response is sent, or after the last byte of a stream.

    Dependencies may reject the request, so the body is read after they are resolved. If they open something, the body
    is read before: a few clients that send it slowly would otherwise hold all connections of a pool.
    """
    opens = any(each.opens for each in scoped)
    names = {each.name for each in scoped}
    others = {each.name: _getter(plan, each, container) for each in plan.arguments if each.name not in names}
    by_position = positional_names(plan, scoped)

    async def handle(ctx: RequestContext[Any], arguments: dict[str, Any]) -> Response:
        for name, get in others.items():
            arguments[name] = get(ctx)
        first = [arguments.pop(name) for name in by_position]
        return respond(ctx, await call(*first, **arguments))

    run = _watched(handle) if watches else handle

    async def endpoint(ctx: RequestContext[Any]) -> Response:
        if reads and opens:
            await admit(ctx)
            await ctx.read()
        ctx.resources = scope = container.new_scope({RequestContext: ctx})
        try:
            arguments: dict[str, Any] = {}
            for name, resolve, awaits, _ in scoped:
                arguments[name] = await resolve(scope) if awaits else resolve(scope)
            if reads and not opens:
                await ctx.read()
            own = arguments.get(_SELF)
            response = await run(ctx, arguments)
        except BaseException as error:
            ctx.resources = None  # a reference in a circle would wait for the garbage collector
            await end_scope(scope.aclose(error), ctx)
            raise
        if _is_plain(response):
            ctx.resources = None
            await end_scope(scope.aclose(), ctx)
            return response
        try:
            if scope.brief is not None:
                _check_stream(response, own, scope, container, plan)
            await end_scope(scope.end_handler(), ctx)
        except BaseException as error:
            ctx.resources = None
            await end_scope(scope.aclose(error), ctx)
            raise
        ctx.on_end(scope.aclose)
        return response

    return endpoint


def _is_plain(response: Response) -> bool:
    """Return true if no code of the application runs while the response is sent."""
    if isinstance(response, ReadyResponse | FileResponse):
        return True
    # One of Starlette's own classes with a body, such as a rendered template; its streams have none.
    return type(response).__call__.__module__.startswith("starlette.") and hasattr(response, "body")


def _check_stream(response: Response, own: object, scope: Scope, container: Container, plan: CallPlan) -> None:
    """Raise `KickError`: `stream-resource` for a stream that uses what is closed before it begins.

    Its controller, `own`, is left out: it may be used for what lives longer.
    """
    chunks = getattr(response, "chunks", None) or getattr(response, "body_iterator", None)
    used = [each for each in variables_of(chunks) if each is not own]
    key = container.resource_among(scope, used, brief=True)
    if key is not None:
        raise closed_in_stream(type_name(key), plan.place)


async def end_scope(ending: Awaitable[None], ctx: RequestContext[Any]) -> None:
    """Await clean-ups. If one fails, tell the context: what else the request wrote must not be kept either."""
    try:
        await ending
    except BaseException:
        ctx.rolled_back = True
        raise


def _reading(endpoint: Endpoint) -> Endpoint:
    async def read_first(ctx: RequestContext[Any]) -> Response:
        await ctx.read()
        return await endpoint(ctx)

    return read_first


def _watched(handle: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Cancel the handler when the client disconnects. The body was read before, because it cannot be read later."""

    async def handle_watched(ctx: RequestContext[Any], *arguments: Any) -> Response:
        response: Response | None = None
        failure: Exception | None = None

        async def watch() -> None:
            await ctx.disconnected()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                response = await handle(ctx, *arguments)
            except Exception as error:  # noqa: BLE001  # raised again outside of the task group, which would wrap it
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if response is None:
            raise ClientDisconnect
        return response

    return handle_watched


def _promising(endpoint: Endpoint, promise: Promise) -> Endpoint:
    """Hold `ctx.json()` and `ctx.sse()` to the declared type, in the handler only: middleware has responses too."""

    async def endpoint_promising(ctx: RequestContext[Any]) -> Response:
        ctx.promise = promise
        try:
            return await endpoint(ctx)
        finally:
            ctx.promise = None

    return endpoint_promising


def without_body(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that answers HEAD as another one answers GET (RFC 9110, section 9.3.2)."""

    async def head(ctx: RequestContext[Any]) -> Response:
        answer = await endpoint(ctx)
        if is_stream(answer):
            ctx.on_end(partial(close_unsent, answer))
        ctx.response = response = head_of(answer)
        return response

    return head


def responder(status: int | None, place: str, *, writer: Writer, in_layers: bool) -> Respond:
    """Return a function that makes a response from the value that a handler returns.

    Middleware may change the response, and the handler may return the same object again. So middleware gets a copy.
    """
    with_value = status or 200
    without_value = status or 204
    kinds, check, write, encode, _, takes_none = writer
    kinds -= {NoneType}

    def respond(ctx: RequestContext[Any], value: Any) -> Response:
        if type(value) in kinds:
            encoding = write if check is None or check(value) else encode
        elif value is ctx.response and not in_layers:
            ready: Response = value
            return ready
        elif value is None or isinstance(value, Response):
            return built(ctx, value)
        else:
            encoding = encode
        try:
            body = encoding(value)
        except (TypeError, ValueError, RecursionError) as error:
            if isinstance(error, InvalidResponse):
                raise
            raise _noted(value, error, place) from None
        ctx.response = response = ReadyResponse(body, with_value, JSON)
        return response

    def built(ctx: RequestContext[Any], value: Response | None) -> Response:
        if value is not None:
            if value is not ctx.response:
                return ctx.adopt_response(value)
            if in_layers:
                ctx.response = value = own_copy(value)
            return value
        if ctx.response is NOT_BUILT:
            if not takes_none:
                encode(None)  # raises InvalidResponse
            ctx.response = empty_response(without_value)
        return ctx.response

    return respond


def _noted(value: Any, error: TypeError | ValueError | RecursionError, place: str) -> Exception:
    named = unencodable(value, error) if isinstance(error, TypeError) else error
    named.add_note(f"kick: in what {place} returned")
    return named


def controller_of(controller: Any, container: Container) -> Resolved | None:
    """Return the argument `self` of a handler whose controller is created for each request; `None` for a singleton."""
    return None if container.lifetime(controller) is Lifetime.SINGLETON else _resolved(_SELF, controller, container)


def scoped_arguments(plan: CallPlan, container: Container, built: Resolved | None) -> list[Resolved]:
    """Return the arguments that are resolved in a scope, beginning with the controller if it is `built` there."""
    scoped = [
        _resolved(argument.name, argument.hint, container)
        for argument in plan.arguments
        if argument.source is Source.CONTAINER and container.lifetime(argument.hint) is not Lifetime.SINGLETON
    ]
    return scoped if built is None else [built, *scoped]


def positional_names(plan: CallPlan, scoped: list[Resolved]) -> list[str]:
    """Return the names of the arguments that are passed by position."""
    own = [_SELF] if scoped and scoped[0].name == _SELF else []
    return own + [each.name for each in plan.arguments if each.kind is Parameter.POSITIONAL_ONLY]


def _call_of(handler: Call, place: str, threads: Threads) -> Call:
    function = getattr(handler, "__func__", handler)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inspect.unwrap(function)):
        return handler

    async def call_in_thread(*args: Any, **kwargs: Any) -> Any:
        return await threads.run(partial(_drained, handler, *args, **kwargs), place)

    return call_in_thread


def _drained(handler: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a handler, and a generator that it returns, in the same thread."""
    value = handler(*args, **kwargs)
    return list(value) if isinstance(value, Generator) else value


def _resolved(name: str, hint: Any, container: Container) -> Resolved:
    direct, opens = container.direct_resolver(hint), container.opens(hint)
    if direct is not None:
        return Resolved(name, direct, awaits=False, opens=opens)
    return Resolved(name, container.resolver(hint), awaits=True, opens=opens)


def _getter(plan: CallPlan, argument: Argument, container: Container) -> Getter:
    name = argument.name
    match argument.source:
        case Source.CONTEXT:
            return lambda ctx: ctx
        case Source.PATH if name not in plan.readers:
            return lambda ctx: ctx.params[name]
        case Source.CONTAINER:
            instance = container.instance(argument.hint)
            return lambda _: instance
        case Source.DEFAULT:
            make = default_maker(argument.default)
            return lambda _: make() if make is not None else argument.default
        case _:
            return plan.readers[name]
