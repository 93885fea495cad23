"""Each race by itself, many times over: what was lost, what came back, what is there twice. All zero.

Every request of a race has loaded the session before the first of them goes on; then they do, all at once, in as many
orders as come about. Over SQLite and Redis they are requests to applications in several processes, over the others to
three applications in one. `KICK_EXHAUSTIVE=1` runs twenty times as many.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from kick.session import MemoryStore, state
from kick.session.ids import generate_id
from kick.session.stores.custom import BasicStore
from kick.testing.store_contract import Findings
from tests.session.conftest import make_store
from tests.session.harness import Browser, Site, later
from tests.session.test_parallel import paused
from tests.session.test_store_contract import CarelessStore

SESSIONS = 1000 if os.environ.get("KICK_EXHAUSTIVE") == "1" else 50
"""How many sessions each race is about; on each, `PROCESSES * TABS` requests meet."""

AT_ONCE = 50
"""How many sessions are raced for at the same time."""

PROCESSES = 3
TABS = 2
REQUESTS = PROCESSES * TABS

GRACE = 0.2

Meet = Callable[[], Awaitable[None]]
"""Waits until the other processes are there too."""


class Race(msgspec.Struct, frozen=True):
    """What each request does to the one session."""

    kinds: tuple[str, ...]
    """Of the requests 0, 1, ...; the last is what all the others do."""
    options: dict[str, Any] = {}
    after: float | None = None
    """The requests but 0 go on when that one has been answered for so many seconds."""

    def kind(self, request: int) -> str:
        return self.kinds[min(request, len(self.kinds) - 1)]


RACES = {
    "two writers of different keys": Race(("write",)),
    "same key": Race(("same",)),
    "counters": Race(("count",)),
    "reader finishing last": Race(("write", "read")),
    "commit after destroy": Race(("destroy", "write")),
    "commit after regenerate": Race(("regenerate", "write")),
    "regenerate racing regenerate": Race(("regenerate",)),
    "regenerate racing destroy": Race(("destroy", "regenerate", "write")),
    "rotate within its grace": Race(("rotate", "rotate", "write")),
    "rotate after its grace": Race(("rotate", "write"), {"grace": GRACE}, after=2 * GRACE),
    "touch after destroy": Race(("destroy", "touch"), {"rolling": True}),
    "id collision at create": Race(("create",)),
}


class Answered(msgspec.Struct):
    """A request, and what it was told."""

    session: int
    request: int
    kind: str
    status: int
    ended: float
    began: float
    value: Any = None
    sent: str | None = None
    """The session cookie of the answer."""


async def act(kind: str, request: int, session: Any) -> Any:
    match kind:
        case "write" | "create":
            session.data[f"k{request}"] = request
        case "same":
            session.data["k"] = request
        case "count":
            return await session.increment("n")
        case "regenerate":
            await session.regenerate()
            session.data[f"k{request}"] = request
        case "rotate":
            await session.rotate()
        case "destroy":
            await session.destroy()
        case _:
            list(session.data.values())  # among them a list, which could have been changed
    return None


async def take_part(
    site: Site, race: Race, cookies: Sequence[str | None], requests: range, meet: Meet, random: Random
) -> list[Answered]:
    """Send these requests for each session, and have them go on together with those of the others."""
    answers: list[Answered] = []
    for first in range(0, len(cookies), AT_ONCE):
        waiting = []
        for number, cookie in enumerate(cookies[first : first + AT_ONCE], start=first):
            for request in requests:
                kind = race.kind(request)
                tab = await paused(Browser(site, cookie), partial(act, kind, request))
                waiting.append((number, request, kind, tab))
        random.shuffle(waiting)
        await meet()
        firsts = [each for each in waiting if race.after is None or each[1] == 0]
        answers += await asyncio.gather(*(_finish(*each) for each in firsts))
        await meet()
        if race.after is not None:
            await asyncio.sleep(race.after)  # the grace goes by
            answers += await asyncio.gather(*(_finish(*each) for each in waiting if each[1] > 0))
    return answers


async def _finish(number: int, request: int, kind: str, tab: Any) -> Answered:
    began = time.monotonic()
    answer = await tab.finish()
    return Answered(number, request, kind, answer.status, time.monotonic(), began, answer.value, answer.session_cookie)


def site_for(race: Race, store: Any) -> Site:
    site = Site(store, store_timeout=60, **race.options).showing_writes()
    if race.options.get("rolling"):
        later(site, 120)  # every request owes a touch
    return site


# Several processes

_barrier: Barrier


def begin(barrier: Barrier) -> None:
    """Have a new process know where all meet."""
    global _barrier
    _barrier = barrier


def race_in_process(url: str, process: int, name: str, cookies: list[str | None], pool: list[str]) -> list[Answered]:
    """What one process does."""

    async def meet() -> None:
        await asyncio.to_thread(_barrier.wait, 120)

    async def run() -> list[Answered]:
        race = RACES[name]
        site = site_for(race, url)
        requests = range(process * TABS, (process + 1) * TABS)
        answers = await take_part(site, race, cookies, requests, meet, Random(f"{name}/{process}"))
        await site.store.aclose()
        return answers

    return _drawing_from(pool, process, lambda: asyncio.run(run()))


def _drawing_from(pool: list[str], seed: object, run: Callable[[], Any]) -> Any:
    """Run with ids that are drawn from a few, for as long as they last."""
    if not pool:
        return run()
    ids, random = list(pool), Random(f"ids/{seed}")
    random.shuffle(ids)
    state.generate_id = lambda: ids.pop() if ids else generate_id()
    try:
        return run()
    finally:
        state.generate_id = generate_id


@pytest.fixture(scope="module")
def processes() -> Any:
    """Processes that are there for all the races."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, initializer=begin, initargs=(barrier,)) as pool:
        yield pool


