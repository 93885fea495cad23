"""Files and downloads: ranges, validators, and names that are safe for every system."""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import unicodedata
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from kick.exceptions import NotFound
from kick.http.log_text import shown
from kick.http.response.base import ReadyResponse, header_line, protected
from kick.http.response.media_types import BINARY, NO_SNIFF, SANDBOX, is_inert, media_type_of

logger: Final = logging.getLogger("kick.http")

Disposition = Literal["inline", "attachment"]

MOST_RANGES: Final = 20
"""If a request asks for more parts of a file, it gets the whole file (RFC 9110, section 14.2).

A part of one byte costs as much processor time as a mebibyte, and players and viewers ask for few.
"""

_LONGEST_NAME: Final = 200
_NO_FILE: Final = "There is no such file."
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})
_NOT_ALLOWED: Final = frozenset({errno.EACCES, errno.EPERM})
_is_spec: Final = re.compile(r"[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*").fullmatch
_misleading: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
).sub
_separators: Final = re.compile(r"[/\\]+").split
_plain_name: Final = re.compile(r"[A-Za-z0-9!#$&+.^_`|~ ()\[\]{}=@,;'-]+").fullmatch
_not_plain: Final = re.compile(r"[^A-Za-z0-9!#$&+.^_`|~ ()\[\]{}=@,;'-]").sub


_OF_THE_FILE: Final = frozenset(
    {
        b"cache-control",  # of the file: caches must not keep an error for as long
        b"content-disposition",
        b"content-length",
        b"content-type",
        b"etag",
        b"expires",
        b"last-modified",
    }
)
"""Headers that describe the file, and are removed from an error response."""


