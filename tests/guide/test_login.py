"""The page about logins: its applications do what is said of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kick.testing import AsyncTestClient, TestClient
from tests.guide.pages import application, names_of

ADA = {"name": "Ada", "password": "analytical engine"}


def test_somebody_registers_logs_in_and_logs_out() -> None:
    app = application("login.md", "Login and logout")
    with TestClient(app, headers={"sec-fetch-site": "same-origin"}) as client:
        assert client.get("/auth/me").status_code == 401
        assert client.get("/auth/greeting").json() == {"hello": "anonymous user"}
        assert client.post("/auth/register", json={**ADA, "password": "short"}).status_code == 422
        assert client.post("/auth/register", json=ADA).status_code == 201
        assert client.get("/auth/me").json() == {"name": "Ada"}
        assert client.post("/auth/logout").status_code == 204
        assert client.get("/auth/me").status_code == 401
        assert client.post("/auth/login", json={**ADA, "password": "difference engine"}).status_code == 401
        assert client.post("/auth/login", json={**ADA, "name": "Charles"}).status_code == 401
        assert "csrf_token" in client.post("/auth/login", json=ADA).json()
        assert client.get("/auth/greeting").json() == {"hello": "Ada"}


def test_the_cookie_of_a_user_who_asks_for_it_stays_when_the_browser_is_closed() -> None:
    app = application("login.md", "Login and logout")
    with TestClient(app, headers={"sec-fetch-site": "same-origin"}) as client:
        assert client.post("/auth/register", json=ADA).status_code == 201
        assert "Max-Age" not in client.post("/auth/login", json=ADA).headers["set-cookie"]
        remembered = client.post("/auth/login", json={**ADA, "remember": True}).headers["set-cookie"]
        assert f"Max-Age={30 * 24 * 60 * 60}" in remembered


def test_who_logs_out_everywhere_sees_a_message_on_this_device() -> None:
    with TestClient(application("login.md", "Log out everywhere"), base_url="https://testserver") as laptop:
        phone = laptop.another()
        for browser in (laptop, phone):
            browser.post("/account/login")
        page = laptop.post("/account/log-out-everywhere")
        assert page.json() == {"success": "You are logged out on all devices."}
        assert laptop.get("/account/goodbye").json() == {}
        assert [each.post("/account/log-out-everywhere").status_code for each in (laptop, phone)] == [401, 401]


@pytest.mark.parametrize("is_under_way", [False, True])
async def test_a_login_with_the_old_password_is_worth_nothing(is_under_way: bool) -> None:
    names = names_of("login.md", "A new password ends all logins")
    has_checked, has_changed = asyncio.Event(), asyncio.Event()
    check = names["check"]

    async def paused(password: str) -> Any:
        user = await check(password)
        if has_checked.is_set():
            return user
        has_checked.set()
        await has_changed.wait()
        return user

    options: Any = {"headers": {"sec-fetch-site": "same-origin"}, "base_url": "https://testserver"}
    async with AsyncTestClient(names["app"], **options) as thief:
        owner = thief.another()
        if is_under_way:
            names["check"].__globals__["check"] = paused
        entering = asyncio.create_task(thief.post("/account/login", json={"password": "analytical engine"}))
        if is_under_way:
            await has_checked.wait()
        else:
            assert (await entering).status_code == 204
            assert (await thief.get("/account/me")).status_code == 200
        assert (await owner.post("/account/login", json={"password": "analytical engine"})).status_code == 204
        assert (await owner.post("/account/password", json={"password": "difference engine"})).status_code == 204
        has_changed.set()
        assert (await entering).status_code == 204
        assert [(await each.get("/account/me")).status_code for each in (thief, owner)] == [401, 200]
        assert (await thief.post("/account/login", json={"password": "analytical engine"})).status_code == 401


async def test_of_two_who_register_a_name_at_once_one_gets_it() -> None:
    names = names_of("login.md", "Login and logout")
    users = names["Users"](names["Passwords"](memory=8 << 20, passes=1, lanes=1))
    both = [users.add("Ada", "analytical engine") for _ in range(2)]
    added = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(each).__name__ for each in added) == ["Conflict", "User"]


def test_guards_turn_away() -> None:
    with TestClient(application("login.md", "Guards"), follow_redirects=False) as client:
        page = client.get("/account", headers={"sec-fetch-mode": "navigate"})
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=/account")
        assert [client.get(path).status_code for path in ("/account", "/reports", "/settings")] == [401, 401, 401]
        assert client.post(page.headers["location"]).headers["location"] == "/account"
        assert [client.get(path).status_code for path in ("/account", "/reports", "/settings")] == [200, 200, 403]
        assert client.delete("/account").json() == {"closed": True}
        assert client.post("/login/promote").status_code == 204
        assert client.get("/settings").status_code == 200


async def test_passwords_change() -> None:
    names = names_of("login.md", "Passwords")
    stored = await names["passwords"].hash("analytical engine")
    changed = await names["change"]("analytical engine", "difference engine", stored)
    assert await names["passwords"].verify("difference engine", changed)
    assert await names["change"]("wrong", "another engine", changed) == changed
    assert await names["upgrade"]("difference engine", changed) == changed
