"""Operations of a session in its store: sizes, lifetimes, new ids, transactions, and stores that fail."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from kick.session import MemoryStore, SessionUnavailable
from kick.session.data.reserved import CLIENT_FIELD
from kick.session.stores.base import Record
from kick.session.stores.custom import BasicStore
from tests.session.conftest import DictStore
from tests.session.harness import Browser, Site, calls_to, setting
from tests.session.test_expiry import Clock
from tests.session.test_order import BrokenStore
from tests.session.test_parallel import destroy, log_in_again, paused, rotate
from tests.session.test_rotation import record_of
from tests.session.test_several_cookies import signed_in
from tests.session.test_trouble import ALL


async def stored(browser: Browser) -> dict[str, bytes]:
    """The encoded values that the store has."""
    return dict((await record_of(browser)).fields)


class TestMaxSize:
    @pytest.mark.parametrize(("length", "status"), [(997, 200), (998, 500)])
    async def test_is_the_last_that_is_stored(self, length: int, status: int) -> None:
        """JSON adds two quotation marks to a text, and the name counts too."""
        browser = Browser(Site(MemoryStore(), max_size=1000))
        assert (await browser.visit(setting(a="x" * length))).status == status
        browser = Browser(Site(MemoryStore(), max_size=1000))
        await browser.visit(setting(a=""))
        assert (await browser.visit(setting(a="x" * length))).status == status

    async def test_lets_a_value_become_another_one_of_the_same_length(self) -> None:
        store = MemoryStore()
        browser = Browser(Site(store))
        await browser.visit(setting(a="x" * 1500, b="one"))
        browser.site = Site(store, max_size=1000)
        assert (await browser.visit(setting(b="two"))).status == 200
        assert (await browser.visit(setting(b="three"))).status == 500

    async def test_lets_somebody_log_in_whose_session_is_larger(self) -> None:
        store = MemoryStore()
        browser = Browser(Site(store))
        await browser.visit(setting(a="x" * 1500))
        browser.site = Site(store, max_size=1000)
        assert (await browser.visit(lambda session: setattr(session, "principal", 7))).status == 200
        assert (await browser.visit(lambda session: session.principal)).value == "7"


class TestTheClient:
    """The address and the browser are stored for the list of devices, so only for somebody who is logged in."""

    async def test_of_an_anonymous_visitor_is_not_stored(self) -> None:
        browser = Browser(Site(MemoryStore()))
        await browser.visit(setting(a=1))
        await browser.visit(setting(a="longer"))
        assert CLIENT_FIELD not in await stored(browser)
        await browser.visit(lambda session: setattr(session, "principal", 7))
        assert CLIENT_FIELD in await stored(browser)

    async def test_of_the_request_that_logs_out_is_not_stored(self) -> None:
        browser = Browser(Site(MemoryStore()))
        await browser.visit(lambda session: setattr(session, "principal", 7), headers={"user-agent": "Phone"})
        before = (await stored(browser))[CLIENT_FIELD]

        def act(session: Any) -> None:
            session.principal = None
            session["a"] = 1

        await browser.visit(act, headers={"user-agent": "Laptop"})
        assert (await stored(browser))[CLIENT_FIELD] == before


class TestTheCookie:
    async def test_is_not_sent_for_a_key_that_is_removed(self) -> None:
        browser = Browser(Site(MemoryStore()))
        await browser.visit(setting(a=1, b=2))
        assert (await browser.visit(lambda session: session.pop("a"))).cookies == []
        assert await browser.data() == {"b": 2}

    async def test_is_not_sent_for_a_save_that_changes_nothing(self) -> None:
        browser = Browser(Site(MemoryStore()))
        await browser.visit(setting(a=1))
        calls = calls_to(browser.site.store)
        answer = await browser.visit(lambda session: session.save())
        assert (answer.value, answer.cookies, calls) == (True, [], ["load", "load"])

    async def test_ends_with_the_deadline_from_the_first_response_on(self) -> None:
        browser = Browser(Site(MemoryStore(), max_age=3600, absolute_max_age=7200))

        def act(session: Any) -> None:
            session.max_age = 86_400
            session["a"] = 1

        (cookie,) = (await browser.visit(act)).cookies
        assert "; Max-Age=7200; " in cookie

    async def test_of_a_session_without_a_deadline_has_its_max_age(self) -> None:
        browser = Browser(Site(MemoryStore(), max_age=3600, absolute_max_age=None))
        (cookie,) = (await browser.visit(setting(a=1))).cookies
        assert "; Max-Age=3600; " in cookie
        (cookie,) = (await browser.visit(log_in_again)).cookies
        assert "; Max-Age=3600; " in cookie

    async def test_of_an_id_that_was_rotated_before_a_touch_is_that_of_the_new_id(self) -> None:
        clock = Clock()
        browser = Browser(Site(MemoryStore(clock=clock), rolling=True))
        await browser.visit(setting(a=1))
        clock.advance(120)
        reader = await paused(browser.twin(), lambda session: session["a"])
        await browser.visit(rotate)
        assert (await reader.finish()).session_cookie == browser.cookie


async def renew(new_deadline: bool, session: Any) -> None:
    await session.regenerate(new_deadline=new_deadline)


class TestANewId:
    async def begun(self, **options: Any) -> tuple[Browser, Clock]:
        clock = Clock()
        browser = Browser(Site(MemoryStore(clock=clock), **options))
        await browser.visit(setting(a=1))
        return browser, clock

    @pytest.mark.parametrize(("seconds", "leads_on"), [(9, True), (11, False)])
    async def test_is_found_through_the_old_one_for_grace_after_a_rotation(self, seconds: int, leads_on: bool) -> None:
        browser, clock = await self.begun(grace=10)
        old = browser.twin()
        await browser.visit(rotate)
        clock.advance(seconds)
        assert await old.data() == ({"a": 1} if leads_on else {})

    @pytest.mark.parametrize(("seconds", "begins"), [(59, False), (61, True)])
    async def test_keeps_a_request_with_the_old_one_from_a_new_session_for_a_minute_after_a_login(
        self, seconds: int, begins: bool
    ) -> None:
        browser, clock = await self.begun(grace=10)
        old = browser.twin()
        await browser.visit(log_in_again)
        clock.advance(seconds)
        answer = await old.visit(setting(b=2))
        assert (answer.status, bool(answer.cookies)) == (200, begins)

    @pytest.mark.parametrize(("keep", "seconds"), [(True, 3600), (False, 600), (["a"], 600)])
    async def test_without_a_principal_lives_no_longer_than_an_anonymous_one(self, keep: Any, seconds: int) -> None:
        browser, _ = await self.begun(max_age=3600, anonymous_max_age=600)
        await browser.visit(lambda session: setattr(session, "principal", 7))

        async def act(session: Any) -> Any:
            await session.regenerate(keep=keep)
            return session.max_age

        (cookie,) = (await browser.visit(act)).cookies
        assert f"; Max-Age={seconds}; " in cookie
        record: Record = await record_of(browser)
        assert record.expires_at - record.seen_at == seconds

    async def test_starts_the_deadline_again_only_where_it_is_asked_for(self) -> None:
        browser, clock = await self.begun(max_age=60, absolute_max_age=100)
        for new_deadline, left in ((False, 50), (True, 100)):
            clock.advance(50 if left == 50 else 0)
            await browser.visit(partial(renew, new_deadline))
            record: Record = await record_of(browser)
            assert record.deadline == clock.now + left


class Transactional(MemoryStore):
    """Its transactions write into another store, until somebody commits them."""

    def __init__(self) -> None:
        super().__init__()
        self.within: Any = MemoryStore()
        self.given: list[object] = []

    def transaction(self, connection: object) -> Any:
        self.given.append(connection)
        return self.within


class TestCommitWith:
    async def commit(self, session: Any) -> Any:
        session["n"] = 2
        return await session.commit_with("a connection")

    async def test_writes_through_the_connection_and_sends_the_cookie_of_a_new_session_if_it_was_committed(
        self,
    ) -> None:
        store = Transactional()
        store.within = store
        browser = Browser(Site(store))
        answer = await browser.visit(self.commit)
        assert (answer.value, bool(answer.session_cookie), store.given) == (True, True, ["a connection"])
        assert await browser.data() == {"n": 2}

    async def test_sends_no_cookie_of_a_new_session_after_a_rollback(self) -> None:
        browser = Browser(Site(Transactional()))
        answer = await browser.visit(self.commit)
        assert (answer.status, answer.value, answer.cookies) == (200, True, [])

    async def test_sends_no_cookie_of_a_session_that_the_browser_has(self) -> None:
        store = Transactional()
        store.within = store
        browser = Browser(Site(store))
        await browser.visit(setting(n=1))
        assert (await browser.visit(self.commit)).cookies == []
        assert await browser.data() == {"n": 2}

    async def test_of_a_session_that_has_ended_is_false(self) -> None:
        store = Transactional()
        store.within = store
        browser = Browser(Site(store))
        await browser.visit(setting(n=1))
        late = await paused(browser.twin(), self.commit)
        await browser.visit(destroy)
        answer = await late.finish()
        assert (answer.status, answer.value, answer.cookies) == (200, False, [])

    async def test_fails_as_a_store_fails(self) -> None:
        broken, store = BrokenStore(), MemoryStore()
        broken.broken = ALL
        store.transaction = lambda _: broken  # type: ignore[attr-defined]
        answer = await Browser(Site(store)).visit(self.commit)
        assert (answer.status, type(answer.error)) == (503, SessionUnavailable)

    async def test_waits_no_longer_than_for_a_store(self) -> None:
        """Though its store keeps the time limit by itself, the connection of the application does not."""
        store = Transactional()
        assert store.keeps_time
        store.within = Hanging()
        answer = await Browser(Site(store, store_timeout=0.01)).visit(self.commit)
        assert (answer.status, type(answer.error)) == (503, SessionUnavailable)


class Hanging(MemoryStore):
    """Never answers."""

    async def create(self, *_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()


class Slow(MemoryStore):
    """Keeps its own time, as `MemoryStore` does."""

    async def create(self, *given: Any, **options: Any) -> Any:
        await asyncio.sleep(0.02)
        return await super().create(*given, **options)


class TestAStoreThatFails:
    async def test_is_waited_for_as_long_as_it_wants_if_it_keeps_the_time_itself(self) -> None:
        assert (await Browser(Site(Slow(), store_timeout=0.001)).visit(setting(n=1))).status == 200

    @pytest.mark.parametrize(("on_store_error", "status"), [("error", 503), ("anonymous", 200)])
    async def test_while_a_session_is_loaded_is_one_event(self, on_store_error: str, status: int) -> None:
        store = BrokenStore()
        browser = Browser(Site(store, on_store_error=on_store_error))
        await browser.visit(setting(n=1))
        store.broken = ALL
        answer = await browser.visit(lambda session: dict(session))
        assert (answer.status, answer.cookies) == (status, [])
        assert browser.site.events == ["created", "store_error"]

    @pytest.mark.parametrize(("on_store_error", "status"), [("error", 503), ("anonymous", 200)])
    async def test_while_a_rotation_is_followed_loses_no_session(self, on_store_error: str, status: int) -> None:
        store = BrokenStore()
        browser = Browser(Site(store, on_store_error=on_store_error))
        await browser.visit(setting(n=1))
        old = browser.twin()
        await browser.visit(rotate)
        load, calls = store.load, list[str]()

        async def once(key: str) -> Any:
            calls.append(key)
            if len(calls) > 1:
                raise ConnectionError
            return await load(key)

        store.load = once  # type: ignore[method-assign]
        answer = await old.visit(lambda session: dict(session))
        assert (answer.status, answer.cookies, len(calls)) == (status, [], 2)
        assert browser.site.events == ["created", "rotated", "store_error"]
        store.load = load  # type: ignore[method-assign]
        assert await old.data() == {"n": 1}

    async def test_to_answer_in_time_is_given_up_if_it_keeps_no_time_itself(self) -> None:
        class Rows(DictStore):
            async def get(self, sid: str) -> Any:
                await asyncio.Event().wait()

        signed = await signed_in(Site(MemoryStore()), n=1)
        site = Site(BasicStore(Rows()), store_timeout=0.01)
        answer = await site.request(lambda session: dict(session), cookie=f"kick.sid={signed}")
        assert (answer.status, site.events) == (503, ["store_error"])

    @pytest.mark.parametrize(("explanation", "told"), [(None, "does not answer"), ("is read-only", "is read-only")])
    async def test_may_explain_itself(self, explanation: str | None, told: str) -> None:
        store = BrokenStore()
        store.explain = lambda error: explanation  # type: ignore[attr-defined]
        store.broken = ALL
        answer = await Browser(Site(store)).visit(setting(n=1))
        assert answer.status == 503
        assert f"The session store {told}." in answer.body.decode()


async def test_a_logout_ends_the_session_of_another_framework_as_well() -> None:
    """Else the next request would take it over again."""
    disowned: list[str] = []

    class Disowning(MemoryStore):
        async def disown(self, session_id: str) -> None:
            disowned.append(session_id)

    browser = Browser(Site(Disowning()))
    await browser.visit(destroy)
    assert disowned == []
    await browser.visit(setting(n=1))
    assert browser.cookie is not None
    session_id = browser.cookie.removeprefix("s:").partition(".")[0]
    await browser.visit(destroy)
    assert disowned == [session_id]


@pytest.mark.parametrize("max_age", [60, timedelta(minutes=1)])
async def test_the_life_of_one_session_counts_for_each_of_its_writes(max_age: Any) -> None:
    clock = Clock()
    browser = Browser(Site(MemoryStore(clock=clock), max_age=3600))
    await browser.visit(setting(n=1))
    await browser.visit(lambda session: setattr(session, "max_age", max_age))
    assert (await record_of(browser)).expires_at == clock.now + 60
    clock.advance(30)
    await browser.visit(setting(n=2))
    assert (await record_of(browser)).expires_at == clock.now + 60
    await browser.visit(lambda session: setattr(session, "max_age", None))
    assert (await record_of(browser)).expires_at == clock.now + 3600
