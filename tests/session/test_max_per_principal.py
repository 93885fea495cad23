"""`session(max_per_principal=...)`: somebody who logs in again and again fills no store and no list of devices."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kick.session import Sessions
from kick.session.ids import key_of
from tests.session.conftest import DictStore
from tests.session.harness import Browser, Site, calls_to, setting
from tests.session.test_devices import logging_in
from tests.support.setup_errors import raises_code


@pytest.fixture
def site(atomic_store: Any) -> Site:
    return Site(atomic_store, max_per_principal=3)


async def logged_in(site: Site, user_id: object, count: int) -> list[Browser]:
    browsers = [Browser(site) for _ in range(count)]
    for browser in browsers:
        await browser.visit(logging_in(user_id))
        await asyncio.sleep(0.005)  # stores keep times in milliseconds
    return browsers


async def living(browsers: list[Browser]) -> list[bool]:
    return ["user_id" in await browser.data() for browser in browsers]


async def test_a_login_beyond_it_ends_the_sessions_seen_longest_ago(site: Site) -> None:
    browsers = await logged_in(site, 7, 3)
    await browsers[0].visit(setting(n=1))
    await asyncio.sleep(0.005)
    assert await living(browsers) == [True] * 3
    assert "evicted" not in site.events
    browsers += await logged_in(site, 7, 2)
    assert len(await Sessions(site.layer.manager).of(7)) == 3
    alive = await living(browsers)
    assert (sum(alive), alive[3:]) == (3, [True, True])
    assert site.events.count("evicted") == 2


async def test_only_those_of_the_same_principal_end(site: Site) -> None:
    others = [*(await logged_in(site, 8, 3)), *(await logged_in(site, "70", 1))]
    visitors = [Browser(site) for _ in range(4)]
    for visitor in visitors:
        await visitor.visit(setting(user_id="in the data alone"))
    await logged_in(site, 7, 5)
    assert await living([*others, *visitors]) == [True] * 8


@pytest.mark.parametrize("first", ["a visitor's session", "nothing"])
async def test_logging_in_again_in_one_browser_ends_no_other(site: Site, first: str) -> None:
    browsers = await logged_in(site, 7, 2)
    again = Browser(site)
    if first != "nothing":
        await again.visit(setting(cart=[1]))
    for _ in range(4):
        await again.visit(logging_in(7))
    assert await living([*browsers, again]) == [True] * 3


async def test_a_principal_without_a_new_id_counts_too(site: Site) -> None:
    def assign(session: Any) -> None:
        session.principal = 7
        session.data["user_id"] = 7

    browsers = await logged_in(site, 7, 3)
    for came_before in (True, False):
        browser = Browser(site)
        if came_before:
            await browser.visit(setting(a=1))
        await asyncio.sleep(0.005)
        await browser.visit(assign)
        browsers.append(browser)
    assert await living(browsers) == [False, False, True, True, True]


async def test_logins_at_once_end_none_of_the_latest(site: Site) -> None:
    browsers = [Browser(site) for _ in range(12)]
    await asyncio.gather(*(browser.visit(logging_in(7)) for browser in browsers))
    found = await Sessions(site.layer.manager).of(7)
    assert 3 <= len(found) <= 12  # one that looked before the others were stored has left them alone
    assert sum(await living(browsers)) == len(found)
    (last,) = await logged_in(site, 7, 1)
    assert len(await Sessions(site.layer.manager).of(7)) == 3
    assert sum(await living(browsers)) == 2
    assert await living([last]) == [True]


async def test_an_open_connection_of_a_session_that_ends_so_is_told(site: Site) -> None:
    (oldest,) = await logged_in(site, 7, 1)
    has_ended = asyncio.Event()
    session_id = (await oldest.visit(lambda session: session.id)).value
    record = await site.store.load(key_of(session_id))
    remove = site.layer.manager.operations.connections.add(session_id, record, has_ended.set)
    await logged_in(site, 7, 2)
    assert not has_ended.is_set()
    await logged_in(site, 7, 1)
    await asyncio.wait_for(has_ended.wait(), 30)
    remove()


async def test_the_store_is_asked_at_a_login_only(site: Site) -> None:
    (browser,) = await logged_in(site, 7, 1)
    calls = calls_to(site.store)
    await browser.visit(setting(n=1))
    await browser.data()
    assert "find" not in calls
    await logged_in(site, 7, 1)
    assert calls.count("find") == 1


async def test_a_store_that_fails_after_the_login_does_not_undo_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(f"sqlite:///{tmp_path}/sessions.db", max_per_principal=3)

    async def fail(principal: str) -> Any:
        raise OSError("the store went away")

    with monkeypatch.context() as patch:
        patch.setattr(site.store, "find", fail)
        browsers = await logged_in(site, 7, 5)
        assert await living(browsers) == [True] * 5
    assert site.events.count("store_error") == 5
    await logged_in(site, 7, 1)
    assert len(await Sessions(site.layer.manager).of(7)) == 3
    await site.store.aclose()


async def test_a_store_without_an_index_cannot_have_it() -> None:
    with raises_code("session-store-no-index", match="DictStore"):
        Site(DictStore(), max_per_principal=3)


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "3"])
def test_it_is_a_number_above_0(value: Any) -> None:
    with raises_code("session-option", match="max_per_principal"):
        Site(max_per_principal=value)
