"""`login()`, `logout()`, `set_roles()`: every change of who is logged in is a change of the session id."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from kick import RequestContext
from kick.auth import identity, login, logout, set_roles
from kick.auth.errors import LoginRequired
from kick.session import MemoryStore, SessionEnded
from kick.session.ids import key_of
from kick.session.stores.base import Change
from kick.testing import TestClient
from tests.auth.support import UserSession, make
from tests.http.support import ask
from tests.session.conftest import make_store
from tests.session.harness import Browser, Site, calls_to, setting


@pytest.fixture(params=[None, UserSession], ids=["dict", "typed"])
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    with TestClient(make(data=request.param)) as client:
        yield client


def log_in(client: TestClient, user_id: int = 7, **options: Any) -> None:
    assert client.post("/auth/login", json={"user_id": user_id, **options}).status_code == 200


# With a client


def test_somebody_logs_in_is_known_and_logs_out(client: TestClient) -> None:
    assert client.get("/auth/who").status_code == 204
    log_in(client, roles=["editor", "admin", "editor"])
    who = client.get("/auth/who").json()
    assert (who["user_id"], sorted(who["roles"])) == (7, ["admin", "editor"])
    assert abs(datetime.fromisoformat(who["logged_in_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert client.post("/auth/logout").status_code == 204
    assert client.get("/auth/who").status_code == 204
    assert "kick.sid" not in client.cookies


def test_the_id_changes_with_every_login_and_the_old_one_opens_nothing(client: TestClient) -> None:
    client.post("/auth/cart/apple")
    seen = [client.cookies["kick.sid"]]
    for user_id in (7, 7, 8):
        log_in(client, user_id)
        seen.append(client.cookies["kick.sid"])
    assert len(set(seen)) == 4
    for old in seen[:3]:
        with TestClient(client.app, cookies={"kick.sid": old}) as thief:
            assert thief.get("/auth/who").status_code == 204


def test_the_data_of_a_visitor_stays_and_that_of_somebody_else_does_not(client: TestClient) -> None:
    client.post("/auth/cart/apple")
    log_in(client, 7)
    assert client.get("/auth/cart").json() == ["apple"]
    log_in(client, 7)
    assert client.get("/auth/cart").json() == ["apple"]
    log_in(client, 8)
    assert client.get("/auth/cart").json() == []


@pytest.mark.parametrize(("keep", "left"), [(True, ["apple"]), (False, []), (["cart"], ["apple"]), (["theme"], [])])
def test_what_stays_can_be_said(client: TestClient, keep: Any, left: list[str]) -> None:
    client.post("/auth/cart/apple")
    log_in(client, keep=keep)
    assert client.get("/auth/cart").json() == left
    assert client.get("/things/user").json() == "Ada"


def test_roles_of_the_login_before_are_gone(client: TestClient) -> None:
    log_in(client, roles=["admin"])
    log_in(client, 8)
    assert client.get("/auth/who").json()["roles"] == []
    log_in(client, 8, roles=["editor"])
    log_in(client, 8)
    assert client.get("/auth/who").json()["roles"] == []


def test_a_change_of_roles_is_a_change_of_the_id(client: TestClient) -> None:
    log_in(client, roles=["editor"])
    client.post("/auth/cart/apple")
    before, at = client.cookies["kick.sid"], client.get("/auth/who").json()["logged_in_at"]
    assert client.post("/auth/roles", json={"roles": ["admin"]}).status_code == 204
    assert client.cookies["kick.sid"] != before
    who = client.get("/auth/who").json()
    assert (who["roles"], who["logged_in_at"]) == (["admin"], at)
    assert client.get("/auth/cart").json() == ["apple"]
    with TestClient(client.app, cookies={"kick.sid": before}) as thief:
        assert thief.get("/auth/who").status_code == 204


def test_a_stranger_has_no_roles_to_change(client: TestClient) -> None:
    assert client.post("/auth/roles", json={"roles": ["admin"]}).json()["code"] == "login-required"
    client.post("/auth/cart/apple")
    before = client.cookies["kick.sid"]
    assert client.post("/auth/roles", json={"roles": ["admin"]}).status_code == 401
    assert client.cookies["kick.sid"] == before


def test_whoever_is_logged_in_is_found_by_their_id(client: TestClient) -> None:
    with TestClient(client.app) as phone:
        log_in(phone)
        log_in(client)
        assert client.get("/auth/devices").json() == 2
        phone.post("/auth/logout")
        assert client.get("/auth/devices").json() == 1


def test_the_token_from_before_the_login_is_refused_and_the_one_it_answers_passes() -> None:
    with TestClient(make(protected=True)) as client:
        before = client.get("/auth/token").json()
        after = client.post("/auth/login", json={"user_id": 7}, headers={"x-csrf-token": before}).json()
        refused = client.post("/auth/logout", headers={"x-csrf-token": before})
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf-token-invalid")
        assert client.post("/auth/logout", headers={"x-csrf-token": after}).status_code == 204


# Calls of the store


async def test_a_login_costs_one_call_without_a_session_and_two_with_one() -> None:
    store = MemoryStore()
    app = make(store=store)
    calls = calls_to(store)
    first = await ask(app, "/auth/login", method="POST", json={"user_id": 7, "roles": ["admin"]})
    assert calls == ["create"]
    cookie = {"cookie": (first.header("set-cookie") or "").partition(";")[0]}
    calls.clear()
    again = await ask(app, "/auth/login", method="POST", json={"user_id": 7}, headers=cookie)
    assert (again.status, calls) == (200, ["load", "move", "commit"])


# On every store


async def log_in_as(ctx: RequestContext, user_id: Any = 7) -> None:
    await login(ctx, user_id, roles=["editor"])


@pytest.mark.parametrize("kind", ["memory", "basic", "sqlite", "redis"])
async def test_every_store_keeps_logins(kind: str, request: pytest.FixtureRequest) -> None:
    store = make_store(kind, request)
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    old = browser.twin()
    await browser.visit(log_in_as, wants_context=True)
    who = (await browser.visit(identity, wants_context=True)).value
    assert (who.user_id, who.roles) == (7, {"editor"})
    assert await browser.data() == {"a": 1}
    assert (await old.visit(identity, wants_context=True)).value is None
    await browser.visit(logout, wants_context=True)
    assert (await browser.visit(identity, wants_context=True)).value is None
    await store.aclose()


async def test_a_session_that_was_planted_is_not_the_one_that_is_logged_in() -> None:
    attacker = Browser(Site(MemoryStore()))
    await attacker.visit(setting(bait=1))
    victim = attacker.twin()
    await victim.visit(log_in_as, wants_context=True)
    assert (await victim.visit(identity, wants_context=True)).value.user_id == 7
    assert (await attacker.visit(identity, wants_context=True)).value is None


@pytest.mark.parametrize("user_id", [7, "ada", UUID(int=7), 2**70])
async def test_the_id_of_the_user_comes_back_as_it_was(user_id: Any) -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(lambda ctx: log_in_as(ctx, user_id), wants_context=True)
    who = (await browser.visit(identity, wants_context=True)).value
    assert (who.user_id, type(who.user_id), who.roles) == (user_id, type(user_id), frozenset({"editor"}))


async def test_nothing_of_it_is_among_the_data() -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(log_in_as, wants_context=True)
    assert await browser.data() == {}

    def forge(session: Any) -> None:
        session.data["$login"] = {"user": 1, "at": 0, "roles": ["admin"]}

    assert (await browser.visit(forge)).status == 500


@pytest.mark.parametrize(
    "act",
    [
        lambda ctx: login(ctx, None),
        lambda ctx: login(ctx, True),
        lambda ctx: login(ctx, object()),
        lambda ctx: login(ctx, 7, roles="admin"),
        lambda ctx: login(ctx, 7, roles=[1]),  # pyright: ignore[reportArgumentType]
        lambda ctx: login(ctx, "x" * 513),
    ],
)
async def test_what_cannot_be_kept_is_refused_before_anything_changes(act: Any) -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(setting(a=1))
    cookie = browser.cookie
    answer = await browser.visit(act, wants_context=True)
    assert answer.status == 500
    assert isinstance(answer.error, TypeError | ValueError)
    assert browser.cookie == cookie


async def test_a_principal_that_was_changed_by_hand_is_no_login() -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(log_in_as, wants_context=True)

    def change(session: Any) -> None:
        session.principal = "somebody else"

    await browser.visit(change)
    assert (await browser.visit(identity, wants_context=True)).value is None


async def test_a_regenerate_that_keeps_nothing_logs_out_and_one_that_keeps_all_does_not() -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(log_in_as, wants_context=True)
    await browser.visit(lambda session: session.regenerate())
    assert (await browser.visit(identity, wants_context=True)).value is not None
    await browser.visit(lambda session: session.rotate())
    assert (await browser.visit(identity, wants_context=True)).value is not None
    await browser.visit(lambda session: session.regenerate(keep=["cart"]))
    assert (await browser.visit(identity, wants_context=True)).value is None


async def test_a_login_whose_response_fails_logs_nobody_in() -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(setting(a=1))
    old = browser.twin()
    await browser.visit(log_in_as, wants_context=True, status=500)
    assert (await browser.visit(identity, wants_context=True)).value is None
    assert (await old.visit(identity, wants_context=True)).value is None


async def test_what_the_same_handler_writes_and_counts_goes_along() -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(setting(a=1))

    async def busy(ctx: RequestContext) -> None:
        ctx.session.flash["status"] = "before"
        await login(ctx, 7, roles=["editor"])
        assert await ctx.session.increment("n") == 1
        ctx.session.data["b"] = 2
        assert identity(ctx) is not None

    assert (await browser.visit(busy, wants_context=True)).error is None
    assert await browser.data() == {"a": 1, "b": 2, "n": 1}
    who = (await browser.visit(identity, wants_context=True)).value
    assert (who.user_id, who.roles) == (7, {"editor"})


async def test_after_a_logout_in_the_same_request_a_login_starts_anew() -> None:
    browser = Browser(Site(MemoryStore()))
    await browser.visit(setting(a=1))

    async def out_and_in(ctx: RequestContext) -> None:
        await logout(ctx)
        await login(ctx, 8)

    await browser.visit(out_and_in, wants_context=True)
    assert await browser.data() == {}
    assert (await browser.visit(identity, wants_context=True)).value.user_id == 8


async def test_a_change_of_roles_that_loses_against_a_logout_brings_nobody_back() -> None:
    site = Site(MemoryStore())
    browser = Browser(site)
    await browser.visit(log_in_as, wants_context=True)
    loaded, ended = asyncio.Event(), asyncio.Event()

    async def promote(ctx: RequestContext) -> None:
        assert identity(ctx) is not None
        loaded.set()
        await ended.wait()
        await set_roles(ctx, ["admin"])

    slow = asyncio.create_task(browser.twin().visit(promote, wants_context=True))
    await loaded.wait()
    await browser.twin().visit(logout, wants_context=True)
    ended.set()
    answer = await slow
    assert isinstance(answer.error, SessionEnded)
    assert answer.status == 409
    assert answer.session_cookie is None
    assert (await browser.visit(identity, wants_context=True)).value is None


async def test_of_two_logins_at_once_both_are_answered_and_the_cookie_that_is_set_opens() -> None:
    site = Site(MemoryStore())
    browser = Browser(site)
    await browser.visit(setting(a=1))
    barrier = asyncio.Barrier(2)

    async def log_in_together(ctx: RequestContext) -> None:
        await barrier.wait()
        await login(ctx, 7)

    twins = [browser.twin(), browser.twin()]
    answers: list[Any] = await asyncio.gather(*[each.visit(log_in_together, wants_context=True) for each in twins])
    assert [answer.status for answer in answers] == [200, 200]
    given = [answer.session_cookie for answer in answers if answer.session_cookie]
    assert len(given) == 1
    assert (await Browser(site, given[0]).visit(identity, wants_context=True)).value.user_id == 7
    assert (await browser.visit(identity, wants_context=True)).value is None


@pytest.mark.parametrize("raw", [b"7", b"[]", b"{}", b'{"user":7}', b'{"user":7,"roles":5,"at":1}', b"{"])
async def test_a_damaged_record_is_nobodys(raw: bytes) -> None:
    site = Site(store := MemoryStore())
    browser = Browser(site)
    await browser.visit(log_in_as, wants_context=True)
    key = key_of((await browser.visit(lambda session: session.id)).value)
    await store.commit(key, Change(set={"$login": raw}), max_age=60)
    answer = await browser.visit(identity, wants_context=True)
    assert (answer.status, answer.value) == (200, None)


def test_the_error_of_a_stranger_is_a_challenge() -> None:
    assert LoginRequired().headers["www-authenticate"] == "Session"
