"""Errors, streams, events, sockets, uploads and background tasks, as a test sees them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from httpx2 import ReadTimeout
from starlette.websockets import WebSocketDisconnect

from kick import App, Controller, Get, Module, Post, RequestContext, Response, bootstrap
from kick.testing import TestClient, travel
from tests.support.waiting import wait_until
from tests.testing.app import STATE, Mailer, fail, make_app, welcome


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(make_app()) as client:
        yield client


class TestErrors:
    @pytest.mark.parametrize("path", ["/broken", "/broken-stream"])
    def test_what_nothing_handles_is_raised(self, client: TestClient, path: str) -> None:
        with pytest.raises(LookupError):
            client.get(path)

    def test_the_trace_leads_to_the_handler(self, client: TestClient) -> None:
        with pytest.raises(LookupError) as caught:
            client.get("/broken")
        assert "broken" in [entry.name for entry in caught.traceback]

    def test_the_500_is_there_for_who_asks_for_it(self) -> None:
        with TestClient(make_app(), raise_exceptions=False) as client:
            assert client.get("/broken").status_code == 500
            assert client.post("/failing").status_code == 204

    def test_errors_of_http_are_answers(self, client: TestClient) -> None:
        assert client.get("/nowhere").status_code == 404
        assert client.get("/account").status_code == 401

    def test_an_error_in_the_background_is_raised(self, client: TestClient) -> None:
        with pytest.raises(LookupError, match="background"):
            client.post("/failing")

    def test_an_error_in_a_socket_is_raised(self, client: TestClient) -> None:
        def talk() -> None:
            with client.websocket_connect("/echo") as socket:
                socket.send_text("fail")
                with pytest.raises(WebSocketDisconnect) as caught:
                    socket.receive_text()
                assert caught.value.code == 1011

        with pytest.raises(LookupError):
            talk()


class TestStreams:
    def test_a_response_comes_piece_by_piece(self, client: TestClient) -> None:
        with client.stream("GET", "/stream") as response:
            lines = response.iter_lines()
            assert next(lines) == "0"
            assert STATE["number"] <= 1
            assert list(lines) == ["1", "2"]

    def test_events_come_as_they_are_sent_and_the_stream_ends_with_the_loop(self, client: TestClient) -> None:
        seen = []
        for event in client.sse("/events"):
            seen.append(event.json()["number"])
            if len(seen) == 3:
                break
        assert seen == [0, 1, 2]
        assert STATE["open"] is False

    def test_events_are_read_one_by_one(self, client: TestClient) -> None:
        with client.sse("/events") as events:
            assert next(events).json() == {"number": 0}
            assert next(events).event == "message"
        assert STATE["open"] is False

    def test_a_block_opens_the_stream_before_the_first_event(self, client: TestClient) -> None:
        with client.sse("/events"):
            wait_until(lambda: STATE["open"], "the stream")
        assert STATE["open"] is False

    @pytest.mark.parametrize("options", [{}, {"retry": 2000}])
    def test_a_stream_is_subscribed_when_the_block_begins(self, options: dict[str, int]) -> None:
        readers: set[asyncio.Queue[str]] = set()

        async def posted() -> AsyncIterator[str]:
            queue: asyncio.Queue[str] = asyncio.Queue()
            readers.add(queue)
            while True:
                yield await queue.get()

        @Controller()
        class News:
            @Get("/news")
            async def news(self, ctx: RequestContext) -> Response:
                return ctx.sse(posted(), **options)

            @Post("/news")
            async def post(self) -> None:
                for queue in readers:
                    queue.put_nowait("it rains")

        with TestClient(bootstrap([Module("news", controllers=[News])])) as client, client.sse("/news") as events:
            client.post("/news")
            assert next(events).data == "it rains"

    def test_an_event_that_does_not_come_is_an_error_after_the_timeout(self, client: TestClient) -> None:
        with pytest.raises(ReadTimeout, match=r"/silent has sent nothing for 0\.05 seconds"):
            next(client.sse("/silent", timeout=0.05))
        with client.sse("/silent", timeout=0.05) as events, pytest.raises(ReadTimeout):
            next(events)

    def test_what_is_no_event_stream_is_an_error(self, client: TestClient) -> None:
        with pytest.raises(ValueError, match="no event stream: status 404"):
            next(client.sse("/nowhere"))
        with pytest.raises(ValueError, match="no event stream: status 404"), client.sse("/nowhere"):
            pytest.fail("it was opened")

    def test_an_event_stream_ends_when_its_session_expires(self) -> None:
        """When the clock is moved: no check of open connections comes within an hour."""
        with TestClient(make_app(session_check=3600, grace=7200)) as client:
            client.login(7)
            began = time.monotonic()
            with client.stream("GET", "/events") as response, travel(client, hours=25):
                for _ in response.iter_lines():
                    assert time.monotonic() < began + 60, "it goes on"
            assert STATE["open"] is False

    def test_an_event_stream_ends_with_its_session_after_the_clock_was_moved(self) -> None:
        with TestClient(make_app(session_check=3600, grace=7200)) as client:
            client.login(7)
            began = time.monotonic()
            with client.stream("GET", "/events") as response:
                with travel(client, hours=1):
                    pass
                client.logout()
                for _ in response.iter_lines():
                    assert time.monotonic() < began + 60, "it goes on"
            assert STATE["open"] is False

    def test_a_stream_that_the_test_leaves_open_ends_with_the_application(self) -> None:
        with TestClient(make_app()) as client:
            events = client.sse("/events")
            next(events)
        assert STATE["open"] is False


def test_a_file_is_uploaded(client: TestClient) -> None:
    answer = client.post("/upload", files={"picture": ("tea.png", b"\x89PNG" * 1000, "image/png")})
    assert answer.json() == {"name": "tea.png", "size": 4000}


class TestBackground:
    def test_it_has_run_and_is_listed(self, client: TestClient) -> None:
        client.post("/welcome/ada@example.com")
        (call,) = client.background
        assert (call.function, call.args, call.has_run, call.error) == (welcome, ("ada@example.com",), True, None)
        assert client.run(sent_mails) == [("ada@example.com", "Welcome")]
        assert repr(call) == "<welcome('ada@example.com')>"

    def test_it_is_found_by_its_function(self) -> None:
        with TestClient(make_app(), raise_exceptions=False) as client:
            client.post("/welcome/ada@example.com")
            client.another().post("/failing")
            assert [call.name for call in client.background] == ["welcome", "fail"]
            assert [type(call.error) for call in client.background.of(fail)] == [LookupError]
            client.background.clear()
            assert len(client.background) == 0

    def test_it_is_held_and_run_later(self, client: TestClient) -> None:
        with client.background.held():
            client.post("/welcome/ada@example.com")
        assert not client.background[0].has_run
        assert client.run(sent_mails) == []
        client.run_held()
        assert client.background[0].has_run
        assert client.run(sent_mails) == [("ada@example.com", "Welcome")]


async def sent_mails(mailer: Mailer) -> list[tuple[str, str]]:
    return mailer.sent


class TestRun:
    def test_a_function_runs_with_its_dependencies(self, client: TestClient) -> None:
        async def of(number: int, app: App, *, mailer: Mailer) -> str:
            return f"{number} {type(app).__name__} {type(mailer).__name__}"

        assert client.run(of, 3) == "3 App Mailer"

    def test_arguments_that_are_passed_count_more(self, client: TestClient) -> None:
        fake = Mailer()
        fake.sent.append(("bob@example.com", "Hello"))
        assert client.run(sent_mails, fake) == client.run(sent_mails, mailer=fake) == [("bob@example.com", "Hello")]
