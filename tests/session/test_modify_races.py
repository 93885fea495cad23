"""`modify()` called by many requests at once: of all the calls that were answered, none is lost.

Over SQLite and Redis, the requests come to applications in several processes, which all use the same few carts. Over
the other stores, they come to several applications in one process. Every request adds an item of its own to a cart, so
a lost call is an item that is not there. Some requests also give the session a new id, write another key, or count.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count
from random import Random
from typing import Any

import pytest

from kick.session.races import Turns
from kick.session.stores.memory import MemoryStore
from tests.session.conftest import make_store, url_of
from tests.session.harness import Browser, Site, setting

PROCESSES = 3
TABS = 4
"""Requests that a process serves at once."""
CARTS = 20
GRACE = 3600
"""Seconds for which the first cookies lead on: a slow machine takes minutes for all calls."""
KINDS = ("memory", "basic", "sqlite", "postgres", "redis", "cluster", "sentinel")

Item = tuple[int, int]
"""The cart, and what was added."""


def add_in_process(url: str, process: int, cookies: Sequence[str], calls: int) -> list[Item]:
    """What one process does: the items whose addition was answered."""

    async def run() -> list[Item]:
        site = Site(url, store_timeout=60, grace=GRACE)
        try:
            return await add_to_carts(site, process, cookies, calls)
        finally:
            await site.store.aclose()

    return asyncio.run(run())


async def add_to_carts(site: Site, process: int, cookies: Sequence[str], calls: int) -> list[Item]:
    """Send so many calls of `modify()`, from tabs that all begin with the same cookies."""
    numbers = count(process * calls)
    left = iter(range(calls))
    added: list[Item] = []

    async def use(tab: int) -> None:
        random = Random(f"{process}/{tab}")
        browsers = [Browser(site, cookie) for cookie in cookies]
        to_rotate = set(range(len(cookies))) if tab == 0 else set[int]()
        for turn in left:
            cart, number = random.randrange(len(cookies)), next(numbers)
            rotates = turn > calls / 4 and cart in to_rotate  # once for each process: an old id leads on a few times
            to_rotate -= {cart} if rotates else set()
            answer = await browsers[cart].visit(partial(add, number, f"{process}.{tab}", random.random(), rotates))
            assert (answer.status, answer.error) == (200, None)
            assert number in answer.value
            added.append((cart, number))

    await asyncio.gather(*(use(tab) for tab in range(TABS)))
    return added


async def add(number: int, tab: str, chance: float, rotates: bool, session: Any) -> Any:
    """Add an item, amid everything else that requests do."""
    if rotates:
        await session.rotate()
    elif chance < 0.2:
        session["held"] = tab
        session.get("cart")  # read before, and older than what is stored by now
    cart = await session.modify("cart", lambda cart: [*cart, number], [])
    if chance > 0.9:
        await session.increment("more")
    return cart


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        *((kind, 600) for kind in ("memory", "basic", "sqlite", "postgres", "redis")),
        *(pytest.param(kind, 10_000, marks=pytest.mark.long) for kind in KINDS),
    ],
)
async def test_no_call_of_modify_is_lost(kind: str, calls: int, request: pytest.FixtureRequest) -> None:
    is_of_one_process = kind in ("memory", "basic")
    place = make_store(kind, request) if is_of_one_process else url_of(kind, request)
    site = Site(place, store_timeout=60, grace=GRACE)
    browsers = [Browser(site) for _ in range(CARTS)]
    for browser in browsers:
        await browser.visit(setting(begun=True))
    cookies = [browser.cookie or "" for browser in browsers]
    shares = [(number, cookies, -(-calls // PROCESSES)) for number in range(PROCESSES)]
    if is_of_one_process:
        told = await asyncio.gather(*(add_to_carts(Site(place, grace=GRACE), *share) for share in shares))
    else:
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
            works = [partial(add_in_process, place, *share) for share in shares]
            told = await asyncio.gather(*(loop.run_in_executor(pool, work) for work in works))
    added = sorted(item for each in told for item in each)
    carts = [(await browser.data()).get("cart", []) for browser in browsers]
    assert sorted((cart, number) for cart, numbers in enumerate(carts) for number in numbers) == added
    assert len({number for _, number in added}) == len(added) >= calls
    await site.store.aclose()


class Counting(MemoryStore):
    """A store that lets others run during a call, as those on servers do, and counts the commits."""

    commits = 0

    async def load(self, key: str) -> Any:
        await asyncio.sleep(0)
        return await super().load(key)

    async def commit(self, key: str, change: Any, *, max_age: float) -> Any:
        self.commits += 1
        await asyncio.sleep(0)
        return await super().commit(key, change, max_age=max_age)


async def test_requests_at_once_do_not_make_each_other_try_again() -> None:
    """Of all that try at once, one succeeds: four hundred requests of one client cost eighty thousand commits."""
    store, requests = Counting(), 100
    site = Site(store)
    browser = Browser(site)
    await browser.visit(setting(begun=True))
    tabs = [Browser(site, browser.cookie or "") for _ in range(requests)]
    await asyncio.gather(*(tab.visit(partial(add, number, "tab", 0.5, False)) for number, tab in enumerate(tabs)))
    assert sorted((await browser.data())["cart"]) == list(range(requests))
    assert store.commits < 5 * requests


async def test_nobody_waits_for_one_that_hangs_longer_than_for_a_store() -> None:
    turns = Turns(0.05)
    async with turns.of("a session"):
        async with turns.of("another session"):
            pass
        async with turns.of("a session"):
            pass
    async with turns.of("a session"):
        pass
