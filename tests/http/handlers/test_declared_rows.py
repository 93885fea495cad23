"""Rows of a database have no types: where one is longer than what was declared, nothing of it leaves."""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import msgspec
import pytest
import typing_extensions

from kick import Controller, Get, RequestContext
from tests.http.support import app_of, ask

T = TypeVar("T")


class Member(NamedTuple):
    id: int
    name: str


class Pair(NamedTuple):
    member: Member
    number: int = 0


class Holder(NamedTuple, Generic[T]):
    held: T


class AsStruct(msgspec.Struct, Generic[T]):
    items: T


@dataclass
class AsDataclass(Generic[T]):
    items: T


@attrs.define
class AsAttrs(Generic[T]):
    items: T


class AsTypedDict(typing_extensions.TypedDict, Generic[T]):
    items: T


class Public(msgspec.Struct):
    name: str


class Account(Public):
    password: str = "secret"


HOLDERS = [AsStruct, AsDataclass, AsAttrs, AsTypedDict]
ROW = (1, "ada", "secret")
TOO_MUCH: list[tuple[Any, Any]] = [
    (list[Member], [ROW]),
    (list[tuple[int, str]], [ROW]),
    (list[str], ["ada", ROW]),
    (list[str | None], [None, ROW]),
    (list[str] | None, [ROW]),
    (set[str], {ROW}),
    (tuple[str, ...], (ROW,)),
    (dict[str, int], {"ada": ROW}),
    (dict[str, list[str]], {"ada": [ROW]}),
    (Member, ROW),
    (Member | None, ROW),
    (tuple[int, str], ROW),
    (Pair, Pair(ROW)),  # type: ignore[arg-type]
    (Pair, (ROW, 1)),
    (list[Pair], [Pair(ROW)]),  # type: ignore[arg-type]
    (Holder[int], Holder(Account("ada"))),
    (list[Holder[Member]], [Holder(ROW)]),
]
FITS: list[tuple[Any, Any, Any]] = [
    (list[Member], [Member(1, "ada"), (2, "bob")], [[1, "ada"], [2, "bob"]]),
    (list[tuple[int, str]], [(1, "ada")], [[1, "ada"]]),
    (list[str], ("ada",), ["ada"]),
    (list[str] | None, None, None),
    (dict[str, int], {"ada": 1}, {"ada": 1}),
    (Member, Member(1, "ada"), [1, "ada"]),
    (Pair, ((1, "ada"), 2), [[1, "ada"], 2]),
    (list[Any], [ROW], [[*ROW]]),
    (Holder[Public], Holder(Account("ada")), [{"name": "ada"}]),
    (list[list[Public]], [[Account("ada")]], [[{"name": "ada"}]]),
]


async def answer_of(declared: Any, value: Any, way: str) -> Any:
    @Controller("")
    class Site:
        @Get("/", response=declared)
        async def show(self, ctx: RequestContext) -> Any:
            return value if way == "returned" else ctx.json(value)

    return await ask(app_of(Site), "/")


@pytest.mark.parametrize("way", ["returned", "by the context"])
@pytest.mark.parametrize(("declared", "value"), TOO_MUCH, ids=str)
class TestWhatIsLongerThanDeclared:
    async def test_by_itself_it_is_an_error(self, declared: Any, value: Any, way: str) -> None:
        answer = await answer_of(declared, value, way)
        assert answer.status == 500
        assert b"secret" not in answer.body

    @pytest.mark.parametrize("holder", HOLDERS)
    async def test_in_a_field_it_is_an_error(self, holder: Any, declared: Any, value: Any, way: str) -> None:
        for hint, made in (
            (holder[declared], holder(items=value)),
            (list[holder[declared]], [holder(items=value)]),  # type: ignore[valid-type]
            (holder[holder[declared]], holder(items=holder(items=value))),
        ):
            answer = await answer_of(hint, made, way)
            assert (answer.status, b"secret" in answer.body) == (500, False), hint


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(("declared", "value", "sent"), FITS, ids=str)
async def test_what_fits_is_sent(holder: Any, declared: Any, value: Any, sent: Any) -> None:
    plain = await answer_of(declared, value, "returned")
    held = await answer_of(list[holder[declared]], [holder(items=value)], "returned")  # type: ignore[valid-type]
    assert (plain.status, held.status) == (204 if value is None else 200, 200)
    assert held.json() == [{"items": sent}]
    assert value is None or plain.json() == sent
