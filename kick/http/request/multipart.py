"""Parsing multipart forms while they arrive (RFC 7578), within the limits of a route.

Text is kept in memory. The files of a request are kept in memory up to `SPOOL` bytes in total; larger ones are written
to temporary files, which have no name and are removed when they are closed. The parser is python-multipart, which
limits the boundary (256 bytes) and the headers of a part (8 headers of 4 KiB).
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import anyio.to_thread
import msgspec
from anyio import CancelScope
from starlette.datastructures import FormData, Headers
from starlette.types import Scope

from kick.errors import missing_extra
from kick.exceptions import BadRequest, PayloadTooLarge, UnsupportedMediaType
from kick.http.log_text import shown
from kick.http.request.body import accepted, closing, is_json, media_type_of, reads_multipart
from kick.http.request.upload_limits import MOST_FILES, UploadLimits
from kick.http.uploads import File, UploadFile
from kick.http.validation.errors import pointer
from kick.http.validation.fields import MOST_FIELDS
from kick.http.validation.json_text import malformed

logger: Final = logging.getLogger("kick.http")

SPOOL: Final = 1 << 20
"""Most bytes of files that a request keeps in memory: 1 MiB."""

_WRITE: Final = 1 << 18  # bytes that a thread writes at once: a call of a thread costs more than copying them
_BUFFER: Final = 1 << 13  # buffer of a file on disk; the default of Python 3.14 is 128 KiB
_PIECE_COST: Final = 128  # memory of a piece beside its bytes: a client may send single bytes
_MOST_PARAMETERS: Final = 20  # of a header, semicolons in a file name included: reading one takes 7 microseconds
_PARAMETER: Final = re.compile(rb';[ \t]*([^ \t=;]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;]*)')
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_NO_MULTIPART: Final = missing_extra("Reading multipart forms", "python-multipart", "uploads")


async def parse_multipart(
    scope: Scope, chunks: AsyncGenerator[bytes, None], limits: UploadLimits, *, text_limit: int | None
) -> FormData:
    """Return the fields and files of a `multipart/form-data` body; `text_limit` is the limit of all text in bytes.

    Raises `BadRequest` for a malformed form. Raises `PayloadTooLarge` and `UnsupportedMediaType` as soon as a part
    exceeds the limits, and `UnsupportedMediaType` if python-multipart is not installed. All temporary files are closed
    after an exception.
    """
    if not reads_multipart():
        logger.error("%s %s: %s %s", scope["method"], shown(scope["path"]), _NO_MULTIPART.cause, _NO_MULTIPART.fix)
        raise UnsupportedMediaType(
            f"This server does not read multipart forms; send one of {accepted()}.", headers={"accept": accepted()}
        )
    receiver = _Receiver(scope, limits, text_limit)
    try:
        async with aclosing(chunks):
            return await receiver.receive(chunks)
    except BaseException:
        await close_files(receiver.files)
        raise


async def close_files(files: Iterable[UploadFile]) -> None:
    """Close and so remove temporary files. Cancellation is delayed until they are closed."""
    on_disk: list[UploadFile] = []
    for each in files:
        if _is_on_disk(each):
            on_disk.append(each)
        else:
            each.file.close()
    if on_disk:
        with CancelScope(shield=True):
            await anyio.to_thread.run_sync(_close, on_disk)


class _Spool(SpooledTemporaryFile[bytes]):
    """A temporary file in memory until `rollover()` is called; `fileno()` calls it too."""

    is_on_disk = False

    def rollover(self) -> None:
        super().rollover()
        self.is_on_disk = True


def _is_on_disk(upload: UploadFile) -> bool:
    spool: Any = upload.file
    return bool(spool.is_on_disk)


def _close(files: list[UploadFile]) -> None:
    for each in files:
        each.file.close()


class _Part(msgspec.Struct):
    """A part of the form: its headers, and its text or file."""

    headers: list[tuple[bytes, bytes]] = []
    name: str = ""
    text: bytearray | None = None
    file: UploadFile | None = None
    rule: File = File()


class _Receiver:
    """Collects fields and files from the callbacks of python-multipart."""

    def __init__(self, scope: Scope, limits: UploadLimits, text_limit: int | None) -> None:
        self.files: list[UploadFile] = []
        self._scope = scope
        self._limits = limits
        self._text_limit = text_limit
        self._items: list[tuple[str, Any]] = []
        self._counts: dict[str, int] = {}
        self._text = self._fields = self._held = self._waiting = self._parts = 0
        self._to_write: list[tuple[UploadFile, bytes]] = []
        self._header = [bytearray(), bytearray()]
        self._part = _Part()
        self._ended = False

    async def receive(self, chunks: AsyncGenerator[bytes, None]) -> FormData:
        from python_multipart.exceptions import FormParserError

        try:
            parser = self._parser()
            async for chunk in chunks:
                parser.write(chunk)
                if self._waiting >= _WRITE:
                    await self._flush()
        except FormParserError:
            raise _malformed("Invalid multipart data.") from None
        if not self._ended:
            raise _malformed("it ends too early.")
        await self._flush()
        for each in self.files:
            each.file.seek(0)
        return FormData(self._items)

    def _parser(self) -> Any:
        from python_multipart.multipart import MultipartParser

        boundary = _parameters_of(Headers(scope=self._scope)["content-type"].encode("latin-1")).get(b"boundary")
        if not boundary:
            raise _malformed("Missing boundary in multipart.")
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        self._part = _Part()
        self._parts += 1
        most = MOST_FIELDS + self._limits.most_files
        if self._parts > most:  # empty file inputs are parts, but neither fields nor files
            raise malformed("body", f"The form has more than {most} parts.", "Too many parts", "length")

    def _end_header(self) -> None:
        name, value = self._header
        self._part.headers.append((bytes(name).lower(), bytes(value)))
        self._header = [bytearray(), bytearray()]

    def _open(self) -> None:
        """Begin a text or a file, when the headers of the part are complete; check the limits."""
        part = self._part
        disposition = next((value for name, value in part.headers if name == b"content-disposition"), None)
        options = _parameters_of(disposition)
        if b"name" not in options:
            raise _malformed('The Content-Disposition header field "name" must be provided.')
        part.name = _decoded(options[b"name"])
        if self._parts == 1:
            part.name = part.name.removeprefix("\ufeff")  # a byte order mark is no part of the first name
        filename = options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None
        if filename is None and disposition is not None and b"*" in disposition:
            filename = extended_filename(disposition)
        if filename is not None and not self._is_object(part):
            self._open_file(part, filename)
            return
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise malformed("body", f"The form has more than {MOST_FIELDS} fields.", "Too many fields", "length")
        part.text = bytearray()

    def _is_object(self, part: _Part) -> bool:
        """Return whether a part with a file name is JSON for an object field: a browser sends a `Blob` in this way."""
        said = next((value for name, value in part.headers if name == b"content-type"), b"")
        return part.name in self._limits.objects and is_json(media_type_of(said))

    def _open_file(self, part: _Part, filename: str) -> None:
        part.rule = rule = self._limits.of(part.name)
        count = self._counts[part.name] = self._counts.get(part.name, 0) + 1
        if count > (rule.max_files or MOST_FILES):
            raise self._too_much(part, f"has more than {rule.max_files or MOST_FILES} files", "files")
        if len(self.files) >= self._limits.most_files:
            raise self._too_much(part, f"is one file more than the {self._limits.most_files} of a form", "files")
        headers = Headers(raw=part.headers)
        # The receiver decides when it is written to disk, because the limit is for all files of the request.
        spool: Any = _Spool(buffering=_BUFFER)  # closed at the end of the request
        part.file = UploadFile(spool, size=0, filename=filename, headers=headers)
        self.files.append(part.file)
        if filename:
            self._check_type(part, part.file)

    def _take(self, data: bytes, start: int, end: int) -> None:
        part, size = self._part, end - start
        if part.text is not None:
            self._text += size
            if self._text_limit is not None and self._text > self._text_limit:
                raise self._too_much(part, f"brings the text to more than {self._text_limit} bytes", "size")
            part.text += data[start:end]
        elif part.file is not None:
            if not part.file.size and not part.file.filename:
                self._check_type(part, part.file)
            part.file.size = total = (part.file.size or 0) + size
            if part.rule.max_size is not None and total > part.rule.max_size:
                raise self._too_much(part, f"is larger than {part.rule.max_size} bytes", "size")
            self._waiting += size + _PIECE_COST
            self._to_write.append((part.file, data[start:end]))

    def _end_part(self) -> None:
        part = self._part
        if part.text is not None:
            self._items.append((part.name, _decoded(part.text)))
        elif part.file is not None and not part.file.filename and not part.file.size:
            self.files.pop().file.close()  # an empty file input
        elif part.file is not None:
            self._items.append((part.name, part.file))

    def _end(self) -> None:
        self._ended = True

    async def _flush(self) -> None:
        """Write the waiting pieces: to memory up to `SPOOL` bytes, otherwise to disk, in a thread."""
        waiting, self._to_write, self._waiting = self._to_write, [], 0
        for done, (upload, data) in enumerate(waiting):
            if _is_on_disk(upload) or self._held + len(data) > SPOOL:
                await anyio.to_thread.run_sync(self._write, waiting[done:])
                return
            upload.file.write(data)
            self._held += len(data)

    def _write(self, waiting: list[tuple[UploadFile, bytes]]) -> None:
        for upload, data in waiting:
            file: Any = upload.file
            if not _is_on_disk(upload):
                self._held -= file.tell()
                file.rollover()
            file.write(data)

    def _too_much(self, part: _Part, problem: str, code: str) -> PayloadTooLarge:
        location = pointer("/body", part.name)
        errors = [{"location": location, "message": f"It {problem}", "code": code}]
        return PayloadTooLarge(f"{location} {problem}.", headers=closing(self._scope), errors=errors)

    def _check_type(self, part: _Part, file: UploadFile) -> None:
        media_type = media_type_of((file.content_type or "text/plain").encode("latin-1"))  # RFC 7578, section 4.4
        if part.rule.takes(media_type):
            return
        location, taken = pointer("/body", part.name), ", ".join(part.rule.types)
        errors = [{"location": location, "message": f"Expected a file of the type {taken}", "code": "media-type"}]
        detail = f"{location} is a file of the type {media_type!r}; send one of {taken}."
        raise UnsupportedMediaType(detail, headers=closing(self._scope), errors=errors)


def _parameters_of(header: bytes | None) -> dict[bytes, bytes]:
    """Return the parameters of a `Content-Type` or `Content-Disposition` (RFC 9110, section 5.6.6)."""
    from python_multipart.multipart import parse_options_header

    if header is not None and header.count(b";") > _MOST_PARAMETERS:
        raise _malformed(f"A header has more than {_MOST_PARAMETERS} parameters.")
    parameters: dict[bytes, bytes] = parse_options_header(header)[1]
    return parameters


def extended_filename(disposition: bytes) -> str | None:
    """Return the name in `filename*` of a Content-Disposition (RFC 6266, section 4.3; RFC 8187, section 3.2).

    RFC 7578, section 4.2, forbids it in forms, but some clients send no other name. Control characters, which are
    possible only in this encoding, are replaced.

    >>> extended_filename(b"form-data; name=f; filename*=UTF-8'en'na%C3%AFve.txt")
    'naïve.txt'
    >>> extended_filename(b'form-data; name="a; filename*=b"') is None
    True
    """
    for name, value in _PARAMETER.findall(disposition):
        if name.lower() == b"filename*":
            charset, _, rest = value.strip().strip(b'"').partition(b"'")
            encoding = "latin-1" if charset.lower() == b"iso-8859-1" else "utf-8"
            text = unquote_to_bytes(rest.partition(b"'")[2]).decode(encoding, "replace")
            return _CONTROLS.sub("\ufffd", text)
    return None


def _decoded(text: bytes | bytearray) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise malformed("body", "The form is not UTF-8.", "Expected UTF-8", "encoding") from None


def _malformed(reason: str) -> BadRequest:
    detail = f"The multipart form cannot be read: {reason}"
    return malformed("body", detail, "Expected a multipart form", "multipart")
