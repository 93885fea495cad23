"""The paths of errors, which pydantic copies for each error, from the whole value down to the place.

An error below a long key, or deep in the value, therefore takes much memory: a body of 1 MiB with one key of 500,000
characters above 170,000 wrong numbers would take 80 GB, before any error is seen. Such a value is refused before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kick.exceptions import UnprocessableEntity
from kick.http.validation.json_text import invalid

SMALL: Final = 1 << 14
"""Bytes of JSON that are not looked at: their errors take a few MiB."""

MOST_TIMES: Final = 256
"""The paths of all parts may have this many times the characters of the value itself, where each step counts 16."""

_STEP: Final = 16
_NESTED: Final = (list, dict)

_ROUNDS: Final = 4
"""Each round of `_is_plain` takes two levels of nesting away at most: what is left is not deeper than eight.

With keys of less than 48 characters, a path then has at most 512, and a part of the value at least two.
"""
_LONG_KEY: Final = re.compile(rb'"[^"]{48,}+"\s*+:').search
_NO_BRACKETS: Final = bytes(each for each in range(256) if each not in b"[]{}")


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object. Those with the same key are all kept, because pydantic validates each."""


def check_text(text: bytes, part: str) -> None:
    """Raise `UnprocessableEntity` if the errors in a JSON text might take too much memory; `part` of the request.

    >>> check_text(b"[1, 2]", "body")
    """
    if len(text) > SMALL and not _is_plain(text):
        try:
            value = json.loads(text, object_pairs_hook=_Members, parse_int=float)  # `int` refuses 4,300 digits
        except RecursionError:
            raise _refused(part) from None
        check_value(value, part)


def check_value(value: Any, part: str) -> None:
    """Do the same for a value of JSON."""
    if _are_long(value):
        raise _refused(part)


def _refused(part: str) -> UnprocessableEntity:
    message = f"The names above its values have more than {MOST_TIMES} times the characters of the value"
    return invalid([{"location": f"/{part}", "message": message, "code": "nesting"}])


def _is_plain(text: bytes) -> bool:
    """Return true if a JSON text has neither a long key nor deep parts; it may be false for a text with quotes in it.

    >>> _is_plain(b'{"a": [1]}'), _is_plain(b"[" * 9 + b"]" * 9), _is_plain(b'{"%s": 1}' % (b"k" * 48))
    (True, False, False)
    """
    if b'\\"' in text or _LONG_KEY(text):
        return False
    rest = b"".join(text.split(b'"')[::2]).translate(None, _NO_BRACKETS)  # without the strings
    for _ in range(_ROUNDS):
        rest = rest.replace(b"[]", b"").replace(b"{}", b"")
    return not rest


def _are_long(value: Any) -> bool:
    """Return true if the paths to all parts are together much longer than the value."""
    size, total = SMALL, 0
    left: list[tuple[Any, int]] = [(value, 0)]
    while left:
        each, above = left.pop()
        above += _STEP
        if isinstance(each, _Members | Mapping):
            members: Iterable[tuple[Any, Any]] = each if isinstance(each, _Members) else each.items()
            for key, inner in members:
                length = len(key) if isinstance(key, str) else _STEP
                size += length
                total += above + length
                if isinstance(inner, _NESTED):
                    left.append((inner, above + length))
        elif isinstance(each, list):
            total += above * len(each)
            left += [(inner, above) for inner in each if isinstance(inner, _NESTED)]
        size += 2 * len(each) if isinstance(each, _NESTED) else 0
    return total > MOST_TIMES * size
