"""Keys that make a set or dictionary slow.

Python hashes texts with a secret, but numbers, decimals and UUIDs without one. So a client can send any number of them
that have the same hash, and Python compares each with all before it: 1 MiB of such UUIDs costs 25 seconds. Others have
different hashes, and lead from one taken place of the table to the next: 1 MiB of such integers costs 16 seconds. Both
are found before the value is made of which they are the keys.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import NoneType
from typing import Any, Final, get_args, get_origin
from uuid import UUID

import msgspec

from kick.http.validation.json_text import invalid
from kick.http.validation.type_parts import fields_of, members_of, metadata_of, plain, types_within

Check = Callable[[Any], None]
CheckText = Callable[[bytes | str], None]

SMALL: Final = 1 << 14
"""Bytes of JSON that are not looked at: they have too few keys."""

FEW: Final = 400
"""Keys that may all have the same hash: comparing them costs a few milliseconds."""

LEAST: Final = 16
"""Keys of one set or dictionary that are not looked at: few comparisons for each of them."""

MOST: Final = 100
"""Keys that may have the hash of another one, in any set or dictionary, or meet more than `LONG` taken places."""

MANY: Final = 5000
"""Keys of one set or dictionary in which long ways are looked for: fewer cost milliseconds, whatever they are."""

STEPS: Final = 40
"""Taken places that a key may meet on average. It is about one; numbers such as `n << 32` meet thirty."""

LONG: Final = 500
"""Taken places that few keys may meet."""

_MASK: Final = (1 << 64) - 1
"""The bits of a hash."""

_LINEAR: Final = 9
"""Neighbours of a place that a set looks at before it goes on (CPython, `LINEAR_PROBES`)."""

_NUMBERS: Final = (int, Decimal, UUID)
_CHOSEN: Final = (*_NUMBERS, float, timedelta)
"""Types of which a client can choose the hash, though not any number of equal ones."""

_WITHIN: Final = (*_NUMBERS, float, Any, object)
"""Types of which the hash of a tuple can be chosen."""

_WITH_SECRET: Final = (str, bytes, bool, float, date, time, timedelta, Enum, PurePath, list, dict, set, NoneType)
"""Types whose hash has the secret, of which no number of keys has one hash, or that are no keys."""

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
    Decimal: re.compile(  # of any alphabet, and between any spaces
        r"\s*+[-+]?(?=[_.]*+\d)[\d_]*+\.?[\d_]*+(?:[eE][-+]?(?=_*+\d)[\d_]++)?\s*+"
    ).fullmatch,
    UUID: re.compile(r"(?:urn:|uuid:|[{}])*[0-9a-fA-F-]{32,}\}?").fullmatch,
}

_begins_like_a_number: Final = re.compile(r"[^A-Za-z]*\d|[{(]|[0-9a-fA-F]{4}|urn:|uuid:", re.IGNORECASE).match

_LIKELY: Final[Mapping[Any, Callable[[str], object]]] = {
    **_PLAUSIBLE,
    int: re.compile(r"\s*[-+]?[0-9_]+\s*", re.ASCII).fullmatch,
    float: _PLAUSIBLE[Decimal],
    timedelta: re.compile(r"[-+]?P[0-9A-Z.]+").fullmatch,
}
"""The same for keys that need not have one hash."""


def collision_check(hint: Any, part: str = "body", *, stops: bool = True) -> Check | None:
    """Return a function that refuses values with many keys of one hash; `None` for a type without such keys.

    The value is that of the JSON or form, before it is converted; `part` of the request. With `stops`, the conversion
    ends at the first invalid item of an array. Raises `UnprocessableEntity`.

    >>> collision_check(dict[str, list[int]]) is None
    True
    >>> check = collision_check(set[int])
    >>> check([1, 2, 3])
    """
    parts = list(types_within(hint))
    kinds = list(dict.fromkeys(each for part in parts for each in _keys_of(part, whole=stops)))
    # What pydantic takes for a number or a UUID, msgspec does not in each case.
    readers = {} if stops else _readers_of_pydantic(kinds)
    kinds = kinds if stops else list(readers)
    chosen = list(dict.fromkeys(each for part in parts for each in _keys_of(part, _CHOSEN)))
    if not chosen:
        return None
    in_texts = any(map(_is_json_text, parts))

    def check(value: Any) -> None:
        containers = list(_containers(value, in_texts))
        for keys, in_object in containers:
            if len(keys) > MANY and any(_walk_far(keys, kind, in_object=in_object) for kind in chosen):
                message = "The keys meet too many places of the table that are taken"
                raise invalid([{"location": f"/{part}", "message": message, "code": "collisions"}])
        if any(_collide([keys for keys, _ in containers], kind, stops, readers.get(kind)) for kind in kinds):
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
    by_integers = all(each in (int, float) for part in types_within(hint) for each in _keys_of(part, _CHOSEN))

    def check_text(text: bytes | str) -> None:
        if len(text) > SMALL and not (by_integers and _has_few_long(text)):
            check(_decode(text))

    return check_text


def _has_few_long(text: bytes | str) -> bool:
    """Return true if few integers have as many digits as `_LARGE`, and no set has more than `MANY`."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return raw.count(b",") < MANY and raw.translate(_DIGITS).count(_LONG) <= FEW


