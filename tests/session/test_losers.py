"""A request that has lost a race sends no session cookie, whatever else asks for one.

The cookie of a login is in the browser already. An answer that comes later and carries the id of before, or a
deletion, would log the user out again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.session.harness import SECRET, Browser, Site, later, setting
from tests.session.test_parallel import destroy, log_in_again, paused, rotate


async def due_for_a_touch(store: Any) -> Browser:
    site = Site(store, rolling=True)
    browser = Browser(site)
    await browser.visit(setting(theme="dark"))
    later(site, 120)
    return browser


async def due_for_a_rotation(store: Any) -> Browser:
    site = Site(store, rotate_after=60)
    browser = Browser(site)
    await browser.visit(setting(theme="dark"))
    later(site, 120)
    return browser


async def signed_with_an_older_secret(store: Any) -> Browser:
    browser = Browser(Site(store))
    await browser.visit(setting(theme="dark"))
    return browser.twin(Site(store, secret=["a new secret of the tests, of more than 32 bytes", SECRET]))


async def rotated_a_moment_ago(store: Any) -> Browser:
    browser = Browser(Site(store))
    await browser.visit(setting(theme="dark"))
    await browser.twin().visit(rotate)
    return browser


Situation = Callable[[Any], Any]
SITUATIONS: list[Situation] = [
    due_for_a_touch,
    due_for_a_rotation,
    signed_with_an_older_secret,
    rotated_a_moment_ago,
]
"""Each gives a browser to whose next request the answer carries a cookie, though it only reads."""


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_a_reader_that_has_not_lost_is_sent_the_cookie(racing_store: Any, situation: Situation) -> None:
    browser = await situation(racing_store)
    assert (await browser.visit(lambda session: session.data["theme"])).session_cookie
    assert await browser.data() == {"theme": "dark"}


@pytest.mark.parametrize("winner", [log_in_again, destroy])
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_a_reader_that_has_lost_sends_no_cookie(racing_store: Any, situation: Situation, winner: Any) -> None:
    browser = await situation(racing_store)
    reader = await paused(browser.twin(), lambda session: session.data.get("theme"))
    await browser.visit(winner)
    answer = await reader.finish()
    assert (answer.status, answer.value, answer.cookies) == (200, "dark", [])
    expected = {"theme": "dark", "user_id": 8} if winner is log_in_again else {}
    assert await browser.data() == expected


@pytest.mark.parametrize("save_uninitialized", [False, True])
async def test_a_request_that_finds_the_id_given_up_by_a_login_begins_no_session(
    racing_store: Any, save_uninitialized: bool
) -> None:
    """It was sent before the answer to the login was there, and loaded after the login had its new id."""
    site = Site(racing_store, save_uninitialized=save_uninitialized)
    browser = Browser(site)
    await browser.visit(setting(theme="dark"))
    other_tab = browser.twin()
    await browser.visit(log_in_again)
    for act in (lambda session: dict(session.data), setting(seen=1), rotate):
        answer = await other_tab.visit(act)
        assert (answer.status, answer.cookies) == (200, [])
    assert site.events.count("created") == 1
    assert await browser.data() == {"theme": "dark", "user_id": 8}


async def test_a_login_under_an_id_given_up_by_a_login_begins_a_session_of_its_own(racing_store: Any) -> None:
    browser = Browser(Site(racing_store))
    await browser.visit(setting(theme="dark"))
    other_tab = browser.twin()
    await browser.visit(log_in_again)
    assert (await other_tab.visit(log_in_again)).session_cookie
    assert await other_tab.data() == {"user_id": 8}, "nothing leads from the old id to the new one"
    assert await browser.data() == {"theme": "dark", "user_id": 8}


async def test_a_logout_under_an_id_that_a_login_has_given_up_leads_to_nothing(racing_store: Any) -> None:
    browser = Browser(Site(racing_store))
    await browser.visit(setting(theme="dark"))
    other_tab = browser.twin()
    await browser.visit(log_in_again)
    answer = await other_tab.visit(destroy)
    assert answer.cookies == []
    assert await browser.data() == {"theme": "dark", "user_id": 8}


async def test_a_rotation_that_lost_to_a_rotation_and_then_to_a_login_sends_no_cookie(racing_store: Any) -> None:
    browser = Browser(Site(racing_store))
    await browser.visit(setting(theme="dark"))
    login = await paused(browser, log_in_again)
    late = await paused(browser.twin(), rotate)
    await browser.twin().visit(rotate)
    await login.finish()
    assert (await late.finish()).cookies == [], "not the id between either"
    assert await browser.data() == {"theme": "dark", "user_id": 8}


async def test_a_rotation_by_time_that_lost_to_another_and_then_to_a_login_sends_no_cookie(racing_store: Any) -> None:
    browser = await due_for_a_rotation(racing_store)
    login = await paused(browser, log_in_again)
    late = await paused(browser.twin(), lambda session: session.data.get("theme"))
    await browser.twin().visit()
    await login.finish()
    assert (await late.finish()).cookies == []
    assert (await browser.data())["user_id"] == 8
