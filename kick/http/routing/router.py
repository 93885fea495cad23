"""The router: compiled at start-up; a look-up or two for most paths, one step a segment for the rest."""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from math import isinf
from types import UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, NewType, TypeAlias, Union, get_args, get_origin
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec

from kick.exceptions import NotFound
from kick.http.context.context import RequestContext
from kick.http.errors import BadRoutePath, DuplicateRoute
from kick.http.handlers.upload_limits import Allowance
from kick.http.response.base import Response
from kick.http.routing.decorators import RouteInfo
from kick.http.validation.serialization import malformed

Endpoint: TypeAlias = Callable[[RequestContext[Any]], Awaitable[Response]]
"""A context in, a response out: a handler with everything around it."""

Convert: TypeAlias = Callable[[str], Any]

PERCENT: Final = ord("%")
"""To be looked for in bytes. `b"%" in path` looks for a number first: an exception is made, and thrown away."""


class Route(msgspec.Struct, kw_only=True, eq=False):
    """One route: what it is, and the endpoint that serves it. Middleware sees it as `ctx.route`.

    >>> from kick import Controller, Get, Module, bootstrap
    >>> @Controller("/notes")
    ... class NoteController:
    ...     @Get("/{note_id}")
    ...     async def show(self, note_id: int) -> int:
    ...         return note_id
    >>> (route,) = bootstrap([Module("notes", controllers=[NoteController])]).routes
    >>> route.method, route.path, route.name, route.module
    ('GET', '/notes/{note_id}', 'NoteController.show', 'notes')
    """

    method: str
    """`*` where something is mounted: any method."""
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
    allowance: Allowance | None = None
    """What it takes of files; `None` where it declares none."""
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
    """A name in `CONVERTERS`, or an enum or `Literal`."""
    convert: Convert | None


def _to_int(text: str) -> int:
    digits = text if text.isdigit() else text.removeprefix("-")
    if not digits.isdigit() or not digits.isascii() or len(digits) > 19:
        raise ValueError(text)
    return int(text)


def _to_float(text: str) -> float:
    value = float(text) if _is_float(text) else float("inf")
    if isinf(value):
        raise ValueError(text)
    return value


def _to_uuid(text: str) -> UUID:
    if _is_uuid(text) is None:
        raise ValueError(text)
    return UUID(text)


CONVERTERS: Final[dict[str, Convert | None]] = {
    "str": None,
    "int": _to_int,
    "float": _to_float,
    "uuid": _to_uuid,
    "path": None,
}

_is_float: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?").fullmatch
_is_uuid: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_is_no_triplet: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})").search

_KINDS: Final[dict[Any, str]] = {str: "str", int: "int", float: "float", UUID: "uuid"}
_RANKS: Final = {"int": 0, "uuid": 1, "float": 2, "str": 4, "path": 5}
_RANK_OF_CHOICES: Final = 3
_PARAMETER: Final = re.compile(r"\{([A-Za-z_]\w*)(?::([a-z]+))?\}")
_NEVER_SENT: Final = re.compile(r"[?#\s\x00-\x1f\x7f]")
"""What no path of a request holds undecoded, or decoded in any sensible one."""


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
            if _NEVER_SENT.search(part) or part in (".", ".."):
                raise BadRoutePath(path, place, f"has the segment {part!r}, which no request can have")
            segments.append(Segment(part, "", "", None))
            continue
        name, kind = match.groups()
        if name in seen:
            raise BadRoutePath(path, place, f"has the parameter {name!r} twice")
        seen.add(name)
        segment = _parameter(name, kind, hints.get(name), path, place)
        if segment.kind == "path" and index != len(parts) - 1:
            raise BadRoutePath(path, place, f"goes on after {{{name}:path}}, which takes all the rest")
        segments.append(segment)
    return segments


