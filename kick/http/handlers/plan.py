"""Call plans: the source of each handler parameter, derived from the signature at start-up.

| parameter | value |
|---|---|
| of type `RequestContext` | the context |
| a name in the path | the path parameter, converted, within its constraints |
| `body: T`, `name: Body[T]` | the body, validated as `T` |
| `name: Form[T]` | the form, validated as `T`, or its errors and what was typed |
| `query: T`, `name: Query[T]` | the query string, validated as `T` |
| `name: Query[int]`, of another plain type | the parameter of that name in the query string |
| `name: Header[T]`, `name: Cookie[T]` | the header or cookie of that name, validated as `T` |
| `name: UploadFile`, `name: list[UploadFile]` | the files in that field of a multipart form |
| any other | the dependency of its type, from the container |
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Final, get_origin

import msgspec

from kick.di import Container
from kick.di.errors import unresolved_hint
from kick.di.generics import NO_TYPES, filled, has_variables
from kick.di.graph import is_hashable
from kick.di.hints import Unresolved, hint_of, hints_of, import_within, signature_of
from kick.di.naming import core, type_name
from kick.di.signature import Need, Unhinted, needs_of
from kick.errors import KickError, missing_extra
from kick.http.context.context import RequestContext
from kick.http.errors import (
    bad_response_type,
    body_with_stream,
    body_without_method,
    data_parameter,
    not_a_handler,
    scalar_parameter,
    several_bodies,
    unbound_path_parameter,
    unsupported_type,
    untyped_parameter,
)
from kick.http.handlers.extractors import (
    NO_DEFAULT,
    Getter,
    body_reader,
    cookie_reader,
    file_reader,
    form_reader,
    gathering,
    header_reader,
    is_one_parameter,
    parameter_reader,
    path_reader,
    query_reader,
)
from kick.http.handlers.form import form_type
from kick.http.handlers.parameters import FromBody, FromCookie, FromHeader, FromQuery, marker_of, unmarked
from kick.http.handlers.provider_parameters import PATH, PartOfRequest
from kick.http.handlers.response_types import ResponseType, declared_response
from kick.http.request.body import WITHOUT_BODY, reads_multipart
from kick.http.request.upload_limits import UploadLimits, file_fields, file_of, upload_limits_of
from kick.http.routing.decorators import RouteInfo
from kick.http.validation.conversion import Role, role_of
from kick.http.validation.fields import has_names
from kick.http.validation.type_parts import is_type, require_evaluated, types_within

_EMPTY: Final = inspect.Parameter.empty
_LITERALS: Final = (str, int, float, bool, type(None))
_REST: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Source(enum.Enum):
    """The source of an argument."""

    CONTEXT = "context"
    PATH = "path"
    BODY = "body"
    QUERY = "query"
    """The whole query string."""
    PARAMETER = "query parameter"
    """One parameter of the query string."""
    HEADER = "header"
    COOKIE = "cookie"
    FILE = "file"
    FORM = "form"
    CONTAINER = "container"
    SOCKET = "socket"
    DEFAULT = "default"


_SOURCES: Final = {
    FromBody: Source.BODY,
    FromQuery: Source.QUERY,
    FromHeader: Source.HEADER,
    FromCookie: Source.COOKIE,
}

_READ: Final = (Source.BODY, Source.FORM, Source.QUERY, Source.PARAMETER, Source.HEADER, Source.COOKIE)
"""Sources of values that are validated as the type of the parameter."""


class Argument(msgspec.Struct):
    """One parameter of a handler."""

    name: str
    source: Source
    hint: Any
    default: Any
    kind: Any

    @property
    def has_default(self) -> bool:
        """True if the handler can be called without it."""
        return self.default is not _EMPTY


class CallPlan:
    """The plan of a handler's call: a source for each parameter.

    `problems` has the mistakes in its signature, `readers` the functions that read arguments from the request,
    `upload_limits` the limits of files, `response` what it promises of its response, and `types` the types of the type
    variables in generic base classes of the controller.
    """

    def __init__(
        self,
        handler: Any,
        info: RouteInfo,
        path_names: Sequence[str],
        place: str,
        *,
        types: Mapping[Any, Any] = NO_TYPES,
    ) -> None:
        self.handler = handler
        self.info = info
        self.place = place
        self.problems: list[KickError] = []
        self.arguments: list[Argument] = []
        self.readers: dict[str, Getter] = {}
        self.upload_limits: UploadLimits | None = None
        self._unreadable: set[str] = set()
        self._path_names: Sequence[str] = ()
        self.response = ResponseType()
        problem = handler_problem(handler, place)
        if problem is not None:
            self.problems.append(problem)
            return
        hints = hints_of(core(handler))
        for need in needs_of(handler, hints)[1:]:
            argument = self._argument(Need(need.parameter, filled(need.hint, types)), path_names)
            if argument is not None:
                self.arguments.append(argument)
        self._path_names = path_names
        self._make_readers()
        self._read_response(hints.get("return", Any), types)

    def _read_response(self, returned: Any, types: Mapping[Any, Any]) -> None:
        """Read what the handler declares of its response."""
        response = self.info.response
        if not is_type(response):
            self.problems.append(bad_response_type(response, self.place))
            return
        given = None if response is None else hint_of(response, core(self.handler))
        self._declare(declared_response(returned, given, types), f"the return of {self.place}")

    def _declare(self, declared: ResponseType | Unresolved, where: str) -> None:
        """Take what the handler declares of its response, if all of it exists."""
        if isinstance(declared, Unresolved):
            self.problems.append(unresolved_hint(where, declared.text, declared.reason, statement=declared.statement))
            return
        self.response = declared
        try:
            for part in (declared.hint, declared.items):
                if part is not Any:
                    for each in types_within(part):  # finds the fields whose types do not exist
                        require_evaluated(each)
        except NameError as error:
            missing = error.name or str(error)
            statement = import_within(declared.hint, missing)
            self.problems.append(unresolved_hint(f"a field within {where}", missing, str(error), statement=statement))

    def takes(self, source: Source) -> bool:
        """Return true if any argument has this source."""
        return any(argument.source is source for argument in self.arguments)

    def hints(self) -> dict[str, Any]:
        """Return the types of the path parameters."""
        return {argument.name: argument.hint for argument in self.arguments if argument.source is Source.PATH}

    def require(self, container: Container, elsewhere: Collection[str] = ()) -> None:
        """Register the dependencies of the handler in the container.

        `elsewhere` has the names in the paths of all routes of the handler. Those of other routes are optional.
        """
        for argument in self.arguments:
            if argument.source is not Source.CONTAINER:
                continue
            hint, name = argument.hint, argument.name
            if _is_provided(container, hint):
                container.require(hint, self.place, parameter=name)
                continue
            role = role_of(hint)
            if argument.has_default and (role is Role.SERVICE or name in elsewhere):
                argument.source = Source.DEFAULT
            elif role is Role.SCALAR:
                self.problems.append(_scalar(argument, self.place))
            elif role is Role.DATA:
                self.problems.append(data_parameter(name, type_name(hint), self.place, has_names=has_names(hint)))
            else:
                container.require(hint, self.place, parameter=name)

    def check_parts(self, container: Container, controller: Any) -> None:
        """Check the parts of the request that the handler's providers take, and the names in its path."""
        hints = [each.hint for each in self.arguments if each.source is Source.CONTAINER]
        parts: list[PartOfRequest] = container.parts_of([controller, *filter(is_hashable, hints)])
        self.problems += filter(None, [each.problem(self.info, self._path_names, self.place) for each in parts])
        self._check_path({each.name for each in parts if each.source == PATH})

    def _argument(self, need: Need, path_names: Sequence[str]) -> Argument | None:
        hint, name = need.hint, need.name
        if isinstance(hint, Unresolved):
            self._unreadable.add(name)
            self.problems.append(
                unresolved_hint(f"{name} of {self.place}", hint.text, hint.reason, statement=hint.statement)
            )
            return None
        source = Source.CONTAINER
        if _is_context(hint) or (isinstance(hint, Unhinted) and name in ("ctx", "context")):
            source = Source.CONTEXT
        elif name in path_names:
            source = Source.PATH
        elif (marker := marker_of(hint)) is not None:
            source = Source.PARAMETER if is_one_parameter(hint) else _SOURCES[type(marker)]
            if source in (Source.BODY, Source.QUERY):
                hint = unmarked(hint)
        elif form_type(hint) is not None:
            source, hint = Source.FORM, form_type(hint)
        elif file_of(hint) is not None:
            source = Source.FILE
        elif name in ("body", "query"):
            source = Source(name)
        if isinstance(hint, Unhinted):
            if source is Source.PATH:
                hint = str
            elif hint is Unhinted.UNUSED and source is Source.CONTAINER:
                source = Source.DEFAULT
            elif source is not Source.CONTEXT:
                self.problems.append(untyped_parameter(name, self.place))
                return None
        return Argument(name, source, hint, need.parameter.default, need.parameter.kind)

    def _check_path(self, taken_by_providers: Collection[str]) -> None:
        if self.takes(Source.CONTEXT):
            return
        taken = {*(argument.name for argument in self.arguments), *self._unreadable, *taken_by_providers}
        free = [name for name in self._path_names if name not in taken]
        self.problems += [unbound_path_parameter(name, self.info.path, self.place) for name in free]

    def _make_readers(self) -> None:
        """Create the readers of the parts of a request. If there are several, each reports its errors."""
        files = {each.name: each.hint for each in self.arguments if each.source is Source.FILE}
        for argument in self.arguments:
            source, hint = argument.source, argument.hint
            try:
                reader = self._reader(argument, files)
                if reader is not None:
                    self.readers[argument.name] = reader
            except NameError as error:  # of a field
                where = f"a field within {argument.name}: {type_name(unmarked(hint))} of {self.place}"
                missing = error.name or str(error)
                self.problems.append(
                    unresolved_hint(where, missing, f"NameError: {error}", statement=import_within(hint, missing))
                )
            except TypeError as error:
                is_marked = marker_of(hint) is not None or (source is Source.FORM and form_type(hint) is None)
                shown = (
                    f"{source.value.partition(' ')[0].title()}[{type_name(unmarked(hint))}]"
                    if is_marked
                    else type_name(hint)
                )
                self.problems.append(unsupported_type(source.value, shown, self.place, str(error), name=argument.name))
        bodies = [each for each in self.arguments if each.source in (Source.BODY, Source.FORM)]
        if len(bodies) > 1:
            self.problems.append(several_bodies(self.place, [each.name for each in bodies]))
        body = bodies[0].hint if bodies else None
        if not self.problems:
            self.upload_limits = upload_limits_of(files, body, self.info.files)
            if self.upload_limits is not None and (files or self.upload_limits.files) and not reads_multipart():
                self.problems.append(missing_extra(f"{self.place} takes files, which", "python-multipart", "uploads"))
        if len(self.readers) > 1:
            self.readers = gathering(self.readers)

    def _reader(self, argument: Argument, files: Collection[str]) -> Getter | None:
        source, hint, name = argument.source, argument.hint, argument.name
        default = argument.default if argument.has_default else NO_DEFAULT
        if source in _READ and has_variables(hint):
            raise TypeError("its type variable has no type")
        if source in (Source.BODY, Source.FILE):
            self._check_body()
            file_fields(hint)
            return file_reader(name, hint, default) if source is Source.FILE else body_reader(hint, default, files)
        if source is Source.FORM:
            is_sent = self.info.method not in WITHOUT_BODY
            if is_sent:
                self._check_body()
            file_fields(hint)
            return form_reader(hint, files, is_sent=is_sent)
        if source is Source.QUERY:
            return query_reader(hint, default)
        if source is Source.PATH:
            return path_reader(name, hint, self.info.path_errors)
        marker = marker_of(hint)
        if isinstance(marker, FromQuery):
            return parameter_reader(marker.wire_name(name), unmarked(hint), default)
        if isinstance(marker, FromHeader):
            return header_reader(marker.wire_name(name), unmarked(hint), default)
        if isinstance(marker, FromCookie):
            return cookie_reader(marker.wire_name(name), unmarked(hint), default)
        return None

    def _check_body(self) -> None:
        if self.info.method in WITHOUT_BODY:
            self.problems.append(body_without_method(self.info.method, self.place))
        elif self.info.stream:
            self.problems.append(body_with_stream(self.place))


