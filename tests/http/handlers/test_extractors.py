"""`body` and `query`: from JSON, forms and query strings to typed values, and all that can be wrong with them."""

import datetime
import decimal
import enum
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from msgspec import Meta
from pydantic import BaseModel, Field

from kick import App, Controller, Get, Post
from tests.http.support import Answer, app_of, ask

T = TypeVar("T")
Positive = Annotated[int, Meta(gt=0)]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    item_name: Annotated[str, Meta(min_length=1, max_length=10)]
    unit_price: Positive
    colour: Colour = Colour.RED


class Order(msgspec.Struct):
    items: Annotated[list[Item], Meta(min_length=1)]
    by_shelf: dict[str, Item] = {}
    pair: tuple[int, str] | None = None
    note: str | None = None


class Circle(msgspec.Struct, tag="circle"):
    radius: Positive


class Square(msgspec.Struct, tag="square"):
    side: Positive


class Tree(msgspec.Struct):
    value: int
    children: list["Tree"] = []


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


class Range(msgspec.Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Row(msgspec.Struct, array_like=True):
    number: int
    name: str


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Card:
    name: str
    pips: int = 1
    tags: list[str] = field(default_factory=list)


class Address(TypedDict):
    street: str
    floor: NotRequired[int]


class Named(TypedDict):
    name: str


@attrs.define
class Parcel:
    weight: float
    to: Address


class User(BaseModel):
    name: str = Field(min_length=2)
    age: int
    tags: list[str] = []


class Group(BaseModel):
    users: list[User]


def app_taking(hint: Any, default: Any = msgspec.UNSET) -> App:
    """An application whose one handler answers with its body."""

    async def take(self: Any, body: Any) -> Any:
        return body

    if default is not msgspec.UNSET:
        take.__defaults__ = (default,)
    take.__annotations__["body"] = hint
    return app_of(Controller()(type("Taking", (), {"take": Post("/")(take)})))


async def post(hint: Any, json: Any = msgspec.UNSET, **options: Any) -> Answer:
    return await ask(app_taking(hint), "/", method="POST", json=json, **options)


# JSON


@pytest.mark.parametrize(
    ("hint", "json"),
    [
        (Item, {"itemName": "tea", "unitPrice": 3, "colour": "blue"}),
        (
            Order,
            {
                "items": [{"itemName": "tea", "unitPrice": 3, "colour": "red"}],
                "by_shelf": {},
                "pair": [1, "a"],
                "note": "n",
            },
        ),
        (Circle | Square, {"type": "square", "side": 2}),
        (list[Circle | Square], [{"type": "circle", "radius": 1}, {"type": "square", "side": 2}]),
        (Tree, {"value": 1, "children": [{"value": 2, "children": []}]}),
        (Page[Item], {"items": [{"itemName": "a", "unitPrice": 1, "colour": "red"}]}),
        (Row, [1, "a"]),
        (Point, [1, 2]),
        (Card, {"name": "ace", "pips": 1, "tags": ["a"]}),
        (Address, {"street": "s"}),
        (Parcel, {"weight": 1.5, "to": {"street": "s", "floor": 2}}),
        (User, {"name": "Ada", "age": 36, "tags": []}),
        (list[User], [{"name": "Ada", "age": 36, "tags": []}]),
        (User | None, None),
        (Group, {"users": []}),
        (dict[str, int], {"a": 1}),
        (dict[int, str], {"1": "a"}),
        (Mapping[str, Any], {"a": [1]}),
        (Sequence[int], [1, 2]),
        (list[int | str], [1, "a"]),
        (set[int], [1]),
        (Any, {"anything": [1, None]}),
        (str, "text"),
        (int, 5),
        (float, 1.5),
        (bool, True),
        (None | int, None),
        (Literal["a", "b"], "a"),
        (uuid.UUID, "6f1b2f3e-0c1d-4b5a-8e9f-001122334455"),
        (datetime.datetime, "2024-01-01T00:00:00Z"),
        (decimal.Decimal, "1.10"),
    ],
)
async def test_a_json_body_becomes_a_value_of_its_type(hint: Any, json: Any) -> None:
    answer = await post(hint, json)
    assert answer.status in (200, 204), answer.body
    assert (answer.json() if answer.status == 200 else None) == json


def test_the_value_is_of_the_type_itself() -> None:
    seen: list[Any] = []

    @Controller()
    class Seeing:
        @Post("/card")
        async def card(self, body: Card) -> None:
            seen.append(body)

        @Post("/user")
        async def user(self, body: User) -> None:
            seen.append(body)

        @Post("/parcel")
        async def parcel(self, body: Parcel) -> None:
            seen.append(body)

    from starlette.testclient import TestClient

    client = TestClient(app_of(Seeing))
    client.post("/card", json={"name": "ace"})
    client.post("/user", json={"name": "Ada", "age": 36})
    client.post("/parcel", json={"weight": 1, "to": {"street": "s"}})
    assert seen == [Card("ace"), User(name="Ada", age=36), Parcel(1.0, {"street": "s"})]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]
)
async def test_json_goes_by_several_names(content_type: str) -> None:
    answer = await ask(app_taking(list[int]), "/", method="POST", body=b"[1]", headers={"content-type": content_type})
    assert answer.json() == [1]