def _parameter(name: str, kind: str | None, hint: Any, path: str, place: str) -> Segment:
    if kind is not None and kind not in CONVERTERS:
        raise BadRoutePath(path, place, f"has the kind {kind!r}; kinds are {', '.join(CONVERTERS)}")
    hint = plain_hint(hint)
    choices = _choices(hint)
    if choices is not None:
        return Segment(None, name, hint, choices.__getitem__)
    shown = getattr(hint, "__qualname__", repr(hint))
    if hint is None or hint is Any:
        kind = kind or "str"
    elif hint not in _KINDS:
        problem = f"has the parameter {name!r} of type {shown}; str, int, float, UUID, Literal and enums are possible"
        fix = f"Take it as text, and convert it in the handler: `{name}: str`."
        raise BadRoutePath(path, place, problem, fix)
    elif kind is None:
        kind = _KINDS[hint]
    elif kind != _KINDS[hint] and (hint is not str or kind != "path"):
        problem = f"has {{{name}:{kind}}}, but the handler takes {name}: {shown}"
        raise BadRoutePath(path, place, problem, f"Let the type alone say it: `{{{name}}}`.")
    return Segment(None, name, kind, CONVERTERS[kind])


def plain_hint(hint: Any) -> Any:
    """A hint without `Annotated`, `| None` and `NewType`: the path of a request cannot be without the parameter.

    >>> plain_hint(int | None)
    <class 'int'>
    """
    if get_origin(hint) is Annotated:
        return plain_hint(hint.__origin__)
    if isinstance(hint, NewType):
        return plain_hint(hint.__supertype__)
    if get_origin(hint) in (Union, UnionType):
        others = [each for each in get_args(hint) if each is not type(None)]
        if len(others) == 1:
            return plain_hint(others[0])
    return hint


