"""Types of pydantic's as input: the same as JSON, form and query, and errors with pointers into what was sent."""

import itertools
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

import annotated_types
import msgspec
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    TypeAdapter,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from kick import App, Body, Controller, Get, Post, Query
from tests.http.support import Answer, app_of, ask
from tests.support.setup_errors import raises_code

T = TypeVar("T")


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int
    cat: dict[str, int] = {}
    """It has the name of the tag."""


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str]


class Bird(BaseModel):
    wings: int


class Fish(BaseModel):
    fins: int


def kind_of(value: Any) -> Any:
    return value.get("kind") if isinstance(value, dict) else value.kind


Tagged = Annotated[Cat | Dog, Field(discriminator="kind")]
ByFunction = Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(kind_of)]


class Pet(RootModel[Tagged]): ...


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    page_size: int
    tag_names: list[str] = []


class Search(BaseModel):
    words: list[str] = Field(validation_alias=AliasChoices("q", "words"))
    first: str = Field(default="none", validation_alias=AliasPath("names", 0))
    city: str = Field(default="none", validation_alias=AliasChoices("town", AliasPath("address", "city")))


@pydantic_dataclass
class Window:
    width: int = Field(alias="windowWidth", gt=0)
    marks: list[int] = Field(default_factory=list, alias="mark")


@dataclass
class Frame:
    """A plain dataclass; what is in it is pydantic's."""

    tags: list[str]
    window: Annotated[int, Field(gt=0)] = 1


class Box(BaseModel, Generic[T]):
    item: T
    extra: list[T] = []


def app_taking(hint: Any) -> App:
    @Controller("")
    class Taking:
        @Post("/body")
        async def body(self, given: Body[hint]) -> Any:  # type: ignore[valid-type]
            return TypeAdapter(hint).dump_python(given, mode="json")

        @Get("/query")
        async def in_query(self, given: Query[hint]) -> Any:  # type: ignore[valid-type]
            return TypeAdapter(hint).dump_python(given, mode="json")

    return app_of(Taking)


async def three_ways(hint: Any, data: dict[str, Any]) -> list[Answer]:
    app, texts = app_taking(hint), _texts(data)
    form = {"content-type": "application/x-www-form-urlencoded"}
    return [
        await ask(app, "/body", method="POST", json=data),
        await ask(app, "/body", method="POST", body=texts.encode(), headers=form),
        await ask(app, f"/query?{texts}"),
    ]


def _texts(data: dict[str, Any]) -> str:
    flat = {
        name: msgspec.json.encode(value).decode() if isinstance(value, dict) else value for name, value in data.items()
    }
    return urlencode(flat, doseq=True)


@pytest.mark.parametrize(
    ("hint", "data", "wanted"),
    [
        (Cat | Dog, {"kind": "cat", "lives": 9}, {"kind": "cat", "lives": 9, "cat": {}}),
        (Cat | Dog, {"kind": "dog", "tricks": ["sit"]}, {"kind": "dog", "tricks": ["sit"]}),
        (Tagged, {"kind": "dog", "tricks": ["sit", "roll"]}, {"kind": "dog", "tricks": ["sit", "roll"]}),
        (ByFunction, {"kind": "dog", "tricks": ["sit"]}, {"kind": "dog", "tricks": ["sit"]}),
        (Pet, {"kind": "dog", "tricks": ["sit"]}, {"kind": "dog", "tricks": ["sit"]}),
        (Tagged | None, {"kind": "cat", "lives": 1}, {"kind": "cat", "lives": 1, "cat": {}}),
        (Bird | Fish, {"fins": 3}, {"fins": 3}),
        (Camel, {"pageSize": 3, "tagNames": ["a"]}, {"page_size": 3, "tag_names": ["a"]}),
        (Camel, {"page_size": 3, "tag_names": ["a"]}, {"page_size": 3, "tag_names": ["a"]}),
        (Search, {"q": ["a"]}, {"words": ["a"], "first": "none", "city": "none"}),
        (Search, {"words": ["a", "b"], "names": ["x"]}, {"words": ["a", "b"], "first": "x", "city": "none"}),
        (Search, {"q": ["a"], "address": {"city": "Ulm"}}, {"words": ["a"], "first": "none", "city": "Ulm"}),
        (Search, {"q": ["a"], "town": "Ulm"}, {"words": ["a"], "first": "none", "city": "Ulm"}),
        (Window, {"windowWidth": 3, "mark": [1]}, {"width": 3, "marks": [1]}),
        (Frame, {"tags": ["a"], "window": 2}, {"tags": ["a"], "window": 2}),
        (
            Box[Cat | Dog],
            {"item": {"kind": "cat", "lives": 1}},
            {"item": {"kind": "cat", "lives": 1, "cat": {}}, "extra": []},
        ),
        (Box[int], {"item": 1, "extra": [2]}, {"item": 1, "extra": [2]}),
    ],
    ids=itertools.count(),
)
async def test_the_same_input_is_read_from_json_forms_and_queries(hint: Any, data: dict[str, Any], wanted: Any) -> None:
    answers = await three_ways(hint, data)
    assert [answer.status for answer in answers] == [200] * 3, [answer.text for answer in answers]
    assert [answer.json() for answer in answers] == [wanted] * 3


