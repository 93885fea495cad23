"""The router: compiled at start-up, one dictionary look-up for a static path, one step a segment for the rest."""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote
from uuid import UUID

import msgspec

from kick.http.context import RequestContext
from kick.http.controller import RouteInfo
from kick.http.errors import BadRoutePath, DuplicateRoute
from kick.http.response import Response

Endpoint: TypeAlias = "Callable[[RequestContext[Any]], Awaitable[Response]]"
"""A context in, a response out: a handler with everything around it."""

Convert: TypeAlias = Callable[[str], Any]


class Route(msgspec.Struct, kw_only=True, eq=False):
    """One route: what it is, and, once it has been linked, the endpoint that serves it."""

    method: str
    path: str
    """The whole path, with `{names}`."""
    name: str
    """`NoteController.show`, or what the decorator was told."""
    handler: Callable[..., Any]
    controller: type | None
    module: str
    place: str
    """Where the handler is defined, for error messages."""
    info: RouteInfo
    session: bool | None
    """`False` where the session is switched off."""
    max_body: int | None
    middleware: tuple[Any, ...] = ()
    """That of the module, the controller and the method, outermost first."""
    endpoint: Endpoint

    def __repr__(self) -> str:
        return f"<Route {self.method} {self.path} {self.name}>"


class Segment(NamedTuple):
    """One segment of a path: a literal, or a parameter with its converter."""

    literal: str | None
    name: str
    kind: Any
    """A name in `CONVERTERS`, or an enum."""
    convert: Convert | None


