"""Errors of JSON objects with integer keys, found without a string for each key.

To create the strings takes three times as long as to validate such an object, and only the keys of errors are needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import inspect as types

from kick.exceptions import FieldError
from kick.http.validation.errors import MOST_KEYS, ErrorFinder, Failure, error_of_key, hint_of
from kick.http.validation.json_text import read_float
from kick.http.validation.type_parts import info_of

_MANY_MEMBERS: Final = re.compile(
    rb'\s*+\{(?:\s*+"[^"\\]*+"\s*+:\s*+(?:"[^"\\]*+"|[-+.\w]++)\s*+,){%d}' % MOST_KEYS, re.ASCII
)
"""Matches an object with more than `MOST_KEYS` members, whose values are all scalars."""

Find = Callable[[bytes, str], "list[FieldError] | None"]


def finder_by_integer(hint: Any, finder: ErrorFinder) -> Find | None:
    """Return a function that finds the errors in a JSON object with integers as keys; `None` for another type.

    The function takes the body and the message of its first error. It returns `None` if the strings are needed: for an
    object with an invalid key and few members, or for a text that is not JSON.

    >>> find = finder_by_integer(dict[int, int], ErrorFinder(dict[int, int]))
    >>> find(b'{"7": "x"}', "Expected `int`, got `str` - at `$[...]`")
    [{'location': '/body/7', 'message': 'Expected `int`, got `str`', 'code': 'type'}]
    """
    info = info_of(hint)
    if not isinstance(info, types.DictType) or not isinstance(info.key_type, types.IntType):
        return None
    members = dict.__class_getitem__((hint_of(info.key_type), Any))
    decode = msgspec.json.Decoder(members, float_hook=read_float).decode

    def find(body: bytes, message: str) -> list[FieldError] | None:
        failure = Failure.of(message)
        if failure.way:
            try:
                return finder.errors(decode(body), "/body", message)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                failure = Failure.of(str(error))
        if failure.is_key and not failure.way and _MANY_MEMBERS.match(body) and _is_plain_json(body):
            return [error_of_key("/body", failure)]
        return None

    return find


def _is_plain_json(body: bytes) -> bool:
    """Return whether a text is JSON without escapes, because msgspec checks escapes only when it creates the string."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return b"\\" not in body
