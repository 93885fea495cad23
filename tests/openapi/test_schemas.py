"""Schemas of types: what a schema allows is accepted, and what is accepted or sent is allowed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, computed_field

from kick import HTTPError
from kick.http.validation.conversion import json_decoder
from kick.http.validation.encoding import JSONEncoder
from kick.http.validation.number_range import BigInt
from kick.openapi.schemas.schemas import Schemas
from tests.openapi.support import fits

T = TypeVar("T")
M = msgspec.Meta
Id = NewType("Id", int)


class Color(enum.Enum):
    """The colour of a car."""

    RED = "red"
    BLUE = "blue"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Cat(msgspec.Struct, tag=True):
    name: str
    color: Color = Color.RED


class Dog(msgspec.Struct, tag=True):
    """A dog."""

    name: Annotated[str, M(min_length=1, description="Its name.", examples=["Rex"])]
    friends: list[Cat | Dog] = []


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    first_name: str
    number: int | None = None


class AsArray(msgspec.Struct, array_like=True):
    a: int
    b: str = "x"


class TaggedArray(msgspec.Struct, array_like=True, tag="t"):
    a: int


class Page(msgspec.Struct, Generic[T]):
    items: list[T]
    next: int | None = None


class Patch(msgspec.Struct):
    a: int | msgspec.UnsetType = msgspec.UNSET


@dataclasses.dataclass
class Data:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)


class Typed(TypedDict):
    a: int
    b: NotRequired[str]


class Pair(NamedTuple):
    a: int
    b: str = "x"


@attrs.define
class Attrs:
    a: int
    b: str = "x"


class Model(BaseModel):
    """A model."""

    a: int
    b: str = "x"
    c: list[Model] = []


TYPES: Sequence[Any] = (
    *(int, str, float, bool, None, bytes, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, decimal.Decimal, Any),
    *(list, dict, list[int], set[int], tuple[int, str], tuple[int, ...], dict[str, int], dict[int, str]),
    *(dict[Color, int], frozenset[str], int | None, int | str, Literal["a", "b"], Literal[1, "a"], Literal[1], Id),
    *(Color, Number, Cat, Cat | Dog, Dog, Strict, AsArray, TaggedArray, Page[int], Page[Cat], Page[Page[Cat | Dog]]),
    *(
        Patch,
        Data,
        Typed,
        Pair,
        Attrs,
        Model,
        list[Model],
        Model | None,
        list[Cat | Dog] | None,
        Annotated[int, Field(ge=3)],
    ),
    *(Annotated[int, M(ge=1, lt=10)], Annotated[float, M(gt=0.5, multiple_of=0.5)], Annotated[bytes, M(max_length=3)]),
    *(Annotated[str, M(min_length=2, max_length=3, pattern="^a")], Annotated[list[int], M(min_length=1, max_length=2)]),
    *(
        Annotated[dict[str, int], M(min_length=1)],
        Annotated[dt.datetime, M(tz=True)],
        Annotated[dt.datetime, M(tz=False)],
    ),
)

CANDIDATES: Sequence[Any] = (
    *(0, 1, 2, 5, 10, -1, 1.5, 0.25, True, False, None, "", "a", "b", "ab", "abc", "abcd", "1", "-1", "1.5", "true"),
    *("red", "blue", "aGk=", "aGkhYWFhYQ==", "2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00"),
    *(
        "2020-01-01T00:00:00+02:00",
        "00:00:00",
        "00:00:00Z",
        "10:00",
        "P1D",
        "PT1H",
        "P1Y",
        "P",
        "PT",
        "P1DT1.5S",
        "-P1W",
    ),
    *("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b8109dad11d180b400c04fd430c8", "1e5", "+1", ".5", "NaN", "x.y"),
    *([], [1], ["a"], [1, "a"], [1, 2], [1, 2, 3], [1, "a", 2], ["t", 1], ["t"], ["t", 1, 2], [None]),
    *([{"type": "Cat", "name": "x"}], {}, {"a": 1}, {"a": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": [1]}, {"a": None}),
    *(
        {"a": 1, "b": 1},
        {"a": 1, "z": 1},
        {"1": "x"},
        {"1": 1},
        {"red": 1},
        {"name": "x"},
        {"type": "Cow", "name": "x"},
    ),
    *({"type": "Cat", "name": "x"}, {"type": "Dog", "name": "x"}, {"type": "Dog", "name": ""}),
    {"type": "Dog", "name": "x", "friends": [{"type": "Cat", "name": "y"}]},
    *({"type": "Cat", "name": "x", "color": "red"}, {"type": "Cat", "name": "x", "color": "green"}),
    *({"firstName": "x"}, {"firstName": "x", "number": None}, {"firstName": "x", "number": "a"}, {"first_name": "x"}),
    *({"firstName": "x", "z": 1}, {"items": [1]}, {"items": [1], "next": 2}, {"items": ["a"]}),
    *({"items": [{"type": "Cat", "name": "y"}]}, {"items": [{"items": []}]}),
    *({"a": 1, "c": [{"a": 2}]}, {"a": 1, "c": [{"b": "2"}]}),
)

LENIENT = {
    (dt.datetime, "2020-01-01T00:00:00"): "RFC 3339 wants an offset, and a time without one is read too",
    (dt.time, "00:00:00"): "as above",
    (uuid.UUID, "6ba7b8109dad11d180b400c04fd430c8"): "an id without dashes is read too",
}
"""Values that are accepted, and that the schema does not recommend."""

LENIENT_TAGS = {"Cat", "Dog"}
"""Structs with a tag: the tag may be missing where no other Struct is possible."""


def schema_of(hint: Any, mode: Any = "input", **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of a type, and a document with its components."""
    schemas = Schemas(strict=True, **options)
    schema, components = schemas.complete(schemas.of(hint, mode, "show() at app.py:1"))
    assert schemas.problems == []
    return schema, {"components": {"schemas": components}}


