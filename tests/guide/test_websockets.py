"""The page about WebSockets: its applications do what is said of them."""

from __future__ import annotations

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from kick.testing import TestClient
from tests.guide.pages import application

PAGE = "websockets.md"


def test_messages_have_types() -> None:
    with TestClient(application(PAGE, "Typed messages")) as client:
        with client.websocket_connect("/rooms/garden") as socket:
            socket.send_json({"type": "say", "text": "Hello"})
            assert socket.receive_json() == {"type": "told", "by": "garden", "text": "Hello"}
            socket.send_json({"type": "move", "x": 1, "y": 2})
            assert socket.receive_json()["text"] == "went to 1, 2"
            socket.send_json({"type": "move", "x": "1", "y": 2})
            with pytest.raises(WebSocketDisconnect) as caught:
                socket.receive_json()
        assert (caught.value.code, caught.value.reason) == (1007, "/message/x: Expected `int`, got `str`")


def test_a_provider_is_a_guard_and_other_sites_are_refused() -> None:
    with TestClient(application(PAGE, "Access control")) as client:
        for headers, status in [
            ({}, 401),
            ({"origin": "https://testserver"}, 401),
            ({"origin": "https://app.example.com"}, 401),
            ({"origin": "https://evil.example"}, 403),
        ]:
            with (
                pytest.raises(WebSocketDenialResponse) as caught,
                client.websocket_connect("/news", headers=headers),
            ):
                pytest.fail("it was accepted")
            assert caught.value.status_code == status


def test_an_iterator_is_sent() -> None:
    app = application(PAGE, "Sending without receiving")
    with TestClient(app) as client, client.websocket_connect("/clock") as socket:
        assert [socket.receive_json() for _ in range(3)] == [0, 1, 2]
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive_json()
        assert caught.value.code == 1000
