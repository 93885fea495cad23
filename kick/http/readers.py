"""What turns a request into the arguments `body` and `query`; worked out once for each handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kick.http.body import FORM, MULTIPART, accepted, is_json
from kick.http.codec import converter, invalid, json_decoder, malformed
from kick.http.context import RequestContext
from kick.http.problem import UnsupportedMediaType
from kick.http.texts import collector, has_names

Getter = Callable[[RequestContext[Any]], Any]

NO_DEFAULT: Final = object()


def query_reader(hint: Any, default: Any) -> Getter:
    """Reads the query string as `hint`; `default` stands in for an empty one.

    Raises `TypeError` when nothing can be validated as `hint`.
    """
    convert, collect = converter(hint, "query"), collector(hint)
    if not has_names(hint):
        raise TypeError("a query string has names and values, as an object has")

    def read(ctx: RequestContext[Any]) -> Any:
        if default is not NO_DEFAULT and not ctx.scope["query_string"]:
            return default
        return convert(collect(ctx.query))

    return read


def body_reader(hint: Any, default: Any) -> Getter:
    """Reads the body as `hint`: JSON or a form, by its media type; `default` stands in for an empty one.

    `bytes` takes any body, `str` any text. Raises `TypeError` when nothing can be validated as `hint`.
    """
    if hint is bytes:
        return lambda ctx: ctx.raw_body
    decode, convert, collect = json_decoder(hint), converter(hint, "body"), collector(hint)

    def read(ctx: RequestContext[Any]) -> Any:
        media_type, raw = ctx._media_type(), ctx.raw_body
        if raw and is_json(media_type):
            return decode(raw)
        if media_type == MULTIPART or (raw and media_type == FORM):
            return convert(collect(ctx.form))
        if not raw:
            if default is not NO_DEFAULT:
                return default
            if media_type == FORM:
                return convert({})
            raise invalid([{"location": "/body", "message": "A body is required", "code": "missing"}])
        if hint is str and media_type.startswith("text/"):
            return _text(raw)
        shown = f"is of the type {media_type!r}" if media_type else "has no Content-Type"
        raise UnsupportedMediaType(f"The body {shown}; send one of {accepted()}.", headers={"accept": accepted()})

    return read


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise malformed("body", "The body is not UTF-8.", "Expected UTF-8", "encoding") from None
