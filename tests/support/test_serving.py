import logging
import os
import signal
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.support.ports import free_port
from tests.support.serving import Serve, ServeProcess

SHOP = """
import os
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def name(request):
    return PlainTextResponse(f"{os.environ['SHOP']} {os.getpid()}")

app = Starlette(routes=[Route("/name", name)])
"""


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"hello {request.query_params['name']}")


def test_an_application_is_served_while_the_block_runs(serve: Serve) -> None:
    with serve(Starlette(routes=[Route("/hello", hello)])) as url:
        assert httpx2.get(f"{url}/hello", params={"name": "kick"}).text == "hello kick"

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/hello")


def test_two_applications_are_served_at_once(serve: Serve) -> None:
    app = Starlette(routes=[Route("/hello", hello)])
    with serve(app) as one, serve(app) as two:
        assert one != two
        assert {httpx2.get(f"{url}/hello?name=kick").status_code for url in (one, two)} == {200}


def test_the_lifespan_is_run_to_its_end(serve: Serve) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            seen.append(step)
            await send({"type": f"lifespan.{step}.complete"})

    with serve(app):
        assert seen == ["startup"]
    assert seen == ["startup", "shutdown"]


def test_an_application_that_fails_to_start_is_reported(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no secret")

    with pytest.raises(RuntimeError, match="did not start"), serve(app):
        pytest.fail("it must not get here")
    assert "no secret" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_a_process_serves_what_is_found_from_its_directory(serve_process: ServeProcess, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    with serve_process("shop:app", cwd=tmp_path, env={"SHOP": "corner"}) as server:
        name, pid = httpx2.get(f"{server.url}/name").text.split()
        assert name == "corner"
        assert int(pid) != os.getpid()
        assert server.stop() in {0, -signal.SIGTERM}

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{server.url}/name")


def test_a_process_can_be_killed(serve_process: ServeProcess, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    with serve_process("shop:app", cwd=tmp_path, env={"SHOP": "corner"}) as server:
        assert server.kill() == -signal.SIGKILL


def test_a_process_that_does_not_start_says_why(serve_process: ServeProcess, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("raise LookupError('no secret')")
    with pytest.raises(RuntimeError, match="LookupError: no secret"), serve_process("shop:app", cwd=tmp_path):
        pytest.fail("it must not get here")


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(200)] + [free_port(companion=10_000) for _ in range(200)]
    assert len(set(ports)) == len(ports)
