"""`examples/chat`: who is logged in enters a room, and hears what is said there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.serving import ROOT, ServeProcess
from tests.support.sockets import client


@pytest.fixture
def url(serve_process: ServeProcess, tmp_path: Path) -> Iterator[str]:
    environment = {"SESSION_SECRET": "a secret of at least thirty-two bytes"}
    with serve_process("app:app", cwd=ROOT / "examples/chat", env=environment, log=tmp_path / "server.log") as server:
        yield server.url


def cookie_of(url: str, name: str) -> str:
    """The cookie of somebody who has logged in."""
    response = httpx2.post(f"{url}/login", json={"name": name})
    assert response.status_code == 204
    return response.headers["set-cookie"].partition(";")[0]


def enter(url: str, room: str, name: str) -> ClientConnection:
    return client(f"{url}/rooms/{room}", headers={"Cookie": cookie_of(url, name)}, origin=url)


def heard(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = msgspec.json.decode(socket.recv(timeout=10))
    return message


def say(socket: ClientConnection, text: str) -> None:
    socket.send(msgspec.json.encode({"type": "say", "text": text}).decode())


def test_who_is_in_a_room_hears_what_is_said_there(url: str) -> None:
    with enter(url, "garden", "Ada") as ada, enter(url, "cellar", "Eve") as eve:
        assert heard(ada) == {"type": "present", "names": ["Ada"]}
        assert heard(eve) == {"type": "present", "names": ["Eve"]}
        with enter(url, "garden", "Bob") as bob:
            assert [heard(each)["names"] for each in (ada, bob)] == [["Ada", "Bob"]] * 2
            say(bob, "Good morning.")
            assert [heard(each) for each in (ada, bob)] == [{"type": "told", "by": "Bob", "text": "Good morning."}] * 2
            say(bob, "")
            assert heard(bob)["errors"][0]["location"] == "/message/text"
        assert heard(ada) == {"type": "present", "names": ["Ada"]}
        say(eve, "Nobody is here.")
        assert heard(eve)["by"] == "Eve"


def test_nobody_enters_without_a_name_or_from_another_site(url: str) -> None:
    assert "<h1>Chat</h1>" in httpx2.get(url).text
    cookie = {"Cookie": cookie_of(url, "Ada")}
    for options, status in [({}, 401), ({"headers": cookie, "origin": "https://evil.example"}, 403)]:
        with pytest.raises(InvalidStatus) as caught, client(f"{url}/rooms/garden", **options):
            pytest.fail("it was accepted")
        assert caught.value.response.status_code == status
