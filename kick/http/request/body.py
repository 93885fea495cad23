"""Reading the body of a request, up to a limit."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import AsyncGenerator
from typing import Final

from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from kick.exceptions import PayloadTooLarge
from kick.http.validation.fields import MOST_FIELDS, decoded_pairs
from kick.http.validation.json_text import malformed

DEFAULT_LIMIT: Final = 1 << 20
"""Default limit of a body in bytes: 1 MiB."""

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose requests have no defined use for a body (RFC 9110, section 9.3)."""

ENDLESS: Final = 1 << 62
"""The length of a body that is longer than any limit, and the limit if there is none."""


def media_type_of(value: bytes) -> str:
    """Return the media type in a `Content-Type`, in lower case and without parameters.

    >>> media_type_of(b"Text/HTML; charset=utf-8")
    'text/html'
    """
    return value.partition(b";")[0].strip().lower().decode("latin-1")


def is_json(media_type: str) -> bool:
    """Return whether a media type is JSON (RFC 8259) or based on it (RFC 6839, section 3.1).

    >>> is_json("application/json"), is_json("application/vnd.api+json"), is_json("text/json")
    (True, True, False)
    """
    return media_type == JSON or (media_type.startswith("application/") and media_type.endswith("+json"))


async def stream_body(scope: Scope, receive: Receive, limit: int | None, length: int) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces. `limit` is in bytes, `None` is no limit; `length` is the `Content-Length`.

    Raises `PayloadTooLarge`: before anything is read if `length` is over the limit, otherwise as soon as the limit is
    exceeded. Raises `ClientDisconnect` if the client disconnects.
    """
    left = ENDLESS if limit is None else limit
    if length > left:
        raise too_large(scope, limit)
    more = True
    while more:
        chunk, more = _chunk_of(await receive())
        left -= len(chunk)
        if left < 0:
            raise too_large(scope, limit)
        if chunk:
            yield chunk


async def joined(message: Message, receive: Receive, most: int) -> bytes:
    """Return a body from `message` on, and no more pieces of it when they exceed `most` bytes."""
    chunk, more = _chunk_of(message)
    chunks, size = [chunk], len(chunk)
    while more and size <= most:
        chunk, more = _chunk_of(await receive())
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _chunk_of(message: Message) -> tuple[bytes, bool]:
    """Return the piece of the body in a message, and true if more follows."""
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def too_large(scope: Scope, limit: int | None) -> PayloadTooLarge:
    """Return the 413 for a body over the limit. It closes the connection, because the rest of the body is not read.

    >>> too_large({"http_version": "1.1"}, 10).headers
    {'connection': 'close'}
    """
    return PayloadTooLarge(f"The body is larger than {limit} bytes.", headers=closing(scope), limit=limit)


def closing(scope: Scope) -> dict[str, str]:
    """Return the headers of a response that is sent before the whole body is read (RFC 9112, section 9.6).

    >>> closing({"http_version": "1.1"}), closing({"http_version": "2"})
    ({'connection': 'close'}, {})
    """
    return {} if str(scope.get("http_version")).startswith(("2", "3")) else {"connection": "close"}


def parse_form(body: bytes) -> FormData:
    """Return the fields of an `application/x-www-form-urlencoded` body (URL Living Standard, section 5.1).

    >>> parse_form(b"name=Ada&tag=a&tag=b").getlist("tag")
    ['a', 'b']

    Raises `BadRequest` for a body that is not UTF-8, and for more than 1000 fields.
    """
    if body.count(b"&") >= MOST_FIELDS:
        detail = f"The form has more than {MOST_FIELDS} fields."
        raise malformed("body", detail, "Too many fields", "length")
    try:
        return FormData(decoded_pairs(body.removeprefix(BOM_UTF8)))
    except UnicodeDecodeError:
        raise malformed("body", "The form is not UTF-8.", "Expected UTF-8", "encoding") from None


def reads_multipart() -> bool:
    """Return whether python-multipart, the parser of multipart forms, is installed."""
    try:
        import python_multipart  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def accepted() -> str:
    """Return the supported media types of typed bodies as an `Accept` header (RFC 9110, section 15.5.16).

    >>> accepted().split(", ")[0]
    'application/json'
    """
    return ", ".join([JSON, FORM, MULTIPART] if reads_multipart() else [JSON, FORM])


async def one_chunk(body: bytes) -> AsyncGenerator[bytes, None]:
    """Yield a complete body as one piece; an empty body has no pieces."""
    if body:
        yield body
