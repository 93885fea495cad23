"""`rotate_after`: a new id by time, once, whoever asks, and by the clock of the store."""

from __future__ import annotations

import time
from typing import Any

from kick.session import MemoryStore
from kick.session.ids import key_of
from kick.session.stores.base import Record
from tests.session.harness import Browser, Site, later, setting
from tests.session.test_parallel import paused


async def test_of_many_requests_at_once_one_rotates_and_all_learn_the_new_id(racing_store: Any) -> None:
    site = Site(racing_store, rotate_after=60)
    browser = Browser(site)
    await browser.visit(setting(user_id=7))
    old = browser.twin()
    later(site, 120)
    tabs = [browser.twin() for _ in range(20)]
    waiting = [await paused(tab, setting(**{f"k{number}": number})) for number, tab in enumerate(tabs)]
    for each in waiting:
        await each.finish()
    assert site.events.count("rotated") == 1
    assert len({tab.cookie for tab in tabs}) == 1
    assert old.cookie != tabs[0].cookie
    expected = {"user_id": 7, **{f"k{number}": number for number in range(20)}}
    assert await old.twin(Site(racing_store)).data() == expected, "the id of a moment ago leads on"


async def record_of(browser: Browser) -> Record:
    assert browser.cookie is not None
    found = await browser.site.store.load(key_of(browser.cookie.removeprefix("s:").partition(".")[0]))
    assert isinstance(found, Record)
    return found


async def test_not_rolling_a_rotation_by_time_prolongs_nothing(store: Any) -> None:
    site = Site(store, rotate_after=60, max_age=3600)
    browser = Browser(site)
    await browser.visit(setting(user_id=7))
    before, cookie = await record_of(browser), browser.cookie
    later(site, 120)
    await browser.visit()
    after = await record_of(browser)
    assert browser.cookie != cookie
    assert after.expires_at <= before.expires_at


async def test_a_store_whose_clock_is_behind_rotates_no_sooner() -> None:
    """As after a suspend, in which the monotonic clock stands still."""
    site = Site(MemoryStore(clock=lambda: time.time() - 3600), rotate_after=900)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    for _ in range(3):
        await browser.visit(lambda session: session["a"])
    assert site.events.count("rotated") == 0
