"""`Form[T]`: errors by field, what was typed, and the valid value."""

import datetime
import decimal
import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import urlencode

import msgspec
import pydantic
import pytest
from msgspec import Meta, Struct

from kick import App, Controller, Form, Get, Module, Post, Query, RequestContext, Response, UploadFile, bootstrap
from kick.exceptions import UnprocessableEntity
from kick.testing import TestClient
from tests.http.support import Answer, app_of, ask
from tests.openapi.support import document_of, fits, operation
from tests.support.setup_errors import raises_code

Email = Annotated[str, Meta(pattern="^[^@ ]+@[^@ ]+$", extra={"message": "This is not an email address."})]


class SignUp(Struct):
    email: Email
    password: Annotated[str, Meta(min_length=12)]
    age: Annotated[int, Meta(ge=18)] | None = None
    tags: list[str] = []
    terms: bool = False

    def __post_init__(self) -> None:
        if self.password in self.email:
            raise ValueError("The password is in the address.")


GOOD = {"email": "ada@example.com", "password": "correct horse battery"}


def shown(form: Form[Any]) -> dict[str, Any]:
    return {
        "valid": form.is_valid,
        "errors": form.errors,
        "values": form.values.multi_items(),
        "codes": [(error["location"], error["code"]) for error in form.details],
    }


@Controller()
class SignUpController:
    @Get("/")
    async def page(self, form: Form[SignUp]) -> dict[str, Any]:
        return shown(form)

    @Post("/")
    async def send(self, ctx: RequestContext, form: Form[SignUp]) -> Response:
        if not form.is_valid:
            return ctx.json(shown(form), 422)
        if form.value.email == "taken@example.com":
            form.add_error("email", "There is an account with this address already.")
            return ctx.json(shown(form), 409)
        return ctx.json({"email": form.value.email, "age": form.value.age, "terms": form.value.terms})

    @Post("/unasked")
    async def unasked(self, form: Form[SignUp]) -> str:
        return form.value.email

    @Post("/rejected")
    async def rejected(self, form: Form[SignUp]) -> str:
        form.add_error("", "We are closed.")
        return form.value.email


def encoded(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": "POST",
        "body": urlencode(fields, doseq=True).encode(),
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    }


async def send(path: str = "/", **fields: Any) -> Answer:
    return await ask(app_of(SignUpController), path, **encoded(fields))


class TestHandlers:
    async def test_a_valid_form_has_its_value(self) -> None:
        answer = await send(**GOOD, age="30", terms="on")
        assert answer.json() == {"email": "ada@example.com", "age": 30, "terms": True}

    async def test_every_field_has_its_error_and_what_was_typed_stays(self) -> None:
        answer = await send(email="ada", password="short", age="17", tags=["a", "b"])
        assert answer.status == 422
        assert answer.json() == {
            "valid": False,
            "errors": {
                "email": "This is not an email address.",
                "password": "Use at least 12 characters.",
                "age": "Enter 18 or more.",
            },
            "values": [["email", "ada"], ["password", "short"], ["age", "17"], ["tags", "a"], ["tags", "b"]],
            "codes": [["/body/email", "pattern"], ["/body/password", "length"], ["/body/age", "range"]],
        }

    @pytest.mark.parametrize("fields", [{}, {"email": "", "password": " "}], ids=["left out", "left empty"])
    async def test_a_field_without_text_is_required(self, fields: dict[str, str]) -> None:
        errors = (await send(**fields)).json()["errors"]
        assert errors == dict.fromkeys(["email", "password"], "This field is required.")

    async def test_an_empty_request_is_an_empty_form(self) -> None:
        answer = await ask(app_of(SignUpController), "/", method="POST")
        assert sorted(answer.json()["errors"]) == ["email", "password"]

    async def test_an_error_of_the_whole_form_has_the_message_of_the_application(self) -> None:
        answer = await send(email="correct-horse@battery", password="correct-horse")
        assert answer.json()["errors"] == {"": "The password is in the address."}

    async def test_the_application_adds_an_error(self) -> None:
        answer = await send(**{**GOOD, "email": "taken@example.com"})
        assert answer.status == 409
        assert answer.json()["errors"] == {"email": "There is an account with this address already."}
        assert answer.json()["valid"] is False

    async def test_a_handler_that_does_not_ask_responds_as_one_with_a_body_does(self) -> None:
        answer = await send("/unasked", email="ada")
        assert answer.status == 422
        assert answer.locations == ["/body/email", "/body/password"]
        assert (await send("/unasked", **GOOD)).json() == "ada@example.com"
        rejected = await send("/rejected", **GOOD)
        assert (rejected.status, rejected.locations) == (422, ["/body"])

    async def test_the_form_of_a_get_is_empty(self) -> None:
        answer = await ask(app_of(SignUpController), "/?email=ada")
        assert answer.json() == {"valid": False, "errors": {}, "values": [], "codes": []}

    @pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
    async def test_other_media_types_are_refused(self, media_type: str) -> None:
        headers = {"content-type": media_type}
        answer = await ask(app_of(SignUpController), "/", method="POST", body=b"{}", headers=headers)
        assert answer.status == 415
        assert "x-www-form-urlencoded" in (answer.header("accept") or "")

    async def test_a_body_that_is_no_form_at_all_is_a_400(self) -> None:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await ask(app_of(SignUpController), "/", method="POST", body=b"email=\xff", headers=headers)
        assert answer.status == 400

    def test_files_are_part_of_it(self) -> None:
        class Profile(Struct):
            name: Annotated[str, Meta(min_length=3)]
            photo: UploadFile

        @Controller()
        class ProfileController:
            @Post("/")
            async def save(self, form: Form[Profile]) -> dict[str, Any]:
                return shown(form) if form.errors else {"photo": form.value.photo.filename}

        with TestClient(app_of(ProfileController)) as client:
            photo = {"photo": ("ada.png", b"png")}
            assert client.post("/", data={"name": "Ada"}, files=photo).json() == {"photo": "ada.png"}
            wrong = client.post("/", data={"name": "A"}, files=photo).json()
            assert wrong["errors"] == {"name": "Use at least 3 characters."}
            assert wrong["values"] == [["name", "A"]]
            without = client.post("/", data={"name": "Ada"}).json()
            assert without["errors"] == {"photo": "This field is required."}

    async def test_what_is_wrong_elsewhere_in_the_request_is_still_a_422(self) -> None:
        class Page(Struct):
            page: int

        @Controller()
        class PagedController:
            @Post("/")
            async def send(self, form: Form[SignUp], query: Query[Page]) -> dict[str, Any]:
                return shown(form)

        answer = await ask(app_of(PagedController), "/?page=x", **encoded({"email": "ada"}))
        assert (answer.status, answer.locations) == (422, ["/query/page"])
        answer = await ask(app_of(PagedController), "/?page=1", **encoded({"email": "ada"}))
        assert (answer.status, sorted(answer.json()["errors"])) == (200, ["email", "password"])


