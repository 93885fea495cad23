"""JSON of requests (RFC 8259), and the errors for malformed and for invalid input."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import Any, Final

import msgspec

from kick.exceptions import BadRequest, FieldError, UnprocessableEntity
from kick.http.validation.errors import MOST_ERRORS

_HIGH_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u?[dD]?[c-fC-F]?[0-9a-fA-F]*$)")
_decode_any: Final = msgspec.json.Decoder().decode


def decode_json(body: bytes) -> Any:
    """Return the value of a JSON text (RFC 8259). Raises `BadRequest` with the position of a syntax error.

    >>> decode_json(b'{"a":1}')
    {'a': 1}
    """
    try:
        return _decode_any(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if has_mark(body):
            return decode_json(body[len(BOM_UTF8) :])
        raise malformed_json(error, body) from None


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
        return malformed("body", "The body is nested too deeply.", "Nested too deeply", "nesting")
    if not _is_utf8(body):  # the errors of msgspec for this differ
        return malformed("body", "The body is not UTF-8.", "Expected UTF-8", "encoding")
    reason = str(error).replace("(byte ", "(at byte ").replace("Input data was truncated", "it ends too early")
    if _ends_in_half_a_pair(body):  # msgspec reports it as truncated near the end of the text
        reason = "an escape is only one half of a surrogate pair"
    return malformed("body", f"The body is not valid JSON: {reason}.", "Expected JSON", "json")
