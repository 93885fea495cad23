"""Moving in from Express: its cookies and its sessions, as express-session and connect-redis write them."""

import asyncio
import json
import logging
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import OutOfMemoryError

from kick.session.ids import generate_id, key_of
from kick.session.stores.base import Change, Record
from kick.session.stores.redis import RedisStore, legacy_in_cluster
from kick.session.stores.redis.express import Moved
from kick.session.stores.url import open_store
from tests.session.harness import SECRET, Act, Answer, Site, setting
from tests.support.node.shop import COOKIE, Shop
from tests.support.redis import RedisServer
from tests.support.setup_errors import raises_code
from tests.support.waiting import wait_until

LIFE = 3600.0
RECORD = {"cookie": {"originalMaxAge": LIFE * 1000, "httpOnly": True, "path": "/"}, "user_id": 7}


@pytest.fixture(scope="module")
def shop(redis_server: RedisServer) -> Iterator[Shop]:
    """An application of Express that keeps its sessions in the same Redis."""
    with Shop(redis_server.url, secret=SECRET, max_age=LIFE) as shop:
        yield shop


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis_url, legacy_prefix="sess:", timeout=30)
    yield store
    await store.aclose()


@pytest.fixture
def site(store: RedisStore) -> Site:
    """What the shop is to become."""
    return site_over(store)


def site_over(store: RedisStore, **options: Any) -> Site:
    return Site(store, secret=SECRET, cookie_name=COOKIE, **options)


def everything(session: Any) -> dict[str, Any]:
    return dict(session.data)


async def visit(site: Site, cookie: str, act: Act = everything) -> Answer:
    answer = await site.request(act, cookie=f"{COOKIE}={cookie}")
    assert answer.error is None, answer.error
    return answer


def id_in(cookie: str) -> str:
    return cookie.removeprefix("s%3A").partition(".")[0]


def old_records(server: RedisServer) -> list[str]:
    return keys(server, "sess:*")


def new_records(server: RedisServer) -> list[str]:
    return [name for name in keys(server, "kick:*") if not name.endswith(":adopted")]


def keys(server: RedisServer, pattern: str) -> list[str]:
    names = server.command("KEYS", pattern)
    assert isinstance(names, list)
    return [str(name) for name in names]


def plant(server: RedisServer, record: object = RECORD, *, life: float | None = LIFE) -> tuple[str, str]:
    """Store a record as connect-redis does; the id and kick's key for it."""
    session_id = generate_id()[:32]
    server.command("SET", f"sess:{session_id}", record if isinstance(record, str) else json.dumps(record))
    if life is not None:
        server.command("PEXPIRE", f"sess:{session_id}", round(life * 1000))
    return session_id, key_of(session_id)


# The cookie and the record


async def test_who_has_logged_in_with_express_is_logged_in(shop: Shop, site: Site, redis_server: RedisServer) -> None:
    cookie = shop.log_in(user_id=7, cart=[{"id": 1, "price": 0.5}], coupon=None, name="Zoë")
    first = await visit(site, cookie)
    assert first.value == {"user_id": 7, "cart": [{"id": 1, "price": 0.5}], "coupon": None, "name": "Zoë"}
    assert first.cookies == []
    assert old_records(redis_server) == []
    assert new_records(redis_server) == [f"kick:{key_of(id_in(cookie))}"]
    await visit(site, cookie, setting(theme="dark"))
    assert (await visit(site, cookie)).value == {**first.value, "theme": "dark"}
    assert old_records(redis_server) == []


async def test_the_next_write_is_in_the_new_form(shop: Shop, site: Site, store: RedisStore) -> None:
    cookie = shop.log_in(user_id=7)
    answer = await visit(site, cookie, setting(theme="dark"))
    assert [each.partition("=")[0] for each in answer.cookies] == [COOKIE]
    record = await store.load(key_of(id_in(cookie)))
    assert isinstance(record, Record)
    assert record.fields == {"user_id": b"7", "theme": b'"dark"'}


