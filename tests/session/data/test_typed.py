"""Session data with a type of its own: fields of every kind, releases side by side, id changes, counters."""

from __future__ import annotations

import dataclasses
import enum
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from tests.session.harness import WRITES, Browser, Site, calls_to
from tests.session.test_parallel import Paused


class User(msgspec.Struct):
    user_id: int | None = None
    cart: list[int] = []
    n: int = 0


class Frozen(msgspec.Struct, frozen=True):
    cart: tuple[int, ...] = ()
    n: int = 0


# Kinds of fields


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, rename="camel"):
    some_date: date | None = None
    some_time: datetime | None = None


class Everything(msgspec.Struct, rename="camel"):
    inner_struct: Inner = msgspec.field(default_factory=Inner)
    color: Color = Color.RED
    span: timedelta = timedelta(0)
    ident: UUID | None = None
    raw: bytes = b""
    pair: tuple[int, str] = (0, "")
    many: list[Inner] = []
    union: int | str | None = None
    frozen: frozenset[int] = frozenset()
    by_name: dict[str, Inner] = {}
    by_number: dict[int, int] = {}
    any_thing: Any = None


EVERYTHING = Everything(
    inner_struct=Inner(date(2026, 1, 2), datetime(2026, 1, 2, 3)),  # noqa: DTZ001  # naive on purpose
    color=Color.BLUE,
    span=timedelta(days=1, microseconds=3),
    ident=UUID(int=5),
    raw=b"\0\xff",
    pair=(1, "x"),
    many=[Inner()],
    union="7",
    frozen=frozenset({1}),
    by_name={"$": Inner(date(2000, 1, 1))},
    by_number={5: 1},
    any_thing={"$": 5},
)


async def test_fields_of_every_kind_come_back_as_they_went_in_and_reading_writes_nothing(store: Any) -> None:
    site = Site(store, data=Everything)
    browser = Browser(site)
    assert (await browser.visit(lambda session: setattr(session, "data", EVERYTHING))).status == 200
    calls = calls_to(site.store, WRITES)
    assert (await browser.visit(lambda session: session.data)).value == EVERYTHING
    assert calls == []


@dataclasses.dataclass
class WithDerived:
    a: int = 0
    total: int = dataclasses.field(init=False, default=0)


async def test_a_field_that_is_no_argument_comes_back_too() -> None:
    browser = Browser(Site(data=WithDerived))
    await browser.visit(lambda session: setattr(session.data, "total", 5))
    assert (await browser.visit(lambda session: session.data.total)).value == 5


@dataclasses.dataclass
class Address:
    city: str = "nowhere"
    lines: list[str] = dataclasses.field(default_factory=list)


class Customer(msgspec.Struct):
    address: Address = Address()  # msgspec knows that a Struct or a list here is shared, and refuses only those
    tags: list[str] = []
    since: date = date(2026, 1, 1)


async def test_a_default_that_can_be_changed_is_not_shared_by_users() -> None:
    def move(session: Any) -> None:
        session.data.address.city = "Ada's"
        session.data.address.lines.append("7")

    site = Site(data=Customer)
    ada = Browser(site)
    await ada.visit(move)
    seen = await Browser(site).visit(lambda session: (session.data.address, session.data.tags))
    assert (seen.value, seen.cookies) == ((Address(), []), [])
    assert (await ada.visit(lambda session: session.data.address)).value == Address("Ada's", ["7"])


class Checked(msgspec.Struct):
    low: int = 0
    high: int = 10

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


async def test_values_that_the_type_refuses_together_are_no_endless_500() -> None:
    browser = Browser(Site(data=Checked))
    assert (await browser.visit(lambda session: setattr(session.data, "low", 11))).status == 200
    answers = [await browser.visit(lambda session: session.data.low) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]


# What counts as a change


class Tags(msgspec.Struct):
    tags: set[str] = set()


def tagging(start: int) -> Any:
    return lambda session: session.data.tags.update(f"tag{start * 100 + number}" for number in range(8))


async def test_reading_a_set_is_no_change() -> None:
    """The order of a set changes on its way through the store and back."""
    for start in range(30):
        site = Site(data=Tags)
        browser = Browser(site)
        await browser.visit(tagging(start))
        calls = calls_to(site.store, WRITES)
        for _ in range(3):
            await browser.visit(lambda session: len(session.data.tags))
        assert calls == []


class PausedTyped(Paused):
    """A request that has read its tags, and waits."""

    async def _act(self, session: Any) -> Any:
        assert session.data.tags
        self._loaded.set()
        await self._go.wait()


async def test_a_reader_of_a_set_that_finishes_last_erases_nothing() -> None:
    for start in range(30):
        browser = Browser(Site(data=Tags))
        await browser.visit(tagging(start))
        reader = await PausedTyped(browser.twin(), lambda _: None).loaded()
        await browser.twin().visit(lambda session: session.data.tags.add("new"))
        await reader.finish()
        assert "new" in (await browser.visit(lambda session: session.data.tags)).value


