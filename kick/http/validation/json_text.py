"""JSON of requests (RFC 8259), and the errors for malformed and for invalid input."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from itertools import accumulate, islice
from math import isinf
from typing import Any, Final

import msgspec

from kick.exceptions import BadRequest, FieldError, UnprocessableEntity
from kick.http.validation.errors import MOST_ERRORS

_HIGH_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u?[dD]?[c-fC-F]?[0-9a-fA-F]*$)")
_decode_any: Final = msgspec.json.Decoder().decode

_SMALL: Final = 1 << 14
"""Bytes of JSON that are not searched for what msgspec reads slowly: they cost at most 40 milliseconds."""

_FEW: Final = 100
_DIGITS: Final = bytes.maketrans(b"E123456789", b"e000000000")
_EXTREME: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[eE]([+-]?+0*+[1-9][0-9][0-9])', re.DOTALL)
"""Matches a string, or an exponent of three digits in its group."""

MOST_LEVELS: Final = 100
"""Arrays and objects within each other. The declared type of a response takes up to six calls for each, of the 1,000
that Python allows; Python's own limit would depend on where a value is read and where it is written."""

_MOST_READ: Final = 1 << 25
"""Bytes that all levels together may have: they are read in 150 milliseconds."""

_ROUNDS: Final = 4
_STEPS: Final = {ord("["): 1, ord("]"): -1}
_AS_ARRAYS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(each for each in range(256) if each not in b'[]{}"')
_exceeds: Final = MOST_LEVELS.__lt__


def read_float(text: str) -> float:
    """Return a number of JSON as a float. Raises `ValueError` for one that is out of range."""
    number = float(text)
    if isinf(number):
        raise ValueError("Number out of range")
    return number


decode_extreme: Final = msgspec.json.Decoder(float_hook=read_float).decode
"""Decodes JSON with extreme numbers. msgspec reads a number such as 1e300 in 13 microseconds, and Python in one."""


def has_extreme_numbers(text: bytes | str) -> bool:
    """Return whether a large text has many numbers that are near the limits of a float: 1 MiB of them is 2 seconds.

    >>> has_extreme_numbers(b"1e300," * 5000), has_extreme_numbers(b"1.5," * 5000), has_extreme_numbers(b"1e300")
    (True, False, False)
    """
    if len(text) <= _SMALL:
        return False
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if raw.translate(_DIGITS, b"+-").count(b"e000") <= _FEW:  # many are found in strings, too
        return False
    found = (match for match in _EXTREME.finditer(raw) if match[1])
    return next(islice(found, _FEW, None), None) is not None


def is_too_deep(text: bytes | str) -> bool:
    """Return whether JSON is nested more deeply than `MOST_LEVELS`.

    >>> is_too_deep(b"[" * 100 + b"]" * 100), is_too_deep(b"[" * 101 + b"]" * 101), is_too_deep('["%s"]' % ("[" * 200))
    (False, True, False)
    """
    if len(text) <= MOST_LEVELS:
        return False
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if raw.count(b"[") + raw.count(b"{") <= MOST_LEVELS:
        return False
    rest = brackets = _brackets(raw)
    for _ in range(_ROUNDS):  # each takes one level away, in C, and nearly all of most values
        rest = rest.replace(b"[]", b"")
    return len(rest) > MOST_LEVELS and any(map(_exceeds, accumulate(map(_STEPS.__getitem__, brackets))))


def is_deep(text: bytes | str) -> bool:
    """Return whether a text is so large and so deep that reading each level to its end takes long.

    >>> is_deep(b"[" * 500 + b"1," * 50_000 + b"1" + b"]" * 500), is_deep(b"[" + b"1," * 50_000 + b"1]")
    (True, False)
    """
    if len(text) <= _SMALL:
        return False
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return max(accumulate(map(_STEPS.__getitem__, _brackets(raw))), default=0) * len(raw) > _MOST_READ