@pytest.mark.parametrize(
    ("hint", "json", "errors"),
    [
        (Item, {}, {"/body/itemName": "missing", "/body/unitPrice": "missing"}),
        (
            Item,
            {"itemName": "", "unitPrice": 0, "colour": "green", "x": 1, "y": 2},
            {
                "/body/itemName": "length",
                "/body/unitPrice": "range",
                "/body/colour": "enum",
                "/body/x": "unknown",
                "/body/y": "unknown",
            },
        ),
        (Item, [], {"/body": "type"}),
        (Item, None, {"/body": "type"}),
        (Item, "text", {"/body": "type"}),
        (
            Order,
            {
                "items": [{"itemName": 1, "unitPrice": "1"}, 7, {"itemName": "ok", "unitPrice": 1}, {"itemName": "a"}],
                "by_shelf": {"a/b": {"itemName": "x"}, "m~n": 3},
                "pair": ["1", 2],
                "note": 3,
            },
            {
                "/body/items/0/itemName": "type",
                "/body/items/0/unitPrice": "type",
                "/body/items/1": "type",
                "/body/items/3/unitPrice": "missing",
                "/body/by_shelf/a~1b/unitPrice": "missing",
                "/body/by_shelf/m~0n": "type",
                "/body/pair/0": "type",
                "/body/pair/1": "type",
                "/body/note": "type",
            },
        ),
        (Order, {"items": [], "pair": [1]}, {"/body/items": "length", "/body/pair": "length"}),
        (Circle | Square, {"type": "circle", "radius": -1}, {"/body/radius": "range"}),
        (Circle | Square, {"type": "oval"}, {"/body/type": "value"}),
        (Circle | Square, {"radius": 1}, {"/body/type": "missing"}),
        (
            list[Circle | Square | None],
            [None, {"type": "circle"}, {"type": "square", "side": "x"}, 3],
            {"/body/1/radius": "missing", "/body/2/side": "type", "/body/3": "type"},
        ),
        (Circle, {"type": "square", "radius": "x"}, {"/body/type": "value", "/body/radius": "type"}),
        (
            Tree,
            {"value": "a", "children": [{"value": 1, "children": [{"value": "b"}, {}]}, {"children": 3}]},
            {
                "/body/value": "type",
                "/body/children/0/children/0/value": "type",
                "/body/children/0/children/1/value": "missing",
                "/body/children/1/value": "missing",
                "/body/children/1/children": "type",
            },
        ),
        (
            Page[Item],
            {"items": [{"itemName": 1, "unitPrice": 1}, 2]},
            {"/body/items/0/itemName": "type", "/body/items/1": "type"},
        ),
        (Page[Page[int]], {"items": [{"items": [1, "x"]}]}, {"/body/items/0/items/1": "type"}),
        (
            list[Range],
            [{"low": 2, "high": 1}, {"low": 1, "high": 2}, {"low": "x"}],
            {"/body/0": "invalid", "/body/2/low": "type", "/body/2/high": "missing"},
        ),
        (Row, ["x"], {"/body/0": "type", "/body/1": "missing"}),
        (list[Point], [[1], ["x", "y"], []], {"/body/1/0": "type", "/body/1/1": "type", "/body/2/0": "missing"}),
        (Card, {"name": 1, "tags": ["a", 2]}, {"/body/name": "type", "/body/tags/1": "type"}),
        (Address, {"floor": "x"}, {"/body/street": "missing", "/body/floor": "type"}),
        (Parcel, {"weight": "x", "to": {}}, {"/body/weight": "type", "/body/to/street": "missing"}),
        (dict[str, list[int]], {"a": [1, "x"], "b": 2}, {"/body/a/1": "type", "/body/b": "type"}),
        (dict[int, int], {"1": 1, "x": 2, "3": "y"}, {"/body/x": "type", "/body/3": "type"}),
        (dict[uuid.UUID, int], {"x": 2}, {"/body/x": "invalid"}),
        (list[int | str], [1, "a", None, 1.5], {"/body/2": "type", "/body/3": "type"}),
        (list[list[int]], [[1], ["x"], [2, "y"]], {"/body/1/0": "type", "/body/2/1": "type"}),
        (list[Literal["a", 1]], ["a", "b", 2], {"/body/1": "enum", "/body/2": "enum"}),
        (Annotated[dict[str, int], Meta(max_length=1)], {"a": 1, "b": 2}, {"/body": "length"}),
        (Annotated[str, Meta(pattern="^a")], "b", {"/body": "pattern"}),
        (list[datetime.datetime], ["2024-01-01T00:00:00Z", "soon"], {"/body/1": "invalid"}),
        (User, {"name": "A", "age": "x"}, {"/body/name": "string_too_short", "/body/age": "int_parsing"}),
        (list[User], [{"name": "Ada", "age": 1}, {}], {"/body/1/name": "missing", "/body/1/age": "missing"}),
        (Group, {"users": [{"name": "Ada"}]}, {"/body/users/0/age": "missing"}),
    ],
)
async def test_every_error_is_reported_with_its_location(hint: Any, json: Any, errors: dict[str, str]) -> None:
    for env in ("", "production"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KICK_ENV", env)
            answer = await post(hint, json)
        assert answer.status == 422
        assert answer.header("content-type") == "application/problem+json"
        assert answer.errors == errors
        assert all(error["message"] for error in answer.json()["errors"])
        assert set(answer.json()) == {"type", "title", "status", "detail", "request_id", "errors"}


async def test_an_error_says_what_was_expected() -> None:
    answer = await post(Item, {"itemName": "x" * 11, "unitPrice": "a"})
    assert answer.json()["detail"] == "2 things are wrong with the request."
    assert answer.json()["errors"] == [
        {"location": "/body/itemName", "message": "Expected `str` of length <= 10", "code": "length"},
        {"location": "/body/unitPrice", "message": "Expected `int`, got `str`", "code": "type"},
    ]


async def test_ninety_nine_errors_are_ninety_nine() -> None:
    answer = await post(list[int], ["x"] * 99)
    assert answer.locations == [f"/body/{index}" for index in range(99)]


async def test_an_invalid_body_never_makes_a_response_much_larger_than_itself() -> None:
    many = await post(list[int], ["x"] * 100_000)
    assert len(many.json()["errors"]) == 100
    assert many.json()["detail"] == "100 things are wrong with the request. Validation stopped after 100 errors."
    body = msgspec.json.encode({"k" * 200_000: ["x"] * 10_000})
    long = await ask(
        app_taking(dict[str, list[int]]), "/", method="POST", body=body, headers={"content-type": "application/json"}
    )
    assert len(long.body) < 2 * len(body)


async def test_deep_nesting_is_answered_whatever_is_in_it() -> None:
    for depth, leaf in ((50, b'{"value": "x"}'), (300, b'{"value": "x"}'), (900, b'{"value": "x"}'), (30_000, b"")):
        body = b'{"value": 1, "children": [' * depth + leaf
        body += b"]}" * depth if leaf else b""
        answer = await ask(
            app_taking(Tree), "/", method="POST", body=body, headers={"content-type": "application/json"}
        )
        assert answer.status in (400, 422)
        assert answer.locations


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "The body is not valid JSON: it ends too early."),
        (b'{"a": }', "The body is not valid JSON: JSON is malformed: invalid character (at byte 6)."),
        (b"[1] x", "trailing characters (at byte 5)"),
        (b"NaN", "invalid character (at byte 0)"),
        (b"Infinity", "(at byte 0)"),
        (b"\xef\xbb\xbf\xef\xbb\xbf[]", "(at byte 0)"),
        (b'"\xff"', "The body is not UTF-8."),
        (b"\xff", "The body is not UTF-8."),
        (b'{"a": "\xed\xa0\x80"}', "The body is not UTF-8."),
        (b'{"\xc3(": 1}', "The body is not UTF-8."),
        (b'"cut off \xc3', "The body is not UTF-8."),
        (b'"\\ud800"', "The body is not valid JSON"),
        (b"[" * 100_000, "The body is nested too deeply."),
        (b"1" * 5000, "out of range"),
        (b"1e400", "out of range"),
        ("[1]".encode("utf-16"), "The body is not"),
        (b"\0", "(at byte 0)"),
    ],
)
@pytest.mark.parametrize("hint", [Any, Tree, dict[str, Any], User], ids=str)
async def test_what_is_no_json_is_a_bad_request_that_says_where(hint: Any, body: bytes, detail: str) -> None:
    answer = await ask(app_taking(hint), "/", method="POST", body=body, headers={"content-type": "application/json"})
    if body in (b"1" * 5000, b"1e400") and answer.status == 422:
        return  # a number, if not one that fits
    assert answer.status == 400
    assert detail in answer.json()["detail"]
    assert answer.locations == ["/body"]


