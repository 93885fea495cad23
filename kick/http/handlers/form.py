"""`Form`: a form that a page shows again, with its errors and what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, get_args, get_origin

import msgspec
from starlette.datastructures import FormData
from typing_extensions import TypeVar

from kick.errors import OfRequest
from kick.exceptions import FieldError
from kick.http.validation.errors import pointer
from kick.http.validation.form_messages import form_message
from kick.http.validation.json_text import invalid

T = TypeVar("T", default=Any)

_NOTHING: Final = object()
_BODY: Final = "/body"


class Form(OfRequest, Generic[T]):
    """A form that may be invalid: a parameter `form: Form[SignUp]` never responds with 422 by itself.

    ```python
    @Post("/sign-up")
    async def sign_up(self, ctx: RequestContext, form: Form[SignUp]) -> Response:
        if not form.is_valid:
            return ctx.render("sign-up.html", 422, form=form)
        await self.users.add(form.value)
        return ctx.redirect("/")
    ```

    On a GET handler, the form is empty. `Form(note)` is a form that shows the values of an object or mapping.

    `values` has what was typed: texts, without files. `errors` has a message for each field, and that of the whole
    form under `""`. `details` has the errors as the 422 of a `body: T` has them, with a code for each.

    >>> form = Form({"title": "Buy milk", "done": True, "due": None})
    >>> form.values["title"], form.values["done"], form.values.get("due")
    ('Buy milk', 'true', None)
    >>> form.add_error("title", "There is such a note already.")
    >>> form.errors, form.is_valid
    ({'title': 'There is such a note already.'}, False)
    """

    def __init__(self, values: object = None) -> None:
        self.values: FormData = _texts_of({} if values is None else values)
        self.errors: dict[str, str] = {}
        self.details: list[FieldError] = []
        self._value: Any = _NOTHING

    @classmethod
    def sent(
        cls, form: FormData, *, value: T | None, details: Sequence[FieldError], messages: Mapping[str, str]
    ) -> Form[T]:
        """Return a form that was sent: `value` if it has no `details`. `messages` are those of the type, by field."""
        made = cls()
        made.values = FormData([(name, each) for name, each in form.multi_items() if isinstance(each, str)])
        made._value = _NOTHING if details else value
        for error in details:
            name = _field_of(error)
            is_blank = not str(made.values.get(name, "")).strip()
            made._note(name, error, form_message(error, is_blank=is_blank, own=messages.get(name)))
        return made

    def __repr__(self) -> str:
        state = "valid" if self.is_valid else f"errors in {sorted(self.errors)}" if self.errors else "not sent"
        return f"<Form: {state}>"  # without the values: a password may be among them

    @property
    def is_valid(self) -> bool:
        """True if the form was sent, and nothing is wrong with it."""
        return self._value is not _NOTHING and not self.errors

    @property
    def value(self) -> T:
        """The validated value.

        Raises `UnprocessableEntity` with the errors if there are any, and `RuntimeError` if the form was not sent.
        """
        if self.errors:
            raise invalid(self.details)
        if self._value is _NOTHING:
            raise RuntimeError("the form was not sent: ask `form.is_valid` before `form.value`")
        value: T = self._value
        return value

    @property
    def problem(self) -> str | None:
        """The message of the whole form, if there is one."""
        return self.errors.get("")

    def add_error(self, field: str, message: str) -> None:
        """Add an error that only the application can find, such as a name that is taken; `""` is the whole form.

        The first error of a field stays.
        """
        location = pointer(_BODY, field) if field else _BODY
        self._note(field, {"location": location, "message": message, "code": "invalid"}, message)

    def _note(self, field: str, error: FieldError, message: str) -> None:
        self.details.append(error)
        self.errors.setdefault(field, message)


def form_type(hint: Any) -> Any:
    """Return the type in `Form[T]`, `Form` itself where it says none, and `None` for other types.

    >>> form_type(Form[int]), form_type(int)
    (<class 'int'>, None)
    """
    if hint is Form:
        return Form
    return get_args(hint)[0] if get_origin(hint) is Form else None


def _field_of(error: FieldError) -> str:
    """Return the name of the field in which an error is; empty for the whole form."""
    first = error["location"].removeprefix(_BODY).lstrip("/").partition("/")[0]
    return first.replace("~1", "/").replace("~0", "~")


def _texts_of(values: object) -> FormData:
    """Return values as a form would have sent them: `None` and `False` not at all, and objects as JSON."""
    built = msgspec.to_builtins(values)
    if not isinstance(built, Mapping):
        raise TypeError(f"a form shows the fields of an object or a mapping, not {type(values).__qualname__}")
    pairs = [
        (str(name), each)
        for name, value in built.items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None and each is not False
    ]
    return FormData([(name, _text_of(each)) for name, each in pairs])


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