def accepts(hint: Any, value: Any) -> bool:
    try:
        json_decoder(hint)(json.dumps(value).encode())
    except HTTPError:
        return False
    return True


@pytest.mark.parametrize("hint", TYPES, ids=str)
def test_a_schema_allows_what_is_accepted_and_nothing_else(hint: Any) -> None:
    schema, document = schema_of(hint)
    different = []
    for value in CANDIDATES:
        is_accepted, is_allowed = accepts(hint, value), fits(document, schema, value)
        is_lenient = isinstance(value, str) and (hint, value) in LENIENT
        is_lenient |= getattr(hint, "__name__", "") in LENIENT_TAGS and value == {"name": "x"}
        if is_accepted != is_allowed and not (is_accepted and is_lenient):
            different.append((value, "accepted" if is_accepted else "refused"))
    assert different == []


WRITTEN: Sequence[tuple[Any, Any]] = (
    *((int, 5), (str, "x"), (float, 1), (bool, True), (bytes, b"abc"), (uuid.UUID, uuid.UUID(int=7)), (Any, [1])),
    *((dt.datetime, dt.datetime(2020, 1, 1, tzinfo=dt.UTC)), (dt.date, dt.date(2020, 1, 1)), (Id, 7)),
    *((dt.timedelta, dt.timedelta(days=1, seconds=1.5)), (dt.timedelta, dt.timedelta(seconds=-1))),
    *((decimal.Decimal, decimal.Decimal("1.10")), (decimal.Decimal, decimal.Decimal("1E+5"))),
    *(
        (list[int], [1]),
        (set[int], {1, 2}),
        (tuple[int, str], (1, "a")),
        (dict[int, str], {1: "a"}),
        (int | None, None),
    ),
    *(
        (Color, Color.RED),
        (Number, Number.ONE),
        (Cat, Cat("a")),
        (Cat | Dog, Dog("a", [Cat("b")])),
        (Literal["a"], "a"),
    ),
    *((Strict, Strict("a")), (AsArray, AsArray(1)), (TaggedArray, TaggedArray(1)), (Page[Cat], Page([Cat("a")]))),
    *((Patch, Patch()), (Data, Data(1)), (Typed, {"a": 1}), (Pair, Pair(1)), (Attrs, Attrs(1)), (Model, Model(a=1))),
    *((list[Model], [Model(a=1, c=[Model(a=2)])]), (Page[Model], Page([Model(a=1)])), (Sequence[int], [1])),
    *((Mapping[str, Cat], {"a": Cat("b")}),),
)


@pytest.mark.parametrize(("hint", "value"), WRITTEN, ids=str)
def test_a_schema_allows_what_is_sent(hint: Any, value: Any) -> None:
    schema, document = schema_of(hint, "output")
    sent = msgspec.json.decode(JSONEncoder().encode(value))
    assert fits(document, schema, sent), (schema, sent)


