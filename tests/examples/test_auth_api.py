"""`examples/auth` over a real socket, with curl and its cookie jar."""

import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import pytest

from tests.examples.curl import Curl
from tests.examples.people import Person
from tests.examples.served import served_auth

T = TypeVar("T")


def at_once(work: Callable[[], T], times: int) -> list[T]:
    with ThreadPoolExecutor(times) as threads:
        return [future.result() for future in [threads.submit(work) for _ in range(times)]]


# The whole way


def test_somebody_registers_logs_in_is_known_and_logs_out(curl: Curl, ada: Person) -> None:
    registered = curl.post("/auth/register", ada.registration)
    assert registered.status == 201
    assert registered.json.keys() == {"id", "name", "email", "created_at"}
    assert curl.post("/auth/logout").status == 204

    logged_in = curl.post("/auth/login", ada.credentials)
    assert (logged_in.status, logged_in.json) == (200, registered.json)
    assert curl.get("/auth/me").json == registered.json

    assert curl.post("/auth/logout").status == 204
    assert curl.cookie is None
    assert curl.get("/auth/me").status == 401


def test_whoever_registers_is_logged_in(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    assert curl.get("/auth/me").json["name"] == "Ada"


def test_an_email_is_the_same_in_any_case(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", {**ada.registration, "email": f" {ada.email.title()}"})
    assert curl.post("/auth/login", ada.credentials).json["email"] == ada.email


def test_a_stranger_gets_no_cookie(curl: Curl) -> None:
    assert curl.get("/").status == 200
    assert curl.get("/auth/session").json == {"account": None, "session": None}
    assert curl.get("/auth/me").status == 401
    assert curl.cookie is None


# What the session promises


def test_the_id_changes_at_login_and_the_old_one_opens_nothing(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    before = curl.cookie
    assert before is not None
    name_before = curl.get("/auth/session").json["session"]["name"]

    curl.post("/auth/login", ada.credentials)

    assert curl.cookie not in (None, before)
    assert curl.get("/auth/session").json["session"]["name"] != name_before
    assert curl.replay(before, "/auth/me").status == 401


def test_nothing_of_who_was_logged_in_before_comes_along(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", Person().registration)
    curl.post("/auth/visits")

    curl.post("/auth/register", ada.registration)

    assert curl.get("/auth/session").json["session"]["values"].keys() == {"user_id", "logged_in_at"}


def test_a_logged_out_cookie_that_is_replayed_is_anonymous(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    cookie = curl.cookie
    assert cookie is not None
    assert curl.replay(cookie, "/auth/me").status == 200

    curl.post("/auth/logout")

    answer = curl.replay(cookie, "/auth/me")
    assert answer.status == 401
    assert answer.headers["set-cookie"] is None
    assert curl.replay(cookie, "/auth/session").json["account"] is None


def test_a_cookie_that_was_tampered_with_is_anonymous(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    cookie = curl.cookie
    assert cookie is not None
    assert curl.replay(cookie[:-1] + ("A" if cookie[-1] != "A" else "B"), "/auth/me").status == 401


def test_the_session_is_shown_without_what_opens_it(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    session_id = (curl.cookie or "").partition("s:")[2].partition(".")[0]
    assert len(session_id) > 20

    answer = curl.get("/auth/session")

    assert answer.json["session"]["values"]["user_id"] == answer.json["account"]["id"]
    assert session_id not in answer.body
    assert "argon2" not in answer.body


def test_visits_at_the_same_moment_are_all_counted(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    cookie = curl.cookie
    assert cookie is not None
    answers = at_once(lambda: curl.replay(cookie, "/auth/visits", "POST"), 12)
    counted = [answer.json["visits"] for answer in answers]
    assert sorted(counted) == list(range(1, 13))
    assert curl.get("/auth/session").json["session"]["values"]["visits"] == 12


def test_logins_at_the_same_moment_are_sessions_of_their_own(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    devices = [curl.another() for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda device: device.post("/auth/login", ada.credentials), devices))

    assert [answer.status for answer in answers] == [200] * 6
    assert len({device.cookie for device in devices}) == 6
    assert {device.get("/auth/me").status for device in devices} == {200}
    assert len(curl.get("/auth/session").json["session"]["devices"]) == 7


def test_a_login_that_is_sent_twice_ends_in_a_session_that_opens(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    cookie = curl.cookie
    assert cookie is not None

    answers = at_once(lambda: curl.replay(cookie, "/auth/login", "POST", ada.credentials), 2)

    assert [answer.status for answer in answers] == [200, 200]
    lines = [each for answer in answers for each in answer.headers.get_all("set-cookie", [])]
    given = [each.partition(";")[0] for each in lines if "kick.sid=" in each]
    assert given
    assert {curl.replay(each, "/auth/me").status for each in given} == {200}
    assert curl.replay(cookie, "/auth/me").status == 401


def test_the_other_devices_are_logged_out(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    phone = curl.another()
    phone.post("/auth/login", ada.credentials)
    devices = curl.get("/auth/session").json["session"]["devices"]
    assert sorted(device["is_this"] for device in devices) == [False, True]
    assert {(device["name"], device["ip"]) for device in devices} == {("curl", curl.address), ("curl", phone.address)}

    assert curl.post("/auth/logout-others").json == {"ended": 1}

    assert phone.get("/auth/me").status == 401
    assert curl.get("/auth/me").status == 200


def test_somebody_elses_devices_stay_logged_in(curl: Curl, ada: Person) -> None:
    charles = curl.another()
    charles.post("/auth/register", Person().registration)
    curl.post("/auth/register", ada.registration)
    assert curl.post("/auth/logout-others").json == {"ended": 0}
    assert charles.get("/auth/me").status == 200


def test_who_is_logged_in_stays_so_when_the_server_starts_again(tmp_path: Path, ada: Person) -> None:
    with served_auth(tmp_path) as url:
        curl = Curl(url, tmp_path / "jar")
        curl.post("/auth/register", ada.registration)
        curl.post("/auth/visits")
    with served_auth(tmp_path) as url:
        curl = Curl(url, tmp_path / "jar")
        assert curl.get("/auth/me").json["name"] == "Ada"
        assert curl.post("/auth/visits").json == {"visits": 2}


# What is refused


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    stranger = curl.another()
    wrong = stranger.post("/auth/login", {**ada.credentials, "password": "difference engine"})
    unknown = stranger.post("/auth/login", {**ada.credentials, "email": "nobody@example.org"})
    assert (wrong.status, wrong.headers["content-type"]) == (401, "application/problem+json")
    assert wrong.without_request_id == unknown.without_request_id
    assert [name for name, _ in wrong.headers.items()] == [name for name, _ in unknown.headers.items()]
    assert stranger.cookie is None


def test_a_login_that_fails_leaves_the_session_as_it_is(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    before = curl.cookie
    assert curl.post("/auth/login", {**ada.credentials, "password": "difference engine"}).status == 401
    assert curl.cookie == before
    assert curl.get("/auth/me").status == 200


@pytest.mark.parametrize("spelt", [str.lower, str.upper])
def test_an_email_registers_once(curl: Curl, spelt: Callable[[str], str], ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    answer = curl.another().post("/auth/register", {**ada.registration, "email": spelt(ada.email)})
    assert answer.status == 409
    assert [(error["location"], error["code"]) for error in answer.json["errors"]] == [("/body/email", "taken")]


def test_guesses_at_an_account_end_but_not_for_its_owner(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    wrong = {**ada.credentials, "password": "difference engine"}
    assert [curl.another().post("/auth/login", wrong).status for _ in range(11)] == [401] * 10 + [429]
    assert curl.another().post("/auth/login", ada.credentials).status == 429
    assert curl.post("/auth/login", ada.credentials).status == 200  # on the device of the registration


def test_of_registrations_at_the_same_moment_one_succeeds(curl: Curl, ada: Person) -> None:
    answers = at_once(lambda: curl.another().post("/auth/register", ada.registration), 4)
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


def test_all_that_is_invalid_is_named_with_its_place(curl: Curl, ada: Person) -> None:
    answer = curl.post("/auth/register", {"name": " ", "email": "ada", "password": "short"})
    assert answer.status == 422
    assert [(error["location"], error["code"]) for error in answer.json["errors"]] == [
        ("/body/name", "pattern"),
        ("/body/email", "pattern"),
        ("/body/password", "length"),
    ]
    missing = curl.post("/auth/login", {"email": 7})
    assert {error["location"]: error["code"] for error in missing.json["errors"]} == {
        "/body/email": "type",
        "/body/password": "missing",
    }


@pytest.mark.parametrize(
    "email",
    [
        *("", "@", "a@b", "a b@example.org", "a@@example.org", f"{'a' * 250}@example.org"),
        *("ada\x00@example.org", "ada@example.org\u200b"),
    ],
)
def test_what_is_no_email_is_invalid(curl: Curl, email: str, ada: Person) -> None:
    answer = curl.post("/auth/register", {**ada.registration, "email": email})
    assert answer.status == 422
    assert [error["location"] for error in answer.json["errors"]] == ["/body/email"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "application/json"])
def test_what_a_page_of_another_site_sends_is_refused(curl: Curl, media_type: str, site: str, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    body = json.dumps(ada.credentials) if media_type == "application/json" else urlencode(ada.credentials)
    foreign = ("-H", f"content-type: {media_type}", "-H", f"sec-fetch-site: {site}")
    stranger = curl.another()
    assert stranger("/auth/login", (*foreign, "-d", body)).status == 403
    assert stranger.cookie is None
    assert curl("/auth/logout", (*foreign, "-X", "POST")).status == 403
    assert curl.get("/auth/me").status == 200


def test_an_email_with_a_line_break_is_the_email_without_it(curl: Curl, ada: Person) -> None:
    curl.post("/auth/register", ada.registration)
    again = curl.another().post("/auth/register", {**ada.registration, "email": f"{ada.email}\n"})
    assert again.status == 409


# Headers and files


def test_the_page_runs_the_scripts_of_its_own_origin_only(curl: Curl) -> None:
    headers = curl.get("/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'self'", "'self'", "'none'")


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/auth/session", "/auth/me", "/nothing-here"])
def test_every_response_tells_the_browser_not_to_guess_its_type(curl: Curl, path: str) -> None:
    assert curl.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/auth/session", "/auth/me"])
def test_nothing_personal_is_kept_by_anybody(curl: Curl, path: str, ada: Person) -> None:
    assert curl.get(path).headers.get_all("cache-control") == ["no-store"]
    curl.post("/auth/register", ada.registration)
    assert curl.get(path).headers.get_all("cache-control") == ["no-store"]


def test_a_file_that_has_not_changed_is_not_sent_again(curl: Curl) -> None:
    etag = curl.get("/static/page.css").headers["etag"]
    assert curl.get("/static/page.css", "-H", f"if-none-match: {etag}").status == 304


@pytest.mark.parametrize("path", ["/static/../controller.py", "/static/%2e%2e/controller.py", "/static/", "/static/no"])
def test_other_files_are_not_served(curl: Curl, path: str) -> None:
    assert curl.get(path, "--path-as-is").status == 404


# Its files and settings


def test_the_secret_is_drawn_once_and_for_the_owner_only(tmp_path: Path) -> None:
    secrets = set()
    for _ in range(2):
        with served_auth(tmp_path):
            file = tmp_path / "var/session-secret"
            secrets.add(file.read_text())
            for each in (file, file.with_name("users.db"), file.with_name("sessions.db")):
                assert stat.S_IMODE(each.stat().st_mode) == 0o600
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {len(secret) for secret in secrets} == {43}
    assert len(secrets) == 1


def test_the_secret_of_the_environment_is_taken_before(tmp_path: Path) -> None:
    with served_auth(tmp_path, SESSION_SECRET="a secret of at least thirty-two bytes"):
        assert not (tmp_path / "var/session-secret").exists()


def test_production_does_not_start_without_a_secret(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="secret-missing"), served_auth(tmp_path, KICK_ENV="production"):
        pytest.fail("it must not get here")
    assert not (tmp_path / "var/session-secret").exists()


def test_sessions_may_be_kept_in_memory(tmp_path: Path, ada: Person) -> None:
    with served_auth(tmp_path, SESSION_STORE="memory://") as url:
        curl = Curl(url, tmp_path / "jar")
        curl.post("/auth/register", ada.registration)
        assert curl.get("/auth/me").status == 200
    assert not list((tmp_path / "var").glob("sessions*"))