async def test_what_was_left_of_its_life_is_carried_over(
    shop: Shop, site: Site, store: RedisStore, redis_server: RedisServer
) -> None:
    cookie = shop.log_in(user_id=7)
    redis_server.command("PEXPIRE", f"sess:{id_in(cookie)}", 100_000)
    await visit(site, cookie)
    record = await store.load(key_of(id_in(cookie)))
    assert isinstance(record, Record)
    assert record.expires_at - record.created_at == pytest.approx(100, abs=5)
    assert record.deadline == pytest.approx(record.created_at + 30 * 86_400, abs=0.01)


async def test_a_session_that_moves_in_gets_the_deadline_of_a_new_one(
    store: RedisStore, redis_server: RedisServer
) -> None:
    session_id, key = plant(redis_server)
    record = await store.adopt(session_id, key, max_age=60, absolute_max_age=100)
    assert isinstance(record, Record)
    assert record.deadline == record.expires_at == pytest.approx(record.created_at + 100, abs=0.01)


async def test_a_record_that_never_expires_lives_for_max_age(store: RedisStore, redis_server: RedisServer) -> None:
    session_id, key = plant(redis_server, life=None)
    record = await store.adopt(session_id, key, max_age=60)
    assert isinstance(record, Record)
    assert record.expires_at == pytest.approx(record.created_at + 60, abs=0.01)


async def test_a_logout_here_is_a_logout_there(shop: Shop, site: Site, redis_server: RedisServer) -> None:
    cookie = shop.log_in(user_id=7)
    assert shop.user_of(cookie) == 7
    answer = await visit(site, cookie, lambda session: session.destroy())
    assert answer.cookies[0].startswith(f"{COOKIE}=; Max-Age=0")
    assert shop.user_of(cookie) is None
    assert (await visit(site, cookie)).value == {}
    assert old_records(redis_server) == new_records(redis_server) == []


async def test_a_new_id_leaves_nothing_under_the_old_one(shop: Shop, site: Site, redis_server: RedisServer) -> None:
    cookie = shop.log_in(user_id=7)
    answer = await visit(site, cookie, lambda session: session.regenerate())
    assert (await visit(site, cookie)).value == {}
    assert shop.user_of(cookie) is None
    renewed = answer.cookies[0].partition("=")[2].partition(";")[0]
    assert (await visit(site, renewed)).value == {"user_id": 7}
    assert old_records(redis_server) == []


# What is not taken over


async def test_an_expired_record_is_an_anonymous_session(shop: Shop, site: Site, redis_server: RedisServer) -> None:
    cookie = shop.log_in(user_id=7)
    redis_server.command("PEXPIRE", f"sess:{id_in(cookie)}", 1)
    wait_until(lambda: not old_records(redis_server), "the end of the record")
    answer = await visit(site, cookie)
    assert answer.value == {}
    assert site.events == ["unknown_id"]
    assert new_records(redis_server) == []


