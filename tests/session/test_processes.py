"""Sessions that several processes serve at once: nothing is lost, nothing comes back, nothing is there twice.

Each process runs an application of its own over the one store. Their requests belong to a few browsers; each has one
cookie, which lies in a file, so that every process sends what the last answer of any of them has set. What was sent
and answered is written down with the time of the machine, and judged when all is over.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from kick.session import Sessions
from tests.session.conftest import url_of
from tests.session.harness import Browser, Site

PROCESSES = 3
TABS = 4
"""Requests of one browser that a process serves at once."""
TURNS = 12
"""Requests of a tab for one browser."""
BROWSERS = 40

_together: Barrier


class Visit(msgspec.Struct):
    """One request and its answer, as a client knows them."""

    browser: int
    tab: str
    turn: int
    kind: str
    cookie: str
    began: float
    ended: float = 0.0
    status: int = 0
    saw: bool = False
    """Whether the handler found the session."""
    done: Any = None
    """What it returned."""
    sent: str | None = None
    """The session cookie of the answer."""


class Jar:
    """The cookies of the browsers, for all processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, browser: int) -> str:
        return (self.folder / str(browser)).read_text()

    def __setitem__(self, browser: int, cookie: str) -> None:
        new = self.folder / f"{browser}.{os.getpid()}.{time.monotonic_ns()}"
        new.write_text(cookie)
        new.replace(self.folder / str(browser))


class Acts:
    """What a request does to the session that it finds, by kind; whoever finds none does nothing."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit

    async def __call__(self, session: Any) -> Any:
        self.visit.saw = "user_id" in session.data
        return await getattr(self, self.visit.kind)(session) if self.visit.saw else None

    async def write(self, session: Any) -> None:
        session.data[self.visit.tab] = self.visit.turn

    async def save(self, session: Any) -> bool:
        session.data[self.visit.tab] = self.visit.turn
        return await session.save()

    async def count(self, session: Any) -> int:
        return await session.increment("n")

    async def read(self, session: Any) -> None:
        session.data.get("n")

    async def rotate(self, session: Any) -> None:
        await session.rotate()

    async def regenerate(self, session: Any) -> None:
        await session.regenerate()

    async def destroy(self, session: Any) -> None:
        await session.destroy()


def ends(browser: int) -> bool:
    """Whether somebody logs this browser out in between."""
    return browser % 2 == 1


def kind_of(browser: int, random: Random) -> str:
    weights: dict[str, float] = {"write": 8, "save": 4, "count": 6, "read": 3, "rotate": 2, "regenerate": 1}
    if ends(browser):
        weights["destroy"] = 0.5
    (kind,) = random.choices(list(weights), list(weights.values()))
    return kind


def meet(barrier: Barrier) -> None:
    """Have a new process know where all meet before they turn to the next browser."""
    global _together
    _together = barrier


def serve(url: str, folder: Path, name: str) -> list[Visit]:
    """What one process does."""
    return asyncio.run(_serve(Site(url, store_timeout=30).showing_writes(), Jar(folder), name))


async def _serve(site: Site, jar: Jar, name: str) -> list[Visit]:
    visits: list[Visit] = []

    async def use(browser: int, tab: str) -> None:
        random = Random(f"{browser}/{tab}")
        for turn in range(TURNS):
            kind = kind_of(browser, random)
            visit = Visit(browser, tab, turn, kind, cookie=jar[browser], began=time.monotonic())
            answer = await site.request(Acts(visit), cookie=f"kick.sid={visit.cookie}" if visit.cookie else None)
            visit.ended = time.monotonic()
            visit.status, visit.done, visit.sent = answer.status, answer.value, answer.session_cookie
            visits.append(visit)
            if visit.sent is not None:
                jar[browser] = visit.sent

    for browser in range(BROWSERS):
        _together.wait(60)
        await asyncio.gather(*(use(browser, f"{name}.{tab}") for tab in range(TABS)))
    await site.store.aclose()
    return visits


class Outcome:
    """What all processes have done, and what is in the store after it."""

    def __init__(self, site: Site, visits: Iterable[Visit]) -> None:
        self.site = site
        self.visits = sorted(visits, key=lambda visit: (visit.browser, visit.began))

    def of_each_browser(self) -> Iterator[tuple[int, list[Visit]]]:
        for browser, visits in groupby(self.visits, key=lambda visit: visit.browser):
            yield browser, list(visits)

    async def sessions_of(self, browser: int) -> int:
        return len(await Sessions(self.site.layer.manager).of(browser))

    async def data(self, visits: list[Visit]) -> dict[str, Any]:
        """What is in the browser's session, under any cookie that it ever had."""
        cookies = {each for visit in visits for each in (visit.cookie, visit.sent) if each}
        found = [await Browser(self.site, cookie).data() for cookie in cookies]
        found = [data for data in found if data]
        assert all(data == found[0] for data in found), "cookies that lead to different sessions"
        return found[0] if found else {}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.nightly), "redis"])