def handler_problem(handler: Any, place: str) -> KickError | None:
    """Return the reason why something cannot be called as a handler; `None` if it can.

    >>> async def show(): ...
    >>> handler_problem(show, "show() at app.py:1").cause
    'show() at app.py:1 cannot handle requests: it takes no self.'
    """
    method = f"async def {getattr(handler, '__name__', 'show')}(self, ctx: RequestContext)"
    if isinstance(handler, staticmethod | classmethod):
        return not_a_handler(place, f"it is a {type(handler).__name__}", f"Write it as a plain method: `{method}`.")
    if not inspect.isroutine(handler):
        return not_a_handler(place, "it is no function", f"Decorate a method: `{method}`.")
    function: Callable[..., Any] = inspect.unwrap(handler)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return not_a_handler(
            place,
            "it is a generator, so it returns no response",
            "Yield in a function of its own, and return `ctx.stream(chunks())`, or `ctx.sse(events())`.",
        )
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_argcount and not code.co_flags & inspect.CO_VARARGS:
        return not_a_handler(place, "it takes no self", f"Write it as a method: `{method}`.")
    if code is not None and not code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return None
    rest = [each for each in signature_of(handler).parameters.values() if each.kind in _REST]
    if rest:
        return not_a_handler(
            place,
            f"it takes {rest[0]}, and nothing says what with",
            f"Name each parameter: `{method}`; a decorator that wraps a handler needs `functools.wraps`.",
        )
    return None


def _scalar(argument: Argument, place: str) -> KickError:
    hint, default = argument.hint, argument.default
    written = repr(default) if argument.has_default and (type(default) in _LITERALS or default == []) else None
    fits_path = (get_origin(hint) or hint) not in (list, tuple, set, frozenset)
    return scalar_parameter(argument.name, type_name(hint), place, default=written, fits_path=fits_path)


def _is_provided(container: Container, hint: Any) -> bool:
    try:
        return container.provides(hint)
    except (KickError, TypeError):
        return True  # the container reports this error


def _is_context(hint: Any) -> bool:
    if not isinstance(hint, type):
        hint = hint.__origin__ if get_origin(hint) is Annotated else hint
        hint = get_origin(hint) or hint
    return isinstance(hint, type) and issubclass(hint, RequestContext)
