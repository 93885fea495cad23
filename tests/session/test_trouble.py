"""Section 7 of the contract: stores that are down, slow or damaged; and what the log says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import redis

from kick import RequestContext
from kick.auth import identity, login, logout
from kick.session import Event, MemoryStore, SessionClosed, SessionEvent, Sessions, SessionUnavailable
from kick.session.stores.custom import BasicStore
from kick.session.stores.redis import RedisStore
from tests.session.conftest import DictStore
from tests.session.harness import WRITES, Browser, Site, later, setting
from tests.session.test_order import BrokenStore

ALL = frozenset({"load", *WRITES})


async def broken(**options: Any) -> tuple[BrokenStore, Browser]:
    store = BrokenStore()
    browser = Browser(Site(store, **options))
    await browser.visit(setting(a=1))
    store.broken = ALL
    return store, browser


async def test_a_request_that_touches_the_session_gets_a_503_with_retry_after() -> None:
    _, browser = await broken()
    answer = await browser.visit(lambda session: session.data.get("a"))
    assert answer.status == 503
    assert answer.all("retry-after") == ["1"]
    assert answer.cookies == []


async def test_a_request_that_does_not_touch_it_works() -> None:
    _, browser = await broken()
    answer = await browser.visit(lambda ctx: ctx.path, wants_context=True)
    assert answer.status == 200
    assert answer.cookies == []


@pytest.mark.parametrize("on_store_error", ["error", "anonymous"])
async def test_an_untouched_new_session_that_cannot_be_stored_fails_no_request(on_store_error: str) -> None:
    store = BrokenStore()
    site = Site(store, save_uninitialized=True, on_store_error=on_store_error)
    store.broken = ALL
    answer = await site.request(lambda ctx: ctx.path, wants_context=True)
    assert (answer.status, answer.cookies) == (200, [])
    assert "store_error" in site.events


@pytest.mark.parametrize(
    ("options", "broken"), [({"rolling": True}, {"touch", "commit"}), ({"rotate_after": 60}, {"move"})]
)
@pytest.mark.parametrize("act", [lambda _: None, lambda session: session["a"]])
async def test_what_time_brings_fails_no_request(options: Any, broken: set[str], act: Any) -> None:
    """Nobody has asked for the touch or the new id; the next request tries again."""
    store = BrokenStore()
    site = Site(store, **options)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    later(site, 120)
    store.broken = frozenset(broken)
    answer = await browser.visit(act)
    assert (answer.status, answer.cookies) == (200, [])
    store.broken = frozenset()
    assert (await browser.visit(act)).session_cookie


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.data,
        lambda session: session.id,
        lambda session: session["a"],
        lambda session: session.principal,
        lambda session: session.flash,
        lambda session: session.is_new,
        lambda session: session.created_at,
        lambda session: session.save(),
        lambda session: session.destroy(),
        lambda session: session.regenerate(),
        lambda session: session.increment("n"),
        lambda session: setattr(session, "data", {}),
        lambda session: setattr(session, "principal", 7),
    ],
)
async def test_every_use_of_an_unavailable_session_says_so(use: Any) -> None:
    _, browser = await broken()
    answer = await browser.visit(use)
    assert isinstance(answer.error, SessionUnavailable)
    assert answer.status == 503


async def test_a_body_that_first_reads_the_session_while_it_streams_is_told_too() -> None:
    _, browser = await broken()

    def act(ctx: RequestContext) -> Any:
        async def body() -> AsyncIterator[bytes]:
            try:
                yield b"not told: %d" % len(ctx.session.data)
            except SessionUnavailable:
                yield b"told"

        return ctx.stream(body())

    assert (await browser.visit(act, wants_context=True)).body == b"told"


async def test_a_list_of_devices_is_a_503_while_the_store_is_down() -> None:
    class Down(MemoryStore):
        async def find(self, principal: str) -> Any:
            raise ConnectionError("down")

    site = Site(Down())
    sessions = Sessions(site.layer.manager)
    answer = await Browser(site).visit(lambda _: sessions.of(7))
    assert answer.status == 503
    assert isinstance(answer.error, SessionUnavailable)


async def test_regenerated_before_a_commit_that_fails_the_new_cookie_is_sent() -> None:
    """The old id is dead, and nobody else knows the new one."""
    store = BrokenStore()
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))

    async def act(session: Any) -> None:
        await session.regenerate()
        session.data["b"] = 2
        store.broken = frozenset({"commit"})

    answer = await browser.visit(act)
    store.broken = frozenset()
    assert answer.status == 503
    assert answer.all("cache-control") == ["no-store"]
    assert await browser.data() == {"a": 1}


async def test_regenerated_before_a_value_that_cannot_be_stored_the_new_cookie_is_sent(browser: Browser) -> None:
    await browser.visit(setting(a=[]))

    async def act(session: Any) -> None:
        await session.regenerate()
        session.data["a"].append(object())

    assert (await browser.visit(act)).status == 500
    assert await browser.data() == {"a": []}


async def test_destroyed_before_a_crash_the_cookie_is_removed(browser: Browser) -> None:
    await browser.visit(setting(a=1))

    async def act(session: Any) -> None:
        await session.destroy()
        raise RuntimeError("a mistake")

    answer = await browser.visit(act)
    assert (answer.status, answer.session_cookie) == (500, "")


@pytest.mark.parametrize("status", [200, 500])
async def test_a_create_that_was_carried_out_without_an_answer_is_not_carried_out_twice(status: int) -> None:
    class Silent(DictStore):
        silent = True

        async def set(self, sid: str, data: dict[str, Any], max_age: float) -> None:
            await super().set(sid, data, max_age)
            if self.silent:
                self.silent = False
                await asyncio.Event().wait()

    inner = Silent()
    browser = Browser(Site(BasicStore(inner), store_timeout=0.05))

    async def act(session: Any) -> None:
        session["a"] = 1
        with pytest.raises(SessionUnavailable):
            await session.save()
        session["b"] = 2
        assert await session.save()

    await browser.visit(act, status=status)
    assert len(inner.rows) == 1
    assert await browser.data() == {"a": 1, "b": 2}


async def test_recovery_needs_no_restart() -> None:
    store, browser = await broken()
    assert (await browser.visit(lambda session: session.data)).status == 503
    store.broken = frozenset()
    assert await browser.data() == {"a": 1}


async def test_anonymous_gives_an_empty_session_that_refuses_writes_and_sends_no_cookie() -> None:
    store, browser = await broken(on_store_error="anonymous")
    answer = await browser.visit(lambda session: (dict(session.data), session.principal))
    assert answer.status == 200
    assert answer.value == ({}, None)
    assert answer.cookies == []
    for write in (
        setting(a=2),
        lambda session: setattr(session, "principal", 7),
        lambda session: session.save(),
        lambda session: session.regenerate(),
        lambda session: session.destroy(),
        lambda session: session.flash.__setitem__("a", 1),
    ):
        refused = await browser.visit(write)
        assert refused.status == 503
        assert refused.cookies == []
    store.broken = frozenset()
    assert await browser.data() == {"a": 1}


async def test_a_store_that_hangs_is_given_up_after_the_time_limit() -> None:
    class Hanging:
        async def get(self, sid: str) -> Any:
            await asyncio.Event().wait()

        async def set(self, sid: str, data: Any, max_age: float) -> None:
            await asyncio.Event().wait()

        async def destroy(self, sid: str) -> None:
            await asyncio.Event().wait()

    site = Site(Hanging(), store_timeout=0.05)
    answer = await Browser(site).visit(setting(a=1))
    assert answer.status == 503
    assert site.events == ["store_error"]


async def test_a_damaged_value_is_missing_with_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    browser = Browser(site)
    await browser.visit(setting(good=1, bad=2))
    (record,) = site.store._entries.values()
    record.fields["bad"] = b'{"$":["uuid","no uuid"]}'
    with caplog.at_level(logging.WARNING, "kick.session"):
        assert await browser.data() == {"good": 1}
    assert len(caplog.records) == 1
    await browser.visit(setting(bad=3))
    assert await browser.data() == {"good": 1, "bad": 3}


UNREADABLE = [
    b"",
    b"\xff",
    b'{"$":5}',
    b'{"$":[]}',
    b'{"$":[[],5]}',
    b'{"$":["uuid",5]}',
    b'{"$":["dict",5]}',
    b'{"$":["bytes",5]}',
    b'{"$":["decimal",{}]}',
    b'{"$":["datetime",5]}',
    b'{"$":["datetime","2020-13-01"]}',
]


@pytest.mark.parametrize("raw", UNREADABLE)
@pytest.mark.parametrize("read", [dict, lambda session: session.get("bad"), lambda session: "bad" in session])
async def test_bytes_that_are_no_value_count_as_missing_however_they_are_read(raw: bytes, read: Any) -> None:
    site = Site()
    browser = Browser(site)
    await browser.visit(setting(good=1, bad=2))
    (record,) = site.store._entries.values()
    record.fields["bad"] = raw
    answer = await browser.visit(read)
    assert answer.status == 200
    assert not answer.value or answer.value == {"good": 1}


RESERVED = [b"5", b"[]", b'"text"', b"null", b"\xff", b'{"$":["uuid",5]}']
LIVES = [b'{"max_age":%b,"persistent":7}' % each for each in (b'"x"', b"-1", b"0", b"[]", b"1" + b"0" * 400, b"1e999")]
CLIENTS = [b'{"ip":5,"user_agent":[]}']


@pytest.mark.parametrize(
    ("field", "raw"),
    [(field, raw) for field in ("$life", "$client", "$login", "$cookie", "$flash:a") for raw in RESERVED]
    + [("$life", raw) for raw in LIVES]
    + [("$client", raw) for raw in CLIENTS],
)
async def test_damaged_fields_of_kick_fail_no_request(field: str, raw: bytes) -> None:
    site = Site(rolling=True)
    sessions = Sessions(site.layer.manager)
    browser = Browser(site)
    await browser.visit(lambda ctx: login(ctx, "ann", remember=True), wants_context=True)
    (record,) = site.store._entries.values()
    record.fields[field] = raw
    for info in await sessions.of("ann"):
        assert isinstance(info.client, dict)
    acts = (
        lambda ctx: (identity(ctx), ctx.session.max_age, ctx.session.persistent, ctx.session.flash.pop_all()),
        lambda ctx: setting(b=2)(ctx.session),
        lambda ctx: ctx.session.regenerate(),
        lambda ctx: login(ctx, "ann"),
        logout,
    )
    for act in acts:
        assert (await browser.visit(act, wants_context=True)).status == 200


class Damaged:
    """A browser whose session is in Redis, and what the server can be told about its hash."""

    def __init__(self, browser: Browser, server: redis.Redis) -> None:
        self.browser = browser
        self.server = server
        (self.key,) = cast("list[bytes]", server.keys("kick:{*"))


@pytest.fixture
async def damaged(redis_url: str) -> AsyncIterator[Damaged]:
    store = RedisStore(redis_url, timeout=30)
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    with redis.Redis.from_url(redis_url) as server:
        yield Damaged(browser, server)
    await store.aclose()


@pytest.mark.parametrize(("field", "value"), [(b"\xff", b"garbage"), (b"\xfe", b"1"), (b"a", b"\xff")])
async def test_a_damaged_hash_in_redis_fails_no_request(damaged: Damaged, field: bytes, value: bytes) -> None:
    damaged.server.hset(damaged.key, field, value)  # type: ignore[arg-type]
    answer = await damaged.browser.visit(lambda session: dict(session.data))
    assert answer.status == 200
    assert answer.value in ({}, {"a": 1})
    assert (await damaged.browser.visit(setting(b=2))).status == 200
    assert (await damaged.browser.data())["b"] == 2


@pytest.mark.parametrize("created", [b"99999999999999999", b"1" + b"0" * 40, b"9" * 400, b"-" + b"9" * 30])
@pytest.mark.parametrize("rest", [b"+0 +0 +9 - - - ", b"+0 +0 +9 +9 - - ", b"0 0 4102444800000 - - - "])
async def test_absurd_times_in_redis_fail_no_request(damaged: Damaged, created: bytes, rest: bytes) -> None:
    damaged.server.hset(damaged.key, b"\xff", created + b" " + rest)  # type: ignore[arg-type]
    acts = (
        lambda session: (session.created_at, session.expires_at),
        setting(b=2),
        lambda session: session.regenerate(),
        lambda session: session.destroy(),
    )
    for act in acts:
        assert (await damaged.browser.visit(act)).status == 200


async def test_what_is_no_hash_in_redis_is_an_empty_session(damaged: Damaged) -> None:
    damaged.server.set(damaged.key, "x")
    assert await damaged.browser.data() == {}
    assert (await damaged.browser.visit(setting(b=2))).status == 200
    assert await damaged.browser.data() == {"b": 2}


NOW = {"created": 1e9, "issued": 1e9, "seen": 1e9, "expires": 9e9}
ABSURD = [{"$kick": {**NOW, name: time}} for name in NOW for time in (1e300, float("inf"), float("nan"))]


@pytest.mark.parametrize("row", [None, [], "text", {}, {"$kick": 5}, {"$kick": {"created": "x"}}, {"a": 1}, *ABSURD])
async def test_a_damaged_record_of_a_users_store_is_an_empty_session(row: Any) -> None:
    class Damaged:
        async def get(self, sid: str) -> Any:
            return row

        async def set(self, sid: str, data: Any, max_age: float) -> None: ...

        async def destroy(self, sid: str) -> None: ...

    site = Site(Damaged())
    signed = "s:" + site.layer.manager.options.cookie._signer.sign("a" * 36)
    answer = await Browser(site, signed).visit(lambda session: (session.created_at, dict(session.data)))
    assert answer.status == 200
    assert answer.value[1] == {}


async def test_more_than_max_size_is_refused_and_nothing_of_it_written(store: Any) -> None:
    browser = Browser(Site(store, max_size=1000))
    await browser.visit(setting(a="x" * 900))
    answer = await browser.visit(setting(b=1, c="y" * 200))
    assert answer.status == 500
    assert answer.cookies == []
    assert await browser.data() == {"a": "x" * 900}
    await browser.visit(setting(a="z" * 950))
    assert await browser.data() == {"a": "z" * 950}, "what replaces is not counted twice"


async def test_the_names_of_values_count_too(store: Any) -> None:
    """Names of a client made a session of 40 MB, whose limit was one."""
    browser = Browser(Site(store, max_size=1000))
    assert (await browser.visit(setting(**{"a" * 600: 1}))).status == 200
    assert (await browser.visit(setting(**{"b" * 600: 1}))).status == 500
    assert (await browser.visit(setting(**{"é" * 200: 1}))).status == 500
    assert await browser.data() == {"a" * 600: 1}


async def test_counters_that_are_new_count_too(store: Any) -> None:
    browser = Browser(Site(store, max_size=1000))
    assert (await browser.visit(lambda session: session.increment("a" * 600))).value == 1
    assert (await browser.visit(lambda session: session.increment("b" * 600))).status == 500
    assert (await browser.visit(lambda session: session.increment("a" * 600))).value == 2
    assert await browser.data() == {"a" * 600: 2}


async def test_a_session_whose_data_cannot_be_stored_takes_no_writes_after_the_answer_either() -> None:
    kept: list[Any] = []

    def act(session: Any) -> None:
        kept.append(session)
        session["items"] = []
        session["items"].append(object())

    assert (await Browser(Site()).visit(act)).status == 500
    with pytest.raises(SessionClosed):
        kept[0]["late"] = 1


async def test_two_sessions_that_nobody_wrote_to_share_nothing_in_a_store_that_keeps_what_it_gets() -> None:
    given: list[Any] = []

    class Keeping(MemoryStore):
        async def create(self, key: str, change: Any, **options: Any) -> Any:
            given.append(change.set)
            return await super().create(key, change, **options)

    site = Site(Keeping(), save_uninitialized=True)
    await Browser(site).visit()
    await Browser(site).visit()
    assert given == [{}, {}]
    assert given[0] is not given[1]


async def test_what_the_same_commit_removes_does_not_count_towards_max_size(store: Any) -> None:
    browser = Browser(Site(store, max_size=1000))
    await browser.visit(setting(a="x" * 900))

    def act(session: Any) -> None:
        session.data = {"b": "y" * 900}

    assert (await browser.visit(act)).status == 200
    assert await browser.data() == {"b": "y" * 900}


async def test_what_has_been_larger_than_a_new_max_size_may_stay_or_shrink_and_not_grow(store: Any) -> None:
    browser = Browser(Site(store))
    await browser.visit(setting(a="x" * 1500, n=1))
    browser.site = Site(store, max_size=1000)
    assert (await browser.visit(setting(n=2))).status == 200
    assert (await browser.visit(setting(n=10))).status == 500
    assert await browser.data() == {"a": "x" * 1500, "n": 2}
    assert (await browser.visit(setting(a="y" * 900))).status == 200
    assert (await browser.visit(setting(n=10))).status == 200
    assert await browser.data() == {"a": "y" * 900, "n": 10}


async def test_a_megabyte_is_stored_by_default_and_not_more(store: Any) -> None:
    browser = Browser(Site(store))
    assert (await browser.visit(setting(a="x" * ((1 << 20) - 3)))).status == 200
    assert len((await browser.data())["a"]) == (1 << 20) - 3
    assert (await Browser(Site(store)).visit(setting(a="x" * (1 << 20)))).status == 500


async def test_events_and_log_lines_carry_a_short_hash_and_never_the_id(caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []
    browser = Browser(Site(on_event=events.append))
    caplog.set_level(logging.DEBUG, "kick.session")
    first = (await browser.visit(lambda session: (session.data.update(a=1), session.id)[1])).value

    async def regenerate(session: Any) -> Any:
        await session.regenerate()
        return session.id

    async def destroy(session: Any) -> None:
        await session.destroy()

    second = (await browser.visit(regenerate)).value
    old = browser.twin()
    await browser.visit(destroy)
    await old.visit()
    await Browser(browser.site, "s:forged.forged").visit()
    assert [event.kind for event in events] == [
        SessionEvent.CREATED,
        SessionEvent.REGENERATED,
        SessionEvent.DESTROYED,
        SessionEvent.UNKNOWN_ID,
        SessionEvent.BAD_SIGNATURE,
    ]
    shown = caplog.text + repr(events)
    for session_id in (first, second):
        assert session_id not in shown
        assert session_id[4:16] not in shown
    assert events[0].session is not None
    assert len(events[0].session) == 8


async def test_a_listener_that_fails_disturbs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Event) -> None:
        raise RuntimeError("a bad listener")

    assert (await Browser(Site(on_event=fail)).visit(setting(a=1))).status == 200
    assert "a bad listener" in caplog.text