@pytest.mark.parametrize("hint", [Any, Tree, dict[str, Any], User], ids=str)
async def test_no_depth_of_objects_is_too_much_for_the_decoder(hint: Any) -> None:
    """From Python 3.14 on the C stack is the limit: fields of no interest are skipped to the end, however deep."""
    body = b'{"a":' * 100_000
    answer = await ask(app_taking(hint), "/", method="POST", body=body, headers={"content-type": "application/json"})
    assert answer.status == 400
    refused = ("The body is nested too deeply.", "The body is not valid JSON: it ends too early.")
    assert answer.json()["detail"] in refused[: 1 + (sys.version_info >= (3, 14))]


async def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    answer = await ask(
        app_taking(dict[str, int]),
        "/",
        method="POST",
        body=b'{"a": 1, "a": 2}',
        headers={"content-type": "application/json"},
    )
    assert answer.json() == {"a": 2}


async def test_large_numbers_are_exact() -> None:
    number = 2**63 - 1
    assert (await post(int, number)).json() == number


# No body, and other media types


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
async def test_a_missing_body_is_said_to_be_missing(headers: dict[str, str]) -> None:
    answer = await ask(app_taking(Item), "/", method="POST", headers=headers)
    assert answer.status == 422
    assert answer.errors == {"/body": "missing"}


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
async def test_a_default_stands_in_for_a_missing_body(headers: dict[str, str]) -> None:
    answer = await ask(app_taking(Card | None, Card("joker")), "/", method="POST", headers=headers)
    assert answer.json()["name"] == "joker"


