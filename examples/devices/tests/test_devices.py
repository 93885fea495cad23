import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from kick.testing import TestClient

ADA = {"name": "ada", "password": "correct horse"}
PHONE = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"}


@pytest.fixture
def laptop(client: TestClient) -> TestClient:
    assert client.post("/register", data=ADA).url.path == "/devices"
    return client


@pytest.fixture
def phone(laptop: TestClient) -> TestClient:
    client = laptop.another()
    client.headers.update(PHONE)
    assert client.post("/login", data={**ADA, "remember": "on"}).url.path == "/devices"
    return client


def test_a_session_from_before_a_restart_is_that_of_no_other_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The users are in memory, and the sessions in a file: whoever registered first had the sessions of user 1."""
    import app as module

    monkeypatch.setenv("SESSION_STORE", f"sqlite:///{tmp_path}/sessions.db")
    options: dict[str, Any] = {"headers": {"accept": "text/html"}}
    with TestClient(importlib.reload(module).app, **options) as before:
        assert before.post("/register", data=ADA).url.path == "/devices"
    with TestClient(importlib.reload(module).app, **options) as client:
        assert client.post("/register", data={**ADA, "name": "bob"}).url.path == "/devices"
        old = client.another()
        old.cookies.update(before.cookies)
        assert old.get("/devices").status_code == 401  # the user is no more


def end_of_the_other(client: TestClient) -> str:
    """The link to the page that ends the other device."""
    (link,) = re.findall(r'href="(/devices/[\w-]+/end)"', client.get("/devices").text)
    return str(link)


@pytest.mark.parametrize(("action", "status"), [("login", 401), ("register", 303)])
def test_an_address_has_twenty_attempts_a_minute(client: TestClient, action: str, status: int) -> None:
    client.follow_redirects = False
    people = [{"name": f"user {number}", "password": "correct horse"} for number in range(21)]
    assert [client.post(f"/{action}", data=each).status_code for each in people] == [status] * 20 + [429]


def test_the_devices_are_listed(laptop: TestClient, phone: TestClient) -> None:
    page = laptop.get("/devices").text
    assert "<b>Firefox on Linux</b> (this device)" in page
    assert "<b>Safari on iPhone</b>, testclient" in page


def test_soon_after_the_login_another_device_is_ended_at_once(laptop: TestClient, phone: TestClient) -> None:
    link = end_of_the_other(laptop)
    assert "Log out Safari on iPhone?" in laptop.get(link).text
    assert "The device is logged out." in laptop.post(link).text
    assert phone.get("/devices").url.path == "/login"
    assert laptop.get("/devices").url.path == "/devices"


def test_later_it_asks_for_the_password(laptop: TestClient, phone: TestClient, travel: Any) -> None:
    link = end_of_the_other(laptop)
    with travel(minutes=6):
        refused = laptop.post(link)
        assert (refused.status_code, refused.json()["code"]) == (401, "reauthenticate")
        asked = laptop.get(link)
        assert asked.url.path == "/confirm"
        assert laptop.post(str(asked.url), data={"password": "wrong"}).status_code == 401
        assert laptop.post(str(asked.url), data={"password": ADA["password"]}).url.path == link
        laptop.post(link)
        assert phone.get("/devices").url.path == "/login"


def test_all_others_are_ended_together(laptop: TestClient, phone: TestClient) -> None:
    tablet = laptop.another()
    tablet.post("/login", data=ADA)
    assert "Devices logged out: 2." in laptop.post("/devices/end-others").text
    assert [each.get("/devices").url.path for each in (laptop, phone, tablet)] == ["/devices", "/login", "/login"]


def test_remember_me_lives_for_30_days(laptop: TestClient, phone: TestClient, travel: Any) -> None:
    with travel(days=29):
        assert phone.get("/devices").url.path == "/devices"
        assert laptop.get("/devices").url.path == "/login"
        # Typing the password again does not forget it.
        phone.post("/confirm", data={"password": ADA["password"]})
    with travel(days=58):
        assert phone.get("/devices").url.path == "/devices"


def test_only_the_cookie_of_remember_me_outlives_the_browser(laptop: TestClient) -> None:
    for more, is_kept in (({}, False), ({"remember": "on"}, True)):
        response = laptop.another().post("/login", data={**ADA, **more}, follow_redirects=False)
        (cookie,) = [each for each in response.headers.get_list("set-cookie") if each.startswith("kick.sid")]
        assert ("Max-Age" in cookie) is is_kept


def test_devices_of_others_are_not_found(laptop: TestClient, phone: TestClient) -> None:
    link = end_of_the_other(laptop)
    eve = laptop.another()
    eve.post("/register", data={"name": "eve", "password": "another horse"})
    assert eve.post(link).status_code == 404
    assert phone.get("/devices").url.path == "/devices"


def test_mistakes_are_shown_in_the_form(client: TestClient) -> None:
    assert client.get("/login").status_code == 200
    wrong = client.post("/login", data=ADA)
    assert (wrong.status_code, "is wrong" in wrong.text) == (401, True)
    assert ADA["password"] not in wrong.text
    client.post("/register", data=ADA)
    taken = client.another().post("/register", data=ADA)
    assert (taken.status_code, "is taken" in taken.text) == (409, True)
    short = client.another().post("/register", data={**ADA, "password": "short"})
    assert (short.status_code, "8 characters" in short.text) == (422, True)
    client.post("/logout")
    assert client.get("/devices").url.path == "/login"


@pytest.mark.parametrize("page", ["/login", "/confirm"])
def test_a_password_is_not_guessed(laptop: TestClient, page: str) -> None:
    thief = laptop if page == "/confirm" else laptop.another()
    statuses = [thief.post(page, data={**ADA, "password": f"guess no. {n}"}).status_code for n in range(11)]
    assert statuses == [401] * 10 + [429]
    refused = thief.post(page, data=ADA)
    assert (refused.status_code, "Too many attempts" in refused.text) == (429, True)