async def outcome(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    url = url_of(request.param, request)
    site = Site(url, store_timeout=30)
    jar = Jar(tmp_path)
    for number in range(BROWSERS):
        browser = Browser(site)

        def begin(session: Any, number: int = number) -> None:
            session.data["user_id"] = session.principal = number

        await browser.visit(begin)
        jar[number] = browser.cookie or ""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    names = [f"process{number}" for number in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, context, initializer=meet, initargs=(barrier,)) as pool:
        loop = asyncio.get_running_loop()
        running = [loop.run_in_executor(pool, serve, url, tmp_path, name) for name in names]
        visits = [visit for each in await asyncio.gather(*running) for visit in each]
    yield Outcome(site, visits)
    await site.store.aclose()


async def test_processes_lose_nothing_revive_nothing_and_have_no_session_twice(outcome: Outcome) -> None:
    seen = Counter[str]()
    for browser, visits in outcome.of_each_browser():
        assert {visit.status for visit in visits} <= {200, 409}
        seen.update(visit.kind for visit in visits if visit.saw)
        seen["lost"] += sum(visit.saw and visit.sent is None and visit.kind == "write" for visit in visits)
        logout = min((visit.ended for visit in visits if is_answered_logout(visit)), default=None)
        if logout is None:
            await nothing_was_lost(outcome, browser, visits)
        else:
            await nothing_came_back(outcome, browser, visits, logout)
        nothing_leads_on_from_what_a_login_gave_up(visits)
        who_lost_sent_no_cookie(visits)
    assert len(outcome.visits) == BROWSERS * PROCESSES * TABS * TURNS
    assert min(seen["destroy"], seen["regenerate"], seen["rotate"]) > BROWSERS / 5
    assert seen["lost"] > 0, "the processes have not met"


def is_answered_logout(visit: Visit) -> bool:
    return visit.kind == "destroy" and visit.saw and visit.sent == ""


async def nothing_was_lost(outcome: Outcome, browser: int, visits: list[Visit]) -> None:
    """What was answered as written is there, what was not is not; and there is one session."""
    data = await outcome.data(visits)
    assert await outcome.sessions_of(browser) == 1
    assert data.pop("user_id") == browser
    counts = [visit.done for visit in visits if visit.kind == "count" and visit.done is not None]
    assert sorted(counts) == list(range(1, len(counts) + 1))
    assert data.pop("n", 0) == len(counts)
    written = {visit.tab: visit.turn for visit in visits if is_answered_write(visit)}
    assert data == written


def is_answered_write(visit: Visit) -> bool:
    """A write that lost is answered without the cookie, and a `save()` that lost says so."""
    if not visit.saw or visit.status != 200:
        return False
    return visit.done is True if visit.kind == "save" else visit.kind == "write" and bool(visit.sent)


async def nothing_came_back(outcome: Outcome, browser: int, visits: list[Visit], logout: float) -> None:
    """No request that began after the answer to a logout has found the session, or was sent a cookie."""
    assert [visit for visit in visits if visit.began > logout and (visit.saw or visit.sent)] == []
    assert await outcome.sessions_of(browser) == 0
    assert await outcome.data(visits) == {}


def nothing_leads_on_from_what_a_login_gave_up(visits: list[Visit]) -> None:
    for login in (visit for visit in visits if visit.kind == "regenerate" and visit.saw and visit.sent):
        late = [visit for visit in visits if visit.began > login.ended and visit.cookie == login.cookie]
        assert [visit for visit in late if visit.saw] == []


def who_lost_sent_no_cookie(visits: list[Visit]) -> None:
    assert [visit for visit in visits if (visit.status == 409 or visit.done is False) and visit.sent is not None] == []