def _to_int(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 20:
        raise ValueError(text)
    return int(text)


def _to_float(text: str) -> float:
    value = float(text)
    if value != value or value in (float("inf"), float("-inf")) or "_" in text:
        raise ValueError(text)
    return value


CONVERTERS: Final[dict[str, Convert | None]] = {
    "str": None,
    "int": _to_int,
    "float": _to_float,
    "uuid": UUID,
    "path": None,
}

_KINDS: Final[dict[Any, str]] = {str: "str", int: "int", float: "float", UUID: "uuid"}
_RANKS: Final = {"int": 0, "uuid": 1, "float": 2, "str": 4, "path": 5}
_RANK_OF_ENUMS: Final = 3
_PARAMETER: Final = re.compile(r"\{([A-Za-z_]\w*)(?::([a-z]+))?\}")


def parse_path(path: str, hints: dict[str, Any], place: str) -> list[Segment]:
    """The segments of a path; `hints` has the type of each parameter that the handler takes.

    >>> [segment.literal or segment.kind for segment in parse_path("/users/{user_id}", {"user_id": int}, "")]
    ['users', 'int']

    Raises `BadRoutePath`.
    """
    segments: list[Segment] = []
    seen: set[str] = set()
    parts = path[1:].split("/")
    for index, part in enumerate(parts):
        match = _PARAMETER.fullmatch(part)
        if match is None:
            if "{" in part or "}" in part:
                raise BadRoutePath(path, place, f"has the segment {part!r}, which is neither text nor one parameter")
            segments.append(Segment(part, "", "", None))
            continue
        name, kind = match.groups()
        if name in seen:
            raise BadRoutePath(path, place, f"has the parameter {name!r} twice")
        seen.add(name)
        segment = _parameter(name, kind, hints.get(name, str), path, place)
        if segment.kind == "path" and index != len(parts) - 1:
            raise BadRoutePath(path, place, f"goes on after {{{name}:path}}, which takes all the rest")
        segments.append(segment)
    return segments


def _parameter(name: str, kind: str | None, hint: Any, path: str, place: str) -> Segment:
    if kind is not None and kind not in CONVERTERS:
        raise BadRoutePath(path, place, f"has the kind {kind!r}; kinds are {', '.join(CONVERTERS)}")
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        by_text = {str(member.value): member for member in hint}
        return Segment(None, name, hint, by_text.__getitem__)
    if kind is None:
        kind = _KINDS.get(hint)
        if kind is None:
            shown = getattr(hint, "__qualname__", repr(hint))
            raise BadRoutePath(
                path, place, f"has the parameter {name!r} of type {shown}; str, int, float, UUID and enums are possible"
            )
    return Segment(None, name, kind, CONVERTERS[kind])


class _Node:
    """What can follow after some segments of a path."""

    __slots__ = ("literals", "parameters", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameters: list[_Parameter] = []
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}

    def child(self, segment: Segment) -> _Node:
        if segment.literal is not None:
            return self.literals.setdefault(segment.literal, _Node())
        for known in self.parameters:
            if known.kind == segment.kind:
                return known.node
        node = _Node()
        self.parameters.append(_Parameter(segment.kind, segment.convert, segment.kind == "path", node))
        self.parameters.sort(key=lambda each: _RANKS.get(each.kind, _RANK_OF_ENUMS))
        return node


class _Parameter(NamedTuple):
    """One kind of parameter at some place, and what can follow."""

    kind: Any
    convert: Convert | None
    takes_rest: bool
    node: _Node


class Match(NamedTuple):
    """What a router found: a route with its parameters, or the methods that are allowed there; neither is a 404."""

    route: Route | None
    params: dict[str, Any]
    allowed: tuple[str, ...] = ()


class Router:
    """Finds the route of a request.

    The most specific route wins, whatever the order of declaration: a literal segment before a parameter, an `int`
    before a `uuid` before a `float` before an enum before a `str`, and `{name:path}` last. What a client sends is never
    remembered.
    """

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.static: dict[str, dict[str, Route]] = {}
        self._root = _Node()

    def add(self, route: Route, segments: Sequence[Segment]) -> None:
        """Add a route. Raises `DuplicateRoute` when its method and path are taken."""
        node = self._root
        for segment in segments:
            node = node.child(segment)
        taken = node.routes.get(route.method)
        if taken is not None:
            raise DuplicateRoute(route.method, route.path, taken[0].place, route.place)
        names = tuple(segment.name for segment in segments if segment.literal is None)
        node.routes[route.method] = route, names
        if not names:
            self.static.setdefault(route.path, {})[route.method] = route
        self.routes.append(route)

    def finish(self, head_of: Callable[[Route], Route]) -> None:
        """Let every GET answer HEAD too, where nothing else does (RFC 9110, section 9.3.2)."""
        pending = [self._root]
        while pending:
            node = pending.pop()
            pending += node.literals.values()
            pending += [parameter.node for parameter in node.parameters]
            if "GET" in node.routes and "HEAD" not in node.routes:
                route, names = node.routes["GET"]
                node.routes["HEAD"] = head_of(route), names
                if not names:
                    self.static[route.path]["HEAD"] = node.routes["HEAD"][0]

    def match(self, method: str, path: str, raw_path: bytes | None) -> Match:
        """The route for a method and a percent-decoded path; `raw_path` is the path as it was sent."""
        parts = path[1:].split("/")
        if raw_path is not None and b"%" in raw_path:
            raw = raw_path.partition(b"?")[0].decode("latin-1")
            parts = [unquote(part) for part in raw[1:].split("/")]
        allowed: set[str] = set()
        found = _find(self._root, parts, 0, [], method, allowed)
        return found or Match(None, {}, tuple(sorted(allowed)))


def _find(node: _Node, parts: list[str], index: int, values: list[Any], method: str, allowed: set[str]) -> Match | None:
    """The first leaf, most specific first, that takes the method; the methods of the others go into `allowed`."""
    if index == len(parts):
        leaf = node.routes.get(method)
        if leaf is None:
            allowed.update(node.routes)
            return None
        return Match(leaf[0], dict(zip(leaf[1], values, strict=True)))
    part = parts[index]
    literal = node.literals.get(part)
    if literal is not None:
        found = _find(literal, parts, index + 1, values, method, allowed)
        if found is not None:
            return found
    for parameter in node.parameters:
        step = 1
        if parameter.takes_rest:
            step, value = len(parts) - index, "/".join(parts[index:])
        elif not part:
            continue
        else:
            try:
                value = part if parameter.convert is None else parameter.convert(part)
            except (ValueError, KeyError):
                continue
        found = _find(parameter.node, parts, index + step, [*values, value], method, allowed)
        if found is not None:
            return found
    return None


def path_names(path: str) -> list[str]:
    """The names of the parameters in a path.

    >>> path_names("/users/{user_id}/files/{rest:path}")
    ['user_id', 'rest']
    """
    return [match.group(1) for part in path.split("/") if (match := _PARAMETER.fullmatch(part))]
