from contextlib import ExitStack, suppress
from typing import Any

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from kick.testing import TestClient


def logged_in(client: TestClient, name: str) -> TestClient:
    assert client.post("/login", json={"name": name}).status_code == 204
    return client


def heard(socket: Any, kind: str = "told") -> Any:
    """Return the next message of a kind."""
    while (message := socket.receive_json()).get("type") != kind:
        pass
    return message


def test_two_guests_hear_each_other_and_who_is_there(client: TestClient) -> None:
    bob = logged_in(client.another(), "Bob")
    logged_in(client, "Ada")
    with client.websocket_connect("/rooms/tea") as hers:
        assert heard(hers, "present")["names"] == ["Ada"]
        with bob.websocket_connect("/rooms/tea") as his:
            assert [heard(each, "present")["names"] for each in (hers, his)] == [["Ada", "Bob"]] * 2
            hers.send_json({"type": "say", "text": "hello"})
            assert heard(hers) == heard(his) == {"type": "told", "by": "Ada", "text": "hello"}
        assert heard(hers, "present")["names"] == ["Ada"]


def test_a_room_hears_nothing_of_another(client: TestClient) -> None:
    bob = logged_in(client.another(), "Bob")
    logged_in(client, "Ada")
    with client.websocket_connect("/rooms/tea") as hers, bob.websocket_connect("/rooms/milk") as his:
        hers.send_json({"type": "say", "text": "hello"})
        his.send_json({"type": "say", "text": "good morning"})
        assert heard(his)["by"] == "Bob"


def test_a_message_that_does_not_fit_is_answered(client: TestClient) -> None:
    with logged_in(client, "Ada").websocket_connect("/rooms/tea") as hers:
        assert heard(hers, "present")
        hers.send_json({"type": "say", "text": ""})
        assert hers.receive_json()["errors"][0]["location"] == "/message/text"


def test_a_logout_ends_the_connection(client: TestClient) -> None:
    logged_in(client, "Ada")
    with client.websocket_connect("/rooms/tea") as hers:
        client.post("/logout")
        with pytest.raises(WebSocketDisconnect) as closed:
            heard(hers)
    assert closed.value.code == 4401


def test_anonymous_users_and_pages_of_other_sites_do_not_enter(client: TestClient) -> None:
    for browser in (client.another(), logged_in(client, "Ada").page_of("https://evil.example")):
        with pytest.raises(WebSocketDenialResponse), browser.websocket_connect("/rooms/tea"):
            pytest.fail("it was accepted")


def test_a_login_has_ten_connections_and_room_again_when_one_has_ended(client: TestClient) -> None:
    bob = logged_in(client.another(), "Bob")
    logged_in(client, "Ada")
    with ExitStack() as rooms:
        first, *_ = [rooms.enter_context(client.websocket_connect(f"/rooms/{number}")) for number in range(10)]
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/rooms/tea"):
            pytest.fail("it was accepted")
        assert refused.value.status_code == 429
        with bob.websocket_connect("/rooms/0"):
            first.close()
        for _ in range(100):
            with suppress(WebSocketDenialResponse), client.websocket_connect("/rooms/tea") as again:
                assert heard(again, "present")
                return
        pytest.fail("there was no room again")
