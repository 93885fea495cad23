"""Section 2 of the contract: what `ctx.session` is and does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kick.session import SessionClosed
from kick.session.data.values import UnstorableValue
from tests.session.harness import WRITES, Browser, Site, calls_to, setting


async def test_what_was_written_is_there_at_the_next_request(browser: Browser) -> None:
    await browser.visit(setting(user_id=7, role="admin"))
    assert await browser.data() == {"user_id": 7, "role": "admin"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(1 << 80),
        1.5,
        1e22,
        "",
        "é\u2028\0",
        [],
        {},
        {"$": 1},
        {"$": ["uuid", "x"]},
        [{"a": [1, {"$": None}]}],
        datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001  # naive on purpose
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        UUID(int=5),
        Decimal("1.10"),
        b"\x00\xff",
        {"deep": [datetime(2026, 1, 1, tzinfo=UTC), {"b": b"x", "d": Decimal(1)}]},
    ],
)
async def test_values_come_back_as_they_went_in(browser: Browser, value: Any) -> None:
    await browser.visit(setting(value=value))
    back = (await browser.data())["value"]
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, datetime):
        assert back.utcoffset() == value.utcoffset()
    if isinstance(value, Decimal):
        assert str(back) == str(value)


async def test_a_tuple_comes_back_as_a_list(browser: Browser) -> None:
    await browser.visit(setting(pair=(1, (2, 3))))
    assert await browser.data() == {"pair": [1, [2, 3]]}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "data['k']"),
        ({1, 2}, "data['k']"),
        ({"a": [0, float("nan")]}, "data['k']['a'][1]"),
        ({5: "int key"}, "data['k']"),
        ("\ud800", "data['k']"),
        ([["\ud800"]], "data['k']"),
        (float("inf"), "data['k']"),
    ],
)
async def test_what_cannot_be_stored_is_an_error_that_names_the_key(browser: Browser, value: Any, place: str) -> None:
    await browser.visit(setting(before=1))

    def act(session: Any) -> None:
        session.data["before"] = 2
        session.data["k"] = value

    answer = await browser.visit(act)
    assert answer.status == 500
    if answer.error is not None:
        assert isinstance(answer.error, UnstorableValue)
        assert place in str(answer.error)
    assert await browser.data() == {"before": 1}, "nothing half written"


async def test_a_value_that_holds_itself_is_refused(browser: Browser) -> None:
    endless: list[Any] = []
    endless.append(endless)
    answer = await browser.visit(setting(endless=endless))
    assert isinstance(answer.error, UnstorableValue)


async def test_keys_that_are_names_of_the_object_are_plain_data(browser: Browser) -> None:
    await browser.visit(setting(id="a", save=1, data=2, destroy=None, principal="p"))
    assert await browser.data() == {"id": "a", "save": 1, "data": 2, "destroy": None, "principal": "p"}


@pytest.mark.parametrize("key", ["$flash", "$", 7, None])
async def test_keys_that_are_kicks_own_or_no_text_are_refused(browser: Browser, key: Any) -> None:
    answer = await browser.visit(lambda session: session.data.__setitem__(key, 1))
    assert isinstance(answer.error, UnstorableValue)


async def test_nested_changes_are_found(browser: Browser) -> None:
    await browser.visit(setting(cart={"items": [1]}))
    await browser.visit(lambda session: session.data["cart"]["items"].append(2))
    assert await browser.data() == {"cart": {"items": [1, 2]}}


async def test_assigning_data_replaces_all_of_it(browser: Browser) -> None:
    await browser.visit(setting(a=1, b=2))

    def act(session: Any) -> None:
        session.data = {"b": 2, "c": 3}

    await browser.visit(act)
    assert await browser.data() == {"b": 2, "c": 3}


def writes_of(site: Site) -> list[str]:
    """The names of the store's writing operations, as they are called from now on."""
    return calls_to(site.store, WRITES)