_numbers = count()


def leaves() -> st.SearchStrategy[Any]:
    constrained = [
        Annotated[int, M(ge=-5, le=5)],
        Annotated[float, M(gt=0)],
        Annotated[str, M(max_length=3)],
        Annotated[list[bool], M(min_length=1)],
    ]
    return st.sampled_from([int, str, float, bool, type(None), dt.date, uuid.UUID, bytes, Color, Number, *constrained])


def types() -> st.SearchStrategy[Any]:
    """Types as applications write them."""
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            inner.map(lambda each: list[each]),
            inner.map(lambda each: dict[str, each]),
            inner.map(lambda each: each | None),
            st.tuples(inner, inner).map(lambda pair: tuple[pair]),
            st.dictionaries(st.sampled_from("abcd"), st.tuples(inner, st.booleans()), max_size=3).map(struct_of),
        ),
        max_leaves=8,
    )


def struct_of(fields: Mapping[str, tuple[Any, bool]]) -> Any:
    """A Struct with these fields, some of them with a default."""
    listed = [(name, hint | None, None) if optional else (name, hint) for name, (hint, optional) in fields.items()]
    return msgspec.defstruct(f"Struct{next(_numbers)}", listed, kw_only=True)  # type: ignore[arg-type]  # they are of both lengths


