"""`SessionManager`: the steps of a session, for an application that has nothing but an ASGI scope."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from kick.session import MemoryStore, SessionClosed, Sessions, SessionUnavailable
from kick.session.manager import SessionManager
from kick.session.state import SessionState
from kick.session.stores.base import Change
from kick.signing import Signer
from tests.session.harness import SECRET, WRITES, Browser, Site, calls_to, setting
from tests.session.test_expiry import Clock
from tests.session.test_order import BrokenStore
from tests.session.test_parallel import Paused, rotate
from tests.session.test_several_cookies import Fixed, signed_in
from tests.session.test_trouble import ALL


def manager(**options: Any) -> SessionManager:
    return SessionManager.configured(SECRET, store=MemoryStore(), save_uninitialized=False, **options)


def scope(cookie: bytes | None = None, **headers: str) -> Mapping[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    cookies = [] if cookie is None else [(b"cookie", cookie.partition(b";")[0])]
    return {"type": "http", "method": "POST", "headers": [*sent, *cookies], "scheme": "http"}


async def closed(sessions: SessionManager, state: SessionState, status: int = 200) -> tuple[bytes, ...]:
    done: Any = sessions.close(state, status)
    return tuple(await done if inspect.isawaitable(done) else done or ())


async def test_a_session_is_opened_written_closed_and_opened_again() -> None:
    sessions = manager()
    first = await sessions.open(scope())
    sessions.session(first)["n"] = 1
    (cookie,) = await closed(sessions, first)
    again = await sessions.open(scope(cookie))
    assert dict(sessions.session(again)) == {"n": 1}
    assert not sessions.close(again, 200)


async def test_a_store_that_takes_the_place_of_another_gets_the_calls() -> None:
    sessions = manager()
    store = MemoryStore()
    before, calls = calls_to(sessions.store), calls_to(store)
    sessions.use(store)
    state = await sessions.open(scope())
    sessions.session(state)["n"] = 1
    await closed(sessions, state)
    assert (sessions.store, before, calls) == (store, [], ["create"])


async def test_an_empty_session_is_opened_without_the_store_whatever_cookie_came() -> None:
    sessions = manager()
    first = await sessions.open(scope())
    sessions.session(first)["n"] = 1
    (cookie,) = await closed(sessions, first)
    calls = calls_to(sessions.store)
    assert dict(sessions.session(sessions.open_empty(scope(cookie)))) == {}
    assert calls == []


@pytest.mark.parametrize("status", [499, 500])
async def test_from_500_on_nothing_is_saved(status: int) -> None:
    sessions = manager()
    state = await sessions.open(scope())
    sessions.session(state)["n"] = 1
    assert bool(await closed(sessions, state, status)) is (status == 499)


class AdoptingStore(MemoryStore):
    """Takes over sessions of another framework by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def adopt(self, session_id: str, key: str, *, max_age: float, absolute_max_age: float | None) -> Any:
        self.asked.append(session_id)
        if not session_id.startswith("express"):
            return None
        await self.create(key, Change(set={"n": b"1"}), max_age=max_age, absolute_max_age=absolute_max_age)
        return await self.load(key)


class TestASessionOfAnotherFramework:
    async def test_is_taken_over_once(self) -> None:
        site = Site(AdoptingStore())
        cookie = f"kick.sid=s:{Signer(SECRET).sign('express' + 'x' * 25)}"
        for _ in range(2):
            answer = await site.request(lambda session: dict(session), cookie=cookie)
            assert (answer.value, answer.cookies) == ({"n": 1}, [])
        assert site.store.asked == ["express" + "x" * 25]
        assert site.events == []

    async def test_is_not_asked_for_under_an_id_that_leads_on(self) -> None:
        site = Site(AdoptingStore())
        browser = Browser(site)
        await browser.visit(setting(n=2))
        old = browser.twin()
        await browser.visit(rotate)
        assert await old.data() == {"n": 2}
        assert site.store.asked == []

    async def test_that_is_unknown_there_too_is_an_empty_one(self) -> None:
        site = Site(AdoptingStore())
        unknown = f"kick.sid={await signed_in(Site(MemoryStore()), n=1)}"
        assert (await site.request(lambda session: dict(session), cookie=unknown)).value == {}
        assert len(site.store.asked) == 1
        assert site.events == ["unknown_id"]


