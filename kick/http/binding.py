"""From the signature of a handler to a plan of how it is called, made once.

| parameter | gets |
|---|---|
| of type `RequestContext` | the context |
| a name in the path | the path parameter, converted |
| `body: T` | the body, validated as `T` |
| `query: T` | the query string, validated as `T` |
| any other | what the container provides for its type |
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Awaitable, Callable, Sequence
from types import MethodType
from typing import Any, Final, get_origin
from uuid import UUID

import anyio.to_thread
import msgspec
from starlette.responses import StreamingResponse

from kick.di import Container, Lifetime, Scope
from kick.di.errors import UnresolvedHint
from kick.di.signature import Need, Unhinted, Unresolved, needs_of
from kick.errors import KickError
from kick.http.body import form_values, is_json, media_type_of
from kick.http.codec import Convert, Decode, converter, encode_json, invalid, json_decoder, list_fields
from kick.http.context import RequestContext
from kick.http.controller import RouteInfo
from kick.http.errors import (
    BodyWithoutMethod,
    ScalarParameter,
    UnboundPathParameter,
    UnsupportedType,
    UntypedParameter,
)
from kick.http.problem import UnsupportedMediaType
from kick.http.response import JSON, ReadyResponse, Response
from kick.http.routing import Endpoint

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SCALARS: Final = (str, int, float, bool, bytes, UUID)

Getter = Callable[[RequestContext[Any]], Any]


class Source(enum.Enum):
    """Where an argument comes from."""

    CONTEXT = "context"
    PATH = "path"
    BODY = "body"
    QUERY = "query"
    CONTAINER = "container"


class Argument(msgspec.Struct, frozen=True):
    """One parameter of a handler."""

    name: str
    source: Source
    hint: Any
    default: Any = inspect.Parameter.empty
    keyword_only: bool = False


class CallPlan:
    """How one handler is called.

    `problems` has what is wrong with its signature. `link` is called when the application has started.
    """

    def __init__(self, handler: Callable[..., Any], info: RouteInfo, path_names: Sequence[str], place: str) -> None:
        self.handler = handler
        self.info = info
        self.place = place
        self.problems: list[KickError] = []
        self.arguments: list[Argument] = []
        needs = needs_of(handler)[1:]
        for need in needs:
            argument = self._argument(need, path_names)
            if argument is not None:
                self.arguments.append(argument)
        self._decoders: dict[str, Any] = {}
        self._prepare(path_names)

    @property
    def takes_context(self) -> bool:
        """Whether the handler sees the context, and with it everything else."""
        return any(argument.source is Source.CONTEXT for argument in self.arguments)

    def hints(self) -> dict[str, Any]:
        """The types of the path parameters."""
        return {argument.name: argument.hint for argument in self.arguments if argument.source is Source.PATH}

    def require(self, container: Container) -> None:
        """Tell the container what the handler asks it for."""
        kept: list[Argument] = []
        for argument in self.arguments:
            if argument.source is Source.CONTAINER:
                if argument.default is not inspect.Parameter.empty and not container.provides(argument.hint):
                    continue
                if argument.hint in _SCALARS and not container.provides(argument.hint):
                    shown = argument.hint.__qualname__
                    self.problems.append(ScalarParameter(argument.name, shown, self.place))
                    continue
                container.require(argument.hint, self.place, parameter=argument.name)
            kept.append(argument)
        self.arguments = kept

    def _argument(self, need: Need, path_names: Sequence[str]) -> Argument | None:
        hint, name = need.hint, need.name
        if isinstance(hint, Unresolved):
            self.problems.append(
                UnresolvedHint(f"{name} of {self.place}", hint.text, hint.reason, statement=hint.statement)
            )
            return None
        source = Source.CONTAINER
        if _is_context(hint) or (hint is Unhinted.MISSING and name in ("ctx", "context")):
            source = Source.CONTEXT
        elif name in path_names:
            source = Source.PATH
        elif name in ("body", "query"):
            source = Source(name)
        if isinstance(hint, Unhinted):
            if source is Source.PATH:
                hint = str
            elif hint is Unhinted.UNUSED:
                return None
            elif source is not Source.CONTEXT:
                self.problems.append(UntypedParameter(name, self.place))
                return None
        keyword_only = need.parameter.kind is inspect.Parameter.KEYWORD_ONLY
        return Argument(name, source, hint, need.parameter.default, keyword_only)

    def _prepare(self, path_names: Sequence[str]) -> None:
        taken = {argument.name for argument in self.arguments}
        if not self.takes_context:
            for name in path_names:
                if name not in taken:
                    self.problems.append(UnboundPathParameter(name, self.info.path, self.place))
        for argument in self.arguments:
            try:
                if argument.source is Source.BODY:
                    if self.info.method in _WITHOUT_BODY:
                        self.problems.append(BodyWithoutMethod(self.info.method, self.place))
                    self._decoders["body"] = _body_getter(argument)
                elif argument.source is Source.QUERY:
                    self._decoders["query"] = _query_getter(argument)
            except (TypeError, NameError) as error:
                shown = getattr(argument.hint, "__qualname__", repr(argument.hint))
                self.problems.append(UnsupportedType(argument.source.value, shown, self.place, str(error)))

    # Linking

    def link(self, container: Container, instance: object) -> Endpoint:
        """The endpoint: reads what the handler needs, calls it, and makes a response of what it returns."""
        handler = MethodType(self.handler, instance)
        call = handler if inspect.iscoroutinefunction(self.handler) else _in_thread(handler)
        scoped = {
            argument.name: container.resolver(argument.hint)
            for argument in self.arguments
            if argument.source is Source.CONTAINER and container.lifetime(argument.hint) is not Lifetime.SINGLETON
        }
        respond = _responder(self.info.status)
        endpoint = self._scoped(container, call, scoped, respond) if scoped else self._plain(container, call, respond)
        reads_body = "body" in self._decoders or self.takes_context
        if reads_body and not self.info.stream and self.info.method not in _WITHOUT_BODY:
            return _reading(endpoint)
        return endpoint

    def _plain(self, container: Container, call: Callable[..., Any], respond: Any) -> Endpoint:
        if any(argument.keyword_only for argument in self.arguments):
            return self._general(container, call, respond)
        getters = [self._getter(argument, container) for argument in self.arguments]
        if not getters:

            async def endpoint(ctx: RequestContext[Any]) -> Response:
                return respond(ctx, await call())  # type: ignore[no-any-return]

        elif len(getters) == 1 and self.arguments[0].source is Source.CONTEXT:

            async def endpoint(ctx: RequestContext[Any]) -> Response:
                return respond(ctx, await call(ctx))  # type: ignore[no-any-return]

        elif len(getters) == 1:
            (get,) = getters

            async def endpoint(ctx: RequestContext[Any]) -> Response:
                return respond(ctx, await call(get(ctx)))  # type: ignore[no-any-return]

        else:

            async def endpoint(ctx: RequestContext[Any]) -> Response:
                return respond(ctx, await call(*[get(ctx) for get in getters]))  # type: ignore[no-any-return]

        return endpoint

    def _general(self, container: Container, call: Callable[..., Any], respond: Any) -> Endpoint:
        getters = {argument.name: self._getter(argument, container) for argument in self.arguments}

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            return respond(ctx, await call(**{name: get(ctx) for name, get in getters.items()}))  # type: ignore[no-any-return]

        return endpoint

    def _scoped(
        self,
        container: Container,
        call: Callable[..., Any],
        scoped: dict[str, Callable[[Scope], Awaitable[Any]]],
        respond: Any,
    ) -> Endpoint:
        getters = {
            argument.name: self._getter(argument, container)
            for argument in self.arguments
            if argument.name not in scoped
        }

        async def endpoint(ctx: RequestContext[Any]) -> Response:
            scope = container.new_scope({RequestContext: ctx})
            try:
                arguments = {name: get(ctx) for name, get in getters.items()}
                for name, resolve in scoped.items():
                    arguments[name] = await resolve(scope)
                response: Response = respond(ctx, await call(**arguments))
            except BaseException as error:
                await scope.aclose(error)
                raise
            if isinstance(response, StreamingResponse):
                ctx._resources = scope  # lives until the last byte is sent
            else:
                await scope.aclose()
            return response

        return endpoint

    def _getter(self, argument: Argument, container: Container) -> Getter:
        match argument.source:
            case Source.CONTEXT:
                return lambda ctx: ctx
            case Source.PATH:
                name = argument.name
                return lambda ctx: ctx.params[name]
            case Source.CONTAINER:
                instance = container.instance(argument.hint)
                return lambda _: instance
            case _:
                getter: Getter = self._decoders[argument.source.value]
                return getter


def _is_context(hint: Any) -> bool:
    hint = get_origin(hint) or hint
    return isinstance(hint, type) and issubclass(hint, RequestContext)


def _in_thread(handler: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await anyio.to_thread.run_sync(lambda: handler(*args, **kwargs))

    return call


def _reading(endpoint: Endpoint) -> Endpoint:
    async def read_first(ctx: RequestContext[Any]) -> Response:
        await ctx.read()
        return await endpoint(ctx)

    return read_first


def _responder(status: int | None) -> Callable[[RequestContext[Any], Any], Response]:
    with_value = status or 200
    without_value = status or 204

    def respond(ctx: RequestContext[Any], value: Any) -> Response:
        if isinstance(value, Response):
            return value
        if value is None:
            built = ctx._response
            return built if built is not None else ReadyResponse(b"", without_value, JSON)
        return ReadyResponse(encode_json(value), with_value, JSON)

    return respond


def _query_getter(argument: Argument) -> Getter:
    convert = converter(argument.hint, "query")
    several = list_fields(argument.hint)

    def get(ctx: RequestContext[Any]) -> Any:
        query = ctx.query
        return convert({name: query.getlist(name) if name in several else query[name] for name in query})

    return get


def _body_getter(argument: Argument) -> Getter:
    if argument.hint is bytes:
        return lambda ctx: ctx.raw_body
    decode: Decode = json_decoder(argument.hint)
    convert: Convert = converter(argument.hint, "body")
    several = list_fields(argument.hint)
    has_default = argument.default is not inspect.Parameter.empty

    def get(ctx: RequestContext[Any]) -> Any:
        media_type = media_type_of(ctx.scope)
        if is_json(media_type):
            return decode(ctx.raw_body)
        if media_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            return convert(form_values(ctx.form, several))
        if not ctx.raw_body:
            if has_default:
                return argument.default
            raise invalid([{"location": "/body", "message": "A body is required", "code": "missing"}])
        raise UnsupportedMediaType(
            f"The body is of the type {media_type or 'unknown'!r}; send application/json or a form.",
            headers={"accept": "application/json, application/x-www-form-urlencoded, multipart/form-data"},
        )

    return get
