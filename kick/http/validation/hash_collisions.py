"""Keys with one hash, which make a set or dictionary slow.

Python hashes texts with a secret, but numbers, decimals and UUIDs without one. So a client can send any number of them
that have the same hash, and Python compares each with all before it: 1 MiB of such UUIDs costs 25 seconds. They are
counted before the value is made of which they are the keys.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, get_args, get_origin
from uuid import UUID

import msgspec

from kick.http.validation.json_text import invalid
from kick.http.validation.type_parts import members_of, plain, types_within

Check = Callable[[Any], None]
CheckText = Callable[[bytes | str], None]

SMALL: Final = 1 << 14
"""Bytes of JSON that are not looked at: they have too few keys."""

FEW: Final = 400
"""Keys that may all have the same hash: comparing them costs a few milliseconds."""

LEAST: Final = 16
"""Keys of one set or dictionary that are not looked at: few comparisons for each of them."""

MOST: Final = 100
"""Keys that may have the hash of another one, in any set or dictionary."""

_NUMBERS: Final = (int, Decimal, UUID)
_WITHIN: Final = (*_NUMBERS, float, Any, object)
"""Types of which the hash of a tuple can be chosen."""

_NESTED: Final = (list, dict)
"""The types of JSON that are no scalars; `isinstance` of an abstract class takes several times as long."""

_LARGE: Final = 1 << 61
"""Below it, each integer is its own hash."""

_DIGITS: Final = bytes(ord("0") if chr(each) in "0123456789" else ord(" ") for each in range(256))
_LONG: Final = b"0" * len(str(_LARGE))

_decode: Final = msgspec.json.Decoder(float_hook=str).decode
"""Decodes to texts what may be a decimal."""

# What matches is nearly always valid, because an invalid key costs ten times as much.
_AT_INDEX: Final = re.compile(r".* - at `\$\[(\d+)\]", re.DOTALL).match

_PLAUSIBLE: Final[Mapping[Any, Callable[[str], object]]] = {
    int: re.compile(r"\s*[-+]?(?:[0-9_]{20,}|[3-9][0-9]{18}|2[3-9][0-9]{17})\s*", re.ASCII).fullmatch,
    Decimal: re.compile(
        r"\s*+[-+]?(?=[_.]*+[0-9])[0-9_]*+\.?[0-9_]*+(?:[eE][-+]?(?=_*+[0-9])[0-9_]++)?\s*+", re.ASCII
    ).fullmatch,
    UUID: re.compile(r"(?:urn:|uuid:|[{}])*[0-9a-fA-F-]{32,}\}?").fullmatch,
}


def collision_check(hint: Any, part: str = "body", *, stops: bool = True) -> Check | None:
    """Return a function that refuses values with many keys of one hash; `None` for a type without such keys.

    The value is that of the JSON or form, before it is converted; `part` of the request. With `stops`, the conversion
    ends at the first invalid item of an array. Raises `UnprocessableEntity`.

    >>> collision_check(dict[str, list[int]]) is None
    True
    >>> check = collision_check(set[int])
    >>> check([1, 2, 3])
    """
    kinds = list(dict.fromkeys(each for part in types_within(hint) for each in _keys_of(part, whole=stops)))
    if not kinds:
        return None

    def check(value: Any) -> None:
        containers = list(_containers(value))
        if any(_collide(containers, kind, stops) for kind in kinds):
            message = f"More than {MOST} keys have the same hash as another one"
            raise invalid([{"location": f"/{part}", "message": message, "code": "collisions"}])

    return check


def text_check(hint: Any) -> CheckText | None:
    """Return the same for JSON texts; small ones are not looked at.

    The function raises the errors of msgspec for what is no JSON.
    """
    check = collision_check(hint)
    if check is None:
        return None
    by_integers = all(each is int for part in types_within(hint) for each in _keys_of(part))

    def check_text(text: bytes | str) -> None:
        if len(text) > SMALL and not (by_integers and _has_few_long(text)):
            check(_decode(text))

    return check_text


def _has_few_long(text: bytes | str) -> bool:
    """Return true if few integers have as many digits as `_LARGE`."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return raw.translate(_DIGITS).count(_LONG) <= FEW


