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
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, Final, get_origin

import msgspec

from kick.di import Container
from kick.di.errors import UnresolvedHint
from kick.di.naming import type_name
from kick.di.signature import Need, Unhinted, Unresolved, needs_of
from kick.errors import KickError
from kick.http.codec import Role, role_of
from kick.http.context import RequestContext
from kick.http.controller import RouteInfo
from kick.http.errors import (
    BodyOfStream,
    BodyWithoutMethod,
    DataParameter,
    NotAHandler,
    ScalarParameter,
    UnboundPathParameter,
    UnsupportedType,
    UntypedParameter,
)
from kick.http.readers import NO_DEFAULT, Getter, body_reader, query_reader
from kick.http.request import WITHOUT_BODY
from kick.http.texts import has_names

_EMPTY: Final = inspect.Parameter.empty
_LITERALS: Final = (str, int, float, bool, type(None))
_REST: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Source(enum.Enum):
    """Where an argument comes from."""

    CONTEXT = "context"
    PATH = "path"
    BODY = "body"
    QUERY = "query"
    CONTAINER = "container"
    SOCKET = "socket"
    DEFAULT = "default"


class Argument(msgspec.Struct):
    """One parameter of a handler."""

    name: str
    source: Source
    hint: Any
    default: Any
    kind: Any

    @property
    def has_default(self) -> bool:
        """Whether the handler can do without it."""
        return self.default is not _EMPTY


class CallPlan:
    """What the parameters of one handler are filled with.

    `problems` has what is wrong with its signature, `readers` how `body` and `query` are read.
    """

    def __init__(self, handler: Any, info: RouteInfo, path_names: Sequence[str], place: str) -> None:
        self.handler = handler
        self.info = info
        self.place = place
        self.problems: list[KickError] = []
        self.arguments: list[Argument] = []
        self.readers: dict[Source, Getter] = {}
        self._unreadable: set[str] = set()
        problem = handler_problem(handler, place)
        if problem is not None:
            self.problems.append(problem)
            return
        for need in needs_of(handler)[1:]:
            argument = self._argument(need, path_names)
            if argument is not None:
                self.arguments.append(argument)
        self._check_path(path_names)
        for argument in self.arguments:
            self._make_reader(argument)

    def takes(self, source: Source) -> bool:
        """Whether any argument comes from there."""
        return any(argument.source is source for argument in self.arguments)

    def hints(self) -> dict[str, Any]:
        """The types of the path parameters."""
        return {argument.name: argument.hint for argument in self.arguments if argument.source is Source.PATH}

    def require(self, container: Container, elsewhere: Collection[str] = ()) -> None:
        """Tell the container what the handler asks it for.

        `elsewhere` has the names in the paths of all its routes: here it may do without those of the others.
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
                self.problems.append(DataParameter(name, type_name(hint), self.place, has_names=has_names(hint)))
            else:
                container.require(hint, self.place, parameter=name)

    def _argument(self, need: Need, path_names: Sequence[str]) -> Argument | None:
        hint, name = need.hint, need.name
        if isinstance(hint, Unresolved):
            self._unreadable.add(name)
            self.problems.append(
                UnresolvedHint(f"{name} of {self.place}", hint.text, hint.reason, statement=hint.statement)
            )
            return None
        source = Source.CONTAINER
        if _is_context(hint) or (isinstance(hint, Unhinted) and name in ("ctx", "context")):
            source = Source.CONTEXT
        elif name in path_names:
            source = Source.PATH
        elif name in ("body", "query"):
            source = Source(name)
        if isinstance(hint, Unhinted):
            if source is Source.PATH:
                hint = str
            elif hint is Unhinted.UNUSED and source is Source.CONTAINER:
                source = Source.DEFAULT
            elif source is not Source.CONTEXT:
                self.problems.append(UntypedParameter(name, self.place))
                return None
        return Argument(name, source, hint, need.parameter.default, need.parameter.kind)

    def _check_path(self, path_names: Sequence[str]) -> None:
        if self.takes(Source.CONTEXT):
            return
        taken = {argument.name for argument in self.arguments} | self._unreadable
        problems = [UnboundPathParameter(name, self.info.path, self.place) for name in path_names if name not in taken]
        self.problems += problems

    def _make_reader(self, argument: Argument) -> None:
        source, hint = argument.source, argument.hint
        default = argument.default if argument.has_default else NO_DEFAULT
        try:
            if source is Source.BODY:
                if self.info.method in WITHOUT_BODY:
                    self.problems.append(BodyWithoutMethod(self.info.method, self.place))
                elif self.info.stream:
                    self.problems.append(BodyOfStream(self.place))
                self.readers[source] = body_reader(hint, default)
            elif source is Source.QUERY:
                self.readers[source] = query_reader(hint, default)
        except (TypeError, NameError) as error:
            shown = getattr(hint, "__qualname__", repr(hint))
            self.problems.append(UnsupportedType(source.value, shown, self.place, str(error)))


def handler_problem(handler: Any, place: str) -> KickError | None:
    """Why something cannot be called as a handler; `None` when it can.

    >>> async def show(): ...
    >>> handler_problem(show, "show() at app.py:1").cause
    'show() at app.py:1 cannot handle requests: it takes no self.'
    """
    method = f"async def {getattr(handler, '__name__', 'show')}(self, ctx: RequestContext)"
    if isinstance(handler, staticmethod | classmethod):
        return NotAHandler(place, f"it is a {type(handler).__name__}", f"Write it as a plain method: `{method}`.")
    if not inspect.isroutine(handler):
        return NotAHandler(place, "it is no function", f"Decorate a method: `{method}`.")
    function: Callable[..., Any] = inspect.unwrap(handler)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return NotAHandler(
            place,
            "it is a generator, so it returns no response",
            "Yield in a function of its own, and return `ctx.stream(chunks())`, or `ctx.sse(events())`.",
        )
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_argcount and not code.co_flags & inspect.CO_VARARGS:
        return NotAHandler(place, "it takes no self", f"Write it as a method: `{method}`.")
    rest = [each for each in inspect.signature(handler).parameters.values() if each.kind in _REST]
    if rest:
        return NotAHandler(
            place,
            f"it takes {rest[0]}, and nothing says what with",
            f"Name each parameter: `{method}`; a decorator that wraps a handler needs `functools.wraps`.",
        )
    return None


def _scalar(argument: Argument, place: str) -> ScalarParameter:
    hint, default = argument.hint, argument.default
    written = repr(default) if argument.has_default and (type(default) in _LITERALS or default == []) else None
    fits_path = (get_origin(hint) or hint) not in (list, tuple, set, frozenset)
    return ScalarParameter(argument.name, type_name(hint), place, default=written, fits_path=fits_path)


def _is_provided(container: Container, hint: Any) -> bool:
    try:
        return container.provides(hint)
    except (KickError, TypeError):
        return True  # the container says what is wrong with it


def _is_context(hint: Any) -> bool:
    hint = hint.__origin__ if get_origin(hint) is Annotated else hint
    hint = get_origin(hint) or hint
    return isinstance(hint, type) and issubclass(hint, RequestContext)
