"""JSON values of what applications put into their documents: examples, extensions, texts."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def json_problem(value: object) -> str | None:
    """Return why a value has no JSON form; `None` for one that has.

    >>> json_problem({"x-since": 2026}), json_problem([object()])
    (None, 'Encoding objects of type object is unsupported')
    """
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return None  # the text is replaced
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)
    return None


def as_json(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with values of JSON alone. Never raises: other objects and characters are replaced.

    >>> from datetime import date
    >>> as_json({"x-since": date(2026, 1, 2), "x-text": chr(0xD800)})
    {'x-since': '2026-01-02', 'x-text': '?'}
    """
    try:
        encoded = msgspec.json.encode(document, enc_hook=repr)
    except UnicodeEncodeError:  # half of a surrogate pair, of which UTF-8 has none
        built = msgspec.to_builtins(document, enc_hook=repr, str_keys=True)
        encoded = json.dumps(built, ensure_ascii=False).encode("utf-8", "replace")
    decoded: dict[str, Any] = json.loads(encoded)
    return decoded