@pytest.mark.parametrize(
    ("hint", "data", "pointers"),
    [
        (Tagged, {"kind": "cat", "lives": "x", "cat": {"a": 1}}, ["/lives"]),
        (Tagged, {"kind": "cat", "lives": "1", "cat": {"lives": "x"}}, ["/cat/lives"]),
        (Tagged, {"kind": "cat"}, ["/lives"]),
        (Tagged, {"kind": "cow"}, ["/kind"]),
        (Tagged, {"lives": "1"}, ["/kind"]),
        (ByFunction, {"kind": "dog"}, ["/tricks"]),
        (ByFunction, {"kind": "cow"}, [""]),
        (Pet, {"kind": "cat", "lives": "x"}, ["/lives"]),
        (Bird | Fish, {"wings": "x"}, ["/wings", "/fins"]),
        (Camel, {"pageSize": "x"}, ["/pageSize"]),
        (Camel, {"page_size": "x"}, ["/page_size"]),
        (Camel, {"tagNames": ["a"]}, ["/pageSize"]),
        (Search, {"names": ["x"]}, ["/q"]),
        (Window, {"windowWidth": "0"}, ["/windowWidth"]),
        (Window, {"windowWidth": 1, "mark": ["1", "x"]}, ["/mark/1"]),
        (Window, {"mark": ["1"]}, ["/windowWidth"]),
        (Frame, {"tags": ["a"], "window": "0"}, ["/window"]),
    ],
    ids=itertools.count(),
)
async def test_errors_are_where_the_input_is_wrong(hint: Any, data: dict[str, Any], pointers: list[str]) -> None:
    body, form, query = await three_ways(hint, data)
    assert [answer.status for answer in (body, form, query)] == [422] * 3
    assert body.locations == form.locations == [f"/body{each}" for each in pointers]
    assert query.locations == [f"/query{each}" for each in pointers]
    assert {tuple(sorted(each)) for each in body.json()["errors"]} == {("code", "location", "message")}


class Deep(BaseModel):
    name: str = Field(validation_alias=AliasPath("owner", "name"))


@pytest.mark.parametrize(
    ("hint", "data", "locations"),
    [
        (list[Cat | Dog], [{"kind": "cat", "lives": 1}, {"kind": "dog", "tricks": 1}], None),
        (list[Tagged], [{"kind": "cat", "lives": 1}, {"kind": "dog", "tricks": 1}], ["/body/1/tricks"]),
        (dict[str, Tagged], {"cat": {"kind": "cat", "lives": "x"}}, ["/body/cat/lives"]),
        (dict[str, list[ByFunction]], {"a": [{"kind": "cat"}]}, ["/body/a/0/lives"]),
        (list[Tagged | None], [None, {"kind": "cat", "lives": []}], ["/body/1/lives"]),
        (Box[Tagged], {"item": {"kind": "cat", "lives": []}}, ["/body/item/lives"]),
        (Deep, {}, ["/body/owner/name"]),
        (Deep, {"owner": {}}, ["/body/owner/name"]),
        (list[Deep], [{"owner": {"name": 1}}], ["/body/0/owner/name"]),
        (list[Window], [{"windowWidth": 0}], ["/body/0/windowWidth"]),
    ],
    ids=itertools.count(),
)
async def test_unions_and_aliases_have_their_place_in_lists_and_objects(
    hint: Any, data: Any, locations: list[str] | None
) -> None:
    answer = await ask(app_taking(hint) if hint is Deep else _body_only(hint), "/body", method="POST", json=data)
    assert answer.status == 422
    if locations is not None:
        assert answer.locations == locations
    else:  # of a union without a tag, each member says why it is not meant
        assert set(answer.locations) == {"/body/1/kind", "/body/1/lives", "/body/1/tricks"}


def _body_only(hint: Any) -> App:
    @Controller("")
    class Taking:
        @Post("/body")
        async def body(self, given: Body[hint]) -> Any:  # type: ignore[valid-type]
            return TypeAdapter(hint).dump_python(given, mode="json")

    return app_of(Taking)


async def test_plain_types_may_say_how_pydantic_reads_them() -> None:
    app = _body_only(list[Annotated[int, BeforeValidator(lambda value: value + 1), Field(le=5)]])
    assert (await ask(app, "/body", method="POST", json=[1, 4])).json() == [2, 5]
    assert (await ask(app, "/body", method="POST", json=[1, 5])).locations == ["/body/1"]


class WithField(msgspec.Struct):
    size: Annotated[int, Field(ge=1)]


class WithTypes(msgspec.Struct):
    size: list[Annotated[int, annotated_types.Ge(1)]]


class WithAccount(msgspec.Struct):
    windows: dict[str, Window]


@pytest.mark.parametrize("hint", [WithField, WithTypes, WithAccount, list[WithField] | None])
def test_a_struct_cannot_hold_what_only_pydantic_validates(hint: Any) -> None:
    with raises_code("handler-type", match="is a Struct, which pydantic does not know"):
        _body_only(hint)
