import pytest
from kick.testing import TestClient

COOKIE = "kick.sid"
ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def status_with(client: TestClient, cookie: str) -> int:
    """What /auth/me says to somebody who has this cookie and nothing else."""
    client.cookies.clear()
    return client.get("/auth/me", headers={"cookie": f"{COOKIE}={cookie}"}).status_code


def test_who_has_registered_and_logged_in_is_known(ada: TestClient) -> None:
    assert ada.get("/auth/me").json() == {"id": 1, "email": "ada@example.com"}


def test_a_stranger_is_not_known_and_gets_no_cookie(client: TestClient) -> None:
    answer = client.get("/auth/me")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "wrong", [{**ADA, "password": "wrong"}, {**ADA, "email": "bob@example.com"}]
)
def test_a_wrong_password_or_address_logs_nobody_in(
    client: TestClient, wrong: dict[str, str]
) -> None:
    client.post("/auth/register", json=ADA)
    answer = client.post("/auth/login", json=wrong)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The address or the password is wrong."
    assert client.get("/auth/me").status_code == 401


def test_an_address_has_one_account(ada: TestClient) -> None:
    again = ada.post("/auth/register", json={**ADA, "email": "ADA@example.com"})
    assert again.status_code == 409


def test_all_that_is_wrong_with_a_registration_is_said(client: TestClient) -> None:
    answer = client.post("/auth/register", json={"email": "ada", "password": "short"})
    assert answer.status_code == 422
    locations = [error["location"] for error in answer.json()["errors"]]
    assert locations == ["/body/email", "/body/password"]


def test_after_a_logout_nobody_is_known(ada: TestClient) -> None:
    assert ada.post("/auth/logout").status_code == 204
    assert COOKIE not in ada.cookies
    assert ada.get("/auth/me").status_code == 401


def test_the_cookie_of_a_session_that_was_logged_out_is_worth_nothing(ada: TestClient) -> None:
    cookie = ada.cookies[COOKIE]
    assert status_with(ada, cookie) == 200
    ada.cookies.set(COOKIE, cookie)
    ada.post("/auth/logout")
    assert status_with(ada, cookie) == 401


def test_a_login_changes_the_session_id(ada: TestClient) -> None:
    before = ada.cookies[COOKIE]
    ada.post("/auth/login", json=ADA)
    after = ada.cookies[COOKIE]
    assert after != before
    assert status_with(ada, before) == 401  # whoever planted it does not get in
    assert status_with(ada, after) == 200
