"""Parts of the request as parameters of providers: `query: T`, `body: T`, headers, cookies and path parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from kick.di.errors import unresolved_hint
from kick.di.generics import has_variables
from kick.di.hints import import_within
from kick.di.naming import type_name
from kick.di.recipe import Part
from kick.di.signature import Need
from kick.errors import KickError
from kick.exceptions import NotFound, UnprocessableEntity
from kick.http.context.context import RequestContext
from kick.http.errors import (
    body_with_stream,
    body_without_method,
    provider_path_parameter,
    unsupported_type,
)
from kick.http.handlers.extractors import (
    NO_DEFAULT,
    Getter,
    body_reader,
    cookie_reader,
    header_reader,
    is_one_parameter,
    parameter_reader,
    query_reader,
)
from kick.http.handlers.parameters import FromBody, FromCookie, FromHeader, FromQuery, marker_of, unmarked
from kick.http.request.body import WITHOUT_BODY
from kick.http.routing.decorators import RouteInfo
from kick.http.validation.conversion import Role, converter, role_of
from kick.http.validation.errors import pointer

BODY: Final = "body"
PATH: Final = "path"
PARAMETER: Final = "query parameter"

_SOURCES: Final = {FromBody: BODY, FromQuery: "query", FromHeader: "header", FromCookie: "cookie"}


@dataclass(frozen=True, slots=True)
class PartOfRequest:
    """The part of the request that a parameter of a provider gets."""

    source: str
    name: str
    where: str
    has_default: bool
    hint: Any = None
    """Its type, with the marker in it."""
    default: Any = None

    def problem(self, info: RouteInfo, path_names: Collection[str], place: str) -> KickError | None:
        """Return the reason why the handler at `place` cannot use the provider; `None` if it can."""
        if self.source == PATH and self.name not in path_names and not self.has_default:
            return provider_path_parameter(self.name, info.path, place, self.where)
        if self.source == BODY and info.method in WITHOUT_BODY:
            return body_without_method(info.method, f"{self.where}, which {place} needs,")
        if self.source == BODY and info.stream:
            return body_with_stream(f"{self.where}, which {place} needs,")
        return None


class ProviderParameters:
    """Finds the parts of the request among the parameters of providers; `path_names` are those of all routes.

    A type that somebody provides is injected, unless the parameter has a marker such as `Query[T]`.
    """

    def __init__(self, path_names: Collection[str]) -> None:
        self._path_names = path_names
        self._parts: dict[Any, Part] = {}

    def __call__(self, need: Need, where: str, *, is_provided: bool) -> Part | None:
        """Return the part of the request that a parameter gets, or `None` if the container has to provide it."""
        source = self._source_of(need, is_provided=is_provided)
        if source is None:
            return None
        # Equal parameters share one part, so that a request is read once for all of them.
        default = need.parameter.default if need.has_default else NO_DEFAULT
        key = source, need.name, need.hint, id(default)
        if key not in self._parts:
            self._parts[key] = _part(source, need, where, default)
        return self._parts[key]

    def _source_of(self, need: Need, *, is_provided: bool) -> str | None:
        marker = marker_of(need.hint)
        if marker is not None:
            return PARAMETER if is_one_parameter(need.hint) else _SOURCES[type(marker)]
        if is_provided:
            return None
        role = role_of(need.hint)
        if need.name in self._path_names and role is Role.SCALAR:
            return PATH
        if need.name == BODY and role is not Role.SERVICE:
            return BODY
        return "query" if need.name == "query" and role is Role.DATA else None


def _part(source: str, need: Need, where: str, default: Any) -> Part:
    hint, name = unmarked(need.hint), need.name
    part = PartOfRequest(source, name, where, has_default=need.has_default, hint=need.hint, default=default)
    shown = f"{name}: {type_name(hint)}" if marker_of(need.hint) is None else f"{name}: {_marked(source, hint)}"
    try:
        read = _reader(source, need, default)
    except NameError as error:  # of a field
        missing = error.name or str(error)
        place, statement = f"a field within {name}: {type_name(hint)} of {where}", import_within(hint, missing)
        problem = unresolved_hint(place, missing, f"NameError: {error}", statement=statement)
        return Part(hint, shown, part, problem=problem)
    except TypeError as error:
        problem = unsupported_type(source, _marked(source, hint), where, str(error), name=name)
        return Part(hint, shown, part, problem=problem)
    if source == BODY:
        return Part(hint, shown, part, seed=RequestContext, read=_after_body(read), awaits=True)
    return Part(hint, shown, part, seed=RequestContext, read=read)


def _marked(source: str, hint: Any) -> str:
    return f"{source.partition(' ')[0].title()}[{type_name(hint)}]"


def _reader(source: str, need: Need, default: Any) -> Getter:
    hint, name, marker = unmarked(need.hint), need.name, marker_of(need.hint)
    if has_variables(hint):
        raise TypeError("its type variable has no type")
    if source == PARAMETER and isinstance(marker, FromQuery):
        return parameter_reader(marker.wire_name(name), hint, default)
    if isinstance(marker, FromHeader):
        return header_reader(marker.wire_name(name), hint, default)
    if isinstance(marker, FromCookie):
        return cookie_reader(marker.wire_name(name), hint, default)
    if source == BODY:
        return body_reader(hint, default)
    return query_reader(hint, default) if source == "query" else _path_reader(name, hint, default)


def _path_reader(name: str, hint: Any, default: Any) -> Getter:
    """Return a function that converts a path parameter; the handler may have it converted already."""
    convert: Callable[[Any], Any] = str if hint is str else converter(hint, pointer("path", name))

    def read(ctx: RequestContext[Any]) -> Any:
        if name not in ctx.params:
            return default
        try:
            return convert(ctx.params[name])
        except UnprocessableEntity:
            if ctx.route is not None and ctx.route.info.path_errors == 422:
                raise
            raise NotFound(f"There is nothing at {ctx.path}.") from None

    return read


def _after_body(read: Getter) -> Callable[[RequestContext[Any]], Any]:
    async def read_body(ctx: RequestContext[Any]) -> Any:
        await ctx.read()
        return read(ctx)

    return read_body