def _keys_of(hint: Any, *, whole: bool = False) -> Iterator[Any]:
    """Return the types of the keys of a set or dictionary whose hash can be chosen.

    With `whole`, a union with tuples or classes is one of them, because items of all its members are valid.
    """
    inner = plain(hint)
    cls: Any = get_origin(inner) or inner
    if not isinstance(cls, type):
        return
    if issubclass(cls, Mapping):
        keys = get_args(inner)[:1]
    elif issubclass(cls, Collection) and hasattr(cls, "isdisjoint"):
        keys = get_args(inner)[:1] or (Any,)
    else:
        return
    for key, member in ((each, member) for each in keys for member in members_of(each)):
        kind = plain(member)
        if kind in (Any, object) and not issubclass(cls, Mapping):  # keys of JSON objects are texts
            yield int
        elif kind in _NUMBERS:
            yield kind
        elif _has_parts(kind):
            yield key if whole else kind


def _has_parts(kind: Any) -> bool:
    """Return true for tuples of numbers and the like, and for classes whose hash is that of their fields."""
    cls: Any = get_origin(kind) or kind
    if cls is tuple:
        within = [plain(member) for each in get_args(kind) for member in members_of(each)] or [Any]
        return any(each in _WITHIN or _has_parts(each) for each in within)
    if not isinstance(cls, type):
        return False
    return issubclass(cls, msgspec.Struct | tuple) or dataclasses.is_dataclass(cls)


def _containers(value: Any) -> Iterator[list[Any]]:
    """Return the keys of each object, and the items of each array, within a value that has more than a few."""
    left: list[Any] = [value] if isinstance(value, Mapping | list) else []
    while left:
        each = left.pop()
        parts = each.values() if isinstance(each, Mapping) else each
        left += [part for part in parts if isinstance(part, _NESTED)]
        if len(each) > LEAST:
            yield list(each)


def _collide(containers: list[list[Any]], kind: Any, stops: bool) -> bool:
    """Return true if many keys have one hash, in one set or in many small ones together."""
    plausible = _PLAUSIBLE.get(kind)
    chosen = [
        [each for each in keys if isinstance(each, _NESTED)]
        if plausible is None
        else [each for each in keys if (plausible(each) if isinstance(each, str) else _is_large(each))]
        for keys in containers
    ]
    if sum(map(len, chosen)) <= FEW:
        return False
    converted: list[Any] = []
    for keys in chosen:
        converted += _converted(keys, kind, stops=stops and plausible is None) if keys else ()
    try:
        hashes = len(set(map(hash, converted)))
    except TypeError:  # no key at all
        return False
    # Equal keys are no collisions. Their texts have the secret in their hash.
    return len(converted) - hashes > MOST and len(set(map(repr, converted))) - hashes > MOST


def _is_large(key: Any) -> bool:
    return isinstance(key, int) and not -_LARGE < key < _LARGE


def _converted(keys: list[Any], kind: Any, *, stops: bool) -> list[Any]:
    """Return the keys that are valid; with `stops`, those before the first one that is not."""
    try:
        found: list[Any] = msgspec.convert(keys, list.__class_getitem__(kind), strict=False, str_keys=True)
    except msgspec.ValidationError as error:
        if stops:
            index = _index(str(error))
            return [] if not index else _converted(keys[:index], kind, stops=True)
        found = []
        for key in keys:
            try:
                found.append(msgspec.convert(key, kind, strict=False, str_keys=True))
            except msgspec.ValidationError:
                continue
    return found


def _index(message: str) -> int:
    """Return the index of the item that msgspec has rejected: "... - at `$[7].x`"."""
    match = _AT_INDEX(message)
    return 0 if match is None else int(match[1])