class TestOfTwoCookies:
    async def test_a_cross_site_request_reads_the_living_one(self) -> None:
        """It came with a cookie, so `SameSite` has withheld none."""
        site = Site(MemoryStore())
        living = await signed_in(site, n=1)
        cross = {"sec-fetch-site": "cross-site"}
        cookies = f"kick.sid={living}; kick.sid={living[:-1]}; kick.sid={await signed_in(Site(MemoryStore()), n=0)}"
        answer = await site.request(lambda session: dict(session), cookie=cookies, method="POST", headers=cross)
        assert answer.value == {"n": 1}

    async def test_the_living_one_is_no_new_session(self) -> None:
        site = Site(MemoryStore())
        dead, living = await signed_in(Site(MemoryStore()), n=0), await signed_in(site, n=1)
        answer = await site.request(lambda session: session.is_new, cookie=f"kick.sid={dead}; kick.sid={living}")
        assert answer.value is False

    @pytest.mark.parametrize(("on_store_error", "status"), [("error", 503), ("anonymous", 200)])
    async def test_none_counts_while_the_store_is_down(self, on_store_error: str, status: int) -> None:
        store = BrokenStore()
        site = Site(store, on_store_error=on_store_error)
        one, other = await signed_in(site, n=1), await signed_in(site, n=2)
        store.broken = ALL
        answer = await site.request(lambda session: dict(session), cookie=f"kick.sid={one}; kick.sid={other}")
        assert (answer.status, answer.cookies, "unknown_id" in site.events) == (status, [], False)

    async def test_one_that_is_rotated_meanwhile_is_issued_again(self) -> None:
        site = Site(MemoryStore())
        dead, browser = await signed_in(Site(MemoryStore()), n=0), Browser(site)
        await browser.visit(setting(n=1))
        cookies = f"kick.sid={dead}; kick.sid={browser.cookie}"
        await browser.visit(rotate)
        reader = await Paused(Fixed(site, cookies), lambda session: session["n"]).loaded()
        answer = await reader.finish()
        assert (answer.value, answer.session_cookie) == (1, browser.cookie)


class TestClosingCostsNothing:
    """There is nothing to await for the request of which nothing is saved and nothing is sent."""

    async def test_where_nobody_wrote(self) -> None:
        for options in ({}, {"rolling": True}, {"rotate_after": 60}):
            sessions = manager(**options)
            assert not sessions.close(await sessions.open(scope()), 200)

    @pytest.mark.parametrize(
        ("options", "status", "is_passive"),
        [
            ({}, 200, False),
            ({"rolling": True}, 200, True),
            ({"rolling": True}, 500, False),
            ({"rotate_after": 60}, 200, True),
            ({"save_uninitialized": True}, 200, False),
        ],
    )
    async def test_where_a_session_was_only_read(self, options: Any, status: int, is_passive: bool) -> None:
        sessions = SessionManager.configured(SECRET, store=MemoryStore(), **{"save_uninitialized": False, **options})
        first = await sessions.open(scope())
        sessions.session(first)["n"] = 1
        (cookie,) = await closed(sessions, first)
        state = await sessions.open(scope(cookie))
        assert sessions.session(state)["n"] == 1
        if is_passive:
            state.restricted(begins=True)
        assert not sessions.close(state, status)

    @pytest.mark.parametrize(("status", "is_passive"), [(500, False), (200, True)])
    async def test_where_every_visitor_has_a_session_but_this_response_begins_none(
        self, status: int, is_passive: bool
    ) -> None:
        sessions = SessionManager.configured(SECRET, store=MemoryStore(), save_uninitialized=True)
        state = await sessions.open(scope())
        if is_passive:
            state.restricted(begins=True)
        assert not sessions.close(state, status)


