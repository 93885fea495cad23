"""The browser's cookie follows the session that writes prolong, though it is not sent with every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket

from kick.session import MemoryStore, SessionMiddleware
from tests.session.harness import SECRET, Answer, Browser, Site, setting
from tests.session.test_expiry import Clock
from tests.session.test_parallel import paused

MAX_AGE = 3600.0
TICK = 60.0


class Jar:
    """What a browser knows of its cookie: until when it keeps it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ends_at = 0.0
        self.sent = 0

    def take(self, cookies: list[str]) -> None:
        for each in cookies:
            self.ends_at = self.clock.now + int(each.partition("Max-Age=")[2].partition(";")[0])
            self.sent += 1

    def assert_follows(self, wrote_at: float, tick: float = TICK) -> None:
        """It is kept for `max_age` after a write, but for a tick at most."""
        assert self.ends_at >= wrote_at + MAX_AGE - tick


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("pause", [0.5, 7.0, 59.9, 60.0, 61.0, 599.0])
async def test_the_cookie_is_never_more_than_a_tick_behind_the_session(clock: Clock, pause: float) -> None:
    browser = Browser(Site(MemoryStore(clock=clock), max_age=MAX_AGE))
    jar = Jar(clock)
    for number in range(200):
        jar.take((await browser.visit(setting(n=number))).cookies)
        jar.assert_follows(clock.now)
        clock.advance(pause)
    assert jar.sent <= 200 * pause / TICK + 2


async def test_of_parallel_writes_that_pass_a_tick_one_at_least_sends_the_cookie(clock: Clock) -> None:
    browser = Browser(Site(MemoryStore(clock=clock), max_age=MAX_AGE))
    await browser.visit(setting(n=0))
    for number in range(20):
        waiting = [await paused(browser.twin(), setting(**{f"k{tab}": number})) for tab in range(4)]
        clock.advance(TICK)
        answers: list[Answer] = [await each.finish() for each in waiting]
        assert any(answer.cookies for answer in answers)


async def test_an_answer_with_an_error_prolongs_the_cookie_as_far_as_it_has_saved(clock: Clock) -> None:
    browser = Browser(Site(MemoryStore(clock=clock), max_age=MAX_AGE))
    await browser.visit(setting(n=0))
    clock.advance(2 * TICK)

    async def save(session: Any) -> None:
        session.data["n"] = 1
        await session.save()

    assert (await browser.visit(save, status=500)).session_cookie
    clock.advance(2 * TICK)
    assert (await browser.visit(setting(n=2), status=500)).cookies == [], "nothing was saved"


async def test_another_max_age_after_a_release_is_told_with_the_first_write(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    browser = Browser(Site(store, max_age=MAX_AGE))
    await browser.visit(setting(n=0))
    for max_age in (60, 86_400, 600):
        answer = await browser.twin(Site(store, max_age=max_age)).visit(setting(n=max_age))
        assert f"Max-Age={max_age};" in answer.cookies[0]


async def test_parallel_counts_send_no_more_cookies_than_writes(clock: Clock) -> None:
    browser = Browser(Site(MemoryStore(clock=clock), max_age=MAX_AGE))
    await browser.visit(setting(a=1))

    async def count(session: Any) -> int:
        return int(await session.increment("n"))

    answers = await asyncio.gather(*(browser.twin().visit(count) for _ in range(20)))
    assert [answer.cookies for answer in answers] == [[]] * 20
    clock.advance(TICK)
    assert (await browser.visit(count)).session_cookie


# A WebSocket prolongs the session and can tell the browser nothing


def site_with_a_socket(store: MemoryStore, **options: Any) -> Any:
    async def write(request: Request) -> JSONResponse:
        request.session["n"] = request.session.get("n", 0) + 1
        return JSONResponse({})

    async def read(request: Request) -> JSONResponse:
        return JSONResponse(dict(request.session))

    async def socket(websocket: WebSocket) -> None:
        session: Any = websocket.session
        await websocket.accept()
        while (word := await websocket.receive_text()) != "bye":
            session["word"] = word
            await websocket.send_json(await session.save())
        await websocket.close()

    app = Starlette(routes=[Route("/write", write), Route("/read", read), WebSocketRoute("/socket", socket)])
    app.add_middleware(
        SessionMiddleware, secret=SECRET, store=store, save_uninitialized=False, max_age=MAX_AGE, **options
    )
    return app


class Chat:
    """A browser with a WebSocket that saves all the time, and ordinary requests beside it."""

    def __init__(self, client: TestClient, socket: WebSocketTestSession, clock: Clock) -> None:
        self.client = client
        self.socket = socket
        self.clock = clock
        self.jar = Jar(clock)

    def talk(self, seconds: float) -> None:
        """Save ten times a minute."""
        for _ in range(int(seconds / 6)):
            self.clock.advance(6)
            self.socket.send_text(f"{self.clock.now}")
            assert self.socket.receive_json() is True

    def ask(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        self.jar.take(answer.headers.get_list("set-cookie"))
        return dict(answer.json())


@pytest.fixture(params=[False, True], ids=["by writes", "rolling"])
def chat(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Chat]:
    store = MemoryStore(clock=clock)
    with TestClient(site_with_a_socket(store, rolling=request.param)) as client:
        client.get("/write")
        with client.websocket_connect("/socket") as socket:
            yield Chat(client, socket, clock)
            socket.send_text("bye")


def path_that_prolongs(request: pytest.FixtureRequest) -> str:
    return "/read" if "rolling" in request.node.name else "/write"


def test_saves_of_a_websocket_keep_no_other_request_from_prolonging_the_cookie(
    chat: Chat, request: pytest.FixtureRequest
) -> None:
    for _ in range(12):
        chat.talk(300)
        chat.ask(path_that_prolongs(request))
        chat.jar.assert_follows(chat.clock.now)


def test_beside_a_websocket_that_saves_the_cookie_is_still_sent_once_in_a_tick(
    chat: Chat, request: pytest.FixtureRequest
) -> None:
    for _ in range(100):
        chat.talk(6)
        chat.ask(path_that_prolongs(request))
        chat.jar.assert_follows(chat.clock.now, 2 * TICK)
    assert chat.jar.sent <= 2 * 600 / TICK + 2


def test_what_a_websocket_notes_for_the_next_response_is_no_data(chat: Chat) -> None:
    chat.talk(120)
    assert chat.ask("/read").keys() == {"n", "word"}
    chat.ask("/write")
    assert chat.ask("/read").keys() == {"n", "word"}


def test_after_the_websocket_everything_is_as_before(chat: Chat, request: pytest.FixtureRequest) -> None:
    chat.talk(120)
    chat.ask(path_that_prolongs(request))
    sent = chat.jar.sent
    for _ in range(10):
        chat.ask(path_that_prolongs(request))
    assert chat.jar.sent == sent
