"""Messages of invalid form fields, for the people who fill them in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import inspect as types

from kick.exceptions import FieldError
from kick.http.validation.type_parts import info_of

MESSAGE: Final = "message"
"""The key in `Meta(extra={"message": "..."})`: the message of a field, in place of the one for its constraint."""

_REQUIRED: Final = "This field is required."
_KINDS: Final = {"int": "Enter a whole number.", "float": "Enter a number.", "bool": "Choose yes or no."}
_BOUNDS: Final = {
    ">=": "Enter {} or more.",
    "<=": "Enter {} or less.",
    ">": "Enter more than {}.",
    "<": "Enter less than {}.",
}
_LENGTHS: Final = {">=": "at least", "<=": "at most"}

_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"Expected `str` of length (>=|<=) (\d+)"), lambda m: f"Use {_LENGTHS[m[1]]} {_counted(m[2])}."),
    (re.compile(r"Expected `array` of length (>=|<=) (\d+)"), lambda m: f"Choose {_LENGTHS[m[1]]} {m[2]}."),
    (re.compile(r"Expected `\w+` (>=|<=|>|<) (\S+)"), lambda m: _BOUNDS[m[1]].format(m[2].removesuffix(".0"))),
    (re.compile(r"Expected `\w+` that's a multiple of (\S+)"), lambda m: f"Enter a multiple of {m[1]}."),
    (re.compile(r"Expected `\w+` matching regex .*", re.DOTALL), lambda _: "This is not in the expected format."),
    (re.compile(r"Expected `datetime` with a timezone .*"), lambda _: "Enter a date and a time with a time zone."),
    (re.compile(r"Expected `(\w+)[^`]*`, got `\w+`"), lambda m: _KINDS.get(m[1], "This value is not valid.")),
    (re.compile(r"Invalid RFC3339 encoded datetime"), lambda _: "Enter a date and a time."),
    (re.compile(r"Invalid RFC3339 encoded (date|time)"), lambda m: f"Enter a {m[1]}."),
    (re.compile(r"Invalid decimal string|Expected a finite number"), lambda _: "Enter a number."),
    (re.compile(r"Invalid (enum )?value .*", re.DOTALL), lambda _: "Choose one of the options."),
    (re.compile(r"Invalid (UUID|ISO8601 duration)|Integer value out of range"), lambda _: "This value is not valid."),
)


def form_message(error: FieldError, *, is_blank: bool = False, own: str | None = None) -> str:
    """Return the message of an error for a person: one of the `errors` in problem details.

    A `Form` has these messages already. An error page can use the function for the errors of a query. A message of the
    application, such as that of a `ValueError` in `__post_init__`, is returned as it is.

    Arguments:
        error: an error with its location, message and code.
        is_blank: the field was sent without text.
        own: the message in the type of the field.

    >>> form_message({"location": "/body/name", "message": "Expected `str` of length >= 12", "code": "length"})
    'Use at least 12 characters.'
    >>> form_message({"location": "/query/page", "message": "Expected `int` >= 1", "code": "range"})
    'Enter 1 or more.'
    """
    if error["code"] == "missing":
        return _REQUIRED
    found = next(((match, say) for rule, say in _RULES if (match := rule.fullmatch(error["message"]))), None)
    if found is None:
        return own or error["message"]
    return _REQUIRED if is_blank else own or found[1](found[0])


def own_messages(hint: Any) -> Mapping[str, str]:
    """Return the messages in a type, by the names of the fields in a form.

    >>> from typing import Annotated
    >>> import msgspec
    >>> email = Annotated[str, msgspec.Meta(pattern="@", extra={"message": "This is not an email address."})]
    >>> own_messages(msgspec.defstruct("SignUp", [("email", email), ("name", str)]))
    {'email': 'This is not an email address.'}
    """
    try:
        fields = getattr(info_of(hint), "fields", ())
    except (TypeError, NameError):  # a model of pydantic has messages of its own
        return {}
    found = {field.encode_name: _own(field.type) for field in fields}
    return {name: message for name, message in found.items() if message is not None}


def _own(info: Any) -> str | None:
    if isinstance(info, types.Metadata):
        message = (info.extra or {}).get(MESSAGE)
        return _own(info.type) if message is None else str(message)
    return next(filter(None, map(_own, getattr(info, "types", ()))), None)


def _counted(number: str) -> str:
    return "1 character" if number == "1" else f"{number} characters"