class TestWhatIsDueByTime:
    def site(self, **options: Any) -> tuple[Site, Clock]:
        clock = Clock()
        return Site(MemoryStore(clock=clock), max_age=1000, **options), clock

    async def begun(self, **options: Any) -> tuple[Browser, Clock]:
        site, clock = self.site(**options)
        browser = Browser(site)
        await browser.visit(setting(n=1))
        return browser, clock

    async def test_an_id_is_given_up_when_it_is_as_old_as_rotate_after_says(self) -> None:
        browser, clock = await self.begun(rotate_after=60)
        clock.advance(59)
        assert (await browser.visit()).cookies == []
        clock.advance(1)
        assert (await browser.visit()).session_cookie
        assert browser.site.events == ["created", "rotated"]

    async def test_a_rolling_session_is_prolonged_when_it_was_last_seen_a_tick_ago(self) -> None:
        browser, clock = await self.begun(rolling=True)
        calls = calls_to(browser.site.store, WRITES)
        clock.advance(59)
        await browser.visit()
        assert calls == []
        clock.advance(1)
        await browser.visit()
        assert calls == ["touch"]

    async def test_the_end_of_a_session_is_later_after_each_save(self) -> None:
        browser, clock = await self.begun()

        async def act(session: Any) -> Any:
            ends = [session.expires_at]
            for number in (2, 3):
                clock.advance(10)
                session["n"] = number
                await session.save()
                ends.append(session.expires_at)
            clock.advance(10)
            await session.increment("n")
            return [(end - ends[0]).total_seconds() for end in (*ends, session.expires_at)]

        assert (await browser.visit(act)).value == [0, 10, 20, 30]

    @pytest.mark.parametrize(("path", "status"), [("/passive", 200), ("/", 500)])
    async def test_no_id_is_given_up_by_an_error_or_on_a_passive_route_though_it_has_saved(
        self, path: str, status: int
    ) -> None:
        browser, clock = await self.begun(rotate_after=60)
        clock.advance(200)

        async def save(session: Any) -> None:
            session["n"] = 2
            await session.save()

        assert (await browser.visit(save, path=path, status=status)).status == status
        assert browser.site.events == ["created"]
        assert await browser.data() == {"n": 2}

    async def test_a_request_whose_write_found_the_session_gone_asks_for_nothing_more(self) -> None:
        browser, clock = await self.begun(rolling=True)
        clock.advance(200)
        loser = await Paused(browser.twin(), setting(n=2)).loaded()
        await browser.twin().visit(lambda session: session.destroy())
        calls = calls_to(browser.site.store)
        answer = await loser.finish()
        assert (answer.status, answer.cookies, calls) == (200, [], ["commit"])


class TestANewIdForASessionThatIsNotStored:
    async def test_drops_the_principal_unless_all_is_kept(self) -> None:
        for keep, count in ((True, 1), (False, 0), (["n"], 0)):
            site = Site(MemoryStore())

            async def act(session: Any, keep: Any = keep) -> Any:
                session.principal = "7"
                await session.regenerate(keep=keep)
                session["x"] = 1
                return session.principal

            answer = await Browser(site).visit(act)
            assert answer.value == ("7" if count else None)
            assert len(await Sessions(site.layer.manager).of("7")) == count

    async def test_makes_one_that_has_ended_new_again(self) -> None:
        browser = Browser(Site(MemoryStore()))
        await browser.visit(setting(n=1))

        async def act(session: Any) -> Any:
            was_new = session.is_new
            await session.destroy()
            await session.regenerate()
            session["n"] = 2
            return was_new, session.is_new

        assert (await browser.visit(act)).value == (False, True)
        assert await browser.data() == {"n": 2}

    async def test_begins_one_even_where_the_cookie_may_be_withheld(self) -> None:
        """After a logout as after anything else: the handler has asked for it."""
        browser = Browser(Site(MemoryStore()))

        async def act(session: Any) -> None:
            await session.destroy()
            await session.regenerate()
            session["n"] = 1

        answer = await browser.visit(act, method="POST", headers={"sec-fetch-site": "cross-site"})
        assert answer.session_cookie
        assert await browser.data() == {"n": 1}


