"""The life of one session: `max_age`, `persistent`, "remember me" and the deadline that a login starts again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kick.auth import login
from kick.session import CookieOptions
from tests.session.harness import Browser, Site, later, setting

DAY = 86_400


def attributes_of(answer: Any) -> dict[str, str]:
    (line,) = answer.cookies
    return dict(each.partition("=")[::2] for each in line.split("; ")[1:])


def log_in(**options: Any) -> Any:
    async def act(ctx: Any) -> float:
        await login(ctx, 7, **options)
        return ctx.session.max_age  # type: ignore[no-any-return]

    return act


def left(session: Any) -> float:
    return (session.expires_at - session.created_at).total_seconds()


@pytest.mark.parametrize("age", [90, 90.0, timedelta(seconds=90)])
async def test_one_session_has_a_life_of_its_own_in_the_store_and_in_the_cookie(store: Any, age: Any) -> None:
    browser = Browser(Site(store, max_age=3600))
    await browser.visit(setting(a=1))

    def act(session: Any) -> None:
        session.max_age = age

    answer = await browser.visit(act)
    assert attributes_of(answer)["Max-Age"] == "90"
    answer = await browser.visit(lambda session: (session.max_age, left(session)))
    assert answer.value == (90.0, pytest.approx(90, abs=5))
    await browser.visit(setting(a=2))
    assert (await browser.visit(left)).value == pytest.approx(90, abs=5)


async def test_a_new_session_begins_with_its_own_life(store: Any) -> None:
    browser = Browser(Site(store))

    def act(session: Any) -> None:
        session.max_age, session.persistent = 120, False

    answer = await browser.visit(act)
    assert "Max-Age" not in attributes_of(answer)
    assert (await browser.visit(left)).value == pytest.approx(120, abs=1)


async def test_none_gives_it_the_life_of_all_sessions_again(store: Any) -> None:
    browser = Browser(Site(store, max_age=3600))
    await browser.visit(lambda session: setattr(session, "max_age", 90))
    answer = await browser.visit(lambda session: setattr(session, "max_age", None))
    assert attributes_of(answer)["Max-Age"] == "3600"
    assert (await browser.visit(left)).value == pytest.approx(3600, abs=5)


@pytest.mark.parametrize("age", [0, -1, float("inf"), float("nan"), timedelta(0)])
async def test_a_life_that_is_none_is_refused(store: Any, age: Any) -> None:
    answer = await Browser(Site(store)).visit(lambda session: setattr(session, "max_age", age))
    assert isinstance(answer.error, ValueError)


async def test_the_deadline_cuts_it(store: Any) -> None:
    browser = Browser(Site(store, max_age=60, absolute_max_age=100))
    answer = await browser.visit(lambda session: setattr(session, "max_age", 5000))
    assert attributes_of(answer)["Max-Age"] == "100"
    assert (await browser.visit(left)).value == pytest.approx(100, abs=1)


async def test_cookies_can_end_with_the_browser(store: Any) -> None:
    browser = Browser(Site(store, cookie=CookieOptions(persistent=False)))
    answer = await browser.visit(setting(a=1))
    assert "Max-Age" not in attributes_of(answer)
    assert (await browser.visit(lambda session: session.persistent)).value is False
    answer = await browser.visit(lambda session: setattr(session, "persistent", True))
    assert attributes_of(answer)["Max-Age"] == str(DAY)


async def test_a_rolling_session_of_its_own_life_is_prolonged_by_it(store: Any) -> None:
    browser = Browser(Site(store, rolling=True, max_age=3600))
    await browser.visit(lambda session: setattr(session, "max_age", 20))
    later(browser.site, 5)
    answer = await browser.visit()
    assert attributes_of(answer)["Max-Age"] == "20"


class TestRememberMe:
    async def test_a_login_can_be_remembered(self, store: Any) -> None:
        site = Site(store, max_age=3600, cookie=CookieOptions(persistent=False), remember_max_age=timedelta(days=20))
        browser = Browser(site)
        await browser.visit(setting(cart=[1]))
        answer = await browser.visit(log_in(remember=True), wants_context=True)
        assert answer.value == 20 * DAY
        assert attributes_of(answer)["Max-Age"] == str(20 * DAY)
        assert (await browser.visit(left)).value == pytest.approx(20 * DAY, abs=5)
        assert await browser.data() == {"cart": [1]}

    async def test_the_next_login_is_not_remembered_unless_it_says_so(self, store: Any) -> None:
        browser = Browser(Site(store, max_age=3600))
        await browser.visit(log_in(remember=True), wants_context=True)
        answer = await browser.visit(log_in(), wants_context=True)
        assert (answer.value, attributes_of(answer)["Max-Age"]) == (3600, "3600")

    async def test_a_regenerate_carries_it_along(self, store: Any) -> None:
        browser = Browser(Site(store, max_age=3600, remember_max_age=7200))
        await browser.visit(log_in(remember=True), wants_context=True)
        answer = await browser.visit(lambda session: session.regenerate())
        assert attributes_of(answer)["Max-Age"] == "7200"

    async def test_a_regenerate_that_leaves_the_data_behind_ends_it(self, store: Any) -> None:
        browser = Browser(Site(store, max_age=3600))
        await browser.visit(log_in(remember=True), wants_context=True)
        answer = await browser.visit(lambda session: session.regenerate(keep=False))
        assert attributes_of(answer)["Max-Age"] == "3600"
        assert (await browser.visit(left)).value == pytest.approx(3600, abs=5)

    async def test_it_needs_no_data_of_the_application(self, store: Any) -> None:
        browser = Browser(Site(store))
        await browser.visit(log_in(remember=True), wants_context=True)
        assert await browser.data() == {}


async def deadline_of(session: Any) -> Any:
    return session.state.record.deadline


async def test_a_login_starts_a_new_deadline_and_a_regenerate_does_not(store: Any) -> None:
    browser = Browser(Site(store, absolute_max_age=1000))
    await browser.visit(setting(a=1))
    first = (await browser.visit(deadline_of)).value
    await browser.visit(lambda session: session.regenerate())
    assert (await browser.visit(deadline_of)).value == pytest.approx(first, abs=0.01)
    await browser.visit(log_in(), wants_context=True)
    assert (await browser.visit(deadline_of)).value > first
