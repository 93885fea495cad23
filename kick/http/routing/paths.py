"""Paths of routes, parsed into segments, and paths of requests, split and percent-decoded."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from datetime import date, datetime
from math import isinf
from types import UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, NewType, TypeAlias, Union, get_args, get_origin
from urllib.parse import unquote_to_bytes
from uuid import UUID

from kick.exceptions import NotFound
from kick.http.errors import bad_route_path
from kick.http.validation.json_text import malformed

Convert: TypeAlias = Callable[[str], Any]

PERCENT: Final = ord("%")
"""To be looked for in bytes. `b"%" in path` looks for a number first: an exception is made, and thrown away."""


DOTS: Final = frozenset({".", ".."})
"""Segments that no path has after its normalization (RFC 3986, section 6.2.2.3)."""

_has_dots: Final = re.compile(r"/\.\.?(?![^/])").search


class Segment(NamedTuple):
    """One segment of a path: a literal, or a parameter with its converter."""

    literal: str | None
    name: str
    kind: Any
    """A name in `CONVERTERS`, or an enum or `Literal`."""
    convert: Convert | None


def _to_int(text: str) -> int:
    if len(text) < 19 and text.isdecimal() and text.isascii():  # nearly always
        return int(text)
    digits = text.removeprefix("-")
    if not digits.isdigit() or not digits.isascii() or len(digits) > 19:
        raise ValueError(text)
    value = int(text)
    if len(digits) == 19 and not -(1 << 63) <= value < 1 << 63:  # databases take no more
        raise ValueError(text)
    return value


def _to_float(text: str) -> float:
    value = float(text) if _is_float(text) else float("inf")
    if isinf(value):
        raise ValueError(text)
    return value


def _to_uuid(text: str) -> UUID:
    if _is_uuid(text) is None:
        raise ValueError(text)
    return UUID(text)


def _to_date(text: str) -> date:
    if _is_date(text) is None:
        raise ValueError(text)
    return date.fromisoformat(text)


def _to_datetime(text: str) -> datetime:
    if _is_datetime(text) is None:
        raise ValueError(text)
    return datetime.fromisoformat(text.upper())


CONVERTERS: Final[dict[str, Convert | None]] = {
    "str": None,
    "int": _to_int,
    "float": _to_float,
    "uuid": _to_uuid,
    "date": _to_date,
    "datetime": _to_datetime,
    "path": None,
}
_is_float: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?").fullmatch
_is_uuid: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_is_date: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_is_datetime: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
).fullmatch
"""RFC 3339, section 5.6; the offset may be left out."""
_is_no_triplet: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})").search
_KINDS: Final[dict[Any, str]] = {
    str: "str",
    int: "int",
    float: "float",
    UUID: "uuid",
    date: "date",
    datetime: "datetime",
}
_PARAMETER: Final = re.compile(r"\{([A-Za-z_]\w*)(?::([a-z]+))?\}")

_NEVER_SENT: Final = re.compile(r"[?#\s\x00-\x1f\x7f]")
"""Characters that no path of a request contains."""


def parse_path(path: str, hints: dict[str, Any], place: str) -> list[Segment]:
    """Return the segments of a path; `hints` has the type of each parameter that the handler takes.

    >>> [segment.literal or segment.kind for segment in parse_path("/users/{user_id}", {"user_id": int}, "")]
    ['users', 'int']

    Raises `KickError`: `route-path`.
    """
    segments: list[Segment] = []
    seen: set[str] = set()
    parts = path[1:].split("/")
    for index, part in enumerate(parts):
        match = _PARAMETER.fullmatch(part)
        if match is None:
            if "{" in part or "}" in part:
                raise bad_route_path(path, place, f"has the segment {part!r}, which is neither text nor one parameter")
            if _NEVER_SENT.search(part) or part in DOTS:
                raise bad_route_path(path, place, f"has the segment {part!r}, which no request can have")
            segments.append(Segment(part, "", "", None))
            continue
        name, kind = match.groups()
        if name in seen:
            raise bad_route_path(path, place, f"has the parameter {name!r} twice")
        seen.add(name)
        segment = _parameter(name, kind, hints.get(name), path, place)
        if segment.kind == "path" and index != len(parts) - 1:
            raise bad_route_path(path, place, f"continues after {{{name}:path}}, which takes all the rest")
        segments.append(segment)
    return segments


def path_names(path: str) -> list[str]:
    """Return the names of the parameters in a path.

    >>> path_names("/users/{user_id}/files/{rest:path}")
    ['user_id', 'rest']
    """
    parts = path.split("/") if "{" in path else ()
    return [match.group(1) for part in parts if (match := _PARAMETER.fullmatch(part))]


def _parameter(name: str, kind: str | None, hint: Any, path: str, place: str) -> Segment:
    if kind is not None and kind not in CONVERTERS:
        raise bad_route_path(path, place, f"has the kind {kind!r}; kinds are {', '.join(CONVERTERS)}")
    hint = plain_hint(hint)
    choices = _choices(hint)
    if choices is not None:
        return Segment(None, name, hint, choices.__getitem__)
    shown = getattr(hint, "__qualname__", repr(hint))
    if hint is None or hint is Any:
        kind = kind or "str"
    elif hint not in _KINDS:
        known = "str, int, float, UUID, date, datetime, Literal and enums"
        problem = f"has the parameter {name!r} of type {shown}; {known} are possible"
        fix = f"Take it as text, and convert it in the handler: `{name}: str`."
        raise bad_route_path(path, place, problem, fix)
    elif kind is None:
        kind = _KINDS[hint]
    elif kind != _KINDS[hint] and (hint is not str or kind != "path"):
        problem = f"has {{{name}:{kind}}}, but the handler takes {name}: {shown}"
        raise bad_route_path(path, place, problem, f"Let the type alone say it: `{{{name}}}`.")
    return Segment(None, name, kind, CONVERTERS[kind])


def plain_hint(hint: Any) -> Any:
    """Return a hint without `Annotated`, `| None` and `NewType`: the path of a request cannot be without the parameter.

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
    """Return the values of an enum or a `Literal` by their text."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {str(member.value): member for member in hint}
    if get_origin(hint) is Literal:
        return {str(value): value for value in get_args(hint)}
    return None


def split_path(path: str, raw_path: bytes | None, root_path: str) -> list[str]:
    """Return the segments of a path below `root_path`, each percent-decoded once.

    `raw_path` is the path as it was sent.

    >>> split_path("/api/a/b%c", b"/api/a%2Fb%25c", "/api")
    ['', 'a/b%c']

    Raises `BadRequest` for percent-encoding that is broken or no UTF-8 (RFC 3986, section 2.1), and `NotFound` for what
    is no path, `*`, and for dot segments, encoded ones too. Clients remove these (section 5.2.4). A proxy that does so
    only to look for its rules would take `/admin/../notes` for `/notes`, and the route `/admin/{name}/notes` would fit.
    """
    if path[:1] not in ("", "/") or ("/." in path and _has_dots(path)):
        raise NotFound(f"There is nothing at {path}.")
    skipped = root_path.rstrip("/").count("/")
    is_encoded = raw_path is not None and PERCENT in raw_path
    parts = _decoded((raw_path or b"").partition(b"?")[0]) if is_encoded else path.split("/")
    return ["", *(parts[skipped + 1 :] or [""])]


def root_in(path: str, root_path: str) -> str:
    """Return the part of a path that is the `root_path` of the server; nothing, where a proxy took it away.

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
