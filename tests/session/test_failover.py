"""A primary of Redis dies while requests run: each is answered or gets a 503, and nobody has to restart anything.

Redis replicates asynchronously, so what was answered in the moment before the primary died may be gone. What had
reached the replica by then is there, and so is all that was answered after another server took over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from kick.session.ids import key_of
from kick.session.stores.redis import RedisStore
from tests.session.harness import Browser, Site, setting
from tests.session.stores.test_redis_cluster import node_of
from tests.session.stores.test_redis_sentinel import replicated, url_of
from tests.session.test_crashes import Chronicler, Known, Scene, check
from tests.support.redis import RedisCluster, RedisSentinel, RedisServer
from tests.support.waiting import wait_until


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


# Sentinel, and an application behind uvicorn


class Patient(Chronicler):
    """A client that knows of fail-overs: a count may have gone back. Anything but a 503 is still a mistake."""

    def _write(self, known: Known, turn: int) -> None:
        counted, known.count = known.count, 0
        super()._write(known, turn)
        known.count = known.count or counted


async def test_during_a_fail_over_requests_succeed_or_get_a_503_and_afterwards_nothing_is_lost(
    redis_sentinel: RedisSentinel, tmp_path: Path, stack: ExitStack
) -> None:
    redis_sentinel.flush()
    stack.callback(redis_sentinel.heal)
    scene = Scene(url_of(redis_sentinel), tmp_path, stack, Patient)
    scene.wait_for_answers()
    before = time.monotonic()
    replicated(redis_sentinel)

    redis_sentinel.fail_over()

    scene.wait_for_answers()  # by itself
    after = time.monotonic()
    refusals = [client.refusals for client in scene.clients]
    scene.wait_for_answers()
    scene.stop()
    assert [client.mistakes for client in scene.clients] == [[]] * len(scene.clients)
    assert min(refusals) > 0
    assert [client.refusals for client in scene.clients] == refusals, "once over, it is over"
    assert "Traceback" not in scene.server.output
    site = Site(scene.store, store_timeout=10)
    old, new = await check_around(site, scene, before, after)
    await site.store.aclose()
    assert min(old, new) >= len(scene.clients)


async def check_around(site: Site, scene: Scene, before: float, after: float) -> tuple[int, int]:
    """Check the sessions that rested before the fail-over, and those that began after it; how many."""
    old = new = 0
    for client in scene.clients:
        assert isinstance(client, Patient)
        times: dict[str, list[float]] = {}
        for at, known in client.history:
            times.setdefault(known.principal, []).append(at)
        for known in client.sessions:
            when = times.get(known.principal, [])
            if known.turn < 0 or not when or (when[-1] >= before and when[0] <= after):
                continue
            await check(site, known)
            old += when[-1] < before
            new += when[0] > after
    return old, new


# A Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three primaries, the first with a replica. Whoever kills one starts it again."""
    with RedisCluster(tmp_path_factory.mktemp("cluster"), replica=True, partial=True) as cluster:
        yield cluster


class Visitor:
    """A browser that counts, over and over, and notes how it went."""

    def __init__(self, site: Site, cluster: RedisCluster) -> None:
        self.browser = Browser(site)
        self.cluster = cluster
        self.statuses: list[int] = []
        self.last = 0
        self.unanswered = 0
        """Calls since the last answer, which the server may have carried out."""
        self.is_right = True

    async def begin(self) -> Visitor:
        await self.browser.visit(setting(n=0))
        assert self.browser.cookie is not None
        self.key = key_of(self.browser.cookie.removeprefix("s:").partition(".")[0])
        self.home = node_of(self.cluster, key_slot(f"kick:{self.key}".encode()))
        return self

    async def count(self) -> int:
        async def act(session: Any) -> int:
            return int(await session.increment("n")) if "n" in session.data else 0

        answer = await self.browser.twin().visit(act)
        self.statuses.append(answer.status)
        if answer.status == 200:
            self.is_right = self.is_right and self.last < answer.value <= self.last + 1 + self.unanswered
            self.last, self.unanswered = answer.value, 0
        else:
            self.unanswered += 1
        return answer.status


async def visitors_of(site: Site, cluster: RedisCluster, count: int = 24) -> list[Visitor]:
    visitors = [await Visitor(site, cluster).begin() for _ in range(count)]
    assert {visitor.home.port for visitor in visitors} == {node.port for node in cluster.nodes}
    return visitors


async def until(visitors: Sequence[Visitor], status: int) -> None:
    """Have all of them count until each was answered so."""
    async with asyncio.timeout(60):
        while {await visitor.count() for visitor in visitors} != {status}:  # noqa: ASYNC110 (a new answer each time)
            await asyncio.sleep(0.02)


@pytest.fixture
async def site(cluster: RedisCluster) -> Any:
    store = RedisStore(cluster.url.replace("redis://", "redis+cluster://"))
    yield Site(store)
    await store.aclose()


def start_again(cluster: RedisCluster, node: RedisServer) -> None:
    node.start()
    cluster.wait_until_complete()


async def test_without_a_replica_only_the_sessions_of_the_primary_that_died_get_a_503(
    cluster: RedisCluster, site: Site, stack: ExitStack
) -> None:
    visitors = await visitors_of(site, cluster)
    lost = cluster.nodes[2]
    mourning = [visitor for visitor in visitors if visitor.home is lost]
    others = [visitor for visitor in visitors if visitor.home is not lost]
    lost.kill()
    for _ in range(100):
        await asyncio.gather(*(visitor.count() for visitor in visitors))
    assert {status for visitor in mourning for status in visitor.statuses} == {503}
    assert {status for visitor in others for status in visitor.statuses} == {200}
    assert [visitor.last for visitor in others] == [100] * len(others)

    await asyncio.to_thread(start_again, cluster, lost)  # with nothing in it
    await until(visitors, 200)
    assert (await mourning[0].browser.data()) == {}
    again = await visitors_of(site, cluster)
    assert {await visitor.count() for visitor in again} == {200}


async def test_a_replica_takes_over_and_what_had_reached_it_is_there(
    cluster: RedisCluster, site: Site, stack: ExitStack
) -> None:
    visitors = await visitors_of(site, cluster)
    heir = cluster.replica
    assert heir is not None
    lost = cluster.nodes[0]
    for _ in range(20):
        await asyncio.gather(*(visitor.count() for visitor in visitors))
    offset = int(lost.info("replication")["master_repl_offset"])
    wait_until(lambda: int(heir.info("replication")["slave_repl_offset"]) >= offset, "the replica")
    lost.kill()
    stack.callback(start_again, cluster, lost)

    mourning = [visitor for visitor in visitors if visitor.home is lost]
    await until(mourning[:1], 503)
    await until(visitors, 200)  # by itself
    assert heir.info("replication")["role"] == "master"
    statuses = {status for visitor in visitors for status in visitor.statuses}
    assert statuses == {200, 503}
    assert all(status == 200 for visitor in visitors if visitor.home is not lost for status in visitor.statuses)
    for visitor in visitors:
        assert visitor.is_right, "none was lost, none counted twice"
        assert (await visitor.browser.data())["n"] == visitor.last