def values_of(schema: dict[str, Any], components: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows."""
    if "$ref" in schema:
        return values_of(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return st.one_of([values_of(each, components) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            return st.integers(schema.get("minimum", -(1 << 63)), schema.get("maximum", (1 << 63) - 1))
        case "number":
            lowest = schema.get("exclusiveMinimum")
            return st.floats(lowest, exclude_min=lowest is not None, allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "string":
            return texts_of(schema)
        case "array":
            if "prefixItems" in schema:
                return st.tuples(*(values_of(each, components) for each in schema["prefixItems"])).map(list)
            return st.lists(values_of(schema["items"], components), min_size=schema.get("minItems", 0), max_size=3)
        case "object":
            properties = {name: values_of(each, components) for name, each in schema.get("properties", {}).items()}
            required = {name: each for name, each in properties.items() if name in schema.get("required", ())}
            optional = {name: each for name, each in properties.items() if name not in required}
            if "additionalProperties" in schema:
                return st.dictionaries(st.text(), values_of(schema["additionalProperties"], components), max_size=3)
            return st.fixed_dictionaries(required, optional=optional)
    raise AssertionError(schema)


def texts_of(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    match schema.get("format"), schema.get("pattern"):
        case "date", _:
            return st.dates().map(str)
        case "uuid", _:
            return st.uuids().map(str)
        case _, str(pattern):
            return st.from_regex(pattern.replace("$", r"\Z"))
    return st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength"))


@settings(deadline=None, max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_generated_types_accept_what_their_schemas_allow_and_send_it_back(data: st.DataObject) -> None:
    hint = data.draw(types())
    schema, document = schema_of(hint)
    value = data.draw(values_of(schema, document["components"]["schemas"]))
    assert fits(document, schema, value)
    decoded = json_decoder(hint)(json.dumps(value).encode())
    written, outputs = schema_of(hint, "output")
    assert fits(outputs, written, msgspec.json.decode(JSONEncoder().encode(decoded)))


class TestClasses:
    def test_a_class_is_described_once_and_referred_to(self) -> None:
        schema, document = schema_of(tuple[Cat, list[Cat], Cat | None])
        reference = {"$ref": "#/components/schemas/Cat"}
        assert schema["prefixItems"] == [
            reference,
            {"type": "array", "items": reference},
            {"anyOf": [reference, {"type": "null"}]},
        ]
        assert document["components"]["schemas"]["Cat"] == {
            "type": "object",
            "properties": {
                "type": {"type": "string", "const": "Cat"},
                "name": {"type": "string"},
                "color": {"$ref": "#/components/schemas/Color", "default": "red"},
            },
            "required": ["type", "name"],
        }

    def test_docstrings_and_meta_are_descriptions(self) -> None:
        _, document = schema_of(Dog)
        found = document["components"]["schemas"]
        assert found["Dog"]["description"] == "A dog."
        assert found["Color"]["description"] == "The colour of a car."
        assert found["Dog"]["properties"]["name"] == {
            "type": "string",
            "minLength": 1,
            "description": "Its name.",
            "examples": ["Rex"],
        }

    def test_a_tagged_union_has_a_discriminator(self) -> None:
        schema, _ = schema_of(Cat | Dog)
        assert schema == {
            "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
            "discriminator": {
                "propertyName": "type",
                "mapping": {"Cat": "#/components/schemas/Cat", "Dog": "#/components/schemas/Dog"},
            },
        }

    def test_defaults_are_shown_where_they_are_the_same_each_time(self) -> None:
        class Noted(msgspec.Struct):
            tags: list[str] = []
            at: dt.datetime = msgspec.field(default_factory=lambda: dt.datetime.now(dt.UTC))
            day: dt.date = dt.date(2020, 1, 1)
            color: Color = Color.BLUE
            free: Any = dataclasses.field(default_factory=dict)

        found = schema_of(Noted)[1]["components"]["schemas"]["Noted"]["properties"]
        assert found["tags"]["default"] == []
        assert "default" not in found["at"]
        assert found["day"]["default"] == "2020-01-01"
        assert found["color"] == {"$ref": "#/components/schemas/Color", "default": "blue"}

    def test_a_default_of_none_is_left_out_so_that_examples_show_a_value(self) -> None:
        class Offer(BaseModel):
            price: float
            is_offer: bool | None = None
            name: str | None = "tea"

        for cls, field, name in ((Strict, "number", "firstName"), (Offer, "is_offer", "price")):
            found = schema_of(cls)[1]["components"]["schemas"][cls.__name__]
            assert "default" not in found["properties"][field]
            assert found["properties"][field]["anyOf"][1] == {"type": "null"}
            assert found["required"] == [name]
        assert schema_of(Offer)[1]["components"]["schemas"]["Offer"]["properties"]["name"]["default"] == "tea"

    def test_a_field_that_may_be_unset_is_not_null(self) -> None:
        found = schema_of(Patch)[1]["components"]["schemas"]["Patch"]
        assert found == {"type": "object", "properties": {"a": {"type": "integer", "format": "int64"}}}

    def test_extra_json_schema_is_taken_over(self) -> None:
        assert schema_of(Annotated[str, M(extra_json_schema={"format": "email"})])[0]["format"] == "email"


class TestModels:
    def test_integers_have_64_bits_unless_they_say_otherwise(self) -> None:
        class Serial(BaseModel):
            number: BigInt

        class Sizes(BaseModel):
            plain: int
            least: Annotated[int, Field(ge=1)] = 1
            bounded: Annotated[int, Field(gt=0, le=1 << 70)] = 1
            serial: Serial

        schemas = Schemas(strict=True)
        _, components = schemas.complete(schemas.of(Sizes, "input", "x"))
        fields = {**components["Sizes"]["properties"], **components["Serial"]["properties"]}
        assert [name for name, schema in fields.items() if schema.get("format") == "int64"] == ["plain", "least"]
        large = 1 << 63
        body = {"plain": large, "least": large, "bounded": large, "serial": {"number": large}}
        with pytest.raises(HTTPError) as caught:
            json_decoder(Sizes)(json.dumps(body).encode())
        assert [each["location"] for each in caught.value.problem()["errors"]] == ["/body/plain", "/body/least"]

    def test_one_form_is_enough_where_both_are_the_same(self) -> None:
        schemas = Schemas(strict=True)
        read, written = schemas.of(Model, "input", "x"), schemas.of(list[Model], "output", "x")
        (read, written), components = schemas.complete([read, written])
        assert list(components) == ["Model"]
        assert read == {"$ref": "#/components/schemas/Model"}
        assert written["items"] == read

    def test_two_forms_where_they_differ(self) -> None:
        class Price(BaseModel):
            cents: int = Field(validation_alias="amount", serialization_alias="cents")

            @computed_field
            def text(self) -> str:
                return f"{self.cents}"

        class Basket(BaseModel):
            prices: list[Price]

        schemas = Schemas(strict=True)
        (read, written), components = schemas.complete(
            [schemas.of(Basket, "input", "x"), schemas.of(Basket, "output", "x")]
        )
        assert read == {"$ref": "#/components/schemas/Basket-Input"}
        assert written == {"$ref": "#/components/schemas/Basket-Output"}
        assert sorted(components) == ["Basket-Input", "Basket-Output", "Price-Input", "Price-Output"]
        assert list(components["Price-Input"]["properties"]) == ["amount"]
        assert list(components["Price-Output"]["properties"]) == ["cents", "text"]

    def test_a_form_that_only_one_side_uses_has_the_plain_name(self) -> None:
        schema, document = schema_of(Page[Model], "output")
        assert schema == {"$ref": "#/components/schemas/Page_Model"}
        assert list(document["components"]["schemas"]) == ["Model", "Page_Model"]


class TestNames:
    def test_generic_classes_are_named_with_their_arguments(self) -> None:
        _, document = schema_of(tuple[Page[Cat], Page[int], Page[list[Cat]], Page[Cat | Dog]])
        assert [each for each in document["components"]["schemas"] if each.startswith("Page")] == [
            "Page_Cat",
            "Page_Cat_or_Dog",
            "Page_int",
            "Page_list_Cat",
        ]

    def test_two_of_one_name_are_an_error_that_names_both(self) -> None:
        other = msgspec.defstruct("Cat", [("age", int)], module="tests.other")
        schemas = Schemas(strict=True)
        schemas.complete(schemas.of(tuple[Cat, other], "input", "x"))
        (problem,) = schemas.problems
        assert problem.code == "openapi-names"
        assert "tests.openapi.test_schemas.Cat (tests/openapi/test_schemas.py:" in problem.cause
        assert "tests.other.Cat" in problem.cause

    def test_they_do_not_change_when_a_module_moves(self) -> None:
        def described(module: str) -> Any:
            cat = msgspec.defstruct("Cat", [("age", int)], module=module)
            owner = msgspec.defstruct("Owner", [("cats", Page[cat])], module=module)  # type: ignore[valid-type]
            return schema_of(tuple[owner, Page[cat]])  # type: ignore[valid-type]

        assert described("shop.cats") == described("shop.animals.models")

    def test_a_name_of_its_own_settles_it(self) -> None:
        other = msgspec.defstruct("Cat", [("age", int)], module="tests.other")
        _, document = schema_of(tuple[Cat, other, Page[other]], names={other: "OldCat"})
        assert list(document["components"]["schemas"]) == ["Cat", "Color", "OldCat", "Page_OldCat"]

    def test_where_nobody_asked_for_a_document_the_module_settles_it_in_any_order(self) -> None:
        other = msgspec.defstruct("Cat", [("age", int)], module="tests.other")
        for pair in ((Cat, other), (other, Cat)):
            schemas = Schemas()
            _, components = schemas.complete(schemas.of(tuple[pair], "input", "x"))
            assert list(components) == ["Color", "tests_openapi_test_schemas_Cat", "tests_other_Cat"]

    def test_a_model_and_a_struct_of_one_name_are_an_error(self) -> None:
        other = msgspec.defstruct("Model", [("age", int)], module="tests.other")
        schemas = Schemas(strict=True)
        schemas.complete([schemas.of(Model, "input", "x"), schemas.of(other, "input", "x")])
        assert [each.code for each in schemas.problems] == ["openapi-names"]


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def money_text(money: Money) -> str:
    return f"{money.cents}"


class TestTypesWithoutASchema:
    def test_it_is_an_error_that_names_the_place(self) -> None:
        schemas = Schemas(strict=True)
        schemas.complete(schemas.of(list[Money], "output", "show() at app.py:1"))
        (problem,) = schemas.problems
        assert problem.code == "openapi-schema"
        assert "tests.openapi.test_schemas.Money, which show() at app.py:1 declares" in problem.cause

    def test_an_encoder_may_say_what_it_returns(self) -> None:
        assert schema_of(Money, "output", encoder=JSONEncoder({Money: money_text}))[0] == {"type": "string"}
        assert schema_of(Money, "output", encoder=JSONEncoder({Money: str}))[0] == {"type": "string"}

    def test_an_encoder_that_says_nothing_is_not_enough(self) -> None:
        schemas = Schemas(strict=True, encoder=JSONEncoder({Money: lambda money: money.cents}))
        schemas.complete(schemas.of(Money, "output", "x"))
        assert [each.code for each in schemas.problems] == ["openapi-schema"]

    def test_the_options_may_say_it(self) -> None:
        given = {Money: {"type": "string", "pattern": "^[0-9]+$"}}
        schema, document = schema_of(list[Money], "output", given=given)
        assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Money"}}
        assert document["components"]["schemas"]["Money"] == given[Money]
