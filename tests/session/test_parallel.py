"""Section 5 of the contract: one browser, many requests at once.

The races are driven by gates in the handlers: a request has loaded its session and waits until the other one is done.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from kick.session import SessionEnded
from tests.session.harness import Answer, Browser, Site, setting


@pytest.fixture
def site(racing_store: Any) -> Site:
    return Site(racing_store)


class Paused:
    """A request that has loaded its session, and waits before it acts."""

    def __init__(self, browser: Browser, act: Callable[[Any], Any], **options: Any) -> None:
        self._loaded = asyncio.Event()
        self._go = asyncio.Event()
        self._task = asyncio.ensure_future(browser.visit(self._act, **options))
        self._then = act

    async def _act(self, session: Any) -> Any:
        list(session.data)  # seen by the request, as it is now
        self._loaded.set()
        await self._go.wait()
        done = self._then(session)
        return await done if inspect.isawaitable(done) else done

    async def loaded(self) -> Paused:
        async with asyncio.timeout(60):
            await self._loaded.wait()
        return self

    async def finish(self) -> Answer:
        self._go.set()
        return await self._task


async def paused(browser: Browser, act: Callable[[Any], Any], **options: Any) -> Paused:
    return await Paused(browser, act, **options).loaded()


async def logged_in(browser: Browser) -> None:
    await browser.visit(setting(user_id=7))


async def destroy(session: Any) -> None:
    await session.destroy()


async def regenerate(session: Any) -> None:
    await session.regenerate()


async def rotate(session: Any) -> None:
    await session.rotate()


async def log_in_again(session: Any) -> None:
    await session.regenerate()
    session.data["user_id"] = 8


async def test_5_1_a_commit_is_seen_as_a_whole_or_not_at_all(browser: Browser) -> None:
    await browser.visit(setting(a=0, b=0, old=True))

    def write(number: int) -> Callable[[Any], Any]:
        def act(session: Any) -> None:
            session.data.update(a=number, b=number)
            session.data.pop("old", None)

        return act

    acts = [act for number in range(1, 41) for act in (write(number), lambda session: dict(session.data))]
    answers = await asyncio.gather(*(browser.twin().visit(act) for act in acts))
    seen = [answer.value for answer in answers[1::2]]
    assert all(data["a"] == data["b"] and ("old" in data) is (data["a"] == 0) for data in seen), seen


@pytest.mark.parametrize(
    "mistake", [lambda session: session["list"].append({1}), lambda session: session.increment("a")]
)
async def test_5_1_a_commit_that_cannot_be_made_changes_nothing(browser: Browser, mistake: Any) -> None:
    await browser.visit(setting(a="text", list=[1], b=1))

    async def act(session: Any) -> None:
        session["b"] = 2
        session["c"] = 3
        done = mistake(session)
        await (done if inspect.isawaitable(done) else asyncio.sleep(0))

    assert (await browser.visit(act)).status == 500
    assert await browser.data() == {"a": "text", "list": [1], "b": 1}


async def test_5_2_different_keys_are_both_there_whatever_the_order(browser: Browser) -> None:
    await logged_in(browser)
    first = await paused(browser.twin(), setting(a=1))
    second = await paused(browser.twin(), setting(b=2))
    await second.finish()
    await first.finish()
    assert await browser.data() == {"user_id": 7, "a": 1, "b": 2}


async def test_5_2_of_the_same_key_the_last_commit_wins(browser: Browser) -> None:
    await logged_in(browser)
    first = await paused(browser.twin(), setting(k="first"))
    second = await paused(browser.twin(), setting(k="second"))
    await second.finish()
    await first.finish()
    assert (await browser.data())["k"] == "first"


async def test_5_2_a_key_deleted_here_and_changed_there_is_as_the_last_commit_has_it(browser: Browser) -> None:
    await browser.visit(setting(k=1, other=1))
    deleting = await paused(browser.twin(), lambda session: session.data.pop("k"))
    changing = await paused(browser.twin(), setting(k=2))
    await changing.finish()
    await deleting.finish()
    assert await browser.data() == {"other": 1}


async def test_5_2_counters_lose_nothing(browser: Browser) -> None:
    await logged_in(browser)

    async def count(session: Any) -> Any:
        return await session.increment("n")

    answers = await asyncio.gather(*(browser.twin().visit(count) for _ in range(50)))
    assert sorted(answer.value for answer in answers) == list(range(1, 51))
    assert (await browser.data())["n"] == 50


async def test_5_3_a_commit_after_destroy_writes_nothing_and_sends_no_cookie(site: Site, browser: Browser) -> None:
    await logged_in(browser)
    late = await paused(browser.twin(), setting(cart=[1]))
    assert (await browser.twin().visit(destroy)).session_cookie == ""
    answer = await late.finish()
    assert answer.status == 200
    assert answer.cookies == []
    assert "gone" in site.events
    assert await browser.data() == {}


async def test_5_3_a_counter_after_destroy_raises_and_writes_nothing(browser: Browser) -> None:
    await logged_in(browser)

    async def count(session: Any) -> Any:
        return await session.increment("n")

    late = await paused(browser.twin(), count)
    await browser.twin().visit(destroy)
    answer = await late.finish()
    assert answer.status == 409
    assert isinstance(answer.error, SessionEnded)
    assert answer.cookies == []
    assert await browser.data() == {}


async def test_5_3_save_after_destroy_says_that_nothing_was_saved(browser: Browser) -> None:
    await logged_in(browser)

    async def save(session: Any) -> Any:
        session.data["a"] = 1
        return await session.save()

    late = await paused(browser.twin(), save)
    await browser.twin().visit(destroy)
    assert (await late.finish()).value is False
    assert await browser.data() == {}


async def test_5_3_a_commit_after_regenerate_is_dropped_and_sends_no_cookie(site: Site, browser: Browser) -> None:
    await logged_in(browser)
    late = await paused(browser.twin(), setting(stale=True))
    await browser.visit(log_in_again)
    answer = await late.finish()
    assert answer.cookies == []
    assert "gone" in site.events
    assert await browser.data() == {"user_id": 8}


async def test_5_3_two_logouts_at_once_the_second_removes_no_cookie(browser: Browser) -> None:
    """Its deletion could remove the cookie that a login in between has set."""
    await logged_in(browser)
    late = await paused(browser.twin(), destroy)
    assert (await browser.twin().visit(destroy)).session_cookie == ""
    assert (await late.finish()).cookies == []


async def test_5_4_a_reader_that_finishes_last_erases_nothing(browser: Browser) -> None:
    await logged_in(browser)
    reader = await paused(browser.twin(), lambda session: session.data.get("user_id"))
    await browser.twin().visit(setting(a=1))
    answer = await reader.finish()
    assert answer.cookies == []
    assert await browser.data() == {"user_id": 7, "a": 1}


async def test_5_5_after_regenerate_the_old_id_leads_nowhere(browser: Browser) -> None:
    await logged_in(browser)
    thief = browser.twin()
    await browser.visit(regenerate)
    assert await browser.data() == {"user_id": 7}
    answer = await thief.visit(lambda session: dict(session.data))
    assert answer.value == {}
    assert answer.cookies == []


async def test_5_5_after_rotate_the_old_id_leads_to_the_new_one(browser: Browser) -> None:
    await logged_in(browser)
    other_tab = browser.twin()
    await browser.visit(rotate)
    assert other_tab.cookie != browser.cookie
    await other_tab.visit(setting(a=1))
    assert await browser.data() == {"user_id": 7, "a": 1}
    assert _id_of(other_tab) == _id_of(browser), "the answer told the other tab the new id"


async def test_5_5_after_the_grace_the_old_id_leads_nowhere(racing_store: Any) -> None:
    browser = Browser(Site(racing_store, grace=0.05))
    await logged_in(browser)
    old = browser.twin()
    await browser.visit(rotate)
    async with asyncio.timeout(60):
        while (await old.twin().visit(lambda session: dict(session.data))).value != {}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await browser.data() == {"user_id": 7}


async def test_5_5_a_commit_under_the_old_id_arrives_after_a_rotation(browser: Browser) -> None:
    await logged_in(browser)
    late = await paused(browser.twin(), setting(late=True))
    await browser.visit(rotate)
    await late.finish()
    assert await browser.data() == {"user_id": 7, "late": True}


async def test_5_5_of_two_regenerates_one_wins_and_one_session_is_left(site: Site, browser: Browser) -> None:
    await logged_in(browser)
    tabs = [browser.twin(), browser.twin()]
    first = await paused(tabs[0], log_in_again)
    second = await paused(tabs[1], log_in_again)
    answers = [await first.finish(), await second.finish()]
    assert [answer.status for answer in answers] == [200, 200]
    assert len([answer for answer in answers if answer.session_cookie]) == 1
    assert sum(len(answer.cookies) for answer in answers) == 1
    assert await tabs[0].data() == {"user_id": 8}
    assert site.events.count("created") == 1, "no second session"


async def test_5_5_a_regenerate_that_finds_the_session_destroyed_starts_empty(browser: Browser) -> None:
    await logged_in(browser)
    tab = browser.twin()
    late = await paused(tab, log_in_again)
    await browser.twin().visit(destroy)
    answer = await late.finish()
    assert answer.session_cookie
    assert await tab.data() == {"user_id": 8}, "nothing of the old session"


async def test_5_5_a_logout_during_a_regenerate_ends_the_moved_session_too(browser: Browser) -> None:
    await logged_in(browser)
    logout = await paused(browser.twin(), destroy)
    await browser.visit(regenerate)
    assert (await logout.finish()).session_cookie == ""
    assert await browser.data() == {}, "the data does not survive under the new id"


async def test_5_5_a_logout_during_a_rotation_ends_the_moved_session_too(browser: Browser) -> None:
    await logged_in(browser)
    logout = await paused(browser.twin(), destroy)
    await browser.visit(rotate)
    await browser.visit(regenerate)
    assert (await logout.finish()).session_cookie == ""
    assert await browser.data() == {}


async def test_5_5_of_two_rotations_one_wins_and_both_go_on(browser: Browser) -> None:
    await logged_in(browser)
    tabs = [browser.twin(), browser.twin()]
    first = await paused(tabs[0], rotate)
    second = await paused(tabs[1], rotate)
    await first.finish()
    await second.finish()
    assert _id_of(tabs[0]) == _id_of(tabs[1])
    assert await tabs[1].data() == {"user_id": 7}


async def test_5_5_a_racing_write_is_inside_of_the_moved_data(browser: Browser) -> None:
    await logged_in(browser)
    moving = await paused(browser, regenerate)
    await browser.twin().visit(setting(cart=[1]))
    await moving.finish()
    assert await browser.data() == {"user_id": 7, "cart": [1]}


async def test_5_6_regenerate_keeps_the_data_also_before_anything_was_read(browser: Browser) -> None:
    await logged_in(browser)
    before = browser.cookie
    await browser.visit(regenerate)
    assert browser.cookie != before
    assert await browser.data() == {"user_id": 7}


@pytest.mark.parametrize(
    ("keep", "left"), [(False, {}), (["cart"], {"cart": [1]}), (("cart", "missing"), {"cart": [1]}), ([], {})]
)
async def test_5_6_regenerate_can_leave_data_behind(browser: Browser, keep: Any, left: Any) -> None:
    await browser.visit(setting(user_id=7, cart=[1]))
    await browser.visit(lambda session: setattr(session, "principal", 7))

    async def act(session: Any) -> Any:
        session.data["pending"] = 1
        await session.regenerate(keep=keep)
        return dict(session.data), session.principal

    assert (await browser.visit(act)).value == (left, None)
    assert await browser.data() == left


async def test_5_6_twice_in_one_request_is_one_cookie_and_no_leftovers(site: Site, browser: Browser) -> None:
    await logged_in(browser)
    old = browser.twin()

    async def act(session: Any) -> Any:
        await session.regenerate()
        between = session.id
        await session.regenerate()
        return between

    answer = await browser.visit(act)
    assert len(answer.cookies) == 1
    assert await browser.data() == {"user_id": 7}
    between = Browser(site, f"s:{site.layer.manager.options.cookie._signer.sign(answer.value)}")
    assert await between.data() == {}
    assert await old.data() == {}


async def test_5_6_regenerate_then_destroy_is_one_deletion_and_no_leftovers(browser: Browser) -> None:
    await logged_in(browser)

    async def act(session: Any) -> None:
        await session.regenerate()
        await session.destroy()

    answer = await browser.visit(act)
    assert answer.session_cookie == ""
    assert await browser.data() == {}


async def test_5_6_destroy_then_regenerate_is_a_new_empty_session(browser: Browser) -> None:
    await logged_in(browser)

    async def act(session: Any) -> None:
        await session.destroy()
        await session.regenerate()
        session.data["fresh"] = True

    answer = await browser.visit(act)
    assert answer.session_cookie
    assert await browser.data() == {"fresh": True}


async def test_5_6_regenerating_what_was_never_stored_leaves_no_trace(site: Site, browser: Browser) -> None:
    async def act(session: Any) -> Any:
        before = session.id
        await session.regenerate()
        session.data["a"] = 1
        return before, session.id

    answer = await browser.visit(act)
    before, after = answer.value
    assert before != after
    assert _id_of(browser) == after
    assert site.events.count("created") == 1


async def test_two_first_requests_at_once_are_two_sessions(site: Site) -> None:
    browsers = [Browser(site), Browser(site)]
    first = await paused(browsers[0], setting(n=1))
    second = await paused(browsers[1], setting(n=2))
    await first.finish()
    await second.finish()
    assert [await browser.data() for browser in browsers] == [{"n": 1}, {"n": 2}]


async def test_a_thousand_interleavings_lose_bring_back_and_double_nothing(site: Site) -> None:
    """Many tabs of many browsers at once; what every answer promised must hold at the end."""
    rounds = 150
    for number in range(rounds):
        browser = Browser(site)
        await browser.visit(setting(user_id=number))
        tabs = [browser.twin() for _ in range(6)]
        ends = number % 4 == 0

        async def last(session: Any, ends: bool = ends) -> None:
            await (session.destroy() if ends else session.rotate())

        answers = await asyncio.gather(
            *(tab.visit(setting(**{f"k{index}": index})) for index, tab in enumerate(tabs)), browser.visit(last)
        )
        assert {answer.status for answer in answers} == {200}
        if ends:
            assert [await tab.data() for tab in tabs] == [{}] * 6, "a logout is for every tab"
        else:
            expected = {"user_id": number, **{f"k{index}": index for index in range(6)}}
            assert await browser.data() == expected, "no write was lost"


def _id_of(browser: Browser) -> str:
    assert browser.cookie is not None
    return browser.cookie.removeprefix("s:").partition(".")[0]
