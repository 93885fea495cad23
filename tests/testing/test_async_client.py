"""`AsyncTestClient`: the same client on the event loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
import trio
from httpx2 import ReadTimeout
from starlette.testclient import WebSocketDenialResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from kick import App, Controller, Get, Module, bootstrap
from kick.testing import AsyncTestClient, travel
from tests.support.setup_errors import raises_code
from tests.testing.app import STATE, Mailer, make_app, welcome


@pytest.fixture
async def client() -> AsyncIterator[AsyncTestClient]:
    async with AsyncTestClient(make_app(protected=True)) as client:
        yield client


class TestLife:
    async def test_the_block_is_the_life_of_the_application(self) -> None:
        STATE.clear()
        client = AsyncTestClient(make_app())
        async with client:
            async with client.another() as other:
                assert (await other.get("/greeting")).json() == "hello"
            assert STATE["lives"] == 1
        assert STATE["lives"] == 0
        async with client:
            assert STATE["lives"] == 1

    async def test_without_a_block_it_starts_with_the_first_request(self) -> None:
        STATE.clear()
        assert (await AsyncTestClient(make_app()).get("/greeting")).json() == "hello"
        assert "lives" not in STATE

    @pytest.mark.parametrize("moment", ["start", "end"])
    async def test_an_application_that_fails_fails_the_test(self, moment: str) -> None:
        @asynccontextmanager
        async def lifespan(app: App) -> AsyncIterator[None]:
            if moment == "start":
                raise OSError("no database")
            yield
            raise OSError("no end")

        with pytest.raises(OSError, match="no "):
            async with AsyncTestClient(bootstrap([], lifespan=lifespan)):
                assert moment == "end"

    async def test_it_runs_in_the_loop_of_the_test(self) -> None:
        opened = asyncio.Event()

        @Controller("/wait")
        class WaitController:
            @Get()
            async def wait(self) -> str:
                await opened.wait()
                return "opened"

        async with AsyncTestClient(bootstrap([Module("wait", controllers=[WaitController])])) as client:
            waiting = asyncio.create_task(client.get("/wait"))
            opened.set()
            assert (await waiting).json() == "opened"


class TestSession:
    async def test_login_and_logout(self, client: AsyncTestClient) -> None:
        await client.login(7, roles=["admin"], theme="dark")
        assert (await client.get("/admin")).json() == "secret"
        async with client.session() as session:
            assert session["theme"] == "dark"
            session["theme"] = "light"
        assert (await client.get("/session")).json() == {"theme": "light"}
        assert (await client.post("/cart/tea")).status_code == 200
        await client.logout()
        assert (await client.get("/account")).status_code == 401

    async def test_sessions_of_a_user(self, client: AsyncTestClient) -> None:
        await client.login(7)
        assert len(await client.sessions.of(7)) == 1
        assert await client.sessions.revoke(7) == 1
        assert (await client.get("/account")).status_code == 401

    async def test_time_travels(self, client: AsyncTestClient) -> None:
        await client.login(7)
        with travel(client, hours=25):
            assert (await client.get("/account")).status_code == 401

    async def test_a_page_of_another_site_is_refused(self, client: AsyncTestClient) -> None:
        await client.login(7)
        answer = await client.page_of("https://evil.example").post("/cart/tea")
        assert answer.json()["code"] == "csrf-cross-site"

    async def test_an_application_without_sessions(self) -> None:
        with raises_code("test-session"):
            await AsyncTestClient(bootstrap([])).login(7)


class TestAnswers:
    @pytest.mark.parametrize("path", ["/broken", "/broken-stream"])
    async def test_what_nothing_handles_is_raised(self, client: AsyncTestClient, path: str) -> None:
        with pytest.raises(LookupError):
            await client.get(path)
        quiet = AsyncTestClient(client.app, raise_exceptions=False)
        assert (await quiet.get("/broken")).status_code == 500

    async def test_a_response_comes_piece_by_piece(self, client: AsyncTestClient) -> None:
        async with client.stream("GET", "/stream") as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "0"
            assert STATE["number"] <= 1
            assert [line async for line in lines] == ["1", "2"]

    async def test_events_come_as_they_are_sent(self, client: AsyncTestClient) -> None:
        seen = []
        async with client.sse("/events") as events:
            async for event in events:
                seen.append(event.json()["number"])
                if len(seen) == 3:
                    break
        assert seen == [0, 1, 2]
        assert STATE["open"] is False

    async def test_an_event_that_does_not_come_is_an_error_after_the_timeout(self, client: AsyncTestClient) -> None:
        with pytest.raises(ReadTimeout, match=r"/silent has sent nothing for 0\.05 seconds"):
            await anext(client.sse("/silent", timeout=0.05))

    async def test_a_response_that_does_not_begin_is_an_error_after_the_timeout(self) -> None:
        @Controller()
        class Slow:
            @Get("/slow")
            async def slow(self) -> None:
                await anyio.sleep_forever()

        async with AsyncTestClient(bootstrap([Module("slow", controllers=[Slow])])) as client:
            with pytest.raises(ReadTimeout):
                await client.get("/slow", timeout=0.05)

    async def test_uploads_are_files_or_streams(self, client: AsyncTestClient) -> None:
        files = {"picture": ("tea.png", b"\x89PNG" * 1000, "image/png")}
        assert (await client.post("/upload", files=files)).json() == {"name": "tea.png", "size": 4000}

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 10

        headers = (await client.post("/headers", content=pieces())).json()
        assert headers["transfer-encoding"] == "chunked"

    async def test_background_work_runs_and_is_listed(self, client: AsyncTestClient) -> None:
        await client.post("/welcome/ada@example.com")
        with client.background.held():
            await client.post("/welcome/bob@example.com")
        assert [call.has_run for call in client.background.of(welcome)] == [True, False]
        await client.run_held()
        assert len(await client.run(sent_mails)) == 2


async def sent_mails(mailer: Mailer) -> list[tuple[str, str]]:
    return mailer.sent


class TestSockets:
    async def test_messages_go_both_ways(self, client: AsyncTestClient) -> None:
        await client.login(7)
        async with client.websocket_connect("/echo") as socket:
            await socket.send_text("one")
            assert await socket.receive_text() == "7: one"
            await socket.send_text("two")
            async for message in socket:
                assert message == "7: two"
                break

    async def test_a_rejected_handshake_has_an_answer(self, client: AsyncTestClient) -> None:
        with pytest.raises(WebSocketDenialResponse) as caught:
            async with client.websocket_connect("/nowhere"):
                pass
        assert caught.value.status_code == 404

    async def test_a_page_of_another_site_may_not_connect(self, client: AsyncTestClient) -> None:
        with pytest.raises(WebSocketDenialResponse) as caught:
            async with client.page_of("https://evil.example").websocket_connect("/echo"):
                pass
        assert caught.value.status_code == 403

    async def test_an_error_in_the_handler_is_raised(self, client: AsyncTestClient) -> None:
        async def talk() -> None:
            async with client.websocket_connect("/echo") as socket:
                await socket.send_text("fail")
                with pytest.raises(WebSocketDisconnect) as caught:
                    await socket.receive_text()
                assert caught.value.code == 1011

        with pytest.raises(LookupError):
            await talk()


@Controller("/plain")
class Plain:
    @Get()
    async def plain(self) -> str:
        return "plain"

    @Get("/broken")
    async def broken(self) -> None:
        raise LookupError


async def numbers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(3):
        await trio.lowlevel.checkpoint()
        await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
    await send({"type": "http.response.body"})


def test_it_runs_on_trio() -> None:
    """Streams and sessions of kick need asyncio; a plain handler, or another application, does not."""

    async def visit() -> list[object]:
        other = AsyncTestClient(numbers)
        async with AsyncTestClient(bootstrap([Module("plain", controllers=[Plain])])) as client:
            answers = [(await client.get("/plain")).json()]
            async with other.stream("GET", "/") as response:
                answers += [line async for line in response.aiter_lines()]
            with pytest.raises(LookupError):
                await client.get("/plain/broken")
            return answers

    assert trio.run(visit) == ["plain", "0", "1", "2"]