class Field:
    """Where the races are held: a store, and those who send requests to it."""

    def __init__(self, store: Any, url: str | None, pool: Any) -> None:
        self.store = store
        self.url = url
        self.pool = pool

    async def hold(self, name: str, cookies: list[str | None], ids: list[str]) -> list[Answered]:
        if self.url is not None:
            loop = asyncio.get_running_loop()
            calls = [partial(race_in_process, self.url, process, name, cookies, ids) for process in range(PROCESSES)]
            told = await asyncio.gather(*(loop.run_in_executor(self.pool, call) for call in calls))
        else:
            barrier = asyncio.Barrier(PROCESSES)

            async def meet() -> None:
                await barrier.wait()

            race = RACES[name]
            ids = ids * PROCESSES
            Random(name).shuffle(ids)
            state.generate_id = lambda: ids.pop() if ids else generate_id()
            try:
                told = await asyncio.gather(
                    *(
                        take_part(
                            site_for(race, self.store),
                            race,
                            cookies,
                            range(number * TABS, (number + 1) * TABS),
                            meet,
                            Random(f"{name}/{number}"),
                        )
                        for number in range(PROCESSES)
                    )
                )
            finally:
                state.generate_id = generate_id
        return sorted((each for answers in told for each in answers), key=lambda each: (each.session, each.request))


@pytest.fixture(params=["memory", "basic", "sqlite", "postgres", "redis", "cluster", "sentinel"])
async def field(request: pytest.FixtureRequest, tmp_path: Path, processes: Any) -> Any:
    store = make_store(request.param, request)
    url = None
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/sessions.db"
    elif request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    elif request.param == "redis":
        url = request.getfixturevalue("redis_server").url
    yield Field(store, url, processes)
    await store.aclose()


# What must have come out


class Outcome(msgspec.Struct):
    """One session after its race."""

    answers: list[Answered]
    opened: dict[str, dict[str, Any]]
    """The sessions with data that any cookie leads to, by id."""
    of_principal: int
    at_first: dict[str, Any]
    """What the cookie of before the race leads to."""

    @property
    def data(self) -> dict[str, Any]:
        """What is in the one session that there should be."""
        return next(iter(self.opened.values()), {})

    @property
    def written(self) -> dict[str, Any]:
        """What was answered as written: a write that lost is answered without the cookie."""
        return {f"k{each.request}": each.request for each in self.answers if each.kind in WRITERS and each.sent}


WRITERS = ("write", "regenerate")
BEGUN = {"secret": [1], "user_id": 7}


def judge(race: Race, outcome: Outcome) -> Findings:
    """Hold what is there against what the answers said."""
    findings = Findings(operations=len(outcome.answers))
    kinds = {each.kind for each in outcome.answers}
    if "destroy" in kinds:
        findings.resurrections += any("secret" in data for data in outcome.opened.values())
        findings.resurrections += outcome.of_principal > 0
        begun_anew = sum(each.kind == "regenerate" and bool(each.sent) for each in outcome.answers)
        findings.double_sessions += len(outcome.opened) > begun_anew
        findings.lost_updates += not any(each.kind == "destroy" and each.sent == "" for each in outcome.answers)
        return findings
    findings.double_sessions += max(0, len(outcome.opened) - 1) + max(0, outcome.of_principal - 1)
    findings.double_sessions += sum(each.kind == "regenerate" and bool(each.sent) for each in outcome.answers) > 1
    data = dict(outcome.data)
    findings.lost_updates += any(data.pop(key, None) != value for key, value in BEGUN.items())
    if "same" in kinds:
        return _judge_the_last(outcome, data.pop("k", None), findings)
    if "count" in kinds:
        findings.lost_updates += sorted(each.value for each in outcome.answers) != list(range(1, REQUESTS + 1))
        findings.lost_updates += data.pop("n", 0) != REQUESTS
    written = outcome.written
    findings.lost_updates += any(data.get(key) != value for key, value in written.items())
    findings.resurrections += any(key not in written for key in data)
    if race.after is not None:
        findings.resurrections += bool(written) or bool(outcome.at_first)
    elif "regenerate" not in kinds:
        findings.lost_updates += len(written) != sum(each.kind == "write" for each in outcome.answers)
    return findings


