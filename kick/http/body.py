"""Reading the body of a request, up to a limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from kick.errors import MissingExtra
from kick.http.problem import BadRequest, PayloadTooLarge

DEFAULT_LIMIT: Final = 1 << 20
"""The most bytes a body may have when nothing else is said: 1 MiB."""

MOST_FORM_FIELDS: Final = 1000


def header_of(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, which is in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")  # type: ignore[no-any-return]
    return None


def media_type_of(scope: Scope) -> str:
    """The media type of the body, in lower case and without parameters; empty when the request does not say.

    >>> media_type_of({"headers": [(b"content-type", b"Application/JSON; charset=utf-8")]})
    'application/json'
    """
    return (header_of(scope, b"content-type") or "").partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON (RFC 8259) or built on it (RFC 6839, section 3.1)."""
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


async def stream_body(scope: Scope, receive: Receive, limit: int | None) -> AsyncGenerator[bytes, None]:
    """The body piece by piece; `None` is no limit.

    Raises `PayloadTooLarge` before anything is read when `Content-Length` says that it is too long, and as soon as
    it is when nothing says so; `ClientDisconnect` when the client has gone.
    """
    left = _room(scope, limit)
    more = True
    while more:
        chunk, more = await _next_chunk(receive)
        left -= len(chunk)
        if left < 0:
            raise too_large(limit)
        if chunk:
            yield chunk


async def read_body(scope: Scope, receive: Receive, limit: int | None) -> bytes:
    """The whole body; see `stream_body`."""
    left = _room(scope, limit)
    body, more = await _next_chunk(receive)
    left -= len(body)
    if more:
        chunks = [body]
        while more and left >= 0:
            chunk, more = await _next_chunk(receive)
            left -= len(chunk)
            chunks.append(chunk)
        body = b"".join(chunks)
    if left < 0:
        raise too_large(limit)
    return body


async def _next_chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def _room(scope: Scope, limit: int | None) -> float:
    """How many bytes may come."""
    if limit is None:
        return float("inf")
    length = header_of(scope, b"content-length")
    if length is not None and length.isascii() and length.isdecimal() and int(length[:20]) > limit:
        raise too_large(limit)
    return limit


def too_large(limit: int | None) -> PayloadTooLarge:
    """The 413 for a body over the limit. The connection is closed: what is still coming is not read."""
    return PayloadTooLarge(f"The body is larger than {limit} bytes.", headers={"connection": "close"}, limit=limit)


def parse_form(body: bytes) -> FormData:
    """The fields of an `application/x-www-form-urlencoded` body.

    >>> parse_form(b"name=Ada&tag=a&tag=b").getlist("tag")
    ['a', 'b']
    """
    try:
        text = body.decode()
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FORM_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("The form is not UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The form has more than {MOST_FORM_FIELDS} fields.") from None
    return FormData([*fields])


async def parse_multipart(scope: Scope, receive: Receive, limit: int | None) -> FormData:
    """The fields and files of a `multipart/form-data` body; files beyond 1 MiB go to disk while they arrive."""
    try:
        import python_multipart  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("Reading multipart forms", "python-multipart", "uploads") from None
    parser = MultiPartParser(
        Headers(scope=scope),
        stream_body(scope, receive, limit),
        max_fields=MOST_FORM_FIELDS,
        max_files=MOST_FORM_FIELDS,
        max_part_size=limit or 1 << 62,
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart form cannot be read: {error.message}") from None
    except (KeyError, UnicodeDecodeError, ValueError, LookupError):
        raise BadRequest("The multipart form cannot be read: a header of it is malformed.") from None


def form_values(form: FormData, several: frozenset[str]) -> dict[str, Any]:
    """The fields of a form by name: lists for the names in `several`, the last value for the others."""
    return {name: form.getlist(name) if name in several else form[name] for name in form}