class Color(enum.Enum):
    RED = "red"


def of(hint: Any, text: str) -> dict[str, str]:
    """The errors of a form with one field."""
    made = msgspec.defstruct("Made", [("it", hint)])

    @Controller()
    class MadeController:
        @Post("/")
        async def send(self, form: Form[made]) -> dict[str, str]:  # type: ignore[valid-type]
            return form.errors

    with TestClient(app_of(MadeController)) as client:
        errors: dict[str, str] = client.post("/", data={"it": text}).json()
    return errors


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (int, "x", "Enter a whole number."),
        (int | None, "1.5", "Enter a whole number."),
        (float, "x", "Enter a number."),
        (decimal.Decimal, "x", "Enter a number."),
        (decimal.Decimal, "NaN", "Enter a number."),
        (float, "inf", "Enter a number."),
        (bool, "maybe", "Choose yes or no."),
        (datetime.date, "x", "Enter a date."),
        (datetime.datetime, "x", "Enter a date and a time."),
        (datetime.time, "x", "Enter a time."),
        (uuid.UUID, "x", "This value is not valid."),
        (datetime.timedelta, "x", "This value is not valid."),
        (Color, "blue", "Choose one of the options."),
        (Literal["a", "b"], "c", "Choose one of the options."),
        (Literal["a", "b"], "", "This field is required."),
        (int, "", "This field is required."),
        (Annotated[str, Meta(max_length=1)], "ab", "Use at most 1 character."),
        (Annotated[str, Meta(pattern="^a\n?$")], "b", "This is not in the expected format."),
        (Annotated[int, Meta(ge=2)], "1", "Enter 2 or more."),
        (Annotated[float, Meta(le=1.5)], "2", "Enter 1.5 or less."),
        (Annotated[float, Meta(gt=2)], "2", "Enter more than 2."),
        (Annotated[float, Meta(lt=2)], "2", "Enter less than 2."),
        (Annotated[int, Meta(multiple_of=5)], "7", "Enter a multiple of 5."),
        (Annotated[list[str], Meta(min_length=2)], "a", "Choose at least 2."),
        (
            Annotated[datetime.datetime, Meta(tz=True)],
            "2026-01-01T00:00:00",
            "Enter a date and a time with a time zone.",
        ),
        (Annotated[int, Meta(ge=2, extra={"message": "Two or more."})], "1", "Two or more."),
        (Annotated[int | None, Meta(extra={"message": "A number."})], "x", "A number."),
        (list[int], "x", "Enter a whole number."),
    ],
)
def test_messages_are_for_people(hint: Any, text: str, message: str) -> None:
    assert of(hint, text) == {"it": message}