class SentFile(FileResponse):
    """The file response of Starlette, with the ranges of RFC 9110, section 14."""

    def __init__(self, path: Path, media_type: str, status: os.stat_result) -> None:
        super().__init__(path, media_type=media_type, stat_result=status)
        self.modified = datetime.fromtimestamp(status.st_mtime, UTC)
        self._size = status.st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, some parts of it, or a 416."""
        given = Headers(scope=scope).getlist("range")
        if given:
            size = self._size
            wanted = ranges(given[0], size) if len(given) == 1 and scope["method"] == "GET" else None
            if wanted == [] and self._range_applies(Headers(scope=scope)):
                await self._unsatisfiable(size)(scope, receive, send)
                return
            headers = [header for header in scope["headers"] if header[0] != b"range"]
            if wanted:
                listed = ", ".join(f"{start}-{end}" for start, end in wanted)
                headers.append((b"range", f"bytes={listed}".encode("ascii")))
            scope = {**scope, "headers": headers}
        await super().__call__(scope, receive, _delayed(_clipped(send)))

    def _range_applies(self, headers: Headers) -> bool:
        """Return true if `If-Range` is missing or matches the current version (section 13.1.5)."""
        condition = headers.get("if-range")
        return condition is None or condition in (self.headers["etag"], self.headers["last-modified"])

    def _unsatisfiable(self, size: int) -> ReadyResponse:
        response = ReadyResponse(b"", 416, b"text/plain; charset=utf-8")
        kept = [header for header in self.raw_headers if header[0] not in _OF_THE_FILE]
        response.raw_headers = [(b"content-length", b"0"), *kept, (b"content-range", b"bytes */%d" % size)]
        return response


def _delayed(send: Send) -> Send:
    """Return a `send` that holds the head back until the first bytes, because the file may fail to open."""
    head: Message | None = None

    async def delayed(message: Message) -> None:
        nonlocal head
        if message["type"] == "http.response.start":
            head = message
            return
        if head is not None:
            waiting, head = head, None
            await send(waiting)
        await send(message)

    return delayed


def _clipped(send: Send) -> Send:
    """Return a `send` that stops at the announced length, because a file may grow while it is sent."""
    left = inf
    ended = False

    async def clipped(message: Message) -> None:
        nonlocal left, ended
        if message["type"] == "http.response.start":
            left = next((int(value) for name, value in message["headers"] if name == b"content-length"), inf)
        elif message["type"] == "http.response.body":
            if ended:
                return
            if len(message["body"]) > left:
                message, ended = {**message, "body": message["body"][: int(left)], "more_body": False}, True
            left -= len(message["body"])
        await send(message)

    return clipped


def ranges(field: str, size: int) -> list[tuple[int, int]] | None:
    """Return the parts of a file that `Range` asks for, as first and last byte, in the order of the file.

    Parts that overlap or are adjacent are merged. The result is `None` if the header must be ignored: another unit, a
    malformed value, too many parts, or the end of an empty file (RFC 9110, section 14.1.2). It is an empty list if no
    part is in the file.

    >>> ranges("bytes=0-4, 3-6, -2", 100), ranges("bytes=200-", 100), ranges("lines=1-2", 100), ranges("bytes=-5", 0)
    ([(0, 6), (98, 99)], [], None, None)
    """
    unit, separator, listed = field.partition("=")
    if unit.strip().lower() != "bytes" or not separator or listed.count(",") >= MOST_RANGES:
        return None
    found: list[tuple[int, int]] = []
    is_whole = False
    specs = [spec for spec in listed.split(",") if spec.strip(" \t")]
    for spec in specs:
        match = _is_spec(spec)
        if match is None:
            return None
        if match[3] is not None:
            start, end = max(size - int(match[3]), 0), size - 1
            is_whole = is_whole or (size == 0 and int(match[3]) > 0)
        else:
            start, end = int(match[1]), min(int(match[2] or size), size - 1)
            if match[2] and int(match[2]) < start:
                return None
        if start <= end:
            found.append((start, end))
    return _merged(sorted(found)) if specs and not is_whole else None


def _merged(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def open_file(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None,
    filename: str | None,
    media_type: str | None,
    disposition: Disposition,
    trusted: bool = False,
) -> SentFile:
    """Return the response with a file. Raises the exceptions of `below` and `readable`.

    A file below `root` may be an upload. Unless it is `trusted` or inert, it is a download, with a type that no page
    can load as a script or stylesheet.
    """
    if _is_folder(os.fspath(path)):
        raise NotFound(_NO_FILE)
    found = Path(path) if root is None else below(root, path)
    status = readable(found)
    media_type = media_type or media_type_of(filename or found.name)
    headers: list[tuple[bytes, bytes]] = []
    if root is not None and not trusted:
        headers.append(NO_SNIFF)
        if not is_inert(media_type):
            header_line("content-type", media_type)  # a line break is an error, whatever is sent instead
            headers.append(SANDBOX)  # not for all files, because PDF viewers do not work in a sandbox
            media_type, disposition = BINARY, "attachment"
    response = sent_file(found, status, media_type)
    name = filename if filename is not None else found.name if disposition == "attachment" else None
    if name is not None:
        response.raw_headers.append((b"content-disposition", content_disposition(disposition, name)))
    response.raw_headers += headers
    return response


def readable(path: Path) -> os.stat_result:
    """Return the status of a file that can be opened.

    Raises `NotFound` if the file does not exist, is not a file, or must not be read; the last case is logged. Raises
    `OSError` for other errors, such as a failing disk or too many open files.
    """
    try:
        status = path.stat()
    except ValueError:  # a NUL, or half of a surrogate pair
        raise NotFound(_NO_FILE) from None
    except OSError as error:
        raise_unless_missing(error)
        raise
    if not stat.S_ISREG(status.st_mode):
        raise NotFound(_NO_FILE)
    try:
        path.open("rb").close()
    except OSError as error:
        raise_unless_missing(error)
        if error.errno not in _NOT_ALLOWED:
            raise
        logger.error("%s cannot be opened: %s", shown(str(path)), error.strerror)
        raise NotFound(_NO_FILE) from None
    return status


def raise_unless_missing(error: OSError) -> None:
    """Raise `NotFound` if an error of the system means that the file does not exist; return for any other error.

    >>> raise_unless_missing(OSError(errno.EIO, "Input/output error"))
    >>> raise_unless_missing(OSError(errno.ENAMETOOLONG, "File name too long"))
    Traceback (most recent call last):
    kick.exceptions.NotFound: 404 Not Found: There is no such file.
    """
    if error.errno in _NOT_THERE:
        raise NotFound(_NO_FILE) from None


def sent_file(path: Path, status: os.stat_result, media_type: str) -> SentFile:
    """Return the response with an existing file. Raises `ValueError` for an invalid media type."""
    response = SentFile(path, media_type, status)
    protected(response)
    return response


def below(root: str | os.PathLike[str], name: str | os.PathLike[str]) -> Path:
    """Return the path of a file in a folder, for a name from any source. The path cannot leave the folder.

    Symbolic links are followed, and must end in the folder too. Raises `NotFound` for a name that leads out of it, and
    for hidden files such as `.env` and `.git/config`.

    >>> below("/srv/files", "../../etc/passwd")
    Traceback (most recent call last):
    kick.exceptions.NotFound: 404 Not Found: There is no such file.
    """
    text = os.fspath(name)
    if "\0" in text or "\\" in text or (":" in text.partition("/")[0] and os.name == "nt"):
        raise NotFound(_NO_FILE)
    parts = text.split("/")
    if Path(text).is_absolute() or ".." in parts or any(map(is_hidden, parts)):
        raise NotFound(_NO_FILE)
    try:
        folder = Path(root).resolve()
        (folder / text).stat()  # fails at once, while `resolve` asks for each of thousands of parts that do not exist
        found = (folder / text).resolve()
    except (ValueError, RuntimeError):  # half of a surrogate pair; a loop of links, before Python 3.13
        raise NotFound(_NO_FILE) from None
    except OSError as error:
        raise_unless_missing(error)
        raise
    if folder not in found.parents:
        raise NotFound(_NO_FILE)
    return found


def is_hidden(part: str) -> bool:
    """Return true if a part of a path is hidden: it begins with a dot and is not `.well-known` (RFC 8615).

    >>> [is_hidden(part) for part in (".git", "..data", ".well-known", ".", "file.txt", "")]
    [True, True, False, False, False, False]
    """
    return part[:1] == "." and part not in (".", ".well-known")


def _is_folder(name: str) -> bool:
    """Return true if a name is always that of a folder, such as `..` or a name with a slash at the end.

    >>> [_is_folder(name) for name in ("page.css/", "page.css/.", ".", "", "page.css", "./page.css")]
    [True, True, True, True, False, False]
    """
    return name.replace(os.sep, "/").rpartition("/")[2] in ("", ".")


def content_disposition(disposition: Disposition, filename: str) -> bytes:
    """Return a `Content-Disposition` with the name of a download (RFC 6266), in any script (RFC 8187).

    >>> content_disposition("attachment", "report.pdf")
    b'attachment; filename="report.pdf"'
    >>> content_disposition("attachment", "Übersicht.pdf")
    b'attachment; filename="Ubersicht.pdf"; filename*=UTF-8\\'\\'%C3%9Cbersicht.pdf'

    Misleading and dangerous parts of the name are removed; see `safe_name`.
    """
    name = safe_name(filename)
    if _plain_name(name):
        return f'{disposition}; filename="{name}"'.encode("ascii")
    reduced = unicodedata.normalize("NFKD", name)
    fallback = _not_plain("_", "".join(each for each in reduced if not unicodedata.combining(each)))
    return f"{disposition}; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe='!#$&+.^_`|~-')}".encode(
        "ascii"
    )


def safe_name(filename: str) -> str:
    """Return a name under which a file can be saved, made from a name of any source.

    Folders, control characters, line breaks, and marks that reverse the direction of text are removed:
    `invoice\\u202efdp.exe` would look like `invoiceexe.pdf`. Dots and spaces at both ends are removed too.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\reports\\\\may.pdf"), safe_name("..")
    ('passwd', 'may.pdf', 'download')
    """
    last = [part for part in _separators(filename) if part.strip(" .")][-1:]
    name = _misleading("", "".join(last))
    name = name.strip(" .")
    if len(name) > _LONGEST_NAME:
        suffix = Path(name).suffix[:20]
        name = name[: _LONGEST_NAME - len(suffix)] + suffix
    return name or "download"
