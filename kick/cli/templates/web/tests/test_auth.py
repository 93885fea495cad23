import re

import pytest
from kick.testing import TestClient

COOKIE = "kick.sid"
ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def test_who_has_registered_is_welcomed_once(client: TestClient) -> None:
    assert "Welcome!" in client.post("/register", data=ADA).text
    assert "Welcome!" not in client.get("/notes").text


@pytest.mark.parametrize("path", ["/", "/login", "/register"])
def test_who_is_logged_in_is_led_to_the_notes(ada: TestClient, path: str) -> None:
    assert ada.get(path).url.path == "/notes"


def test_a_stranger_is_sent_to_the_login_and_then_where_they_wanted_to_go(ada: TestClient) -> None:
    ada.post("/logout")
    page = ada.get("/devices")
    assert page.url.path == "/login"
    assert ada.post(str(page.url), data=ADA).url.path == "/devices"


def test_a_stranger_gets_no_cookie(client: TestClient) -> None:
    assert "set-cookie" not in client.get("/").headers


@pytest.mark.parametrize(
    "wrong", [{**ADA, "password": "wrong"}, {**ADA, "email": "bob@example.com"}]
)
def test_a_wrong_password_or_address_logs_nobody_in(ada: TestClient, wrong: dict[str, str]) -> None:
    ada.post("/logout")
    page = ada.post("/login", data=wrong)
    assert page.status_code == 401
    assert "The address or the password is wrong." in page.text
    assert f'value="{wrong["email"]}"' in page.text
    assert ada.get("/notes").url.path == "/login"


def test_an_address_has_one_account(ada: TestClient) -> None:
    page = ada.post("/register", data={**ADA, "email": "ADA@example.com"})
    assert page.status_code == 409
    assert "There is an account with this address already." in page.text


def test_after_a_logout_the_cookie_is_worth_nothing(ada: TestClient) -> None:
    cookie = ada.cookies[COOKIE]
    assert ada.post("/logout").url.path == "/"
    ada.cookies.set(COOKIE, cookie)
    assert ada.get("/notes").url.path == "/login"


def test_other_devices_are_listed_and_logged_out(ada: TestClient) -> None:
    phone = ada.cookies[COOKIE]
    ada.cookies.clear()
    ada.post("/login", data=ADA, headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/150.0"})
    assert "Firefox on Linux <mark>this one</mark>" in ada.get("/devices").text
    page = ada.post("/devices/end-others")
    assert "Logged out on 1 other device." in page.text
    assert page.text.count("<mark>") == 1
    ada.cookies.clear()
    ada.cookies.set(COOKIE, phone)
    assert ada.get("/notes").url.path == "/login"


def test_guessing_passwords_is_slowed_down(ada: TestClient) -> None:
    wrong = {**ADA, "password": "wrong"}
    pages = [ada.post("/login", data=wrong) for _ in range(21)]
    assert [page.status_code for page in pages] == [401] * 20 + [429]
    assert "Too many requests." in pages[-1].text
    assert pages[-1].headers["retry-after"]


def test_a_page_of_another_site_gets_nothing_done(ada: TestClient) -> None:
    page = ada.post("/logout", headers={"sec-fetch-site": "cross-site"})
    assert page.status_code == 403
    assert ada.get("/notes").url.path == "/notes"


def test_a_form_is_good_in_browsers_that_do_not_say_where_they_are(ada: TestClient) -> None:
    del ada.headers["sec-fetch-site"]
    assert ada.post("/logout").status_code == 403
    token = re.search(r'name="csrf_token" value="([^"]+)"', ada.get("/notes").text)
    assert token is not None
    assert ada.post("/logout", data={"csrf_token": token[1]}).url.path == "/"
