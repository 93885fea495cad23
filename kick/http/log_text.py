"""Safe texts of requests for logs and terminals."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_LONGEST: Final = 1024
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
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


def indented(text: str, margin: str) -> str:
    r"""Make the text of a message or traceback safe for a log whose records begin at the start of a line.

    What follows the first line is indented, and control characters are escaped. So the text of an exception, in which
    there may be something that a client has sent, cannot fake a record.

    >>> print(indented("lost\n2026-01-01 error forged\r\x1b[2J", "   "))
    lost
       2026-01-01 error forged\r\x1b[2J
    """
    escaped = _CONTROLS.sub(lambda match: repr(match[0])[1:-1], text)
    return escaped.replace("\n", f"\n{margin}")


def one_line(text: str) -> str:
    r"""Make a text safe for a log line: line breaks and other control characters are escaped.

    >>> print(one_line("lost\nforged"))
    lost\nforged
    """
    return indented(text, "").replace("\n", "\\n")
