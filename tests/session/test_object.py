"""What the objects of a session do at their edges: counters, odd keys, and what a handler holds over an id change."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from kick.session import SessionClosed
from tests.session.harness import Browser, Site, setting
from tests.session.test_parallel import destroy, paused

# Counters


async def test_a_key_that_this_request_removed_counts_from_0(browser: Browser) -> None:
    await browser.visit(setting(n=5))

    async def act(session: Any) -> Any:
        del session.data["n"]
        return await session.increment("n")

    assert (await browser.visit(act)).value == 1
    assert await browser.data() == {"n": 1}


async def test_data_that_was_replaced_counts_from_what_it_was_replaced_by(browser: Browser) -> None:
    await browser.visit(setting(n=5))

    async def act(session: Any) -> Any:
        session.data = {"other": 1}
        return await session.increment("n"), dict(session.data)

    assert (await browser.visit(act)).value == (1, {"other": 1, "n": 1})
    assert await browser.data() == {"other": 1, "n": 1}


@pytest.mark.parametrize("key", [5, "$client", "$flash:x", "\ud800"])
async def test_only_what_may_be_a_key_can_be_counted(browser: Browser, key: Any) -> None:
    await browser.visit(setting(n=5))

    async def act(session: Any) -> Any:
        return await session.increment(key)

    assert isinstance((await browser.visit(act)).error, TypeError)
    assert await browser.data() == {"n": 5}


@pytest.mark.parametrize("by", [1.5, 1.0, True, "1", None])
async def test_a_count_goes_by_whole_numbers(browser: Browser, by: Any) -> None:
    await browser.visit(setting(n=5))

    async def act(session: Any) -> Any:
        return await session.increment("n", by)

    assert isinstance((await browser.visit(act)).error, TypeError)
    assert await browser.data() == {"n": 5}


@pytest.mark.parametrize("held", [5.0, True, None, [1], "5", 1 << 63, (1 << 63) - 1])
async def test_what_is_no_whole_number_of_64_bits_is_not_counted(browser: Browser, held: Any) -> None:
    await browser.visit(setting(n=held))

    async def act(session: Any) -> Any:
        return await session.increment("n")

    error = (await browser.visit(act)).error
    assert isinstance(error, TypeError)
    assert "['n'] does not hold a whole number of 64 bits" in str(error)
    assert repr(await browser.data()) == repr({"n": held})


async def test_two_counters_at_once_in_a_new_session_begin_one_session(site: Site, browser: Browser) -> None:
    async def act(session: Any) -> None:
        await asyncio.gather(session.increment("a"), session.increment("b"))

    await browser.visit(act)
    assert await browser.data() == {"a": 1, "b": 1}
    assert site.events.count("created") == 1


# Keys and values


async def test_a_key_without_a_utf_8_form_is_refused(browser: Browser) -> None:
    assert isinstance((await browser.visit(setting(**{"\ud800": 1}))).error, TypeError)


async def test_any_other_text_is_a_key(browser: Browser) -> None:
    values = {
        "": 1,
        "\0": 2,
        "a\0b": 3,
        "k" * 10_000: 4,
        "é ": {"": [], "\0": None, "$": {"$": ["uuid", "x"]}},
        " $": 5,
    }
    await browser.visit(lambda session: session.data.update(values))
    assert await browser.data() == values


async def test_numbers_beyond_64_bits_come_back_as_they_went_in_and_their_changes_are_found(browser: Browser) -> None:
    await browser.visit(setting(n=2**70, many=[10**18 + 1, 2**63, 0.1 + 0.2]))
    assert await browser.data() == {"n": 2**70, "many": [10**18 + 1, 2**63, 0.1 + 0.2]}

    def act(session: Any) -> None:
        session.data["many"][1] += 1

    await browser.visit(act)
    assert (await browser.data())["many"][1] == 2**63 + 1


async def test_one_list_under_two_keys_is_changed_under_both(browser: Browser) -> None:
    async def act(session: Any) -> None:
        shared: list[int] = []
        session["a"] = session["b"] = shared
        shared.append(1)
        await session.save()
        shared.append(2)
        await session.save()
        await session.regenerate()
        await session.regenerate()
        await session.save()
        shared.append(3)

    await browser.visit(act)
    assert await browser.data() == {"a": [1, 2, 3], "b": [1, 2, 3]}


async def test_data_is_replaced_as_a_whole_or_not_at_all(browser: Browser) -> None:
    await browser.visit(setting(a=1))

    def act(session: Any) -> Any:
        with pytest.raises(TypeError):
            session.data = {"b": 2, "c": object()}
        return dict(session.data)

    assert (await browser.visit(act)).value == {"a": 1}
    assert await browser.data() == {"a": 1}


async def test_clearing_costs_in_proportion_to_what_is_there() -> None:
    async def calls(keys: int) -> int:
        browser = Browser(Site())
        await browser.visit(lambda session: session.data.update({f"k{number}": number for number in range(keys)}))
        seen = 0

        def count(*_: Any) -> None:
            nonlocal seen
            seen += 1

        def act(session: Any) -> None:
            sys.setprofile(count)
            try:
                session.clear()
            finally:
                sys.setprofile(None)

        await browser.visit(act)
        return seen

    assert await calls(2000) <= 20 * await calls(200)


# What a handler holds


async def test_data_that_was_held_over_a_logout_refuses_writes(browser: Browser) -> None:
    await browser.visit(setting(a=1))

    async def act(session: Any) -> None:
        data = session.data
        await session.destroy()
        data["b"] = 1

    assert isinstance((await browser.visit(act)).error, SessionClosed)
    assert await browser.data() == {}


async def test_data_that_was_held_over_a_login_after_a_logout_is_that_of_the_new_session(browser: Browser) -> None:
    await browser.visit(setting(a=1))

    async def log_in(session: Any) -> None:
        data = session.data
        await session.regenerate()
        data["user_id"] = 7

    late = await paused(browser, log_in)
    await browser.twin().visit(destroy)
    await late.finish()
    assert await browser.data() == {"user_id": 7}


async def test_flash_that_was_held_over_a_regenerate_is_that_of_the_new_session(browser: Browser) -> None:
    await browser.visit(setting(a=1))

    async def log_in(session: Any) -> None:
        flash = session.flash
        await session.regenerate(keep=["a"])
        flash["status"] = "hello"

    await browser.visit(log_in)
    assert (await browser.visit(lambda session: session.flash.pop("status"))).value == "hello"


# What begins a session, and what ends one


async def test_to_be_nobodys_begins_no_session(site: Site, browser: Browser) -> None:
    answer = await browser.visit(lambda session: setattr(session, "principal", None))
    assert answer.cookies == []
    assert site.events == []


async def test_destroyed_and_regenerated_but_not_written_to_the_cookie_is_removed(browser: Browser) -> None:
    await browser.visit(setting(a=1))

    async def act(session: Any) -> None:
        await session.destroy()
        await session.regenerate()

    assert (await browser.visit(act)).session_cookie == ""
    assert await browser.data() == {}
