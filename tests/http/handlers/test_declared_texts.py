"""Declared responses that are written as texts, or as the TypedDict of `typing_extensions`, keep their promise."""

from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest
import typing_extensions

from kick import Controller, Get, KickError, RequestContext
from tests.http.support import app_of, ask


class Public(msgspec.Struct):
    name: str


class Account(Public):
    password: str = "secret"


class Row(typing_extensions.TypedDict):
    name: str


class Optional(typing_extensions.TypedDict, total=False):
    name: str
    age: typing_extensions.Required[int]


class Page(msgspec.Struct):
    rows: list[Row]


STORED = {"name": "Ada", "password": "secret"}
Alias = typing_extensions.TypeAliasType("Alias", "list[Public]")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("declared", "value", "sent"),
    [
        ("Public", Account("Ada"), {"name": "Ada"}),
        ("list[Public]", [Account("Ada")], [{"name": "Ada"}]),
        (list["Public"], [Account("Ada")], [{"name": "Ada"}]),
        (dict[str, list["Public"]], {"a": [Account("Ada")]}, {"a": [{"name": "Ada"}]}),
        ("Public | None", Account("Ada"), {"name": "Ada"}),
        (Row, STORED, {"name": "Ada"}),
        (list[Row], [STORED], [{"name": "Ada"}]),
        (dict[str, Row], {"a": STORED}, {"a": {"name": "Ada"}}),
        (Row | None, STORED, {"name": "Ada"}),
        (Page, {"rows": [STORED]}, {"rows": [{"name": "Ada"}]}),
        (Optional, {"age": 36, "password": "secret"}, {"age": 36}),
    ],
    ids=str,
)
@pytest.mark.parametrize("way", ["returned", "by the context"])
async def test_only_what_is_declared_leaves(declared: Any, value: Any, sent: Any, way: str) -> None:
    @Controller("")
    class Site:
        @Get("/", response=declared)
        async def show(self, ctx: RequestContext) -> Any:
            return value if way == "returned" else ctx.json(value)

    answer = await ask(app_of(Site), "/")
    assert (answer.status, answer.json()) == (200, sent)


async def test_a_key_that_is_missing_is_an_error() -> None:
    @Controller("")
    class Site:
        @Get("/")
        async def show(self) -> Row:
            return {}  # type: ignore[typeddict-item]

    assert (await ask(app_of(Site), "/")).status == 500


async def test_the_items_of_a_stream_are_resolved_too() -> None:
    @Controller("")
    class Site:
        @Get("/", response=AsyncIterator["Public"])
        async def show(self, ctx: RequestContext) -> Any:
            async def events() -> AsyncIterator[Public]:
                yield Account("Ada")

            return ctx.sse(cast(Any, events()))

    answer = await ask(app_of(Site), "/")
    assert "Ada" in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "declared",
    ["Nope", "list[Nope]", list.__class_getitem__("Nope"), dict.__class_getitem__((str, "Nope")), Alias, list[Alias]],
    ids=str,
)
def test_what_cannot_be_resolved_stops_the_start(declared: Any) -> None:
    @Controller("")
    class Site:
        @Get("/", response=declared)
        async def show(self) -> Any:
            return Account("Ada")

    with pytest.raises(KickError) as caught:
        app_of(Site)
    assert caught.value.code == "di-unresolved-hint"
