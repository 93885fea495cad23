"""What the page on providers says of its applications."""

from __future__ import annotations

import anyio

from kick.testing import TestClient
from tests.guide.pages import application, names_of

PAGE = "dependencies.md"


def test_services_and_providers_are_asked_for_by_type() -> None:
    names = names_of(PAGE, "Services and providers")
    with TestClient(names["app"]) as client:
        assert client.get("/report").json() == {"notes": 3, "on": ["primary", "replica"]}
        opened = names["app"].container.instance(names["Database"])
        assert opened.is_open
    assert not opened.is_open


def test_a_provider_is_a_guard_and_a_transaction_sees_how_the_request_ended() -> None:
    names = names_of(PAGE, "Scopes")
    with TestClient(names["app"], raise_exceptions=False) as client:
        assert client.get("/orders").status_code == 401
        assert names["trail"] == []
        assert client.get("/orders", headers={"x-user": "Ada"}).json() == {"of": "Ada"}
        assert client.get("/orders/broken").status_code == 500
    assert names["trail"] == ["committed", "rolled back"]


def test_each_request_commits_a_transaction() -> None:
    with TestClient(application(PAGE, "A database session for each request")) as client:
        assert client.post("/users/ada").json() == {"id": 1}
        answer = client.post("/users/ada")
        assert (answer.status_code, answer.json()["detail"]) == (409, "There is a user 'ada' already.")
        assert client.get("/users/count").json() == 1


def test_streams_and_sockets_open_scopes() -> None:
    with TestClient(application(PAGE, "Streams and WebSockets")) as client:
        assert client.get("/stock/events").text == 'data: {"count":3}\n\n' * 2
        with client.websocket_connect("/stock/socket") as socket:
            socket.send_text("how many?")
            assert socket.receive_json() == 3


def test_providers_take_parts_of_the_request() -> None:
    with TestClient(application(PAGE, "Parts of the request")) as client:
        assert client.get("/articles?page=3").json() == {"start": 40}
        assert client.get("/articles?page=x").status_code == 422
        assert client.get("/articles/7", headers={"accept-language": "de-DE"}).json()["language"] == "de"
        assert [client.get(f"/articles/{each}").status_code for each in ("8", "x")] == [404, 404]


def test_lists_hold_all_and_options_may_be_none() -> None:
    with TestClient(application(PAGE, "Optional dependencies and lists")) as client:
        assert client.get("/rules").json() == {"rules": ["length", "spelling"], "cached": False}


def test_a_job_has_what_a_request_has() -> None:
    names = names_of(PAGE, "Tests and jobs")
    assert anyio.run(names["job"]) == "sent"