MOMENT = datetime.datetime(2030, 1, 1, 10, 30)  # noqa: DTZ001  # <input type="datetime-local"> has no time zone
NOON = datetime.time(12, 0)


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (datetime.datetime, "2030-01-01T10:30", MOMENT),
        (datetime.datetime, "2030-01-01T10:30:00", MOMENT),
        (datetime.datetime | None, "2030-01-01 10:30", MOMENT),
        (Annotated[datetime.datetime, Meta(tz=True)], "2030-01-01T10:30Z", MOMENT.replace(tzinfo=datetime.UTC)),
        (datetime.time, "12:00", NOON),
        (list[datetime.time], ["12:00", "12:00:00"], [NOON, NOON]),
        (str, "12:00", "12:00"),
        (datetime.time, "25:00", None),
        (datetime.time, "1:00", None),
        (datetime.datetime, "2030-01-01", None),
        (datetime.datetime, "12:00", None),
    ],
)
def test_a_time_may_lack_its_seconds_as_browsers_send_it(hint: Any, text: Any, value: Any) -> None:
    """In forms and in queries, beside a field that is wrong, and in a model with other names."""
    made = msgspec.defstruct("Made", [("it_is", hint), ("number", int, 0)], rename="camel")
    received: list[Any] = []

    @Controller()
    class MadeController:
        @Post("/")
        async def send(self, form: Form[made]) -> dict[str, str]:  # type: ignore[valid-type]
            received.append(form.value.it_is if form.is_valid else None)  # type: ignore[attr-defined]
            return form.errors

        @Get("/")
        async def search(self, query: made) -> None:  # type: ignore[valid-type]
            received.append(query.it_is)  # type: ignore[attr-defined]

    with TestClient(app_of(MadeController)) as client:
        client.post("/", data={"itIs": text})
        assert client.get("/", params={"itIs": text}).status_code == (422 if value is None else 204)
        assert received == ([None] if value is None else [value, value])
        errors = client.post("/", data={"itIs": text, "number": "x"}).json()
        assert set(errors) == ({"number", "itIs"} if value is None else {"number"})


@dataclass
class Data:
    name: Annotated[str, Meta(min_length=2, extra={"message": "Too short."})]


class Typed(TypedDict):
    name: Annotated[str, Meta(min_length=2, extra={"message": "Too short."})]


class Renamed(Struct, rename="camel"):
    first_name: Annotated[str, Meta(min_length=2, extra={"message": "Too short."})]


class Model(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(min_length=2)]


@pytest.mark.parametrize(
    ("hint", "errors"),
    [
        (Data, {"name": "Too short."}),
        (Typed, {"name": "Too short."}),
        (Renamed, {"firstName": "Too short."}),
        (Model, {"name": "String should have at least 2 characters"}),
    ],
)
def test_every_kind_of_type_has_fields(hint: Any, errors: dict[str, str]) -> None:
    @Controller()
    class AnyController:
        @Post("/")
        async def send(self, form: Form[Any]) -> dict[str, str]:
            return form.errors

    AnyController.send.__annotations__["form"] = Form[hint]
    with TestClient(app_of(AnyController)) as client:
        assert client.post("/", data={"name": "A", "firstName": "A"}).json() == errors
        assert client.post("/", data={"name": "Ada", "firstName": "Ada"}).json() == {}


class TestFilled:
    def test_a_form_shows_an_object(self) -> None:
        note = SignUp("ada@example.com", "x" * 12, age=30, tags=["a", "b"], terms=True)
        assert Form(note).values.multi_items() == [
            ("email", "ada@example.com"),
            ("password", "x" * 12),
            ("age", "30"),
            ("tags", "a"),
            ("tags", "b"),
            ("terms", "true"),
        ]

    def test_what_is_not_set_is_not_sent(self) -> None:
        form = Form({"due": None, "done": False, "day": datetime.date(2026, 1, 2), "place": {"x": 1}})
        assert form.values.multi_items() == [("day", "2026-01-02"), ("place", '{"x":1}')]

    @pytest.mark.parametrize("values", [5, "text", ["a"]])
    def test_other_values_are_refused(self, values: object) -> None:
        with pytest.raises(TypeError, match="a form shows the fields of an object"):
            Form(values)

    def test_its_value_was_not_sent(self) -> None:
        with pytest.raises(RuntimeError, match="was not sent"):
            Form(GOOD).value  # noqa: B018
        assert not Form(GOOD).is_valid

    def test_the_first_error_of_a_field_stays(self) -> None:
        form: Form[SignUp] = Form()
        form.add_error("a/b", "first")
        form.add_error("a/b", "second")
        form.add_error("", "whole")
        assert (form.errors, form.problem) == ({"a/b": "first", "": "whole"}, "whole")
        assert [error["location"] for error in form.details] == ["/body/a~1b", "/body/a~1b", "/body"]
        with pytest.raises(UnprocessableEntity):
            form.value  # noqa: B018

    def test_nothing_that_was_typed_is_in_its_repr(self) -> None:
        form = Form(GOOD)
        assert repr(form) == "<Form: not sent>"
        form.add_error("email", "wrong")
        assert repr(form) == "<Form: errors in ['email']>"