class Wanted(msgspec.Struct):
    owner: str = ""
    tags: list[str] = []


async def test_a_default_that_the_handler_changes_is_new_for_each_request() -> None:
    @Controller("")
    class Shop:
        @Post("/body")
        async def by_body(self, body: Wanted | None = Wanted()) -> Any:  # noqa: B008
            return self.change(body)

        @Get("/query")
        async def by_query(self, query: Wanted = Wanted()) -> Any:  # noqa: B008
            return self.change(query)

        def change(self, wanted: Any) -> Any:
            before = list(wanted.tags), wanted.owner
            wanted.tags.append("seen")
            wanted.owner = "Ada"
            return before

    app = app_of(Shop)
    for _ in range(2):
        assert (await ask(app, "/query")).json() == [[], ""]
        assert (await ask(app, "/body", method="POST")).json() == [[], ""]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "image/png", "application/jsonp", "nonsense"]
)
async def test_another_media_type_is_refused(content_type: str) -> None:
    answer = await ask(app_taking(Item), "/", method="POST", body=b"{}", headers={"content-type": content_type})
    assert answer.status == 415
    assert "application/json" in str(answer.header("accept"))
    assert content_type in answer.json()["detail"]


async def test_a_body_without_a_media_type_is_refused() -> None:
    answer = await ask(app_taking(Item), "/", method="POST", body=b"{}")
    assert answer.status == 415
    assert "no Content-Type" in answer.json()["detail"]