def read_all(session: Any) -> None:
    assert "a" in session.data
    assert len(session.data) == 3
    assert list(session.data) == ["a", "cart", "when"]
    assert session.data.pop("missing", None) is None
    assert session.data.setdefault("a", 5) == 1
    assert session.data["cart"] == {"x": [1], "y": 2}


def assign_equal(session: Any) -> None:
    session.data["a"] = 1
    session.data["cart"] = {"y": 2, "x": [1]}
    session.data["when"] = datetime(2026, 1, 1, tzinfo=UTC)


def change_and_change_back(session: Any) -> None:
    session.data["cart"]["x"].append(2)
    session.data["cart"]["x"].pop()
    del session.data["a"]
    session.data["a"] = 1


def replace_by_equal(session: Any) -> None:
    session.data = dict(session.data)


@pytest.mark.parametrize("act", [read_all, assign_equal, change_and_change_back, replace_by_equal])
async def test_nothing_changed_nothing_written(site: Site, browser: Browser, act: Any) -> None:
    await browser.visit(setting(a=1, cart={"x": [1], "y": 2}, when=datetime(2026, 1, 1, tzinfo=UTC)))
    calls = writes_of(site)
    answer = await browser.visit(act)
    assert answer.error is None
    assert answer.cookies == []
    assert calls == []


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (1, 1.0), (0, False), ("1", 1), ([1], [True]), ({"a": 1}, {"a": 1.0})]
)
async def test_a_value_of_another_type_is_a_change(browser: Browser, before: Any, after: Any) -> None:
    await browser.visit(setting(k=before))
    await browser.visit(setting(k=after))
    back = (await browser.data())["k"]
    assert repr(back) == repr(after)


async def test_clearing_what_is_empty_is_no_change(site: Site, browser: Browser) -> None:
    await browser.visit(setting(a=1))
    await browser.visit(lambda session: session.data.clear())
    calls = writes_of(site)
    await browser.visit(lambda session: session.data.clear())
    assert calls == []


async def test_data_emptied_key_by_key_stays_a_session_with_the_same_id(browser: Browser) -> None:
    await browser.visit(setting(a=1, b=2))
    before = (await browser.visit(lambda session: session.id)).value

    def act(session: Any) -> None:
        del session.data["a"]
        session.data.pop("b")

    await browser.visit(act)
    answer = await browser.visit(lambda session: (session.id, dict(session.data), session.is_new))
    assert answer.value == (before, {}, False)


async def test_saved_explicitly_it_is_not_saved_again_at_the_end(site: Site, browser: Browser) -> None:
    await browser.visit(setting(a=1))
    calls = writes_of(site)

    async def act(session: Any) -> Any:
        session.data["a"] = 2
        return await session.save()

    assert (await browser.visit(act)).value is True
    assert calls == ["commit"]


async def test_changed_after_a_save_it_is_saved_again(site: Site, browser: Browser) -> None:
    await browser.visit(setting(a=1))
    calls = writes_of(site)

    async def act(session: Any) -> None:
        session.data["a"] = 2
        await session.save()
        session.data["a"] = 3

    await browser.visit(act)
    assert calls == ["commit", "commit"]
    assert await browser.data() == {"a": 3}


async def test_the_session_is_a_mapping_over_its_data(browser: Browser) -> None:
    def act(session: Any) -> Any:
        session["user_id"] = 7
        session.update(role="admin")
        session.setdefault("n", 1)
        del session["n"]
        return dict(session), "user_id" in session, len(session), session.get("x", 5), bool(session)

    assert (await browser.visit(act)).value == ({"user_id": 7, "role": "admin"}, True, 2, 5, True)
    assert await browser.data() == {"user_id": 7, "role": "admin"}


async def test_the_id_in_the_handler_is_the_id_in_the_cookie(browser: Browser) -> None:
    def act(session: Any) -> Any:
        session.data["a"] = 1
        return session.id

    answer = await browser.visit(act)
    assert browser.cookie is not None
    assert browser.cookie.startswith(f"s:{answer.value}.")


