"""Extractors, which make arguments from bodies, queries, headers, cookies and files. They are built at start-up."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any, Final, NoReturn

from kick.exceptions import FieldError, NotFound, UnprocessableEntity, UnsupportedMediaType
from kick.http.context.context import RequestContext
from kick.http.handlers.form import Form
from kick.http.handlers.parameters import FromQuery, marker_of, unmarked
from kick.http.request.body import FORM, JSON, MULTIPART, accepted, is_json
from kick.http.request.upload_limits import file_fields
from kick.http.validation.conversion import Role, converter, is_constrained, json_decoder, role_of
from kick.http.validation.errors import pointer
from kick.http.validation.fields import Texts, collector, has_items, has_names, value_collector
from kick.http.validation.form_messages import own_messages
from kick.http.validation.json_text import invalid, malformed

Getter = Callable[[RequestContext[Any]], Any]

NO_DEFAULT: Final = object()

_LISTED: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
"""Finds the items of a header that is a list. A comma in quotes does not separate items (RFC 9110, section 5.6.4)."""


def default_maker(default: Any) -> Callable[[], Any] | None:
    """Return a function that returns a default: a copy each time if handlers can change it. `None` for none.

    What cannot be copied is the same object each time.

    >>> make = default_maker([])
    >>> make() == make(), make() is make(), default_maker(NO_DEFAULT)
    (True, False, None)
    """
    if default is NO_DEFAULT:
        return None
    with suppress(Exception):
        if deepcopy(default) is not default:
            return partial(deepcopy, default)
    return lambda: default


def query_reader(hint: Any, default: Any) -> Getter:
    """Return a function that reads the query string as `hint`; `default` replaces an empty one.

    Raises `TypeError` if values cannot be validated as `hint`.
    """
    convert, collect = converter(hint, "query"), collector(hint)
    if not has_names(hint):
        raise TypeError("a query string has names and values, as an object has")
    if file_fields(hint):
        raise TypeError("files come with a form, in `body`")

    made = default_maker(default)

    def read(ctx: RequestContext[Any]) -> Any:
        if made is not None and not ctx.scope["query_string"]:
            return made()
        return convert(collect(ctx.query))

    return read


def parameter_reader(name: str, hint: Any, default: Any) -> Getter:
    """Return a function that reads the parameter `name` of the query string; several are one list.

    Raises `TypeError` if `hint` is not a plain type or a list of plain types.
    """
    convert, collect = _plain_converter(hint, pointer("query", name)), value_collector(hint)
    missing = _stand_in(default, pointer("/query", name), "This parameter is required")

    def read(ctx: RequestContext[Any]) -> Any:
        value = collect(ctx.query.getlist(name))
        return missing() if value is None else convert(value)

    return read


def is_one_parameter(hint: Any) -> bool:
    """Return whether `Query[T]` takes one parameter of the query string: `T` is a plain type, or there is a name.

    >>> from kick.http import Query
    >>> is_one_parameter(Query[int | None]), is_one_parameter(Query[list[str]]), is_one_parameter(Query[dict[str, int]])
    (True, True, False)
    """
    marker = marker_of(hint)
    return isinstance(marker, FromQuery) and (marker.name is not None or role_of(unmarked(hint)) is Role.SCALAR)


def body_reader(hint: Any, default: Any, elsewhere: Collection[str] = ()) -> Getter:
    """Return a function that reads the body as `hint`, from JSON or a form; `default` replaces an empty one.

    `bytes` accepts any body, `str` any text. `elsewhere` has the form fields with files for other parameters. Raises
    `TypeError` if values cannot be validated as `hint`.
    """
    if hint is bytes:
        return lambda ctx: ctx.raw_body
    decode, convert, collect = json_decoder(hint), converter(hint, "body"), _collector(hint, elsewhere)
    made = default_maker(default)

    def read(ctx: RequestContext[Any]) -> Any:
        said, raw = ctx.announced, ctx.received
        if raw and said is not None and said.media_type == JSON:
            return decode(raw)
        media_type, raw = ctx.media_type, ctx.raw_body
        if raw and is_json(media_type):
            return decode(raw)
        if media_type == MULTIPART or (raw and media_type == FORM):
            return convert(collect(ctx.form))
        if not raw:
            if made is not None:
                return made()
            if media_type == FORM:
                return convert({})
            raise invalid([{"location": "/body", "message": "A body is required", "code": "missing"}])
        if hint is str and media_type.startswith("text/"):
            return _text(raw)
        raise _unsupported(media_type, accepted())

    return read


def form_reader(hint: Any, elsewhere: Collection[str], *, is_sent: bool) -> Getter:
    """Return a function that reads the `Form` of a type; with `is_sent=False` an empty one, for methods without a body.

    Raises `TypeError` if values cannot be validated as `hint`, or it is no object.
    """
    if hint is Form:
        raise TypeError("nothing says what is in it")
    if not has_names(hint):
        raise TypeError("a form has names and values, as an object has")
    convert, collect, messages = converter(hint, "body"), _collector(hint, elsewhere), own_messages(hint)
    if not is_sent:
        return lambda _: Form()

    def read(ctx: RequestContext[Any]) -> Any:
        media_type = ctx.media_type
        if media_type not in (FORM, MULTIPART) and (media_type or ctx.raw_body):
            raise _unsupported(media_type, f"{FORM}, {MULTIPART}")
        value, details = None, []
        try:
            value = convert(collect(ctx.form))
        except UnprocessableEntity as error:
            details = _errors_in(error)
            if not details:
                raise  # raised by code of the application
        return Form.sent(ctx.form, value=value, details=details, messages=messages)

    return read


def file_reader(name: str, hint: Any, default: Any) -> Getter:
    """Return a function that reads the file, or the list of files, in the field `name` of a multipart form.

    Raises `TypeError` if `hint` also allows other types.
    """
    convert = converter(hint, pointer("body", name))
    several = has_items(hint)
    missing = _stand_in(default, pointer("/body", name), "A file is required")

    def read(ctx: RequestContext[Any]) -> Any:
        media_type = ctx.media_type
        if media_type != MULTIPART and ctx.raw_body:
            raise _unsupported(media_type, MULTIPART)
        found = ctx.form.getlist(name)
        return convert(found if several else found[-1]) if found else missing()

    return read


def header_reader(name: str, hint: Any, default: Any) -> Getter:
    """Return a function that reads the header `name`, in lower case. Several headers are one list (RFC 9110, 5.3).

    Raises `TypeError` if `hint` is not a plain type or a list of plain types.
    """
    convert, several = _plain_converter(hint, pointer("header", name)), has_items(hint)
    wanted, missing = name.encode("latin-1"), _stand_in(default, pointer("/header", name), "This header is required")

    def read(ctx: RequestContext[Any]) -> Any:
        lines = [value.decode("latin-1") for each, value in ctx.scope["headers"] if each == wanted]
        if not lines:
            return missing()
        text = ", ".join(lines)
        return convert([each.strip() for each in _LISTED.findall(text) if each.strip()] if several else text)

    return read


def cookie_reader(name: str, hint: Any, default: Any) -> Getter:
    """Return a function that reads the cookie `name`. Raises `TypeError` if `hint` is not a plain type."""
    convert = _plain_converter(hint, pointer("cookie", name))
    if has_items(hint):
        raise TypeError("a cookie has one value")
    missing = _stand_in(default, pointer("/cookie", name), "This cookie is required")

    def read(ctx: RequestContext[Any]) -> Any:
        text = ctx.cookies.get(name)
        return missing() if text is None else convert(text)

    return read


def path_reader(name: str, hint: Any, status: int) -> Getter | None:
    """Return a function that checks the constraints of a path parameter; `None` if its type has none.

    The response to a value outside of them is a 404, or a 422 with the errors. Raises `TypeError` for constraints that
    do not fit the type.
    """
    if not is_constrained(hint):
        return None
    convert = converter(hint, pointer("path", name))

    def read(ctx: RequestContext[Any]) -> Any:
        try:
            return convert(ctx.params[name])
        except UnprocessableEntity:
            if status == 422:
                raise
            raise NotFound(f"There is nothing at {ctx.path}.") from None

    return read


def gathering(getters: Mapping[str, Getter]) -> dict[str, Getter]:
    """Wrap the getters of a handler, so that the response to the first error contains the errors of the others too."""

    def gathered(get: Getter) -> Getter:
        def read(ctx: RequestContext[Any]) -> Any:
            try:
                return get(ctx)
            except UnprocessableEntity as error:
                own = _errors_in(error)
                if not own:
                    raise  # raised by code of the application, such as a `__post_init__`
                found = [own if each is get else _errors_of(each, ctx) for each in getters.values()]
                raise invalid([error for errors in found for error in errors]) from None

        return read

    return {name: gathered(get) for name, get in getters.items()}


def _errors_of(get: Getter, ctx: RequestContext[Any]) -> list[FieldError]:
    try:
        get(ctx)
    except UnprocessableEntity as error:
        return _errors_in(error)
    return []


def _errors_in(error: UnprocessableEntity) -> list[FieldError]:
    return error.extensions.get("errors") or []


def _collector(hint: Any, elsewhere: Collection[str]) -> Callable[[Texts], dict[str, Any]]:
    collect = collector(hint)
    if not elsewhere:
        return collect
    return lambda texts: {name: value for name, value in collect(texts).items() if name not in elsewhere}


def _plain_converter(hint: Any, part: str) -> Callable[[Any], Any]:
    if hint is str:
        return str
    if role_of(hint) is not Role.SCALAR:
        raise TypeError("it is one text, or a list of them")
    return converter(hint, part)


def _stand_in(default: Any, location: str, message: str) -> Callable[[], Any]:
    """Return a function that returns the default, or raises the error of what is missing if there is none."""

    def fail() -> NoReturn:
        raise invalid([{"location": location, "message": message, "code": "missing"}])

    return default_maker(default) or fail


def _unsupported(media_type: str, taken: str) -> UnsupportedMediaType:
    shown = f"is of the type {media_type!r}" if media_type else "has no Content-Type"
    return UnsupportedMediaType(f"The body {shown}; send one of {taken}.", headers={"accept": taken})


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise malformed("body", "The body is not UTF-8.", "Expected UTF-8", "encoding") from None
