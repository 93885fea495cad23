"""Safe texts of requests for logs and terminals."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_LONGEST: Final = 1024
_SAFE: Final = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~\\\""

is_plain: Final = re.compile(r"[!-~]{0,1024}", re.ASCII).fullmatch
"""Matches a text that needs no encoding."""


def shown(text: str) -> str:
    """Make a text of a request safe for a log: ASCII without spaces, at most 1,024 characters.

    Everything else is percent-encoded as in a URL. So no control character or ANSI sequence reaches a terminal, and a
    text cannot fake another line or column.

    >>> shown("/notes/7"), shown("/a b\\n\\x1b[31mred"), shown("/café")
    ('/notes/7', '/a%20b%0A%1B[31mred', '/caf%C3%A9')
    """
    if is_plain(text):
        return text
    quoted = quote(text[:_LONGEST], safe=_SAFE, errors="replace")
    return quoted if len(quoted) <= _LONGEST and len(text) <= _LONGEST else f"{quoted[:_LONGEST]}..."
