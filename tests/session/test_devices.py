"""People and their devices: `principal`, `Sessions.of`, `Sessions.revoke`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.session import MemoryStore, SessionClosed, Sessions
from kick.session.ids import forward_to_key
from kick.session.races import MOST_HOPS
from kick.session.stores.base import Superseded
from tests.session.conftest import DictStore
from tests.session.harness import Browser, Site, setting
from tests.session.test_parallel import paused, rotate
from tests.support.setup_errors import raises_code


@pytest.fixture
def site(atomic_store: Any) -> Site:
    return Site(atomic_store)


@pytest.fixture
def sessions(site: Site) -> Sessions:
    return Sessions(site.layer.manager)


def logging_in(user_id: object) -> Any:
    async def act(session: Any) -> Any:
        await session.regenerate()
        session.principal = user_id
        session.data["user_id"] = user_id
        return session.id

    return act


async def test_a_principals_sessions_are_listed_with_where_and_when(site: Site, sessions: Sessions) -> None:
    phone, laptop, other = Browser(site), Browser(site), Browser(site)
    await phone.visit(logging_in(7), headers={"user-agent": "Phone/1"})
    await laptop.visit(logging_in(7), headers={"user-agent": "Laptop/2"})
    await other.visit(logging_in(8))
    found = await sessions.of(7)
    assert {info.client["user_agent"] for info in found} == {"Phone/1", "Laptop/2"}
    assert {info.client["ip"] for info in found} == {"192.0.2.1"}
    assert all(info.created_at <= info.last_seen_at < info.expires_at for info in found)
    assert len(await sessions.of("8")) == 1
    assert await sessions.of(9) == []


async def test_none_is_nobody(site: Site, sessions: Sessions) -> None:
    """A handler passes `ctx.session.principal` of somebody who has not logged in; a user may have the name "None"."""
    await Browser(site).visit(logging_in("None"))
    await Browser(site).visit(setting(a=1))
    assert await sessions.of(None) == []
    assert await sessions.revoke(None) == 0
    assert await sessions.revoke(None, except_id="x" * 36) == 0
    assert len(await sessions.of("None")) == 1
    assert await sessions.revoke("None") == 1


@pytest.mark.parametrize("principal", ["x" * 512, "é" * 256, "𝄞" * 128, 7, "\0" * 512])
async def test_a_principal_has_as_many_bytes_as_every_index_takes(
    site: Site, sessions: Sessions, principal: object
) -> None:
    await Browser(site).visit(logging_in(principal))
    assert len(await sessions.of(principal)) == 1
    assert await sessions.revoke(principal) == 1


@pytest.mark.parametrize("principal", ["x" * 513, "é" * 257, "𝄞" * 129, 10**512, "x" * 10_000, "\ud800"])
async def test_a_principal_that_is_too_long_is_refused_when_it_is_set(
    site: Site, sessions: Sessions, principal: object
) -> None:
    """The index of PostgreSQL refused it at the end of the login, as a 503."""

    async def act(session: Any) -> Any:
        session.principal = 7
        with pytest.raises(ValueError, match="a principal"):
            session.principal = principal
        return session.principal

    assert (await Browser(site).visit(act)).value == "7"
    assert len(await sessions.of(7)) == 1


async def test_the_list_opens_no_session(site: Site, sessions: Sessions) -> None:
    browser = Browser(site)
    session_id = (await browser.visit(logging_in(7))).value
    (info,) = await sessions.of(7)
    assert session_id[4:] not in repr(info)
    assert (await browser.visit(lambda session: session.fingerprint)).value == info.fingerprint


async def test_the_principal_is_readable_and_survives_a_regenerate(site: Site, sessions: Sessions) -> None:
    browser = Browser(site)
    await browser.visit(logging_in(7))

    async def regenerate(session: Any) -> None:
        await session.regenerate()

    await browser.visit(regenerate)
    assert (await browser.visit(lambda session: session.principal)).value == "7"
    assert len(await sessions.of(7)) == 1, "only the new id is listed"


async def test_logging_out_my_other_devices_leaves_this_one(site: Site, sessions: Sessions) -> None:
    mine, *others = [Browser(site) for _ in range(4)]
    session_id = (await mine.visit(logging_in(7))).value
    for other in others:
        await other.visit(logging_in(7))
    assert await sessions.revoke(7, except_id=session_id) == 3
    assert await mine.data() == {"user_id": 7}
    assert [await other.data() for other in others] == [{}, {}, {}]
    assert len(await sessions.of(7)) == 1


async def test_logout_expiry_and_change_of_user_take_a_session_off_the_list(site: Site, sessions: Sessions) -> None:
    first, second = Browser(site), Browser(site)
    await first.visit(logging_in(7))
    await second.visit(logging_in(7))

    async def destroy(session: Any) -> None:
        await session.destroy()

    await first.visit(destroy)
    await second.visit(lambda session: setattr(session, "principal", 8))
    assert await sessions.of(7) == []
    assert len(await sessions.of(8)) == 1
    await second.visit(lambda session: setattr(session, "principal", None))
    assert await sessions.of(8) == []
    assert await second.data() == {"user_id": 7}


async def test_one_device_can_be_ended_from_the_list(site: Site, sessions: Sessions) -> None:
    first, second = Browser(site), Browser(site)
    await first.visit(logging_in(7), headers={"user-agent": "first"})
    await second.visit(logging_in(7), headers={"user-agent": "second"})
    (info,) = [each for each in await sessions.of(7) if each.client["user_agent"] == "first"]
    assert await sessions.end(info) is True
    assert await sessions.end(info) is False
    assert await first.data() == {}
    assert await second.data() == {"user_id": 7}


async def test_a_device_that_was_rotated_since_it_was_listed_can_be_ended(site: Site, sessions: Sessions) -> None:
    browser = Browser(site)
    await browser.visit(logging_in(7))
    (listed,) = await sessions.of(7)
    await browser.visit(rotate)
    assert await sessions.end(listed) is True
    assert await browser.data() == {}


async def test_logging_out_my_other_devices_leaves_this_one_though_it_was_rotated_meanwhile(
    site: Site, sessions: Sessions
) -> None:
    mine, other = Browser(site), Browser(site)
    await mine.visit(logging_in(7))
    await other.visit(logging_in(7))
    late = await paused(mine.twin(), lambda session: sessions.revoke(7, except_id=session.id))
    await mine.visit(rotate)
    assert (await late.finish()).value == 1
    assert await mine.data() == {"user_id": 7}
    assert await other.data() == {}


async def test_a_regenerate_that_finds_its_session_revoked_starts_empty_and_is_nobodys(
    site: Site, sessions: Sessions
) -> None:
    browser = Browser(site)
    await browser.visit(logging_in(7))

    async def regenerate(session: Any) -> None:
        await session.regenerate()
        session["x"] = 1

    late = await paused(browser, regenerate)
    await sessions.revoke(7)
    await late.finish()
    assert await browser.data() == {"x": 1}
    assert await sessions.of(7) == []


async def test_a_request_in_flight_cannot_write_to_a_revoked_session(site: Site, sessions: Sessions) -> None:
    browser = Browser(site)
    await browser.visit(logging_in(7))
    late = await paused(browser.twin(), setting(late=True))
    assert await sessions.revoke(7) == 1
    answer = await late.finish()
    assert answer.cookies == []
    assert await browser.data() == {}


async def revoked(session: Any, sessions: Sessions) -> None:
    assert await sessions.revoke(session.principal) == 1


async def ended(session: Any, sessions: Sessions) -> None:
    (info,) = await sessions.of(session.principal)
    assert await sessions.end(info)


@pytest.mark.parametrize("end", [revoked, ended])
class TestARequestThatEndsItsOwnSession:
    """It has lost no race: its session is destroyed, as after a plain logout."""

    async def test_a_logout_removes_the_cookie_and_refuses_writes(
        self, site: Site, sessions: Sessions, end: Any
    ) -> None:
        browser = Browser(site)
        await browser.visit(logging_in(7))

        async def log_out_everywhere(session: Any) -> Any:
            await end(session, sessions)
            await session.destroy()
            with pytest.raises(SessionClosed):
                session.flash["a"] = 1
            with pytest.raises(SessionClosed):
                session["a"] = 1
            return dict(session.data), session.principal

        answer = await browser.visit(log_out_everywhere)
        assert answer.session_cookie == ""
        assert answer.value == ({}, None)

    async def test_a_message_for_the_next_page_belongs_to_a_new_session(
        self, site: Site, sessions: Sessions, end: Any
    ) -> None:
        browser = Browser(site)
        await browser.visit(logging_in(7))

        async def log_out_everywhere(session: Any) -> None:
            await end(session, sessions)
            await session.destroy()
            await session.regenerate()
            session.flash["success"] = "Logged out"

        assert (await browser.visit(log_out_everywhere)).session_cookie
        assert (await browser.visit(lambda session: session.flash.pop_all())).value == {"success": "Logged out"}
        assert await browser.data() == {}

    @pytest.mark.parametrize("keep", [True, False])
    async def test_a_new_id_begins_an_empty_session(self, site: Site, sessions: Sessions, end: Any, keep: bool) -> None:
        browser = Browser(site)
        await browser.visit(logging_in(7))

        async def log_in_again(session: Any) -> None:
            await end(session, sessions)
            await session.regenerate(keep=keep)
            session["x"] = 1

        assert (await browser.visit(log_in_again)).session_cookie
        assert await browser.data() == {"x": 1}

    async def test_a_write_without_a_logout_is_dropped_and_a_later_logout_removes_the_cookie(
        self, site: Site, sessions: Sessions, end: Any
    ) -> None:
        browser = Browser(site)
        await browser.visit(logging_in(7))

        async def act(session: Any) -> bool:
            await end(session, sessions)
            session["x"] = 1
            saved = bool(await session.save())
            await session.destroy()
            with pytest.raises(SessionClosed):
                session["x"] = 2
            return saved

        answer = await browser.visit(act)
        assert answer.value is False
        assert answer.session_cookie == ""
        await browser.visit(logging_in(7))

        async def write(session: Any) -> None:
            await end(session, sessions)
            session["x"] = 1

        assert (await browser.visit(write)).cookies == []
        assert await browser.data() == {}

    async def test_another_request_that_logs_out_then_removes_no_cookie_but_refuses_writes(
        self, site: Site, sessions: Sessions, end: Any
    ) -> None:
        """A login in between may have set a newer cookie."""
        browser = Browser(site)
        await browser.visit(logging_in(7))

        async def log_out(session: Any) -> Any:
            await session.destroy()
            with pytest.raises(SessionClosed):
                session.flash["a"] = 1
            with pytest.raises(SessionClosed):
                session["a"] = 1
            return dict(session.data)

        late = await paused(browser.twin(), log_out)
        await browser.twin().visit(lambda session: end(session, sessions))
        answer = await late.finish()
        assert answer.error is None
        assert answer.value == {}
        assert answer.cookies == []


async def test_a_request_that_finds_nothing_left_to_revoke_has_not_ended_its_session(
    site: Site, sessions: Sessions
) -> None:
    """Another request has, and a login in between may have set a newer cookie."""
    browser = Browser(site)
    await browser.visit(logging_in(7))

    async def log_out_everywhere(session: Any) -> None:
        assert await sessions.revoke(7) == 0
        await session.destroy()

    late = await paused(browser.twin(), log_out_everywhere)
    await browser.twin().visit(lambda session: revoked(session, sessions))
    answer = await late.finish()
    assert (answer.error, answer.cookies) == (None, [])


async def test_a_logout_under_an_id_given_up_by_a_login_may_revoke_somebody_before(
    site: Site, sessions: Sessions
) -> None:
    browser, other = Browser(site), Browser(site)
    await browser.visit(setting(theme="dark"))
    await other.visit(logging_in(8))
    old = browser.twin()
    await browser.visit(logging_in(7))

    async def act(session: Any) -> None:
        assert await sessions.revoke(8) == 1
        await session.destroy()

    answer = await old.visit(act)
    assert (answer.error, answer.cookies) == (None, [])
    assert await browser.data() == {"theme": "dark", "user_id": 7}


async def test_the_session_that_was_used_last_is_the_first_of_the_list() -> None:
    seconds = 1000.0
    site = Site(MemoryStore(clock=lambda: seconds))
    sessions = Sessions(site.layer.manager)
    names = []
    for number in range(3):
        browser = Browser(site)
        await browser.visit(logging_in(7), headers={"user-agent": f"Device/{number}"})
        names.append(browser)
        seconds += 10
    await names[1].visit(logging_in(7), headers={"user-agent": "Device/1"})
    assert [info.client["user_agent"] for info in await sessions.of(7)] == ["Device/1", "Device/2", "Device/0"]


async def test_a_session_whose_ids_lead_round_in_a_circle_cannot_be_ended_and_nothing_hangs() -> None:
    site = Site(MemoryStore())
    sessions = Sessions(site.layer.manager)
    await Browser(site).visit(logging_in(7))
    (info,) = await sessions.of(7)
    asked: list[str] = []

    async def destroy(key: str) -> Superseded:
        asked.append(key)
        return Superseded(successor=forward_to_key(key))

    site.store.destroy = destroy
    assert await sessions.end(info) is False
    assert len(asked) == MOST_HOPS


async def test_purge_deletes_expired_records_and_returns_their_number() -> None:
    seconds = 1000.0
    site = Site(MemoryStore(clock=lambda: seconds), max_age=60)
    for _ in range(3):
        await Browser(site).visit(setting(a=1))
    sessions = Sessions(site.layer.manager)
    assert await sessions.purge() == 0
    seconds += 61
    assert await sessions.purge() == 3


async def test_a_logout_after_other_devices_were_logged_out_removes_the_cookie(site: Site, sessions: Sessions) -> None:
    mine, other = Browser(site), Browser(site)
    await mine.visit(logging_in(7))
    await other.visit(logging_in(7))

    async def act(session: Any) -> None:
        assert await sessions.revoke(7, except_id=session.id) == 1
        await session.destroy()

    assert (await mine.visit(act)).session_cookie == ""


async def test_revoking_the_sessions_of_somebody_else_leaves_the_own_one(site: Site, sessions: Sessions) -> None:
    admin, user = Browser(site), Browser(site)
    await admin.visit(logging_in(1))
    await user.visit(logging_in(7))

    async def act(session: Any) -> None:
        assert await sessions.revoke(7) == 1
        session["x"] = 1

    await admin.visit(act)
    assert await admin.data() == {"user_id": 1, "x": 1}


@pytest.mark.parametrize("rolling", [True, False])
async def test_a_principal_that_is_set_before_a_count_is_stored_with_the_response(rolling: bool) -> None:
    site = Site(MemoryStore(), rolling=rolling)
    browser = Browser(site)
    await browser.visit(setting(n=1))

    async def act(session: Any) -> Any:
        session.principal = "7"
        await session.increment("logins")
        return session.principal

    assert (await browser.visit(act)).value == "7"
    assert len(await Sessions(site.layer.manager).of("7")) == 1


async def test_revoking_while_requests_run_leaves_none_of_those_that_were_answered(
    site: Site, sessions: Sessions
) -> None:
    """As below, but nothing is revoked when the requests are over: the race itself has to be won."""
    browsers = [Browser(site) for _ in range(20)]
    await asyncio.gather(*(browser.visit(logging_in(7)) for browser in browsers))
    cookies = [browser.cookie for browser in browsers]
    writing = [browser.visit(setting(**{f"k{n}": n})) for n, browser in enumerate(browsers)]
    rotating = [browser.twin().visit(rotate) for browser in browsers]
    await asyncio.gather(*writing, sessions.revoke(7), *rotating)
    assert [await Browser(site, cookie).data() for cookie in cookies] == [{}] * 20
    # A request that is loaded after the revocation is a visitor's, and what it writes begins a session.
    assert ["user_id" in await browser.data() for browser in browsers] == [False] * 20
    assert await sessions.of(7) == []


async def test_revoking_while_requests_run_leaves_none_alive(site: Site, sessions: Sessions) -> None:
    """Every login that was answered before the last revocation began has ended; so have its writes."""
    browsers = [Browser(site) for _ in range(20)]
    await asyncio.gather(*(browser.visit(logging_in(7)) for browser in browsers))
    cookies = [browser.cookie for browser in browsers]
    writing = [browser.visit(setting(**{f"k{n}": n})) for n, browser in enumerate(browsers)]
    racing = [Browser(site).visit(logging_in(7)) for _ in range(20)]
    await asyncio.gather(*writing, sessions.revoke(7), *racing, sessions.revoke(7))
    await sessions.revoke(7)
    assert await sessions.of(7) == []
    assert [await Browser(site, cookie).data() for cookie in cookies] == [{}] * 20
    # A request that is loaded after the first revocation is a visitor's, and what it writes begins a session.
    assert ["user_id" in await browser.data() for browser in browsers] == [False] * 20


async def test_a_handler_asks_for_sessions_by_type(site: Site) -> None:
    @Controller("/devices")
    class Devices:
        @Get("/")
        async def show(self, ctx: RequestContext, sessions: Sessions) -> Any:
            return len(await sessions.of(ctx.session.principal))

    app = bootstrap([Module("devices", controllers=[Devices])], [site.layer])
    browser = Browser(site)
    await browser.visit(logging_in(7))
    site.app = app
    assert (await browser.visit(path="/devices")).body == b"1"


async def test_a_store_without_an_index_says_so() -> None:
    with raises_code("session-store-no-index", match="DictStore"):
        await Sessions(Site(DictStore()).layer.manager).of(7)
