"""The router, compiled at start-up. Most paths need one or two look-ups, the others one step for each segment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from kick.exceptions import HTTPError
from kick.http.routing.paths import DOTS, Convert, Segment
from kick.http.routing.route import Route

_RANKS: Final = {"int": 0, "uuid": 1, "date": 1, "datetime": 1, "float": 2, "str": 4, "path": 5}
_RANK_OF_CHOICES: Final = 3

Found: TypeAlias = tuple[Route, dict[str, Any]]
"""A route, and the parameters of the path."""


class Miss(NamedTuple):
    """The reason why no route serves a request: other methods are `allowed` at its path, or the path is invalid.

    `location` is the URL of the route without the slash at the end, if there is one.
    """

    allowed: tuple[str, ...] = ()
    error: HTTPError | None = None
    location: bytes | None = None


class Router:
    """Finds the route of a request.

    The most specific route is used, independent of the order of declaration. The order is: a literal segment, `int`,
    `uuid`, `float`, an enum or `Literal`, `str`, `{name:path}`, and mounts. Nothing that a client sends is cached.
    """

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.static: dict[str, dict[str, Route]] = {}
        self._tails: dict[str, _Parameter] = {}
        self._root = _Node()

    def add(self, route: Route, segments: Sequence[Segment]) -> Route | None:
        """Add a route. If another route has its method and path, return this route instead."""
        node = self._at(segments)
        taken = node.routes.get(route.method)
        if taken is not None:
            return taken[0]
        names = _names(segments)
        node.routes[route.method] = route, names
        if not names:
            self.static.setdefault(route.path, {})[route.method] = route
        self.routes.append(route)
        return None

    def mount(
        self,
        route: Route,
        segments: Sequence[Segment],
        *,
        methods: Collection[str] | None = None,
        is_told: bool = False,
    ) -> Route | None:
        """Add a mount for its path and all paths below it that no other route serves; `methods=None` means any method.

        If another mount has the path, return it and change nothing. With `is_told`, the `Allow` header of a 405
        contains the methods.
        """
        node = self._at([] if route.path == "/" else segments)
        if node.mount is not None:
            return node.mount.route
        node.mount = _Mounted(route, _names(segments), methods, is_told)
        return None

    def finish(self, head_of: Callable[[Route], Route]) -> None:
        """Let each GET route answer HEAD too, unless another route does (RFC 9110, section 9.3.2)."""
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
        """Return the route of a path whose last segment is the only parameter, a frequent case."""
        place, slash, last = path.rpartition("/")
        only = self._tails.get(place)
        leaf = None if only is None else only.node.routes.get(method)
        if only is None or leaf is None or not last or not slash or last in DOTS:
            return None
        try:
            return leaf[0], {leaf[1][0]: last if only.convert is None else only.convert(last)}
        except (ValueError, KeyError):
            return None

    def find(self, method: str, parts: list[str]) -> Found | None:
        """Return the route for a method and the segments of a path, percent-decoded, and its parameters."""
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
            else:  # several branches are possible, or none
                return _find(node, parts, index, values, method)
        leaf = node.routes.get(method)
        if leaf is not None and len(values) == 1:
            return leaf[0], {leaf[1][0]: values[0]}
        return _at_leaf(node, values, method)

    def allowed(self, parts: list[str]) -> tuple[str, ...]:
        """Return the methods that have a route at a path; it is empty for a 404."""
        methods: set[str] = set()
        for found in _methods(self._root, parts, 1):
            methods.update(found)
        return tuple(sorted(methods))

    def _at(self, segments: Sequence[Segment]) -> _Node:
        node = self._root
        for segment in segments:
            node = node.child(segment)
        return node


class _Node:
    """A node of the routing tree."""

    __slots__ = ("literals", "mount", "only", "parameters", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameters: list[_Parameter] = []
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}
        self.mount: _Mounted | None = None
        self.only: _Parameter | None = None
        """The only parameter of one segment here, if there is no mount."""

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
    """One kind of parameter at a node, and the node of the following segments."""

    kind: Any
    convert: Convert | None
    takes_rest: bool
    node: _Node


class _Mounted(NamedTuple):
    """A mount for all paths below a node that no route serves; `methods` is `None` for any method."""

    route: Route
    names: tuple[str, ...]
    methods: Collection[str] | None
    is_told: bool
    """True if `Allow` names the methods."""


def _rank(parameter: _Parameter) -> tuple[int, str]:
    return _RANKS.get(parameter.kind, _RANK_OF_CHOICES), str(parameter.kind)


def _names(segments: Sequence[Segment]) -> tuple[str, ...]:
    return tuple(segment.name for segment in segments if segment.literal is None)


def _find(node: _Node, parts: list[str], index: int, values: list[Any], method: str) -> Found | None:
    """Return the most specific leaf that serves the method."""
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
    """Return the methods of all nodes that a path matches."""
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