def decode_json(body: bytes) -> Any:
    """Return the value of a JSON text (RFC 8259).

    Raises `BadRequest` with the position of a syntax error, or if the text is nested too deeply.

    >>> decode_json(b'{"a":1}')
    {'a': 1}
    """
    check_nesting(body)
    try:
        return (decode_extreme if has_extreme_numbers(body) else _decode_any)(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if has_mark(body):
            return decode_json(body[len(BOM_UTF8) :])
        raise malformed_json(error, body) from None


def check_nesting(body: bytes | str) -> None:
    """Raise `BadRequest` if a JSON text is nested more deeply than it could be written again.

    >>> check_nesting(b"[[1]]")
    """
    if is_too_deep(body):
        raise _nested_too_deeply()


def invalid(errors: list[FieldError]) -> UnprocessableEntity:
    """Return the 422 for these errors.

    >>> invalid([{"location": "/body", "message": "A body is required", "code": "missing"}]).detail
    '1 thing is wrong with the request.'
    """
    things = "1 thing is" if len(errors) == 1 else f"{len(errors)} things are"
    more = f" Validation stopped after {MOST_ERRORS} errors." if len(errors) >= MOST_ERRORS else ""
    return UnprocessableEntity(f"{things} wrong with the request.{more}", errors=errors)


def malformed(part: str, detail: str, message: str, code: str) -> BadRequest:
    """Return the 400 for a malformed part of a request.

    >>> malformed("query", "The query string is not UTF-8.", "Expected UTF-8", "encoding").status
    400
    """
    return BadRequest(detail, errors=[{"location": f"/{part}", "message": message, "code": code}])


def _is_utf8(body: bytes | str) -> bool:
    try:
        str(body) if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        return False
    return True


def has_mark(body: bytes | str) -> bool:
    """Return whether JSON begins with one byte order mark, which may be ignored (RFC 8259, section 8.1).

    >>> has_mark(BOM_UTF8 + b"1"), has_mark(b"1")
    (True, False)
    """
    return isinstance(body, bytes) and body.startswith(BOM_UTF8) and not body.startswith(BOM_UTF8 * 2)


def _ends_in_half_a_pair(body: bytes | str) -> bool:
    r"""Return whether the last bytes have a high surrogate without a low one behind it (RFC 8259, section 7).

    >>> _ends_in_half_a_pair(rb'"\ud800"'), _ends_in_half_a_pair(rb'"\ud83d\ude')
    (True, False)
    """
    raw = body.encode("utf-8", "replace") if isinstance(body, str) else body
    for match in _HIGH_SURROGATE.finditer(raw, max(0, len(raw) - 12)):
        before = raw[: match.start()]
        is_escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
        if not is_escaped and match.end() < len(raw):
            return True
    return False


def malformed_json(error: Exception, body: bytes | str) -> BadRequest:
    """Return the 400 for a text that is not JSON; `error` is the exception of msgspec.

    >>> malformed_json(msgspec.DecodeError("Input data was truncated"), b"[").detail
    'The body is not valid JSON: it ends too early.'
    """
    if isinstance(error, RecursionError):
        return _nested_too_deeply()
    if not _is_utf8(body):  # the errors of msgspec for this differ
        return malformed("body", "The body is not UTF-8.", "Expected UTF-8", "encoding")
    reason = str(error).replace("(byte ", "(at byte ").replace("Input data was truncated", "it ends too early")
    if _ends_in_half_a_pair(body):  # msgspec reports it as truncated near the end of the text
        reason = "an escape is only one half of a surrogate pair"
    return malformed("body", f"The body is not valid JSON: {reason}.", "Expected JSON", "json")


def _nested_too_deeply() -> BadRequest:
    return malformed("body", "The body is nested too deeply.", "Nested too deeply", "nesting")


def _brackets(raw: bytes) -> bytes:
    """Return the brackets of a JSON text that are not in strings; braces are brackets, too."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    kept = raw.translate(_AS_ARRAYS, _NO_BRACKETS).replace(b'""', b"")  # this joins strings without brackets between
    return b"".join(kept.split(b'"')[::2]) if b'"' in kept else kept
