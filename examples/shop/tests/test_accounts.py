import stat
from pathlib import Path

import pytest
from people import ADA

from kick.testing import TestClient, travel


def test_somebody_registers_and_is_logged_in(ada: TestClient) -> None:
    assert ada.get("/account").json() == {"id": 1, "name": "ada", "is_admin": False}
    assert ada.another().get("/account").status_code == 401


def test_a_name_is_given_once(ada: TestClient) -> None:
    assert ada.another().post("/account/register", json=ADA).status_code == 409


def test_a_wrong_password_is_refused_and_guesses_are_limited(ada: TestClient) -> None:
    stranger = ada.another()
    wrong = {**ADA, "password": "wrong horse"}
    assert [stranger.post("/account/login", json=wrong).status_code for _ in range(11)] == [401] * 10 + [429]
    with travel(stranger, hours=1, minutes=1):
        assert stranger.post("/account/login", json=ADA).status_code == 200


def test_the_owner_logs_in_while_others_guess(ada: TestClient) -> None:
    ada.post("/account/logout")
    stranger = ada.another()
    for _ in range(11):
        stranger.post("/account/login", json={**ADA, "password": "wrong horse"})
    assert stranger.post("/account/login", json=ADA).status_code == 429
    assert ada.post("/account/login", json=ADA).status_code == 200  # a device that is known


@pytest.mark.parametrize(("action", "status"), [("login", 401), ("register", 201)])
def test_an_address_has_twenty_attempts_a_minute(client: TestClient, action: str, status: int) -> None:
    people = [{"name": f"user {number}", "password": "correct horse"} for number in range(21)]
    statuses = [client.post(f"/account/{action}", json=each).status_code for each in people]
    assert statuses == [status] * 20 + [429]


def test_a_logout_ends_the_session_in_every_tab(ada: TestClient) -> None:
    assert ada.page_of("https://evil.example").post("/account/logout").status_code == 403
    copy = ada.another()
    copy.cookies.update(ada.cookies)
    assert copy.get("/account").status_code == 200
    assert ada.post("/account/logout").status_code == 204
    assert copy.get("/account").status_code == 401


def test_other_users_of_the_machine_cannot_read_the_database(ada: TestClient, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "shop.db").stat().st_mode) == 0o600
