"""`examples/chat`: who is logged in enters a room, and hears what is said there."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import httpx2
import msgspec
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from starlette.responses import PlainTextResponse
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.described import Described, described_by
from tests.support.redis import RedisServer
from tests.support.serving import ROOT, Serve, ServeProcess
from tests.support.sockets import client
from tests.support.waiting import wait_until


@pytest.fixture
def url(serve_process: ServeProcess, tmp_path: Path) -> Iterator[str]:
    environment = {"SESSION_SECRET": "a secret of at least thirty-two bytes"}
    with serve_process("app:app", cwd=ROOT / "examples/chat", env=environment, log=tmp_path / "server.log") as server:
        yield server.url


@cache
def described() -> Described:
    env = {"SESSION_SECRET": "a secret of at least thirty-two bytes"}
    return described_by("app:app", cwd=ROOT / "examples/chat", env=env)


def cookie_of(url: str, name: str) -> str:
    """The cookie of somebody who has logged in."""
    response = httpx2.post(f"{url}/login", json={"name": name})
    described().check("POST", "/login", response)
    assert response.status_code == 204
    return response.headers["set-cookie"].partition(";")[0]


def enter(url: str, room: str, name: str) -> ClientConnection:
    return client(f"{url}/rooms/{room}", headers={"Cookie": cookie_of(url, name)}, origin=url)


def heard(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = msgspec.json.decode(socket.recv(timeout=60))
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


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """The modules of the chat: its broker and its rooms."""
    monkeypatch.syspath_prepend(str(ROOT / "examples/chat"))
    yield import_module("broker"), import_module("rooms")
    for name in ("broker", "rooms"):
        del sys.modules[name]


@asynccontextmanager
async def open_house(rooms: Any, broker: Any) -> AsyncIterator[Any]:
    """The rooms over a broker, which hear it until the end of the block."""
    house = rooms.Rooms(broker)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.run)
        yield house
        tasks.cancel_scope.cancel()
    await broker.aclose()


async def test_who_is_too_slow_is_sent_away_and_the_others_hear_all(parts: tuple[Any, Any]) -> None:
    broker, rooms = parts
    local = broker.LocalBroker()
    async with (
        open_house(rooms, local) as house,
        house.entered("garden", "Ada") as ada,
        house.entered("garden", "Bob") as bob,
    ):
        heard_by_ada = []
        for number in range(rooms.MOST_UNREAD + 1):
            await house.tell("garden", rooms.Told("Ada", str(number)))
            while not heard_by_ada or heard_by_ada[-1] != rooms.Told("Ada", str(number)):
                heard_by_ada.append(await ada.unread.receive())
        said = [message for message in heard_by_ada if isinstance(message, rooms.Told)]
        unread = [message async for message in bob.unread]
        assert len(said) == rooms.MOST_UNREAD + 1
        assert len(unread) == rooms.MOST_UNREAD


async def test_guests_of_a_process_that_has_ended_are_forgotten(
    parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, rooms = parts
    monkeypatch.setattr(rooms, "ANNOUNCE_EVERY", 0.01)
    monkeypatch.setattr(rooms, "FORGET_AFTER", 0.05)
    local = broker.LocalBroker()
    async with open_house(rooms, local) as house, house.entered("garden", "Ada") as ada:
        await local.publish(msgspec.json.encode(rooms.Guests("another process", "garden", ["Bob"])))
        present = [await ada.unread.receive()]
        while present[-1] != rooms.Present(["Ada", "Bob"]) or len(present) < 2:
            present.append(await ada.unread.receive())
        assert await ada.unread.receive() == rooms.Present(["Ada"])


async def test_a_list_of_guests_names_fifty_and_counts_the_others(parts: tuple[Any, Any]) -> None:
    """With all names, a room of n guests sent n times n names for each one who entered."""
    broker, rooms = parts
    local = broker.LocalBroker()
    names = [f"Guest {number:03}" for number in range(120)]
    async with open_house(rooms, local) as house, AsyncExitStack() as guests:
        for name in reversed(names[1:]):
            await guests.enter_async_context(house.entered("garden", name))
        guest = await guests.enter_async_context(house.entered("garden", names[0]))
        while (present := await guest.unread.receive()) != rooms.Present(names[:50], 70):
            assert len(present.names) <= 50
        elsewhere = rooms.Guests("another process", "garden", ["Ada", "Eve"], 8)
        await local.publish(msgspec.json.encode(elsewhere))
        assert await guest.unread.receive() == rooms.Present(["Ada", "Eve", *names[:48]], 80)
        await local.publish(msgspec.json.encode(rooms.Guests("another process", "garden", [])))
        assert await guest.unread.receive() == rooms.Present(names[:50], 70)


async def test_rooms_that_everybody_has_left_are_forgotten(parts: tuple[Any, Any]) -> None:
    """Otherwise anybody could fill the memory with the names of rooms."""
    broker, rooms = parts
    local = broker.LocalBroker()
    async with open_house(rooms, local) as house, house.entered("garden", "Ada") as ada:
        for number in range(20):
            async with house.entered(f"room {number}", "Eve"):
                pass
        await house.tell("garden", rooms.Told("Ada", "What was said before has been received."))
        while not isinstance(await ada.unread.receive(), rooms.Told):
            pass
        assert house.known == {"garden"}


@pytest.mark.parametrize("message", [b"", b"hello", b"{}", b'{"type": "said", "room": 1}', b"\xff"])
async def test_a_message_of_something_else_on_the_channel_is_ignored(parts: tuple[Any, Any], message: bytes) -> None:
    broker, rooms = parts
    local = broker.LocalBroker()
    async with open_house(rooms, local) as house, house.entered("garden", "Ada") as ada:
        await local.publish(message)
        await house.tell("garden", rooms.Told("Ada", "still here"))
        with anyio.fail_after(10):
            while await ada.unread.receive() != rooms.Told("Ada", "still here"):
                pass


async def test_the_rooms_outlive_an_outage_of_redis(
    parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, redis_url: str, redis_server: RedisServer
) -> None:
    broker, rooms = parts
    monkeypatch.setattr(rooms, "ANNOUNCE_EVERY", 0.01)
    monkeypatch.setattr(broker, "RETRY_AFTER", 0.01)
    shared = broker.RedisBroker(redis_url)
    async with open_house(rooms, shared) as house, house.entered("garden", "Ada") as ada:
        await ada.unread.receive()
        redis_server.kill()
        for _ in range(3):
            await house.tell("garden", rooms.Told("Ada", "nobody hears this"))
            await anyio.sleep(0.02)
        redis_server.start()
        with anyio.fail_after(30):
            while True:
                await house.tell("garden", rooms.Told("Ada", "again"))
                with anyio.move_on_after(0.1):
                    if await ada.unread.receive() == rooms.Told("Ada", "again"):
                        break


def test_the_name_of_a_room_is_short(url: str) -> None:
    with pytest.raises(InvalidStatus) as caught, enter(url, "x" * 101, "Ada"):
        pytest.fail("it was accepted")
    assert caught.value.response.status_code == 404


def test_logins_of_an_address_are_limited(url: str) -> None:
    """Each of them stores a session."""
    for number in range(20):
        cookie_of(url, f"Guest {number}")
    refused = httpx2.post(f"{url}/login", json={"name": "Guest 20"})
    described().check("POST", "/login", refused)
    assert (refused.status_code, "set-cookie" in refused.headers) == (429, False)


def log_out(url: str, cookie: str) -> None:
    headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    assert httpx2.post(f"{url}/logout", headers=headers).status_code == 204


def test_a_logout_ends_the_connections(url: str) -> None:
    cookie = cookie_of(url, "Ada")
    with client(f"{url}/rooms/garden", headers={"Cookie": cookie}, origin=url) as ada:
        heard(ada)
        log_out(url, cookie)
        with pytest.raises(ConnectionClosed) as closed:
            heard(ada)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


@pytest.mark.long
def test_two_processes_share_the_rooms_and_the_logout(
    serve_process: ServeProcess, redis_url: str, tmp_path: Path
) -> None:
    environment = {"SESSION_SECRET": "a secret of at least thirty-two bytes", "REDIS_URL": redis_url}
    chat = ROOT / "examples/chat"
    with (
        serve_process("app:app", cwd=chat, env=environment, log=tmp_path / "one.log") as one,
        serve_process("app:app", cwd=chat, env=environment, log=tmp_path / "two.log") as two,
    ):
        cookie = cookie_of(one.url, "Ada")
        with (
            client(f"{one.url}/rooms/garden", headers={"Cookie": cookie}, origin=one.url) as ada,
            enter(two.url, "garden", "Bob") as bob,
        ):
            for each in (ada, bob):
                while heard(each) != {"type": "present", "names": ["Ada", "Bob"]}:
                    pass
            say(bob, "Good morning.")
            for each in (ada, bob):
                assert heard(each) == {"type": "told", "by": "Bob", "text": "Good morning."}
            log_out(two.url, cookie)
            assert heard(bob) == {"type": "present", "names": ["Bob"]}
            with pytest.raises(ConnectionClosed):
                heard(ada)


def test_the_page_talks_in_a_browser(url: str, browser: Chrome) -> None:
    def sees(text: str) -> None:
        wait_until(lambda: text in browser.find_element(By.TAG_NAME, "body").text, text)

    browser.get(url)
    browser.find_element(By.NAME, "name").send_keys("Ada")
    browser.find_element(By.CSS_SELECTOR, "#login button").click()
    sees("Ada")
    wait_until(browser.find_element(By.NAME, "text").is_displayed, "the field for messages")
    with enter(url, "garden", "Bob") as bob:
        sees("Ada, Bob")
        heard(bob)
        browser.find_element(By.NAME, "text").send_keys("Good morning.\n")
        assert heard(bob) == {"type": "told", "by": "Ada", "text": "Good morning."}
        sees("Ada: Good morning.")
        say(bob, "<b>Hello</b>")
        sees("Bob: <b>Hello</b>")


OPEN = """
    const done = arguments[arguments.length - 1];
    const socket = new WebSocket(arguments[0]);
    socket.onopen = () => done("open");
    socket.onclose = (event) => done(`closed ${event.code}`);
"""


@pytest.mark.long
def test_a_page_of_another_origin_is_refused_though_the_browser_sends_the_cookie(
    url: str, browser: Chrome, serve: Serve
) -> None:
    """Cookies know no ports: a page on another port of the host is the same site to the browser."""
    name, _, value = cookie_of(url, "Ada").partition("=")
    address = f"{url.replace('http', 'ws')}/rooms/garden"
    with serve(PlainTextResponse("another page"), lifespan="off", interface="asgi3") as other:
        for page, outcome in [(url, "open"), (other, "closed 1006")]:
            browser.get(page)
            browser.add_cookie({"name": name, "value": value, "sameSite": "Lax"})
            assert browser.execute_async_script(OPEN, address) == outcome