async def test_bytes_take_any_body() -> None:
    for content_type in ("image/png", "application/json", ""):
        answer = await ask(
            app_taking(bytes), "/", method="POST", body=b"\x00\xff", headers={"content-type": content_type}
        )
        assert answer.json() == "AP8="
    assert (await ask(app_taking(bytes), "/", method="POST")).json() == ""


async def test_str_takes_text() -> None:
    headers = {"content-type": "text/plain; charset=utf-8"}
    assert (await ask(app_taking(str), "/", method="POST", body="café".encode(), headers=headers)).json() == "café"
    answer = await ask(app_taking(str), "/", method="POST", body=b"\xff", headers=headers)
    assert (answer.status, answer.errors) == (400, {"/body": "encoding"})


# Forms


class Signup(msgspec.Struct):
    name: str
    age: int | None = None
    agree: bool = False
    tags: list[str] = []
    colour: Colour = Colour.RED
    since: datetime.date | None = None


FORM = "name=Ada+L%C3%B6velace&age=36&agree=on&tags=a&tags=b&colour=blue&since=2024-02-29"
VALUE = {
    "name": "Ada Lövelace",
    "age": 36,
    "agree": True,
    "tags": ["a", "b"],
    "colour": "blue",
    "since": "2024-02-29",
}


def multipart(fields: list[tuple[str, str]]) -> tuple[bytes, dict[str, str]]:
    parts = [f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    return ("".join(parts) + "--xx--\r\n").encode(), {"content-type": "multipart/form-data; boundary=xx"}


async def test_a_form_becomes_the_same_typed_body_as_json() -> None:
    app = app_taking(Signup)
    body, headers = multipart(
        [
            ("name", "Ada Lövelace"),
            ("age", "36"),
            ("agree", "on"),
            ("tags", "a"),
            ("tags", "b"),
            ("colour", "blue"),
            ("since", "2024-02-29"),
        ]
    )
    assert (await ask(app, "/", method="POST", json=VALUE)).json() == VALUE
    assert (await ask(app, "/", method="POST", form=FORM)).json() == VALUE
    assert (await ask(app, "/", method="POST", body=body, headers=headers)).json() == VALUE


@pytest.mark.parametrize("hint", [Card, Named, dict[str, str], User])
async def test_forms_fill_every_kind_of_type(hint: Any) -> None:
    answer = await ask(app_taking(hint), "/", method="POST", form="name=Ada&age=36")
    assert answer.status == 200
    assert answer.json()["name"] == "Ada"


async def test_what_is_left_empty_in_a_form_is_left_out() -> None:
    answer = await ask(app_taking(Signup), "/", method="POST", form="name=&age=&since=&agree=")
    assert answer.json() == {"name": "", "age": None, "agree": False, "tags": [], "colour": "red", "since": None}


async def test_errors_of_a_form_have_locations_too() -> None:
    for form, errors in {
        "age=x&colour=green&agree=perhaps": {
            "/body/name": "missing",
            "/body/age": "type",
            "/body/colour": "enum",
            "/body/agree": "type",
        },
        "": {"/body/name": "missing"},
    }.items():
        answer = await ask(app_taking(Signup), "/", method="POST", form=form)
        assert (answer.status, answer.errors) == (422, errors)


@pytest.mark.parametrize(
    ("form", "code"), [("name=%FF", "encoding"), ("&".join(f"f{n}=1" for n in range(1001)), "length")]
)
async def test_a_form_that_cannot_be_read_is_a_bad_request(form: str, code: str) -> None:
    answer = await ask(app_taking(Signup), "/", method="POST", form=form)
    assert (answer.status, answer.errors) == (400, {"/body": code})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary="),
        (b"no boundary at all", "multipart/form-data; boundary=xx"),
        (b"--xx\r\nno header\r\n\r\nvalue\r\n--xx--", "multipart/form-data; boundary=xx"),
        (b"--xx\r\nContent-Type: text/plain\r\n\r\nvalue\r\n--xx--", "multipart/form-data; boundary=xx"),
        (b"--xx\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--xx--", "multipart/form-data; boundary=xx"),
        (b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--xx--', "multipart/form-data; boundary=xx"),
        (
            b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--xx--',
            "multipart/form-data; boundary=xx; charset=nonsense",
        ),
        (b"--xx\r\n" + b"x" * 100_000, "multipart/form-data; boundary=xx"),
        (multipart([(f"f{n}", "1") for n in range(1001)])[0], "multipart/form-data; boundary=xx"),
    ],
)
async def test_a_multipart_form_that_cannot_be_read_is_the_clients_mistake(body: bytes, content_type: str) -> None:
    answer = await ask(app_taking(Signup), "/", method="POST", body=body, headers={"content-type": content_type})
    assert answer.status in (400, 422)
    assert answer.locations


