"""Reverse URLs: the URL of a route by its name, `ctx.url_for("UserController.show", user_id=1)`."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import quote, urlencode
from uuid import UUID

from kick.errors import KickError, similar

if TYPE_CHECKING:
    from kick.http.routing.paths import Segment
    from kick.http.routing.route import Route

_SEGMENT: Final = "!$&'()*+,;=:@"
"""Characters that a segment may contain unencoded, besides letters and digits (RFC 3986, section 3.3)."""

BELOW: Final = "below"
"""The kind of the path parameter below a mount."""

_EXAMPLES: Final = {
    "int": "1",
    "float": "1.5",
    "uuid": '"00000000-0000-4000-8000-000000000000"',
    "date": '"2027-01-31"',
    "datetime": '"2027-01-31T12:00:00Z"',
}
_TEXTS: Final = (str, int, float, UUID, date, time, enum.Enum)


def unknown_route(name: str, names: Iterable[str]) -> KickError:
    """Return the error of `url_for()` with a name that no route has."""
    near = _nearest(name, sorted(names))
    listed = ", ".join(f"`{each}`" for each in near)
    return KickError(
        "url-name",
        cause=f"url_for({name!r}): there is no route of this name.",
        fix=f"Use the name of one that is there: {listed}." if near else "Give the application a route first.",
    )


def ambiguous_route(name: str, found: Iterable[Route]) -> KickError:
    """Return the error of `url_for()` with a name that several routes have."""
    routes = list(found)
    paths = " and ".join(f"{route.path} of Module {route.module!r}" for route in routes)
    modules = list(dict.fromkeys(route.module for route in routes))
    qualified = ", ".join(f"`{module}:{name}`" for module in modules)
    return KickError(
        "url-ambiguous",
        cause=f"url_for({name!r}) could be {paths}.",
        fix=f"Name the module too: {qualified}."
        if len(modules) == len(routes)
        else 'Give one of them a name of its own: `name="other"` in its decorator, and use that.',
    )


def bad_url_value(name: str, path: str, problem: str, argument: str) -> KickError:
    """Return the error of `url_for()` with an invalid value, or without a required one."""
    return KickError(
        "url-value", cause=f"url_for({name!r}): {problem}. Its path is {path!r}.", fix=f"Pass it: `{argument}`."
    )


class Address:
    """The URL of one route with its parameters."""

    def __init__(self, route: Route, segments: Iterable[Segment]) -> None:
        self.route = route
        self.segments = tuple(segments)
        self.names = frozenset(segment.name for segment in self.segments if segment.literal is None)

    def path(self, values: Mapping[str, Any], name: str) -> str:
        """Return the path with these values, percent-encoded. Raises `KickError`: `url-value`."""
        return "".join(
            "/" + (quote(each.literal, safe=_SEGMENT) if each.literal is not None else self._filled(each, values, name))
            for each in self.segments
        )

    def _filled(self, segment: Segment, values: Mapping[str, Any], name: str) -> str:
        value = values[segment.name]
        try:
            text = _text(value)
            _check(segment, value, text)
            if segment.kind == BELOW:
                return quote(text.lstrip("/"), safe=_SEGMENT + "/")
            return _rest(text) if segment.kind == "path" else quote(text, safe=_SEGMENT)
        except (TypeError, ValueError, KeyError):
            problem = f"{value!r} cannot be the parameter {segment.name!r}"
            raise bad_url_value(name, self.route.path, problem, f"{segment.name}={_example(segment.kind)}") from None


class URLs:
    """The URLs of an application's routes by name.

    Names are `Controller.method`, or the `name=` of the decorator; `module:name` selects a module. A mount has the name
    `module.path`. Of several routes with one name, the one that uses the most values is chosen.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, list[Address]] = {}
        self._known: set[tuple[str, str]] = set()

    def add(self, route: Route, segments: Iterable[Segment]) -> None:
        """Add a route. A route for another method at the same path has the same URL."""
        address = Address(route, segments)
        for name in (route.name, f"{route.module}:{route.name}"):
            if (name, route.path) not in self._known:
                self._known.add((name, route.path))
                self._by_name.setdefault(name, []).append(address)

    def add_mount(self, route: Route, segments: Iterable[Segment], below: Iterable[Segment]) -> None:
        """Add a mount, with and without a path below it."""
        both = [Address(route, segments), Address(route, below)]
        for name in (route.name, f"{route.module}:{route.name}"):
            self._by_name.setdefault(name, []).extend(both)

    def path_for(self, name: str, values: Mapping[str, Any], *, module: str | None = None) -> str:
        """Return the path of a route, with the remaining values as its query string.

        `module` is the module of the current request. If several routes match, its own route is used. Raises
        `KickError`: `url-name`, `url-ambiguous` and `url-value`.
        """
        address = self._chosen(name, values, module)
        path = address.path(values, name)
        rest = {key: value for key, value in values.items() if key not in address.names}
        query = _query(rest, name, address.route.path) if rest else ""
        return f"{path}?{query}" if query else path

    def _chosen(self, name: str, values: Mapping[str, Any], module: str | None) -> Address:
        known = self._by_name.get(name)
        if not known:
            raise unknown_route(name, (each for each in self._by_name if ":" not in each or ":" in name))
        fitting = [each for each in known if each.names <= values.keys()]
        if not fitting:
            path = known[0].route.path
            missing = [each for each in known[0].segments if each.literal is None and each.name not in values]
            listed = ", ".join(repr(each.name) for each in missing)
            argument = ", ".join(f"{each.name}={_example(each.kind)}" for each in missing)
            raise bad_url_value(name, path, f"it needs {listed}", argument)
        most = max(len(each.names) for each in fitting)
        fitting = [each for each in fitting if len(each.names) == most]
        own = [each for each in fitting if each.route.module == module] if len(fitting) > 1 else []
        chosen = own if len(own) == 1 else fitting
        if len(chosen) > 1:
            raise ambiguous_route(name, (each.route for each in chosen))
        return chosen[0]


