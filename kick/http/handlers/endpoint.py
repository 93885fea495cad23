"""From a call plan to an endpoint: the closures that a request runs through, none longer than it has to be."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import Parameter
from types import MethodType
from typing import Any, NamedTuple

import anyio
from starlette.requests import ClientDisconnect

from kick.concurrency import Threads
from kick.di import Container, Lifetime, Scope
from kick.http.context.context import RequestContext
from kick.http.context.responses import NOT_BUILT
from kick.http.handlers.extractors import Getter
from kick.http.handlers.plan import Argument, CallPlan, Source
from kick.http.middleware import Endpoint
from kick.http.request.body import WITHOUT_BODY
from kick.http.response.base import JSON, ReadyResponse, Response, empty_response, head_of, own_copy
from kick.http.validation.encoding import encode_json, unencodable

Respond = Callable[[RequestContext[Any], Any], Response]
Call = Callable[..., Awaitable[Any]]


class Resolved(NamedTuple):
    """An argument that is resolved in the scope of each request."""

    name: str
    resolve: Callable[[Scope], Any]
    awaits: bool


def endpoint_of(
    plan: CallPlan, container: Container, instance: object, *, in_layers: bool, threads: Threads
) -> Endpoint:
    """Return the endpoint of a handler: it extracts the arguments, calls the handler, and makes the response.

    `in_layers` says that there is middleware around it. Handlers that are no coroutine functions run in `threads`.
    """
    endpoint = _endpoint_of(plan, container, _call_of(plan, instance, threads), in_layers=in_layers)
    return _watching(endpoint, reads=_may_read(plan)) if plan.info.cancel_on_disconnect else endpoint


def _may_read(plan: CallPlan) -> bool:
    """Return whether there may be a body that is read before the handler is called."""
    return not plan.info.stream and plan.info.method not in WITHOUT_BODY


def _endpoint_of(plan: CallPlan, container: Container, call: Call, *, in_layers: bool) -> Endpoint:
    respond = responder(plan.info.status, plan.place, in_layers=in_layers)
    scoped = [_resolved(argument, container) for argument in plan.arguments if _is_scoped(argument, container)]
    takes_body = any(map(plan.takes, (Source.BODY, Source.FILE, Source.CONTEXT)))
    reads = (takes_body or bool(scoped)) and _may_read(plan)
    if scoped:
        endpoint = _with_scope(plan, container, call, respond, scoped)
        return _reading(endpoint) if reads else endpoint
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
    if sources == [Source.CONTEXT]:
        return _with_context(call, respond)
    if sources == [Source.PATH] and not plan.readers:
        return _with_parameter(call, respond, by_position[0].name)
    return _by_position(call, respond, getters)


def _with_context(call: Call, respond: Respond) -> Endpoint:
    async def endpoint(ctx: RequestContext[Any]) -> Response:
        return respond(ctx, await call(ctx))

    return endpoint


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


def _with_scope(plan: CallPlan, container: Container, call: Call, respond: Respond, scoped: list[Resolved]) -> Endpoint:
    """With a scope of its own, which ends before the response leaves, or after the last byte of a stream."""
    names = {each.name for each in scoped}
    others = {each.name: _getter(plan, each, container) for each in plan.arguments if each.name not in names}
    by_position = [each.name for each in plan.arguments if each.kind is Parameter.POSITIONAL_ONLY]

    async def endpoint(ctx: RequestContext[Any]) -> Response:
        scope = container.new_scope({RequestContext: ctx})
        try:
            arguments: dict[str, Any] = {}
            for name, resolve, awaits in scoped:
                arguments[name] = await resolve(scope) if awaits else resolve(scope)
            for name, get in others.items():
                arguments[name] = get(ctx)
            first = [arguments.pop(name) for name in by_position]
            response = respond(ctx, await call(*first, **arguments))
        except BaseException as error:
            await scope.aclose(error)
            raise
        if isinstance(response, ReadyResponse) or type(response).__call__ is Response.__call__:
            await scope.aclose()
        else:
            ctx.on_end(scope.aclose)
        return response

    return endpoint


def _reading(endpoint: Endpoint) -> Endpoint:
    async def read_first(ctx: RequestContext[Any]) -> Response:
        await ctx.read()
        return await endpoint(ctx)

    return read_first


def _watching(endpoint: Endpoint, *, reads: bool) -> Endpoint:
    """Cancel the handler when the client goes away; `reads` says that its body has to be read before."""

    async def endpoint_watched(ctx: RequestContext[Any]) -> Response:
        if reads:
            await ctx.read()
        response: Response | None = None
        failure: Exception | None = None

        async def watch() -> None:
            await ctx.disconnected()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                response = await endpoint(ctx)
            except Exception as error:  # noqa: BLE001  # raised again, outside of the task group, which would wrap it
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if response is None:
            raise ClientDisconnect
        return response

    return endpoint_watched


def without_body(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that answers HEAD as another one answers GET (RFC 9110, section 9.3.2)."""

    async def head(ctx: RequestContext[Any]) -> Response:
        ctx.response = response = head_of(await endpoint(ctx))
        return response

    return head


def responder(status: int | None, place: str, *, in_layers: bool) -> Respond:
    """Return a function that makes a response of the value that a handler returns.

    Layers may change the response. The handler may have kept it, to return it again: they are given a copy.
    """
    with_value = status or 200
    without_value = status or 204

    def respond(ctx: RequestContext[Any], value: Any) -> Response:
        if value is ctx.response:
            if in_layers:
                ctx.response = value = own_copy(value)
            return value  # type: ignore[no-any-return]
        if value is None:
            if ctx.response is NOT_BUILT:
                ctx.response = empty_response(without_value)
            return ctx.response
        if isinstance(value, Response):
            return ctx.adopt_response(value)
        try:
            ctx.response = response = ReadyResponse(encode_json(value), with_value, JSON)
        except (TypeError, ValueError, RecursionError) as error:
            named = unencodable(value, error) if isinstance(error, TypeError) else error
            named.add_note(f"kick: in what {place} returned")
            raise named from None
        return response

    return respond


def _call_of(plan: CallPlan, instance: object, threads: Threads) -> Call:
    function, place = plan.handler, plan.place
    handler = MethodType(function, instance)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inspect.unwrap(function)):
        return handler

    async def call_in_thread(*args: Any, **kwargs: Any) -> Any:
        return await threads.run(partial(handler, *args, **kwargs), place)

    return call_in_thread


def _is_scoped(argument: Argument, container: Container) -> bool:
    return argument.source is Source.CONTAINER and container.lifetime(argument.hint) is not Lifetime.SINGLETON


def _resolved(argument: Argument, container: Container) -> Resolved:
    direct = container.direct_resolver(argument.hint)
    if direct is not None:
        return Resolved(argument.name, direct, awaits=False)
    return Resolved(argument.name, container.resolver(argument.hint), awaits=True)


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
            default = argument.default
            return lambda _: default
        case _:
            return plan.readers[name]