# The query string


class Search(msgspec.Struct):
    q: str = ""
    page: Positive = 1
    tags: list[str] = []
    numbers: set[int] | None = None
    exact: bool = False
    colour: Colour | None = None
    near: float | None = None


def app_asking(hint: Any, default: Any = msgspec.UNSET) -> App:
    async def search(self: Any, query: Any) -> Any:
        return query

    if default is not msgspec.UNSET:
        search.__defaults__ = (default,)
    search.__annotations__["query"] = hint
    return app_of(Controller()(type("Asking", (), {"search": Get("/")(search)})))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("q=a+b%20c&page=2", {"q": "a b c", "page": 2}),
        ("q=first&q=last", {"q": "last"}),
        ("tags=a&tags=b", {"tags": ["a", "b"]}),
        ("tags=a", {"tags": ["a"]}),
        ("numbers=1&numbers=1", {"numbers": [1]}),
        ("exact=true", {"exact": True}),
        ("exact=1", {"exact": True}),
        ("exact=on", {"exact": True}),
        ("exact=no", {}),
        ("exact=", {}),
        ("page=&near=", {}),
        ("colour=blue&near=1.5", {"colour": "blue", "near": 1.5}),
        ("unknown=1", {}),
        ("q=%zz", {"q": "%zz"}),
        ("q=caf%C3%A9&=&&;", {"q": "café"}),
    ],
)
async def test_a_query_string_becomes_a_value_of_its_type(query: str, expected: dict[str, Any]) -> None:
    everything = {"q": "", "page": 1, "tags": [], "numbers": None, "exact": False, "colour": None, "near": None}
    assert (await ask(app_asking(Search), f"/?{query}")).json() == everything | expected


@pytest.mark.parametrize(
    ("hint", "query", "expected"),
    [
        (dict[str, str], "a=1&b=2", {"a": "1", "b": "2"}),
        (dict[str, int], "a=1", {"a": 1}),
        (dict[str, list[int]], "a=1&a=2&b=3", {"a": [1, 2], "b": [3]}),
        (Card, "name=ace&pips=2&tags=x", {"name": "ace", "pips": 2, "tags": ["x"]}),
        (User, "name=Ada&age=36&tags=a&tags=b", {"name": "Ada", "age": 36, "tags": ["a", "b"]}),
        (Search | None, "q=x", None),
    ],
)
async def test_query_strings_fill_every_kind_of_type(hint: Any, query: str, expected: Any) -> None:
    answer = await ask(app_asking(hint), f"/?{query}")
    assert answer.json() == expected if expected is not None else answer.json()["q"] == "x"


async def test_a_default_stands_in_for_an_empty_query_string() -> None:
    app = app_asking(Card | None, None)
    assert (await ask(app, "/")).status == 204
    assert (await ask(app, "/?pips=2")).errors == {"/query/name": "missing"}


async def test_errors_of_a_query_string_have_locations() -> None:
    answer = await ask(app_asking(Search), "/?page=0&numbers=1&numbers=x&exact=maybe&near=far")
    assert (answer.status, answer.errors) == (
        422,
        {"/query/page": "range", "/query/numbers/1": "type", "/query/exact": "type", "/query/near": "type"},
    )


@pytest.mark.parametrize("query", ["q=%FF", "q=\xff", "%C3=1"])
async def test_a_query_string_that_is_not_utf8_is_a_bad_request(query: str) -> None:
    answer = await ask(app_asking(Search), f"/?{query}")
    assert (answer.status, answer.errors) == (400, {"/query": "encoding"})
