"""Rows of the table, and their fields as JSON.

PostgreSQL merges `jsonb` in place, under the lock of the row. Names and values are bytes or text of any kind, and
`jsonb` holds text without NUL; the few that are no such text are stored as base64 behind `ESCAPE`.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from kick.session.ids import fingerprint
from kick.session.stores.base import Record, Superseded, check_times

logger: Final = logging.getLogger("kick.session")

ESCAPE: Final = "\x01"

Row: TypeAlias = Sequence[Any]

_decode: Final = msgspec.json.Decoder(dict[str, str]).decode
_encode: Final = msgspec.json.Encoder().encode


def text_of(name: str) -> str:
    r"""Return a name or a principal as PostgreSQL stores it.

    >>> text_of("cart"), text_of("a\0b")
    ('cart', '\x01YQBi')
    """
    return _escaped(name.encode()) if "\0" in name or name.startswith(ESCAPE) else name


def name_of(text: str) -> str:
    r"""Return the name or principal that was stored as `text`.

    >>> name_of("\x01YQBi") == "a\0b"
    True
    """
    return base64.b64decode(text[1:], validate=True).decode() if text.startswith(ESCAPE) else text


def value_text_of(raw: bytes) -> str:
    r"""Return a value as PostgreSQL stores it; the encoded values of kick are JSON, and stay readable.

    >>> value_text_of(b'{"items": [1]}'), value_text_of(b"\xff")
    ('{"items": [1]}', '\x01/w==')
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _escaped(raw)
    return _escaped(raw) if "\0" in text or text.startswith(ESCAPE) else text


def texts_of(fields: Mapping[str, bytes]) -> dict[str, str]:
    """Return the fields of a change as they are stored."""
    return {text_of(name): value_text_of(raw) for name, raw in fields.items()}


def json_of(value: object) -> str:
    """Return JSON text."""
    return _encode(value).decode()


def fields_of(text: str, names: Sequence[str]) -> dict[str, bytes]:
    r"""Return the fields of a stored record, in the order in which they came into it.

    >>> fields_of('{"user_id": "7", "\\u0001YQBi": "\\u0001/w=="}', ["\x01YQBi", "user_id"])
    {'a\x00b': b'\xff', 'user_id': b'7'}
    """
    texts = _decode(text)
    if "\\u0001" not in text:
        return {name: texts[name].encode() for name in names}
    return {name_of(name): _value_of(texts[name]) for name in names}


def entry_of(row: Row) -> Record | Superseded | None:
    """Return the entry of a row, as `Statements.load` selects it; `None` for one that cannot be read."""
    key, fields, names, created, issued, seen, expires, deadline, principal, successor = row
    if fields is None:
        return Superseded(None if successor is None else bytes(successor))
    try:
        check_times(created, issued, seen, expires, deadline)
        whose = None if principal is None else name_of(principal)
        return Record(fields_of(fields, names), created, issued, seen, expires, deadline, whose)
    except (TypeError, ValueError, KeyError) as error:  # msgspec.DecodeError is a ValueError
        logger.warning("session %s cannot be read and counts as missing: %s", fingerprint(key), error)
        return None


def _escaped(raw: bytes) -> str:
    return ESCAPE + base64.b64encode(raw).decode()


def _value_of(text: str) -> bytes:
    return base64.b64decode(text[1:], validate=True) if text.startswith(ESCAPE) else text.encode()