@pytest.mark.parametrize(
    "text",
    ["{", "", "\xff", "null", "[]", "7", '{"user_id":7}', '{"cookie":null,"user_id":7}', "[" * 100_000],
    ids=lambda text: text[:10],
)
async def test_a_record_that_cannot_be_read_is_an_anonymous_session_with_one_log_line(
    shop: Shop, site: Site, redis_server: RedisServer, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    cookie = shop.log_in(user_id=7)
    redis_server.command("SET", f"sess:{id_in(cookie)}", text)
    with caplog.at_level(logging.WARNING, "kick.session"):
        answer = await visit(site, cookie)
    assert (answer.status, answer.value) == (200, {})
    assert new_records(redis_server) == []
    (line,) = caplog.messages
    assert "the record of Express is ignored" in line
    assert id_in(cookie) not in line


async def test_what_is_no_string_is_an_anonymous_session_with_one_log_line(
    shop: Shop, site: Site, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = shop.log_in(user_id=7)
    redis_server.command("DEL", f"sess:{id_in(cookie)}")
    redis_server.command("HSET", f"sess:{id_in(cookie)}", "user_id", "7")
    with caplog.at_level(logging.WARNING, "kick.session"):
        assert (await visit(site, cookie)).value == {}
    assert len(caplog.messages) == 1


async def test_a_tampered_cookie_is_an_anonymous_session(shop: Shop, site: Site, redis_server: RedisServer) -> None:
    cookie = shop.log_in(user_id=7)
    signature = cookie.partition(".")[2]
    for tampered in (f"s%3A{id_in(cookie)}.{'A' * 43}", f"s%3A{generate_id()[:32]}.{signature}", id_in(cookie)):
        assert (await visit(site, tampered)).value == {}
    assert old_records(redis_server) == [f"sess:{id_in(cookie)}"]
    assert shop.user_of(cookie) == 7


async def test_members_that_cannot_be_kept_are_left_out_with_a_log_line_each(
    store: RedisStore, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps(
        {**RECORD, "$client": {"ip": "1.2.3.4"}, "nested": {"$": 1}, "odd": "\ud800", "much": float("inf")}
    )
    session_id, key = plant(redis_server, text)
    with caplog.at_level(logging.WARNING, "kick.session"):
        record = await store.adopt(session_id, key, max_age=60)
    assert isinstance(record, Record)
    assert record.fields == {"user_id": b"7", "nested": b'{"$":["dict",{"$":1}]}'}
    assert [name for line in caplog.messages for name in ("$client", "odd", "much") if name in line] == [
        *("$client", "odd", "much")
    ]


async def test_without_a_legacy_prefix_nobody_looks(shop: Shop, redis_server: RedisServer, redis_url: str) -> None:
    cookie = shop.log_in(user_id=7)
    site = site_over(RedisStore(redis_url, timeout=30))
    assert (await visit(site, cookie)).value == {}
    assert shop.user_of(cookie) == 7
    await site.store.aclose()


async def test_a_session_that_has_moved_costs_one_command_as_any_other(
    shop: Shop, site: Site, redis_server: RedisServer
) -> None:
    cookie = shop.log_in(user_id=7)
    await visit(site, cookie)
    redis_server.command("CONFIG", "RESETSTAT")
    await visit(site, cookie)
    commands = {name.removeprefix("cmdstat_") for name in redis_server.info("commandstats")}
    assert commands - {"config|resetstat", "config", "info"} == {"hgetall"}


# In parallel


async def test_parallel_first_requests_are_one_session(shop: Shop, redis_server: RedisServer, redis_url: str) -> None:
    cookie = shop.log_in(user_id=7)
    sites = [site_over(RedisStore(redis_url, legacy_prefix="sess:", timeout=30)) for _ in range(3)]
    visits = [visit(sites[number % 3], cookie, setting(**{f"tab{number}": number})) for number in range(12)]
    await asyncio.gather(*visits)
    expected = {"user_id": 7, **{f"tab{number}": number for number in range(12)}}
    assert (await visit(sites[0], cookie)).value == expected
    assert new_records(redis_server) == [f"kick:{key_of(id_in(cookie))}"]
    assert old_records(redis_server) == []
    for site in sites:
        await site.store.aclose()


class Paused:
    """Holds a store up between reading a record and moving it."""

    def __init__(self, store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_read, self.may_move = asyncio.Event(), asyncio.Event()
        assert store._legacy is not None
        replace = store._legacy._replace

        async def paused(name: bytes, text: bytes, key: str, moved: Moved, *ages: Any) -> bool:
            self.has_read.set()
            await self.may_move.wait()
            return await replace(name, text, key, moved, *ages)

        monkeypatch.setattr(store._legacy, "_replace", paused)


@pytest.fixture
async def slow(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Site, Paused]]:
    """The site in another process, which is held up."""
    store = RedisStore(redis_url, legacy_prefix="sess:", timeout=30)
    yield site_over(store), Paused(store, monkeypatch)
    await store.aclose()


async def test_a_logout_between_reading_and_moving_brings_nothing_back(
    shop: Shop, site: Site, slow: tuple[Site, Paused], redis_server: RedisServer
) -> None:
    cookie = shop.log_in(user_id=7)
    slow_site, pause = slow
    late = asyncio.create_task(visit(slow_site, cookie))
    await pause.has_read.wait()
    await visit(site, cookie, lambda session: session.destroy())
    pause.may_move.set()
    assert (await late).value == {}
    assert old_records(redis_server) == new_records(redis_server) == []


async def test_a_logout_at_express_between_reading_and_moving_brings_nothing_back(
    shop: Shop, slow: tuple[Site, Paused], redis_server: RedisServer
) -> None:
    cookie = shop.log_in(user_id=7)
    slow_site, pause = slow
    late = asyncio.create_task(visit(slow_site, cookie))
    await pause.has_read.wait()
    await asyncio.to_thread(shop.ask, "POST", "/logout", cookie)
    pause.may_move.set()
    assert (await late).value == {}
    assert old_records(redis_server) == new_records(redis_server) == []


async def test_what_express_writes_between_reading_and_moving_is_moved(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, key = plant(redis_server)
    pause = Paused(store, monkeypatch)
    late = asyncio.create_task(store.adopt(session_id, key, max_age=60))
    await pause.has_read.wait()
    redis_server.command("SET", f"sess:{session_id}", json.dumps({**RECORD, "cart": [1]}), "EX", 60)
    pause.may_move.set()
    record = await late
    assert isinstance(record, Record)
    assert record.fields == {"user_id": b"7", "cart": b"[1]"}


class InFlight:
    """A request to the shop that has read its session and writes it when it is let go."""

    def __init__(self, shop: Shop, cookie: str) -> None:
        self._shop = shop
        self._thread = threading.Thread(target=shop.ask, args=("POST", "/slow", cookie))
        self._thread.start()
        wait_until(lambda: shop.ask("GET", "/entered"), "the request in flight")

    def let_go(self) -> None:
        self._shop.ask("POST", "/release")
        self._thread.join(60)


async def test_what_an_express_in_flight_writes_again_is_not_read_again(
    site: Site, redis_server: RedisServer, redis_url: str
) -> None:
    with Shop(redis_url, secret=SECRET) as shop:
        cookie = shop.log_in(user_id=7)
        in_flight = InFlight(shop, cookie)
        await visit(site, cookie, lambda session: session.destroy())
        in_flight.let_go()
        assert old_records(redis_server) == [f"sess:{id_in(cookie)}"]
        assert (await visit(site, cookie)).value == {}
        assert old_records(redis_server) == new_records(redis_server) == []
        assert shop.user_of(cookie) is None


async def test_a_logout_removes_what_an_express_in_flight_has_written_again(
    site: Site, redis_server: RedisServer, redis_url: str
) -> None:
    with Shop(redis_url, secret=SECRET) as shop:
        cookie = shop.log_in(user_id=7)
        in_flight = InFlight(shop, cookie)
        await visit(site, cookie, setting(theme="dark"))
        in_flight.let_go()
        assert (await visit(site, cookie)).value == {"user_id": 7, "theme": "dark"}
        await visit(site, cookie, lambda session: session.destroy())
        assert shop.user_of(cookie) is None
        assert old_records(redis_server) == new_records(redis_server) == []


async def test_the_mark_outlives_what_express_could_write_again(store: RedisStore, redis_server: RedisServer) -> None:
    fortnight = 14 * 86_400
    for age, life in ((None, 60), (60_000, 60), (fortnight * 1000, 60), (60_000, fortnight)):
        session_id, key = plant(redis_server, {"cookie": {"originalMaxAge": age}}, life=life)
        await store.adopt(session_id, key, max_age=60)
        left = redis_server.command("PTTL", f"kick:{key}:adopted")
        assert isinstance(left, int)
        assert left / 1000 > max(life, (age or 0) / 1000, 86_400) - 5


async def test_when_redis_has_no_memory_left_nothing_is_moved_and_nothing_lost(
    store: RedisStore, redis_server: RedisServer
) -> None:
    session_id, key = plant(redis_server)
    redis_server.command("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError):
            await store.adopt(session_id, key, max_age=60)
    finally:
        redis_server.command("CONFIG", "SET", "maxmemory", 0)
    assert keys(redis_server, "kick:*") == []
    assert isinstance(await store.adopt(session_id, key, max_age=60), Record)


async def test_at_random_nothing_is_lost_revived_or_doubled(redis_server: RedisServer, redis_url: str) -> None:
    stores = [RedisStore(redis_url, legacy_prefix="sess:", timeout=30) for _ in range(4)]
    for seed in range(300):
        chance = random.Random(seed)
        session_id, key = plant(redis_server)
        logout = chance.randrange(8)  # from 4 on: nobody logs out

        async def request(number: int, pause: float, session_id: str, key: str, logs_out: bool) -> object:
            store = stores[number]
            await asyncio.sleep(pause)
            found = await store.load(key) or await store.adopt(session_id, key, max_age=60)
            if not isinstance(found, Record):
                return None
            if logs_out:
                await store.disown(session_id)
                return await store.destroy(key)
            return await store.commit(key, Change(set={f"tab{number}": b"1"}), max_age=60)

        pauses = [chance.choice([0, 0, 0.001]) for _ in stores]
        calls = [request(each, pauses[each], session_id, key, each == logout) for each in range(len(stores))]
        await asyncio.gather(*calls)
        assert redis_server.command("EXISTS", f"sess:{session_id}") == 0, seed
        left = await stores[0].load(key) or await stores[0].adopt(session_id, key, max_age=60)
        if logout < len(stores):
            assert left is None, seed
        else:
            assert isinstance(left, Record), seed
            assert set(left.fields) == {"user_id", *(f"tab{each}" for each in range(len(stores)))}, seed
    for store in stores:
        await store.aclose()


# Setting it up


@pytest.mark.parametrize(
    ("url", "prefix", "legacy_prefix"),
    [
        ("redis://localhost/0", "kick:", None),
        ("redis://localhost/0?legacy_prefix=sess:", "kick:", b"sess:"),
        ("redis://localhost/0?legacy_prefix=", "kick:", b""),
        ("redis://localhost/0?socket_timeout=2&legacy_prefix=my%20sess%3A&prefix=shop:", "shop:", b"my sess:"),
        ("redis+sentinel://one,two/service/0?legacy_prefix=sess:", "kick:", b"sess:"),
        ("redis+cluster://one?prefix=shop:", "shop:", None),
    ],
)
def test_a_url_can_say_it_too(url: str, prefix: str, legacy_prefix: bytes | None) -> None:
    store = open_store(url)
    assert isinstance(store, RedisStore)
    assert store.prefix == prefix
    assert (store._legacy and store._legacy._legacy_prefix) == legacy_prefix


async def test_another_prefix_of_connect_redis(redis_server: RedisServer, redis_url: str) -> None:
    with Shop(redis_url, secret=SECRET, prefix="shop/sess.", max_age=None) as shop:
        cookie = shop.log_in(user_id=7)
        site = site_over(RedisStore(f"{redis_url}?legacy_prefix=shop/sess.", timeout=30))
        assert (await visit(site, cookie)).value == {"user_id": 7}
        assert shop.user_of(cookie) is None
        await site.store.aclose()


@pytest.mark.parametrize(
    "make",
    [
        lambda: RedisStore("redis+cluster://one,two", legacy_prefix="sess:"),
        lambda: open_store("rediss+cluster://one,two?legacy_prefix=sess:"),
        lambda: RedisStore(redis.asyncio.RedisCluster("localhost"), legacy_prefix="sess:"),
    ],
    ids=["url", "query", "client"],
)
def test_in_a_cluster_it_is_refused(make: Callable[[], object]) -> None:
    with raises_code("redis-legacy-cluster", match="redis-legacy-cluster"):
        make()


def test_what_the_refusal_proposes_can_be_set_up() -> None:
    url = legacy_in_cluster("sess:").fix.rpartition("`")[0].rpartition("`")[2]
    assert open_store(url)