def below_root(root_path: str, path: str) -> str:
    """Return a path below the one at which the server has the application.

    >>> below_root("/api", "/notes"), below_root("", "/notes")
    ('/api/notes', '/notes')
    """
    root = root_path.strip("/")
    return f"/{quote(root, safe=_SEGMENT + '/')}{path}" if root else path


def _nearest(name: str, known: list[str]) -> list[str]:
    """Return at most three similar names: those with the same end, then those with a similar spelling."""
    folded = {each.lower(): each for each in known}
    method = name.lower().rpartition(".")[2]
    alike = [each for each in known if each.lower().endswith(f".{method}")] if "." not in name else []
    close = [folded[each] for each in similar(name.lower(), folded, cutoff=0.4)]
    return list(dict.fromkeys([*alike, *close]))[:3] or known[:3]


def _text(value: object) -> str:
    """Return a value as the text of a path or a query."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, _TEXTS):
        return str(value)
    raise TypeError(value)


def _check(segment: Segment, value: object, text: str) -> None:
    """Raise if the router would not convert the text back to the value."""
    if segment.kind in ("path", BELOW):
        if {".", ".."} & {*text.split("/")}:
            raise ValueError(text)
        return
    if not text or text in (".", "..") or (isinstance(value, bool) and segment.kind in ("int", "float", "str")):
        raise ValueError(text)
    if segment.convert is not None:
        segment.convert(text)


def _rest(text: str) -> str:
    """Return the value of `{name:path}`. A slash at its start is encoded, because `//` would begin a host name."""
    encoded = quote(text, safe=_SEGMENT + "/")
    return "%2F" + encoded[1:] if encoded.startswith("/") else encoded


def _query(values: Mapping[str, Any], name: str, path: str) -> str:
    """Return the query string, without `None`. The items of a list become one parameter each."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        several: Iterable[Any] = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        try:
            pairs += [(key, _text(each)) for each in several if each is not None]
        except TypeError:
            problem = f"{value!r} cannot be {key!r} in the query string"
            raise bad_url_value(name, path, problem, f'{key}="text"') from None
    try:
        return urlencode(pairs, quote_via=quote)
    except UnicodeEncodeError:
        raise bad_url_value(name, path, "a value in the query string has no UTF-8 form", 'key="text"') from None


def _example(kind: Any) -> str:
    """Return an example value for a parameter."""
    if isinstance(kind, str):
        return _EXAMPLES.get(kind, '"text"')
    first = next(iter(get_args(kind) or kind))
    return repr(first) if not isinstance(first, enum.Enum) else f"{type(first).__name__}.{first.name}"