@pytest.mark.parametrize("operation", ["create", "commit"])
async def test_a_principal_that_is_set_while_another_one_is_stored_is_stored_next(operation: str) -> None:
    """As two tasks of one request may do."""
    site = Site(MemoryStore())
    browser = Browser(site)
    if operation == "commit":
        await browser.visit(setting(n=1))
    stored = getattr(site.store, operation)
    sessions = Sessions(site.layer.manager)

    async def act(session: Any) -> Any:
        async def meanwhile(*given: Any, **options: Any) -> Any:
            answer = await stored(*given, **options)
            session.principal = "8"
            return answer

        setattr(site.store, operation, meanwhile)
        session.principal = "7"
        await session.save()
        setattr(site.store, operation, stored)
        return session.principal, [len(await sessions.of(name)) for name in "78"]

    assert (await browser.visit(act)).value == ("8", [1, 0])
    assert [len(await sessions.of(name)) for name in "78"] == [0, 1]


class TestAfterTheHandshakeOfAWebSocket:
    """The response of the handshake has started, and the messages begin."""

    async def opened(self, sessions: SessionManager) -> tuple[SessionState, Any]:
        first = await sessions.open(scope())
        sessions.session(first)["n"] = 1
        (cookie,) = await closed(sessions, first)
        state = await sessions.open(scope(cookie))
        return state, sessions.session(state)

    async def accept(self, sessions: SessionManager, state: SessionState) -> None:
        await closed(sessions, state, 101)
        state.accepted()

    async def test_a_stored_session_takes_writes_and_saves_and_gets_no_new_id(self) -> None:
        sessions = manager()
        state, session = await self.opened(sessions)
        await self.accept(sessions, state)
        session["n"] = 2
        assert await session.save()
        with pytest.raises(SessionClosed, match="handshake"):
            await session.regenerate()
        assert await session.reload()
        assert session["n"] == 2

    async def test_one_that_was_not_stored_takes_none(self) -> None:
        sessions = manager()
        state = await sessions.open(scope())
        session = sessions.session(state)
        await self.accept(sessions, state)
        for values in (session, session.flash):
            with pytest.raises(SessionClosed, match="handshake"):
                values["n"] = 1
        with pytest.raises(SessionClosed, match="handshake"):
            await session.save()

    async def test_one_that_was_destroyed_takes_none(self) -> None:
        sessions = manager()
        state, session = await self.opened(sessions)
        await session.destroy()
        await self.accept(sessions, state)
        with pytest.raises(SessionClosed, match="destroyed"):
            session["n"] = 2
        assert not await session.save()

    @pytest.mark.parametrize("on_store_error", ["error", "anonymous"])
    async def test_one_that_could_not_be_loaded_takes_none(self, on_store_error: Any) -> None:
        store = BrokenStore()
        sessions = SessionManager.configured(SECRET, store=store, on_store_error=on_store_error)
        first = await sessions.open(scope())
        sessions.session(first)["n"] = 1
        (cookie,) = await closed(sessions, first)
        store.broken = ALL
        state = await sessions.open(scope(cookie))
        await self.accept(sessions, state)
        session = sessions.session(state)
        with pytest.raises((SessionClosed, SessionUnavailable)):
            session["n"] = 2
        with pytest.raises((SessionClosed, SessionUnavailable)):
            await session.save()

    async def test_one_that_has_ended_takes_them_and_saves_none(self) -> None:
        sessions = manager()
        state, session = await self.opened(sessions)
        await self.accept(sessions, state)
        assert state.key is not None
        await sessions.store.destroy(state.key)
        for number in (2, 3):
            session["n"] = number
            assert not await session.save()
        assert not await session.reload()
