"""Constraints on path parameters hold; integers in paths have 64 bits."""

import sqlite3
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import annotated_types
import pydantic
import pytest
from msgspec import Meta, Struct
from pydantic import Field

from kick import App, Controller, Get, Post, RequestContext
from kick.errors import KickError
from tests.http.support import app_of, ask

Positive = NewType("Positive", Annotated[int, Meta(ge=1)])  # type: ignore[valid-newtype]
Slug = Annotated[str, Meta(pattern="^[a-z-]+$", max_length=10)]


class Size(Enum):
    SMALL = "s"


class Note(Struct):
    title: str


def app_taking(hint: Any, **options: Any) -> App:
    async def show(self: object, value: Any) -> dict[str, Any]:
        return {"value": value}

    show.__annotations__["value"] = hint
    return app_of(Controller()(type("Shown", (), {"show": Get("/{value}", **options)(show)})))


@pytest.mark.parametrize(
    ("hint", "inside", "outside"),
    [
        (Annotated[int, Meta(ge=1)], "1", "0"),
        (Annotated[int, Meta(multiple_of=5)], "10", "11"),
        (Optional[Annotated[int, Meta(lt=0)]], "-1", "0"),  # noqa: UP045  # `|` takes no Annotated for pyright
        (Annotated[Annotated[int, Meta(ge=1)], "a note"], "7", "-7"),
        (Positive, "1", "0"),
        (Annotated[float, Meta(gt=0.5)], "0.75", "0.5"),
        (Slug, "a-b", "A-b"),
        (Slug, "abcdefghij", "abcdefghijk"),
        (Annotated[str, Meta(min_length=2)], "12", "1"),
        (Annotated[int, Field(ge=1)], "1", "0"),
        (Optional[Annotated[int, Field(ge=1, le=9)]], "9", "10"),  # noqa: UP045
        (Annotated[int, Field(multiple_of=5)], "10", "11"),
        (pydantic.PositiveInt, "1", "0"),
        (Annotated[float, Field(gt=0.5)], "0.75", "0.5"),
        (Annotated[str, Field(pattern="^[a-z-]+$", max_length=10)], "a-b", "A-b"),
        (Annotated[str, Field(min_length=2)], "12", "1"),
        (Annotated[str, pydantic.StringConstraints(max_length=3)], "abc", "abcd"),
        (Annotated[str, annotated_types.MaxLen(3)], "abc", "abcd"),
        (Annotated[UUID, Field(description="of an order")], "6f1b2f3e-0c1d-4b5a-8e9f-001122334455", "6f1b2f3e"),
        (Annotated[date, Field(ge=date(2027, 1, 1))], "2027-01-01", "2026-12-31"),
        (date, "2027-02-28", "2027-02-30"),
        (date, "2027-02-28", "20270228"),
        (date, "2027-02-28", "2027-W01-1"),
        (datetime, "2027-02-28T10:00:00Z", "2027-02-28"),
        (datetime, "2027-02-28T10:00:00.125000+01:00", "2027-02-28T25:00:00"),
        (Annotated[datetime, Meta(tz=True)], "2027-02-28T10:00:00Z", "2027-02-28T10:00:00"),
        (Size, "s", "xl"),
        (Annotated[Size, Meta(description="of a shirt")], "s", "xl"),
        (Literal["up", "down"], "up", "left"),
        (Literal[1, 2], "1", "3"),
    ],
    ids=str,
)
async def test_what_is_outside_of_the_constraints_is_not_found(hint: Any, inside: str, outside: str) -> None:
    app = app_taking(hint)
    assert (await ask(app, f"/{inside}")).status == 200
    assert str((await ask(app, f"/{inside}")).json()["value"]) == inside
    assert (await ask(app, f"/{outside}")).status == 404


async def test_it_is_invalid_input_by_option() -> None:
    answer = await ask(app_taking(Annotated[int, Meta(ge=1)], path_errors=422), "/0")
    assert answer.status == 422
    assert answer.errors == {"/path/value": "range"}
    assert (await ask(app_taking(Annotated[int, Meta(ge=1)], path_errors=422), "/one")).status == 404


async def test_what_pydantic_says_of_a_path_is_invalid_input_by_option_too() -> None:
    answer = await ask(app_taking(Annotated[int, Field(ge=1)], path_errors=422), "/0")
    assert answer.errors == {"/path/value": "greater_than_equal"}


@pytest.mark.parametrize(
    ("path", "hint", "text", "value"),
    [
        ("/{value:date}", date, "2027-01-31", "date(2027, 1, 31)"),
        ("/{value:datetime}", datetime, "2027-01-31T08:00:00", "datetime(2027, 1, 31, 8, 0)"),
    ],
)
async def test_dates_are_converted_selected_and_written_again(path: str, hint: Any, text: str, value: str) -> None:
    @Controller("/days")
    class Days:
        @Get(path, name="day")
        async def show(self, ctx: RequestContext, value: hint) -> str:  # type: ignore[valid-type]
            return f"{value!r} {ctx.url_for('day', value=value)}"

        @Get("/{value}")
        async def other(self, value: str) -> str:
            return f"text {value}"

    app = app_of(Days)
    assert (await ask(app, f"/days/{text}")).json() == f"datetime.{value} /days/{text}"
    assert (await ask(app, "/days/today")).json() == "text today"


async def test_constraints_hold_beside_other_arguments() -> None:
    @Controller("/notes")
    class Notes:
        @Post("/{number}/{slug}", path_errors=422)
        async def add(
            self,
            ctx: RequestContext,
            *,
            number: Positive,  # pyright: ignore[reportInvalidTypeForm]
            body: Note,
            slug: Slug,
        ) -> list[Any]:
            return [number, slug, body.title]

        @Get("/{number}")
        async def show(
            self,
            ctx: RequestContext,
            number: Positive,  # pyright: ignore[reportInvalidTypeForm]
        ) -> int:
            return number

    app = app_of(Notes)
    assert (await ask(app, "/notes/2/a", method="POST", json={"title": "t"})).json() == [2, "a", "t"]
    answer = await ask(app, "/notes/0/A", method="POST", json={})
    assert set(answer.locations) == {"/path/number", "/path/slug", "/body/title"}
    assert [(await ask(app, f"/notes/{number}")).status for number in (1, 0)] == [200, 404]


def test_constraints_that_do_not_fit_their_type_stop_the_start() -> None:
    for hint in (Annotated[int, Meta(pattern="a")], Annotated[UUID, Meta(ge=1)]):
        with pytest.raises(KickError, match=r"takes value: .*Can only set") as error:
            app_taking(hint)
        assert error.value.fix == "Use constraints that fit the type, as in `value: Annotated[int, Meta(ge=1)]`."


def test_another_status_stops_the_start() -> None:
    with pytest.raises(KickError, match="path_errors=400") as error:
        app_taking(Annotated[int, Meta(ge=1)], path_errors=400)
    assert error.value.code == "route-path-errors"


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**18])
async def test_integers_of_64_bits_reach_a_database(number: int) -> None:
    answer = await ask(app_taking(int), f"/{number}")
    with sqlite3.connect(":memory:") as database:
        assert database.execute("SELECT ?", (answer.json()["value"],)).fetchone() == (number,)
    database.close()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**19 - 1, 10**30])
async def test_integers_beyond_64_bits_are_not_found(number: int) -> None:
    assert (await ask(app_taking(int), f"/{number}")).status == 404
    assert (await ask(app_taking(Positive), f"/{number}")).status == 404