class WithToken(msgspec.Struct):
    token: UUID = msgspec.field(default_factory=uuid4)


async def test_a_default_that_is_made_anew_each_time_is_a_change_once_it_is_read(store: Any) -> None:
    site = Site(store, data=WithToken)
    browser = Browser(site)
    assert (await browser.visit(lambda session: session.id)).cookies == []
    first = await browser.visit(lambda session: session.data.token)
    assert first.session_cookie
    assert (await browser.visit(lambda session: session.data.token)).value == first.value


# Two releases side by side


class Before(msgspec.Struct):
    user_id: str = ""
    n: int = 0


class After(msgspec.Struct):
    user_id: int = 0
    n: int = 0


async def test_a_field_that_does_not_fit_is_not_erased_by_who_only_reads_or_writes_another(store: Any) -> None:
    """While a release is rolled out, the one before is still running."""
    old = Browser(Site(store, data=Before))
    await old.visit(lambda session: setattr(session.data, "user_id", "ann"))
    new = old.twin(Site(store, data=After))
    assert (await new.visit(lambda session: session.data.user_id)).value == 0
    await new.visit(lambda session: setattr(session.data, "n", 1))
    answer = await old.visit(lambda session: (session.data.user_id, session.data.n))
    assert answer.value == ("ann", 1)


# Counters


async def test_counting_begins_at_0_and_shows_in_the_instance(store: Any) -> None:
    browser = Browser(Site(store, data=User))

    async def act(session: Any) -> Any:
        data = session.data
        return await session.increment("n"), await session.increment("n", 5), data.n, session.data.n

    assert (await browser.visit(act)).value == (1, 6, 6, 6)
    assert (await browser.visit(lambda session: session.data.n)).value == 6


@dataclasses.dataclass
class Start:
    tries_left: int = 3


async def test_a_field_with_another_default_than_0_is_not_counted(store: Any) -> None:
    site = Site(store, data=Start)
    browser = Browser(site)

    async def act(session: Any) -> Any:
        return await session.increment("tries_left", -1)

    answer = await browser.visit(act)
    assert isinstance(answer.error, TypeError)
    assert "increment() counts from 0" in str(answer.error)
    assert "tries_left" in str(answer.error)
    assert (answer.cookies, site.events) == ([], [])


async def test_a_frozen_type_can_be_counted_in(store: Any) -> None:
    browser = Browser(Site(store, data=Frozen))
    await browser.visit(lambda session: setattr(session, "data", Frozen(cart=(1,))))

    async def act(session: Any) -> Any:
        assert session.data.n == 0
        return await session.increment("n"), session.data

    assert (await browser.visit(act)).value == (1, Frozen(cart=(1,), n=1))
    assert (await browser.visit(lambda session: session.data)).value == Frozen(cart=(1,), n=1)


# Id changes


async def test_a_frozen_type_can_be_kept_in_part(store: Any) -> None:
    browser = Browser(Site(store, data=Frozen))
    await browser.visit(lambda session: setattr(session, "data", Frozen(cart=(1,), n=2)))

    async def act(session: Any) -> Any:
        assert session.data.n == 2
        await session.regenerate(keep=["cart"])
        return session.data

    assert (await browser.visit(act)).value == Frozen(cart=(1,))
    assert (await browser.visit(lambda session: session.data)).value == Frozen(cart=(1,))


@pytest.mark.parametrize(("keep", "cart"), [(True, [1]), (False, []), (["cart"], [1])])
async def test_an_instance_that_was_held_over_a_regenerate_is_that_of_the_new_session(
    store: Any, keep: Any, cart: list[int]
) -> None:
    browser = Browser(Site(store, data=User))
    await browser.visit(lambda session: session.data.cart.append(1))

    async def log_in(session: Any) -> None:
        data = session.data
        await session.regenerate(keep=keep)
        data.user_id = 7

    await browser.visit(log_in)
    assert (await browser.visit(lambda session: session.data)).value == User(user_id=7, cart=cart)


@pytest.mark.parametrize("held", [False, True])
async def test_what_is_written_to_an_instance_after_a_logout_is_dropped(store: Any, held: bool) -> None:
    """No attribute can refuse a write; the session that was ended stays so."""
    site = Site(store, data=User)
    browser = Browser(site)
    await browser.visit(lambda session: session.data.cart.append(1))

    async def act(session: Any) -> None:
        data = session.data
        await session.destroy()
        (data if held else session.data).user_id = 5

    answer = await browser.visit(act)
    assert (answer.status, answer.session_cookie) == (200, "")
    assert (await browser.visit(lambda session: session.data)).value == User()
    assert site.events == ["created", "destroyed"]
