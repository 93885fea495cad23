from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from kick.testing import TestClient

NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
"""What a browser sends when the provider redirects it."""


def begin(client: TestClient) -> str:
    """Return the address at the provider to which the browser is sent."""
    login_page = client.get("/account").headers["location"]
    return str(client.get(login_page).headers["location"])


def agree(address: str) -> str:
    """Return the callback to which the provider sends the browser back."""
    answer = httpx.get(address, trust_env=False)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def test_visitors_store_few_sessions_and_for_a_short_time(client: TestClient) -> None:
    for _ in range(3):  # a page without a login stores none
        assert "set-cookie" not in client.another().get("/").headers
    begun = [client.another().get("/login") for _ in range(21)]
    assert [answer.status_code for answer in begun] == [302] * 20 + [429]
    assert (
        max(int(part.partition("=")[2]) for part in begun[0].headers["set-cookie"].split("; ") if "Max-Age" in part)
        == 900
    )


def test_somebody_logs_in_at_the_provider_and_out_again(client: TestClient, provider: str) -> None:
    address = begin(client)
    assert address.startswith(f"{provider}/authorize")
    before = dict(client.cookies)
    finished = client.get(agree(address), headers=NAVIGATION)
    assert (finished.status_code, finished.headers["location"]) == (303, "/account")
    assert dict(client.cookies) != before  # a new session id
    account = client.get("/account").json()
    assert (account["name"], account["id"]) == ("Ada", f"{provider}#1815")
    assert len(client.sessions.of(account["id"])) == 1
    assert client.post("/logout").status_code == 204
    assert client.get("/account").status_code == 303


def test_a_callback_that_another_browser_has_begun_is_refused(client: TestClient) -> None:
    victim = client.another()
    begin(victim)
    callback = agree(begin(client))
    assert victim.get(callback, headers=NAVIGATION).status_code == 401
    assert victim.get("/account").status_code == 303


def test_a_callback_works_once(client: TestClient) -> None:
    callback = agree(begin(client))
    assert [client.get(callback, headers=NAVIGATION).status_code for _ in range(2)] == [303, 401]


def test_a_refusal_of_the_provider_logs_nobody_in(client: TestClient) -> None:
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    refused = client.get(f"/login/callback?error=access_denied&state={state}", headers=NAVIGATION)
    assert refused.status_code == 401
    assert client.get("/account").status_code == 303


@pytest.mark.parametrize("query", ["code=stolen", "code=%00", "code=a&code=b", "error=unknown", "without=code"])
def test_a_callback_that_was_made_up_is_refused(client: TestClient, query: str) -> None:
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    assert client.get(f"/login/callback?{query}&state={state}", headers=NAVIGATION).status_code == 401
    assert client.get("/account").status_code == 303


def test_the_page_after_the_login_is_one_of_this_site(client: TestClient) -> None:
    for wanted, got in (("/?tab=2", "/?tab=2"), ("https://evil.example/", "/account"), ("//evil.example", "/account")):
        browser = client.another()
        start = browser.get("/login", params={"next": wanted}).headers["location"]
        assert browser.get(agree(start), headers=NAVIGATION).headers["location"] == got