PAGE = """\
<input name="email" value="{{ form.values.email }}">
{% if form.errors.email %}<p>{{ form.errors.email }}</p>{% endif %}{{ form.problem or "" }}
{{ form.errors.password }}{{ form.values.age }}"""


class TestTemplates:
    @pytest.fixture
    def app(self, tmp_path: Path) -> App:
        (tmp_path / "page.html").write_text(PAGE)

        @Controller()
        class PageController:
            @Get("/")
            async def page(self, ctx: RequestContext, form: Form[SignUp]) -> Response:
                return ctx.render("page.html", form=form)

            @Post("/")
            async def send(self, ctx: RequestContext, form: Form[SignUp]) -> Response:
                return ctx.render("page.html", 422, form=form)

        return bootstrap([Module("page", controllers=[PageController])], templates=tmp_path)

    async def test_an_empty_form_has_no_values_and_no_errors(self, app: App) -> None:
        assert (await ask(app, "/")).text == '<input name="email" value="">\n\n'

    async def test_values_and_errors_are_shown_and_escaped(self, app: App) -> None:
        answer = await ask(app, "/", **encoded({"email": '"><script>', "password": "x" * 12, "age": "30"}))
        assert answer.text.splitlines() == [
            '<input name="email" value="&#34;&gt;&lt;script&gt;">',
            "<p>This is not an email address.</p>",
            "30",
        ]


class TestDescription:
    """What the API description says of a form."""

    def test_a_form_is_a_body_of_its_media_type_and_a_get_has_none(self) -> None:
        document = document_of(SignUpController)
        assert "requestBody" not in operation(document, "get", "/")
        assert "422" not in operation(document, "get", "/")["responses"]
        described = operation(document, "post", "/")
        (media_type, content), *others = described["requestBody"]["content"].items()
        assert (media_type, others) == ("application/x-www-form-urlencoded", [])
        schema = content["schema"]
        assert fits(document, schema, GOOD)
        assert not fits(document, schema, {"email": "ada"})
        assert {"400", "413", "415", "422"} <= described["responses"].keys()

    def test_both_kinds_of_a_422_fit_what_is_said(self) -> None:
        with TestClient(app_of(SignUpController), validate=True) as client:
            for path in ("/", "/unasked", "/rejected"):
                assert client.post(path, data={"email": "ada"}).status_code == 422

    def test_a_form_with_files_is_a_multipart_form(self) -> None:
        class Profile(Struct):
            name: str
            photo: UploadFile

        @Controller()
        class ProfileController:
            @Post("/")
            async def save(self, form: Form[Profile]) -> None: ...

        body = operation(document_of(ProfileController), "post", "/")["requestBody"]
        assert list(body["content"]) == ["multipart/form-data"]


class TestMistakes:
    @pytest.mark.parametrize(
        ("hint", "cause"),
        [
            (Form[int], "a form has names and values, as an object has"),
            (Form, "nothing says what is in it"),
            (Form[list[int]], "a form has names and values"),
            (Form[complex], "<class 'complex'>"),
        ],
    )
    @pytest.mark.parametrize("method", [Get, Post])
    def test_a_type_that_no_form_has_stops_the_start(self, hint: Any, cause: str, method: Any) -> None:
        class Wrong:
            @method("/")  # type: ignore[untyped-decorator]
            async def send(self, form: Any) -> None: ...

        Wrong.send.__annotations__["form"] = hint
        with raises_code("handler-type", match=cause):
            app_of(Controller()(Wrong))

    def test_a_request_has_one_body(self) -> None:
        @Controller()
        class Two:
            @Post("/")
            async def send(self, form: Form[SignUp], body: SignUp) -> None: ...

        with raises_code("handler-bodies"):
            app_of(Two)

    def test_a_handler_that_streams_has_no_form(self) -> None:
        @Controller()
        class Streaming:
            @Post("/", stream=True)
            async def send(self, form: Form[SignUp]) -> None: ...

        with raises_code("handler-stream"):
            app_of(Streaming)