async def test_the_id_cannot_be_assigned(browser: Browser) -> None:
    answer = await browser.visit(lambda session: setattr(session, "id", "planted"))
    assert isinstance(answer.error, AttributeError)


async def test_a_misspelt_attribute_is_an_error_and_not_lost_data(browser: Browser) -> None:
    answer = await browser.visit(lambda session: setattr(session, "user_id", 7))
    assert isinstance(answer.error, AttributeError)


async def test_times_and_newness(browser: Browser) -> None:
    first = await browser.visit(lambda session: (session.is_new, session.created_at, session.expires_at))
    assert first.value == (True, None, None)
    await browser.visit(setting(a=1))
    answer = await browser.visit(lambda session: (session.is_new, session.created_at, session.expires_at))
    is_new, created_at, expires_at = answer.value
    assert is_new is False
    assert abs(datetime.now(UTC) - created_at) < timedelta(seconds=60)
    assert abs(expires_at - created_at - timedelta(hours=24)) < timedelta(seconds=60)


async def test_counters_add_up_and_can_be_read(browser: Browser) -> None:
    async def act(session: Any) -> Any:
        return [await session.increment("n"), await session.increment("n", 5), session.data["n"]]

    assert (await browser.visit(act)).value == [1, 6, 6]
    assert await browser.data() == {"n": 6}


async def test_a_counter_counts_on_from_what_this_request_wrote(browser: Browser) -> None:
    async def act(session: Any) -> Any:
        session.data["n"] = 10
        session.data["other"] = "kept"
        return await session.increment("n")

    assert (await browser.visit(act)).value == 11
    assert await browser.data() == {"n": 11, "other": "kept"}


async def test_only_whole_numbers_can_be_counted(browser: Browser) -> None:
    await browser.visit(setting(n="text", other=1))

    async def act(session: Any) -> Any:
        session.data["other"] = 2
        await session.increment("n")

    assert isinstance((await browser.visit(act)).error, TypeError)
    assert await browser.data() == {"n": "text", "other": 1}


async def test_repr_and_errors_do_not_show_the_id(browser: Browser) -> None:
    await browser.visit(setting(secret="value"))
    answer = await browser.visit(lambda session: (repr(session), session.id))
    shown, session_id = answer.value
    assert session_id not in shown
    assert session_id[4:12] not in shown


async def test_writing_after_destroy_is_refused(browser: Browser) -> None:
    await browser.visit(setting(a=1))

    async def act(session: Any) -> None:
        await session.destroy()
        session.data["a"] = 2

    assert isinstance((await browser.visit(act)).error, SessionClosed)


async def test_flash_is_read_once_by_whoever_asks_first(browser: Browser) -> None:
    await browser.visit(lambda session: session.flash.__setitem__("status", "Saved"))
    await browser.visit()  # an image, say: it takes nothing away
    assert (await browser.visit(lambda session: session.flash.pop("status"))).value == "Saved"
    assert (await browser.visit(lambda session: session.flash.pop("status"))).value is None


async def test_flash_can_be_kept_for_another_page(browser: Browser) -> None:
    def act(session: Any) -> Any:
        shown = session.flash.pop("status")
        session.flash.keep("status")
        return shown

    await browser.visit(lambda session: session.flash.__setitem__("status", {"kind": "info"}))
    assert (await browser.visit(act)).value == {"kind": "info"}
    assert (await browser.visit(lambda session: session.flash.pop_all())).value == {"status": {"kind": "info"}}
    assert (await browser.visit(lambda session: list(session.flash))).value == []


async def test_flash_is_not_in_the_data(browser: Browser) -> None:
    await browser.visit(lambda session: session.flash.__setitem__("status", "Saved"))
    assert await browser.data() == {}
