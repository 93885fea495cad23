"""A limit for the guesses at one account, and that its owner gets in all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from kick import App, Controller, Post, Provider, RequestContext, Unauthorized
from kick.auth import LoginLimit, login
from kick.middleware import rate_limit
from kick.middleware.rate_limit.counters import MemoryCounters
from kick.session import session
from kick.testing import TestClient
from tests.http.support import app_of, ask
from tests.support.ports import HOST, free_port
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
ADA, BOB = "ada@example.com", "bob@example.com"
PASSWORD = "correct horse battery"


@Controller("/login")
class LoginController:
    def __init__(self, limit: LoginLimit) -> None:
        self.limit = limit

    @Post("/")
    async def log_in(self, ctx: RequestContext, body: dict[str, str]) -> str:
        async with self.limit.attempt(ctx, body["email"]):
            if body["password"] != PASSWORD:
                raise Unauthorized("wrong")
        await login(ctx, body["email"])
        return "in"


def still() -> MemoryCounters:
    """Counters for which no time passes, however long a test takes."""
    return MemoryCounters(clock=lambda: 5.0)


def app_with(limit: LoginLimit) -> App:
    async def opened() -> AsyncIterator[LoginLimit]:
        yield limit
        await limit.aclose()

    layer = session(SECRET, save_uninitialized=False)
    provider = Provider(LoginLimit, opened, scope="singleton")
    return app_of(LoginController, middleware=[layer], providers=[provider])


def attempt(app: App, email: str, password: str, cookies: dict[str, str] | None = None, ip: str = "192.0.2.1") -> Any:
    client = TestClient(app, client=(ip, 1), cookies=cookies)
    return client.post("/login", json={"email": email, "password": password})


@pytest.fixture
def app() -> App:
    return app_with(LoginLimit("3/hour", secret=SECRET, store=still()))


def guess(app: App, email: str, times: int, *, cookies: dict[str, str] | None = None) -> list[int]:
    """Each guess from a network of its own."""
    return [attempt(app, email, "wrong", cookies, ip=f"2001:db8:{n:x}::1").status_code for n in range(times)]


def test_many_addresses_have_the_guesses_of_one(app: App) -> None:
    assert guess(app, ADA, 80) == [401] * 3 + [429] * 77
    refused = attempt(app, ADA, PASSWORD)
    assert refused.status_code == 429
    assert refused.json()["detail"].startswith("Too many attempts.")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert "set-cookie" not in refused.headers


def test_the_owner_gets_in_on_a_known_device_while_others_guess(app: App) -> None:
    known = dict(attempt(app, ADA, PASSWORD).cookies)
    assert guess(app, ADA, 5)[-1] == 429
    for _ in range(3):
        assert attempt(app, ADA, PASSWORD, {"kick.device": known["kick.device"]}).status_code == 200


def test_a_known_device_has_a_limit_of_its_own(app: App) -> None:
    known = {"kick.device": attempt(app, ADA, PASSWORD).cookies["kick.device"]}
    assert guess(app, ADA, 5, cookies=known) == [401] * 3 + [429] * 2
    assert attempt(app, ADA, "wrong").status_code == 401  # elsewhere, two are left


@pytest.mark.parametrize("email", [ADA.upper(), f" {ADA}", f"{ADA}\n"])
def test_an_account_is_one_however_its_name_is_written(app: App, email: str) -> None:
    assert guess(app, ADA, 3) == [401] * 3
    assert guess(app, email, 1) == [429]


def test_accounts_are_counted_apart(app: App) -> None:
    assert guess(app, ADA, 4)[-1] == 429
    assert guess(app, BOB, 1) == [401]


@pytest.mark.parametrize("other", ["ad\u00e1@example.com", "ada\u0301@example.com", "\uff41da@example.com"])
def test_names_that_no_login_takes_for_one_account_are_counted_apart(app: App, other: str) -> None:
    assert guess(app, other, 4) == [401] * 3 + [429]
    assert guess(app, ADA, 1) == [401]


def test_logins_that_succeed_lock_nobody_out(app: App) -> None:
    """An owner who logged in eleven times in an hour had to wait, and so did everybody else on the device."""
    answer = attempt(app, ADA, PASSWORD)
    for _ in range(30):
        answer = attempt(app, ADA, PASSWORD, {"kick.device": answer.cookies["kick.device"]})
        assert answer.status_code == 200
    last = {"kick.device": answer.cookies["kick.device"]}
    assert 429 in guess(app, ADA, 20, cookies=last)  # it has a limit for what fails


def test_a_device_of_one_account_is_unknown_to_another(app: App) -> None:
    """Who has an account of his own must not have more guesses at those of others for it."""
    mine = {"kick.device": attempt(app, BOB, PASSWORD).cookies["kick.device"]}
    assert guess(app, ADA, 4) == [401] * 3 + [429]
    assert guess(app, ADA, 1, cookies=mine) == [429]


@pytest.mark.parametrize("mine", ["ADA@example.com", f"{ADA} ", f"\u3000{ADA}", "ada@example.com\n"])
def test_a_device_of_an_account_with_nearly_the_same_name_is_unknown_too(app: App, mine: str) -> None:
    """Whether `ada` and `Ada` are one account is up to the application. Whoever registers the second must not guess."""
    device = {"kick.device": attempt(app, mine, PASSWORD).cookies["kick.device"]}
    assert guess(app, ADA, 3) == [401] * 2 + [429]
    assert guess(app, ADA, 1, cookies=device) == [429]
    assert attempt(app, mine, PASSWORD, device).status_code == 200


@pytest.mark.parametrize(
    "forged", ["", "x", "s:a.b", ":", ADA, "00000000000000000000000000000000:device." + "A" * 43, "%C3%A9" * 50]
)
def test_a_cookie_that_was_not_signed_makes_no_device_known(app: App, forged: str) -> None:
    assert guess(app, ADA, 3) == [401] * 3
    assert guess(app, ADA, 1, cookies={"kick.device": forged}) == [429]


def test_a_cookie_of_the_session_passes_for_no_device(app: App) -> None:
    session_cookie = attempt(app, ADA, PASSWORD).cookies["kick.sid"]
    assert guess(app, ADA, 3)[-1] == 429
    assert guess(app, ADA, 1, cookies={"kick.device": session_cookie}) == [429]


@pytest.mark.parametrize("forged", ["x", "of another account"])
async def test_a_cookie_of_a_sub_domain_does_not_hide_the_known_device(app: App, forged: str) -> None:
    """A browser sends the one with the longer path first. An attacker who guesses would lock the owner out."""
    known = attempt(app, ADA, PASSWORD).cookies["kick.device"]
    planted = forged if forged == "x" else attempt(app, BOB, PASSWORD).cookies["kick.device"]
    assert guess(app, ADA, 4)[-1] == 429
    body = {"email": ADA, "password": PASSWORD}
    headers = {"cookie": f"kick.device={planted}; kick.device={known}"}
    answer = await ask(app, "/login", method="POST", json=body, headers=headers)
    assert answer.status == 200


def test_a_failed_attempt_makes_no_device_known(app: App) -> None:
    assert "kick.device" not in attempt(app, ADA, "wrong").cookies


def test_attempts_at_the_same_moment_are_counted_each(app: App) -> None:
    """Counted before the password is checked: those that wait for the hash are not free."""
    from concurrent.futures import ThreadPoolExecutor

    with TestClient(app) as client, ThreadPoolExecutor(8) as threads:
        wrong = {"email": ADA, "password": "wrong"}
        statuses = list(threads.map(lambda _: client.post("/login", json=wrong).status_code, range(12)))
    assert sorted(statuses) == [401] * 3 + [429] * 9


def test_the_cookie_is_kept_by_the_browser_alone(app: App) -> None:
    [cookie] = [each for each in attempt(app, ADA, PASSWORD).headers.get_list("set-cookie") if "kick.device" in each]
    assert ADA not in cookie
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Max-Age=15552000"} <= set(cookie.split("; "))


def test_in_production_no_sub_domain_can_set_the_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    app = app_with(LoginLimit("2/hour", secret=SECRET))
    known = attempt(app, ADA, PASSWORD).cookies["__Host-kick.device"]
    assert guess(app, ADA, 2) == [401, 429]
    assert attempt(app, ADA, PASSWORD, {"kick.device": known}).status_code == 429
    assert attempt(app, ADA, PASSWORD, {"__Host-kick.device": known}).status_code == 200


def test_in_redis_processes_count_together(redis_url: str) -> None:
    for statuses in ([401, 401], [401, 401], [429, 429]):
        with TestClient(app_with(LoginLimit("4/hour", secret=SECRET, store=redis_url, timeout=30))) as client:
            wrong = {"email": ADA, "password": "wrong"}
            assert [client.post("/login", json=wrong).status_code for _ in statuses] == statuses


@pytest.mark.parametrize(("on_error", "status"), [("open", 200), ("closed", 503)])
def test_when_the_store_is_down_the_policy_holds(on_error: Any, status: int) -> None:
    limit = LoginLimit(secret=SECRET, store=f"redis://{HOST}:{free_port()}", on_error=on_error, timeout=30)
    with TestClient(app_with(limit)) as client:
        answer = client.post("/login", json={"email": ADA, "password": PASSWORD})
        assert answer.status_code == status


def test_while_the_store_is_down_nobody_guesses_without_a_limit() -> None:
    limit = LoginLimit("3/hour", secret=SECRET, store=f"redis://{HOST}:{free_port()}", timeout=30)
    with TestClient(app_with(limit)) as client:
        wrong = {"email": ADA, "password": "wrong"}
        assert [client.post("/login", json=wrong).status_code for _ in range(5)] == [401] * 3 + [429] * 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"secret": ""}, "secret-missing"),
        ({"secret": SECRET, "limits": "often"}, "rate-limit"),
        ({"secret": SECRET, "on_error": "ajar"}, "rate-limit-option"),
        ({"secret": SECRET, "store": "mysql://"}, "rate-limit-option"),
        ({"secret": SECRET, "timeout": timedelta(0)}, "rate-limit-option"),
    ],
)
def test_a_mistake_stops_the_start(options: dict[str, Any], code: str) -> None:
    with raises_code(code):
        LoginLimit(**options)


# The networks of a site


@pytest.mark.parametrize(
    ("address", "neighbour", "is_counted_with_it"),
    [
        ("2001:db8:1:1::1", "2001:db8:1:ffff::1", True),
        ("2001:db8:1:1::1", "2001:db8:2:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
    ],
)
async def test_a_site_is_48_bits_of_ipv6_and_an_address_of_ipv4(
    address: str, neighbour: str, is_counted_with_it: bool
) -> None:
    @Controller("/")
    class Home:
        @Post("/")
        async def home(self) -> str:
            return "home"

    app = app_of(Home, middleware=[rate_limit("1/hour", key="site", store=still())])
    assert (await ask(app, "/", method="POST", client=(address, 1))).status == 200
    answer = await ask(app, "/", method="POST", client=(neighbour, 1))
    assert answer.status == (429 if is_counted_with_it else 200)
