import pytest
from kick.testing import TestClient

COOKIE = "kick.sid"
ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def status_with(client: TestClient, cookie: str) -> int:
    """What /auth/me says to somebody who has this cookie and nothing else."""
    client.cookies.clear()
    return client.get("/auth/me", headers={"cookie": f"{COOKIE}={cookie}"}).status_code


def test_who_has_registered_is_logged_in(ada: TestClient) -> None:
    assert ada.get("/auth/me").json() == {"id": 1, "email": "ada@example.com"}


def test_a_stranger_is_not_known_and_gets_no_cookie(client: TestClient) -> None:
    answer = client.get("/auth/me")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "wrong", [{**ADA, "password": "wrong"}, {**ADA, "email": "bob@example.com"}]
)
def test_a_wrong_password_or_address_logs_nobody_in(ada: TestClient, wrong: dict[str, str]) -> None:
    ada.post("/auth/logout")
    answer = ada.post("/auth/login", json=wrong)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The address or the password is wrong."
    assert ada.get("/auth/me").status_code == 401


def test_an_address_has_one_account(ada: TestClient) -> None:
    again = ada.post("/auth/register", json={**ADA, "email": "ADA@example.com"})
    assert again.status_code == 409


def test_all_that_is_wrong_with_a_registration_is_said(client: TestClient) -> None:
    answer = client.post("/auth/register", json={"email": "ada", "password": "short"})
    assert answer.status_code == 422
    locations = [error["location"] for error in answer.json()["errors"]]
    assert locations == ["/body/email", "/body/password"]


def test_after_a_logout_the_cookie_is_worth_nothing(ada: TestClient) -> None:
    cookie = ada.cookies[COOKIE]
    assert ada.post("/auth/logout").status_code == 204
    assert COOKIE not in ada.cookies
    assert status_with(ada, cookie) == 401


def test_a_login_changes_the_session_id(ada: TestClient) -> None:
    before = ada.cookies[COOKIE]
    ada.post("/auth/login", json=ADA)
    after = ada.cookies[COOKIE]
    assert status_with(ada, before) == 401  # whoever planted it does not get in
    assert status_with(ada, after) == 200


def test_other_devices_are_listed_and_ended(ada: TestClient) -> None:
    phone = ada.cookies[COOKIE]
    ada.cookies.clear()
    ada.post("/auth/login", json=ADA, headers={"user-agent": "a laptop"})
    devices = ada.get("/auth/devices").json()
    assert len(devices) == 2
    assert [each["user_agent"] for each in devices if each["is_this"]] == ["a laptop"]
    assert ada.delete("/auth/devices").json() == {"ended": 1}
    assert [each["is_this"] for each in ada.get("/auth/devices").json()] == [True]
    assert status_with(ada, phone) == 401


def test_guessing_passwords_is_slowed_down(ada: TestClient) -> None:
    wrong = {**ADA, "password": "wrong"}
    statuses = [ada.post("/auth/login", json=wrong).status_code for _ in range(21)]
    assert statuses == [401] * 20 + [429]


def test_a_page_of_another_site_gets_nothing_done(ada: TestClient) -> None:
    answer = ada.post("/auth/logout", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert ada.get("/auth/me").status_code == 200