def _choices(hint: Any) -> dict[str, Any] | None:
    """The values of an enum or a `Literal` by their text."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {str(member.value): member for member in hint}
    if get_origin(hint) is Literal:
        return {str(value): value for value in get_args(hint)}
    return None


class _Node:
    """What can follow after some segments of a path."""

    __slots__ = ("literals", "mount", "only", "parameters", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameters: list[_Parameter] = []
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}
        self.mount: _Mounted | None = None
        self.only: _Parameter | None = None
        """The parameter, where there is one that takes one segment, and nothing is mounted."""

    def child(self, segment: Segment) -> _Node:
        if segment.literal is not None:
            return self.literals.setdefault(segment.literal, _Node())
        for known in self.parameters:
            if known.kind == segment.kind:
                return known.node
        node = _Node()
        self.parameters.append(_Parameter(segment.kind, segment.convert, segment.kind == "path", node))
        self.parameters.sort(key=_rank)
        return node


class _Parameter(NamedTuple):
    """One kind of parameter at some place, and what can follow."""

    kind: Any
    convert: Convert | None
    takes_rest: bool
    node: _Node


class _Mounted(NamedTuple):
    """What takes all the paths from some place on that no route takes; `methods` is `None` for any."""

    route: Route
    names: tuple[str, ...]
    methods: Collection[str] | None
    is_told: bool
    """Whether `Allow` names the methods."""


def _rank(parameter: _Parameter) -> tuple[int, str]:
    return _RANKS.get(parameter.kind, _RANK_OF_CHOICES), str(parameter.kind)


Found: TypeAlias = tuple[Route, dict[str, Any]]
"""A route, and the parameters of the path."""


class Router:
    """Finds the route of a request.

    The most specific route wins, whatever the order of declaration: a literal segment before a parameter, an `int`
    before a `uuid` before a `float` before an enum or `Literal` before a `str`, then `{name:path}`, and what is mounted
    last. What a client sends is never remembered.
    """

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.static: dict[str, dict[str, Route]] = {}
        self._tails: dict[str, _Parameter] = {}
        self._root = _Node()

    def add(self, route: Route, segments: Sequence[Segment]) -> None:
        """Add a route. Raises `DuplicateRoute` when its method and path are taken."""
        node = self._at(segments)
        taken = node.routes.get(route.method)
        if taken is not None:
            raise DuplicateRoute(route.method, route.path, taken[0].place, route.place)
        names = _names(segments)
        node.routes[route.method] = route, names
        if not names:
            self.static.setdefault(route.path, {})[route.method] = route
        self.routes.append(route)

    def mount(
        self,
        route: Route,
        segments: Sequence[Segment],
        *,
        methods: Collection[str] | None = None,
        is_told: bool = False,
    ) -> Route | None:
        """Let `route` have its path and all below it, where no other route takes them; `methods=None` is any method.

        Returns what is mounted there already, in which case nothing changes. `is_told` says that a 405 names the
        methods.
        """
        node = self._at([] if route.path == "/" else segments)
        if node.mount is not None:
            return node.mount.route
        node.mount = _Mounted(route, _names(segments), methods, is_told)
        return None

    def finish(self, head_of: Callable[[Route], Route]) -> None:
        """Let every GET answer HEAD too, where nothing else does (RFC 9110, section 9.3.2)."""
        pending: list[tuple[str | None, _Node]] = [("", self._root)]
        while pending:
            path, node = pending.pop()
            pending += [(None if path is None else f"{path}/{part}", each) for part, each in node.literals.items()]
            pending += [(None, parameter.node) for parameter in node.parameters]
            if len(node.parameters) == 1 and node.mount is None and not node.parameters[0].takes_rest:
                (node.only,) = node.parameters
                if path is not None and all(each.mount is None for each in node.literals.values()):
                    self._tails[path] = node.only
            if "GET" in node.routes and "HEAD" not in node.routes:
                route, names = node.routes["GET"]
                node.routes["HEAD"] = head_of(route), names
                if not names:
                    self.static[route.path]["HEAD"] = node.routes["HEAD"][0]

    def find_by_tail(self, method: str, path: str) -> Found | None:
        """The route for a path that is not in `static`, if its last segment is the only parameter, as it often is."""
        place, slash, last = path.rpartition("/")
        only = self._tails.get(place)
        leaf = None if only is None else only.node.routes.get(method)
        if only is None or leaf is None or not last or not slash:
            return None
        try:
            return leaf[0], {leaf[1][0]: last if only.convert is None else only.convert(last)}
        except (ValueError, KeyError):
            return None

    def find(self, method: str, parts: list[str]) -> Found | None:
        """The route for a method and the segments of a path, percent-decoded, and its parameters."""
        node = self._root
        values: list[Any] = []
        for index in range(1, len(parts)):
            part = parts[index]
            literal, only = node.literals.get(part), node.only
            if literal is not None and not node.parameters and node.mount is None:
                node = literal
            elif literal is None and only is not None and part:
                try:
                    values.append(part if only.convert is None else only.convert(part))
                except (ValueError, KeyError):
                    return None
                node = only.node
            else:  # there are several ways to go from here, or none
                return _find(node, parts, index, values, method)
        leaf = node.routes.get(method)
        if leaf is not None and len(values) == 1:
            return leaf[0], {leaf[1][0]: values[0]}
        return _at_leaf(node, values, method)

    def allowed(self, parts: list[str]) -> tuple[str, ...]:
        """The methods that have a route at a path; none means that nothing is there."""
        methods: set[str] = set()
        for found in _methods(self._root, parts, 1):
            methods.update(found)
        return tuple(sorted(methods))

    def _at(self, segments: Sequence[Segment]) -> _Node:
        node = self._root
        for segment in segments:
            node = node.child(segment)
        return node


def _names(segments: Sequence[Segment]) -> tuple[str, ...]:
    return tuple(segment.name for segment in segments if segment.literal is None)


def _find(node: _Node, parts: list[str], index: int, values: list[Any], method: str) -> Found | None:
    """The first leaf, most specific first, that takes the method."""
    if index == len(parts):
        return _at_leaf(node, values, method)
    part = parts[index]
    literal = node.literals.get(part)
    if literal is not None:
        found = _find(literal, parts, index + 1, values, method)
        if found is not None:
            return found
    for _, convert, takes_rest, child in node.parameters:
        after = index + 1
        if takes_rest:
            after = len(parts)
            values.append("/".join(parts[index:]))
        elif not part:
            continue
        else:
            try:
                values.append(part if convert is None else convert(part))
            except (ValueError, KeyError):
                continue
        found = _find(child, parts, after, values, method)
        if found is not None:
            return found
        values.pop()
    return None if node.mount is None else _mounted(node.mount, values, method)


def _at_leaf(node: _Node, values: list[Any], method: str) -> Found | None:
    leaf = node.routes.get(method)
    if leaf is not None:
        return leaf[0], dict(zip(leaf[1], values, strict=True))
    return None if node.mount is None else _mounted(node.mount, values, method)


def _mounted(mount: _Mounted, values: list[Any], method: str) -> Found | None:
    if mount.methods is not None and method not in mount.methods:
        return None
    return mount.route, dict(zip(mount.names, values, strict=True))


def _methods(node: _Node, parts: list[str], index: int) -> Iterator[Collection[str]]:
    """The methods of all the places that a path leads to."""
    if node.mount is not None and node.mount.is_told:
        yield node.mount.methods or ()
    if index == len(parts):
        yield node.routes
        return
    part = parts[index]
    if part in node.literals:
        yield from _methods(node.literals[part], parts, index + 1)
    for parameter in node.parameters:
        if parameter.takes_rest:
            yield parameter.node.routes
        elif part and _converts(parameter.convert, part):
            yield from _methods(parameter.node, parts, index + 1)


def _converts(convert: Convert | None, part: str) -> bool:
    try:
        if convert is not None:
            convert(part)
    except (ValueError, KeyError):
        return False
    return True


def split_path(path: str, raw_path: bytes | None, root_path: str) -> list[str]:
    """What is between the slashes of a path below `root_path`, each piece percent-decoded once.

    `raw_path` is the path as it was sent.

    >>> split_path("/api/a/b%c", b"/api/a%2Fb%25c", "/api")
    ['', 'a/b%c']

    Raises `BadRequest` for percent-encoding that is broken or no UTF-8 (RFC 3986, section 2.1), and `NotFound` for what
    is no path: `*`.
    """
    if path[:1] not in ("", "/"):
        raise NotFound(f"There is nothing at {path}.")
    skipped = root_path.rstrip("/").count("/")
    is_encoded = raw_path is not None and PERCENT in raw_path
    parts = _decoded((raw_path or b"").partition(b"?")[0]) if is_encoded else path.split("/")
    return ["", *(parts[skipped + 1 :] or [""])]


def root_in(path: str, root_path: str) -> str:
    """The part of a path that is the `root_path` of the server; nothing, where a proxy took it away.

    >>> root_in("/api/notes", "/api/"), root_in("/apiary/notes", "/api")
    ('/api', '')
    """
    root = root_path.rstrip("/")
    return root if path == root or path.startswith(f"{root}/") else ""


def _decoded(raw: bytes) -> list[str]:
    if _is_no_triplet(raw):
        raise malformed("path", "The path has a percent sign that begins no encoding.", "Expected %XX", "encoding")
    try:
        return [unquote_to_bytes(part).decode() for part in raw.split(b"/")]
    except UnicodeDecodeError:
        raise malformed("path", "The path is not UTF-8.", "Expected UTF-8", "encoding") from None


def path_names(path: str) -> list[str]:
    """The names of the parameters in a path.

    >>> path_names("/users/{user_id}/files/{rest:path}")
    ['user_id', 'rest']
    """
    return [match.group(1) for part in path.split("/") if (match := _PARAMETER.fullmatch(part))]