def _judge_the_last(outcome: Outcome, value: Any, findings: Findings) -> Findings:
    (winner,) = [each for each in outcome.answers if each.request == value] or [None]
    is_last = winner is not None and not any(each.began > winner.ended for each in outcome.answers)
    findings.lost_updates += not is_last
    return findings


async def look(site: Site, principal: str, cookie: str, answers: list[Answered]) -> Outcome:
    opened: dict[str, dict[str, Any]] = {}
    for each in {cookie, *(answer.sent for answer in answers if answer.sent)}:
        found = await Browser(site, each).visit(lambda session: (session.id, dict(session.data)))
        assert found.error is None
        if found.value[1]:
            opened[found.value[0]] = found.value[1]
    at_first = await Browser(site, cookie).data()
    has_index = not isinstance(site.store, BasicStore)
    return Outcome(answers, opened, len(await site.store.find(principal)) if has_index else 0, at_first)


def total(findings: Iterable[Findings]) -> Findings:
    totals = Findings()
    for each in findings:
        for name in Findings.__struct_fields__:
            setattr(totals, name, getattr(totals, name) + getattr(each, name))
    return totals


async def findings_of(field: Field, name: str) -> Findings:
    """Hold a race for many sessions, and judge each."""
    site = Site(field.store, store_timeout=60)
    cookies: list[str | None] = []
    for number in range(SESSIONS):
        browser = Browser(site)

        def begin(session: Any, number: int = number) -> None:
            session.data.update(BEGUN)
            if not isinstance(field.store, BasicStore):
                session.principal = f"{name}/{number}"

        await browser.visit(begin)
        cookies.append(browser.cookie)
    answers = await field.hold(name, cookies, [])
    assert {answer.status for answer in answers} == {200}
    by_session = [answers[at : at + REQUESTS] for at in range(0, len(answers), REQUESTS)]
    outcomes = [
        await look(site, f"{name}/{number}", cookie or "", of_one)
        for number, (cookie, of_one) in enumerate(zip(cookies, by_session, strict=True))
    ]
    return total(judge(RACES[name], outcome) for outcome in outcomes)


@pytest.mark.parametrize("name", [name for name in RACES if "create" not in name])
async def test_a_race_loses_revives_and_doubles_nothing(field: Field, name: str) -> None:
    assert await findings_of(field, name) == Findings(operations=SESSIONS * REQUESTS)


class CarelessMoves(MemoryStore):
    """Moves what it has read a moment ago, whoever has moved it since."""

    async def move(self, key: str, new_key: str, **options: Any) -> Any:
        before = self._entries.get(key)
        await asyncio.sleep(0)
        if before is not None:
            self._entries[key] = before
        return await super().move(key, new_key, **options)


@pytest.mark.parametrize(
    ("store", "name", "mistake"),
    [
        (CarelessStore, "two writers of different keys", "lost_updates"),
        (CarelessStore, "counters", "lost_updates"),
        (CarelessStore, "commit after destroy", "resurrections"),
        (CarelessStore, "commit after regenerate", "lost_updates"),
        (CarelessMoves, "regenerate racing regenerate", "double_sessions"),
        (CarelessMoves, "rotate within its grace", "double_sessions"),
    ],
)
async def test_the_races_find_out_a_store_that_is_careless(store: Any, name: str, mistake: str) -> None:
    findings = await findings_of(Field(store(), None, None), name)
    assert getattr(findings, mistake) > 0


async def test_ids_that_collide_at_create_are_two_sessions(field: Field) -> None:
    """Every process draws the same few ids, in another order; whoever comes second to one draws again."""
    name = "id collision at create"
    ids = [generate_id() for _ in range(SESSIONS)]
    answers = await field.hold(name, [None] * SESSIONS, ids)
    site = Site(field.store)
    assert {answer.status for answer in answers} == {200}
    cookies = [answer.sent or "" for answer in answers]
    assert len(set(cookies)) == SESSIONS * REQUESTS, "each has a session of its own"
    drawn = {cookie.removeprefix("s:").partition(".")[0] for cookie in cookies}
    assert drawn > set(ids), "all of the few were drawn, and others in place of those that were taken"
    for answer in answers:
        assert await Browser(site, answer.sent).data() == {f"k{answer.request}": answer.request}
