import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from starlette.testclient import WebSocketDenialResponse

from kick import App, Controller, Get, Module, Post, RequestContext, Socket, WebSocket, bootstrap
from kick.session import session
from kick.testing import TestClient
from tests.support.serving import ROOT


@Controller("/visits")
class VisitController:
    @Get("/")
    async def count(self, ctx: RequestContext) -> dict[str, object]:
        ctx.session.data["visits"] = ctx.session.data.get("visits", 0) + 1
        return {"visits": ctx.session.data["visits"], "scheme": ctx.url.scheme}

    @Get("/begin")
    async def begin(self, ctx: RequestContext) -> None:
        ctx.redirect("/visits")

    @Post("/echo")
    async def echo(self, body: dict[str, int]) -> dict[str, int]:
        return body


VisitModule = Module("visits", controllers=[VisitController])


def make_app(**options: object) -> App:
    layer = session("a secret of at least thirty-two bytes", cookie={"secure": True})
    return bootstrap([VisitModule], [layer], **options)  # type: ignore[arg-type]


def test_cookies_are_kept_secure_ones_too() -> None:
    client = TestClient(make_app())
    assert [client.get("/visits").json()["visits"] for _ in range(3)] == [1, 2, 3]
    assert "kick.sid" in client.cookies
    assert TestClient(make_app()).get("/visits").json()["visits"] == 1


def test_it_may_begin_with_cookies_and_headers() -> None:
    app = make_app()
    first = TestClient(app)
    first.get("/visits")
    second = TestClient(app, cookies=dict(first.cookies), headers={"accept": "text/html"})
    assert second.get("/visits").json()["visits"] == 2
    assert second.headers["accept"] == "text/html"


def test_it_speaks_https_unless_it_is_told_otherwise() -> None:
    assert TestClient(make_app()).get("/visits").json()["scheme"] == "https"
    assert TestClient(make_app(), base_url="http://testserver").get("/visits").json()["scheme"] == "http"


def test_redirects_are_followed_or_returned() -> None:
    assert TestClient(make_app()).get("/visits/begin").json()["visits"] == 1
    assert TestClient(make_app(), follow_redirects=False).get("/visits/begin").status_code == 303


def test_json_goes_in_and_comes_out() -> None:
    answer = TestClient(make_app()).post("/visits/echo", json={"a": 1})
    assert answer.json() == {"a": 1}


def test_the_lifespan_is_that_of_the_block() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        seen.append("start")
        yield
        seen.append("end")

    with TestClient(make_app(lifespan=lifespan)) as client:
        client.get("/visits")
        assert seen == ["start"]
    assert seen == ["start", "end"]
    TestClient(make_app(lifespan=lifespan)).get("/visits")
    assert seen == ["start", "end"]


def test_an_application_that_does_not_start_fails_the_test() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    with pytest.raises(OSError, match="no database"), TestClient(make_app(lifespan=lifespan)):
        pass


@pytest.mark.process
def test_without_httpx2_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['httpx2'] = None\n"
        "import kick.testing; from kick.errors import KickError\n"
        "try: kick.testing.TestClient\n"
        "except KickError as error: print(error.fix)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "Install it: `pip install 'kick-framework[testing]'`.\n"


@pytest.mark.process
def test_nothing_is_imported_before_it_is_asked_for() -> None:
    script = "import sys, kick.testing; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & {"httpx2", "pytest", "starlette.testclient"} == set()


def test_other_names_are_not_there() -> None:
    import kick.testing

    with pytest.raises(AttributeError, match="Nothing"):
        kick.testing.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_it_speaks_to_websockets_with_the_cookies_that_it_keeps() -> None:
    @Controller("/talk")
    class TalkController:
        @WebSocket()
        async def talk(self, socket: Socket[int, int]) -> None:
            async for number in socket:
                await socket.send(number + socket.session.get("visits", 0))

    layer = session("a secret of at least thirty-two bytes", cookie={"secure": True})
    client = TestClient(bootstrap([VisitModule, Module("talk", controllers=[TalkController])], [layer]))
    client.get("/visits")
    with client.websocket_connect("/talk") as socket:
        socket.send_json(41)
        assert socket.receive_json() == 42
    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/visits"):
        pytest.fail("there is none")
    assert caught.value.status_code == 404


def test_the_application_may_run_on_trio() -> None:
    """Sessions and streams of kick need asyncio, as the documentation says."""

    @Controller("/time")
    class TimeController:
        @Get("/")
        async def show(self) -> float:
            return trio.current_time()  # raises RuntimeError elsewhere

    with TestClient(bootstrap([Module("time", controllers=[TimeController])]), backend="trio") as client:
        shown = client.get("/time").json()
        assert client.run(on_trio) > shown


async def on_trio() -> float:
    return trio.current_time()
