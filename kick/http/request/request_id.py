"""Request ids: generated, or checked where they came with the request, and that of the running request."""

from __future__ import annotations

import os
import secrets
from contextvars import ContextVar
from typing import Final

from kick.cookies import is_token

current_request_id: Final[ContextVar[str | None]] = ContextVar("kick.request_id", default=None)
"""The id of the request that runs, for any library of logs; `None` outside of requests.

Threads, background tasks, streams and tasks of a request have it too. A job sets an id of its own:
`current_request_id.set("job-7")`.

>>> print(current_request_id.get())
None
"""

_LENGTH: Final = 32
_AT_ONCE: Final = 64
_generated: Final[list[str]] = []
_LONGEST_ID: Final = 128


def generate_request_id() -> str:
    """Generate a request id: 32 hexadecimal digits that cannot be guessed.

    >>> len(generate_request_id()), generate_request_id() == generate_request_id()
    (32, False)
    """
    try:
        return _generated.pop()
    except IndexError:
        digits = secrets.token_hex(_LENGTH // 2 * _AT_ONCE)  # one call of the system for many of them
        _generated.extend(digits[start : start + _LENGTH] for start in range(_LENGTH, len(digits), _LENGTH))
        return digits[:_LENGTH]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_generated.clear)  # two processes must not use the same ones


def usable_id(text: str) -> bool:
    """Return whether the id of a request is valid: a token (RFC 9110, section 5.6.2) of at most 128 characters.

    >>> usable_id("b1946ac9-2492"), usable_id(""), usable_id("a b"), usable_id("a" * 129)
    (True, False, False, False)
    """
    return len(text) <= _LONGEST_ID and bool(is_token(text))