def _keys_of(hint: Any, numbers: Collection[Any] = _NUMBERS, *, whole: bool = False) -> Iterator[Any]:
    """Return the types of the keys of a set or dictionary whose hash can be chosen, and that are among `numbers`.

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
        elif kind in numbers:
            yield kind
        elif _has_parts(kind):
            yield key if whole else kind
        elif not whole and numbers is _NUMBERS and _is_foreign(kind):
            yield kind  # of pydantic: an IP address, and what else there is


def _is_foreign(kind: Any) -> bool:
    return isinstance(kind, type) and not issubclass(kind, _WITH_SECRET)


def _has_parts(kind: Any) -> bool:
    """Return true for tuples of numbers and the like, and for classes whose hash is that of their fields."""
    cls: Any = get_origin(kind) or kind
    if cls is tuple:
        within = [plain(member) for each in get_args(kind) for member in members_of(each)] or [Any]
        return any(each in _WITHIN or _has_parts(each) for each in within)
    if not isinstance(cls, type):
        return False
    return issubclass(cls, tuple) or fields_of(cls) is not None


def _containers(value: Any, in_texts: bool) -> Iterator[tuple[list[Any], bool]]:
    """Return the keys of each object, and the items of each array, within a value that has more than a few.

    The second part is true for an object. With `in_texts`, texts that are JSON themselves are looked at too.
    """
    left: list[Any] = [value] if isinstance(value, Mapping | list) else []
    while left:
        each = left.pop()
        parts = each.values() if isinstance(each, Mapping) else each
        left += [part for part in parts if isinstance(part, _NESTED)]
        if in_texts:
            left += [found for part in parts if isinstance(part, str) for found in _decoded(part)]
        if len(each) > LEAST:
            yield list(each), isinstance(each, Mapping)


def _is_json_text(hint: Any) -> bool:
    """Return whether a value, or a field of a model, is a text that pydantic decodes: `Json[set[int]]`."""
    fields: Mapping[str, Any] = getattr(plain(hint), "__pydantic_fields__", {})
    metadata = [*metadata_of(hint), *(each for field in fields.values() for each in field.metadata)]
    return any(type(each).__name__ == "Json" for each in metadata)


def _decoded(text: str) -> list[Any]:
    """Return the array or object of a text, if it is one."""
    if text.lstrip()[:1] in ("[", "{"):
        with suppress(msgspec.DecodeError, RecursionError):
            return [_decode(text)]
    return []


def _walk_far(keys: list[Any], kind: Any, *, in_object: bool) -> bool:
    """Return true if putting the keys into a table takes many steps: that of a dictionary for those of an object."""
    converted = _converted_at_once(keys, kind) if in_object else None
    if converted is None:
        likely = _LIKELY.get(kind)
        if likely is None:
            keys = [each for each in keys if isinstance(each, _NESTED)]
        else:
            keys = [each for each in keys if (likely(each) if isinstance(each, str) else isinstance(each, int | float))]
        keys = list({repr(each): each for each in keys}.values())  # texts have the secret in their hash
        converted = _converted(keys, kind, stops=False) if len(keys) > MANY else []
    try:
        hashes = list(map(hash, converted))
    except TypeError:  # no key at all
        return False
    return len(hashes) > MANY and _are_far(hashes, 0 if in_object else _LINEAR)


def _converted_at_once(keys: list[Any], kind: Any) -> list[Any] | None:
    try:
        found: list[Any] = msgspec.convert(keys, list.__class_getitem__(kind), strict=False, str_keys=True)
    except (msgspec.ValidationError, TypeError):
        return None
    return found


def _are_far(hashes: list[int], linear: int) -> bool:
    """Return true if keys meet many taken places, in a table that doubles (CPython, `dictobject.c`, `setobject.c`)."""
    size, left = 1 << MANY.bit_length(), STEPS * len(hashes)
    while size * 3 < len(hashes) * 5 and left >= 0:  # the tables before the last one, each as full as it gets
        left = _left(hashes[: size * 2 // 3], size, linear, left)
        size *= 2
    return left < 0 or _left(hashes, size, linear, left) < 0


def _left(hashes: list[int], size: int, linear: int, steps: int) -> int:
    """Return how many of these steps are left when the keys are in their places; less than 0 for too many."""
    mask, far = size - 1, 0
    table = bytearray(size + linear)
    for each in hashes:
        place = each & mask
        if table[place]:
            rest, least = each & _MASK, steps - LONG
            while table[place] and steps > least:
                steps -= 1
                free = table.find(0, place, place + linear + 1)
                if place <= free <= mask:
                    place = free
                    break
                rest >>= 5
                place = (place * 5 + rest + 1) & mask
            far += steps == least
            if steps < 0 or far > MOST:
                return -1
        table[place] = 1
    return steps


def _collide(containers: list[list[Any]], kind: Any, stops: bool, read: Callable[[Any], Any] | None) -> bool:
    """Return true if many keys have one hash, in one set or in many small ones together."""
    plausible = _PLAUSIBLE.get(kind)
    if read is not None:
        chosen = [_distinct(keys) for keys in containers]
    elif plausible is None:
        chosen = [[each for each in keys if isinstance(each, _NESTED)] for keys in containers]
    else:
        chosen = [
            [each for each in keys if (plausible(each) if isinstance(each, str) else _is_large(each))]
            for keys in containers
        ]
    if sum(map(len, chosen)) <= FEW:
        return False
    converted: list[Any] = []
    for keys in chosen:
        if read is not None:
            converted += _read_each(keys, read)
        else:
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


def _readers_of_pydantic(kinds: list[Any]) -> dict[Any, Callable[[Any], Any]]:
    """Return the functions that read keys of these types, without those of classes that pydantic takes as they are."""
    found: dict[Any, Callable[[Any], Any]] = {}
    for kind in kinds:
        with suppress(Exception):  # `arbitrary_types_allowed`: JSON has no such value
            found[kind] = sys.modules["pydantic"].TypeAdapter(kind).validate_python
    return found


def _read_each(keys: list[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    """Return the keys that are valid: pydantic reads all items of a set."""
    for key in keys:
        with suppress(ValueError):  # ValidationError
            yield read(key)


def _distinct(keys: list[Any]) -> list[Any]:
    """Return the keys without repetitions, and without texts that begin like a word: a number or a UUID does not."""
    likely = (each for each in keys if not isinstance(each, str) or _begins_like_a_number(each))
    return list({repr(each): each for each in likely}.values())


def _index(message: str) -> int:
    """Return the index of the item that msgspec has rejected: "... - at `$[7].x`"."""
    match = _AT_INDEX(message)
    return 0 if match is None else int(match[1])
