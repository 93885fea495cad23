"""How servers end: what the application hears, in which order things end, and what is in the log."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.cli.support import Answer, Running, get, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ServeProcess
from tests.support.waiting import wait_until

APP = """
import sys
import time
from collections.abc import AsyncIterator
from typing import Annotated

import anyio

from kick import Controller, Get, Module, Provider, RequestContext, bootstrap
from kick.health import Health


class Pool: ...
class Held: ...


async def pool() -> AsyncIterator[Pool]:
    yield Pool()
    print("pool closed", flush=True)


async def held(pool: Pool) -> AsyncIterator[Held]:
    try:
        yield Held()
    finally:
        await anyio.sleep(0.3)
        print("held closed", flush=True)


@Controller()
class Ends:
    @Get("/heeds")
    async def heeds(self, ctx: RequestContext):
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begun"
            await ctx.stopping.wait()
            yield b"goodbye"
        return ctx.stream(chunks())

    @Get("/heedless")
    async def heedless(self, ctx: RequestContext, held: Held):
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begun"
            await anyio.sleep_forever()
        return ctx.stream(chunks())

    @Get("/hangs")
    async def hangs(self, held: Held) -> None:
        print("hangs", flush=True)
        await anyio.sleep_forever()

    @Get("/stubborn")
    async def stubborn(self) -> None:
        print("stubborn", flush=True)
        while True:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass

    @Get("/wedged")
    def wedged(self) -> None:
        print("wedged", flush=True)
        time.sleep(3600)


app = bootstrap(
    [Health(), Module("ends", controllers=[Ends])],
    providers=[Provider(Pool, pool, scope="singleton"), Provider(Held, held, scope="request")],
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@contextmanager
def served(folder: Path, command: str, *arguments: str, until: str) -> Iterator[tuple[Running, str]]:
    """A `kick` command that serves, and its URL."""
    port = free_port()
    with running(command, *arguments, "--port", str(port), cwd=folder) as process:
        process.wait_for(until)
        yield process, f"http://{HOST}:{port}"


def start(folder: Path, *arguments: str) -> AbstractContextManager[tuple[Running, str]]:
    return served(folder, "start", *arguments, until="kick serves app:app")


class Client:
    """A connection on which a request is under way; `read()` is what comes until the server closes it."""

    def __init__(self, url: str, target: str, *, until: bytes = b"") -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.received = b""
        while until not in self.received:
            self.received += self.socket.recv(4096)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read(self) -> bytes:
        while chunk := self.socket.recv(4096):
            self.received += chunk
        return self.received


def is_whole(received: bytes) -> bool:
    return received.endswith(b"0\r\n\r\n")


def test_a_stream_that_heeds_the_end_ends_well_and_nobody_waits_for_the_grace(folder: Path) -> None:
    with start(folder) as (process, url), Client(url, "/heeds", until=b"begun") as client:
        process.process.terminate()
        received = client.read()
        assert b"goodbye" in received
        assert is_whole(received)
        assert process.end() == 0
        assert "Traceback" not in process.output


def test_a_stream_that_does_not_is_cut_off_after_the_grace_without_a_trace(folder: Path) -> None:
    with (
        start(folder, "--graceful-timeout", "1") as (process, url),
        Client(url, "/heedless", until=b"begun") as client,
    ):
        process.process.terminate()
        assert not is_whole(client.read())
        assert process.end() == 0
        assert "Cancel 1 running task(s)" in process.output
        assert "Traceback" not in process.output
        assert "CancelledError" not in process.output


def test_requests_that_are_cancelled_clean_up_before_what_they_use_is_closed(folder: Path) -> None:
    with start(folder, "--graceful-timeout", "0") as (process, url), Client(url, "/hangs"):
        process.wait_for("hangs")
        process.process.terminate()
        assert process.end() == 0
        assert [line for line in process.output.splitlines() if line.endswith(" closed")] == [
            "held closed",
            "pool closed",
        ]
        assert "Traceback" not in process.output


def test_a_handler_that_hangs_in_its_thread_keeps_nothing_from_ending(folder: Path) -> None:
    with start(folder, "--graceful-timeout", "1") as (process, url), Client(url, "/wedged"):
        process.wait_for("wedged")
        process.process.terminate()
        assert process.end() == 0
        assert "pool closed" in process.output
        assert "Ends.wedged() at" in process.output
        assert "Traceback" not in process.output


def test_a_request_that_swallows_its_cancellation_keeps_nothing_from_ending(folder: Path) -> None:
    with start(folder, "--graceful-timeout", "0") as (process, url), Client(url, "/stubborn"):
        process.wait_for("stubborn")
        process.process.terminate()
        assert process.end() == 0
        assert "pool closed" in process.output
        assert "ended by force" in process.output


def test_while_it_drains_it_is_alive_and_not_ready_and_still_serves(folder: Path) -> None:
    with start(folder, "--drain", "30", "--graceful-timeout", "1") as (process, url):
        assert get(f"{url}/health/ready").status == 200
        with Client(url, "/heeds", until=b"begun") as client:
            process.process.terminate()
            wait_until(lambda: get(f"{url}/health/ready").status == 503, "the application to be no longer ready")
            assert get(f"{url}/health/ready") == Answer(
                503, '{"status":"fail","output":"The application is about to stop."}'
            )
            assert get(f"{url}/health/live").status == 200
            client.socket.settimeout(60)
            while b"goodbye" not in client.received:
                client.received += client.socket.recv(4096)
        process.process.send_signal(signal.SIGINT)  # the second asks for an end at once
        assert process.end() == 0


def test_a_save_ends_streams_and_leaves_no_trace_in_the_log(folder: Path) -> None:
    with served(folder, "dev", until="Every save is picked up.") as (process, url):
        with Client(url, "/heeds", until=b"begun") as heeds, Client(url, "/heedless", until=b"begun") as heedless:
            (folder / "app.py").write_text(APP + "\n# saved\n")
            assert is_whole(heeds.read())
            assert not is_whole(heedless.read())
        process.wait_for("reloaded  app.py")
        wait_until(lambda: get(f"{url}/health/live").status == 200, "the next application")
        assert "held closed\npool closed\n" in process.output
        assert "Traceback" not in process.output
        assert "CancelledError" not in process.output


def test_hypercorn_whose_process_gets_the_signal_ends_streams_too(folder: Path) -> None:
    port = free_port()
    command = (sys.executable, "-m", "hypercorn")
    with running("app:app", "--workers", "0", "--bind", f"{HOST}:{port}", cwd=folder, command=command) as process:
        process.wait_for("Running on")
        with Client(f"http://{HOST}:{port}", "/heeds", until=b"begun") as client:
            process.process.terminate()
            assert is_whole(client.read())
        assert process.end() == 0
        assert "pool closed" in process.output
        assert "Traceback" not in process.output


def test_under_uvicorn_itself_the_signal_ends_streams_too(folder: Path, serve_process: ServeProcess) -> None:
    with serve_process("app:app", cwd=folder) as server, Client(server.url, "/heeds", until=b"begun") as client:
        server.process.send_signal(signal.SIGTERM)
        assert is_whole(client.read())
        server.process.wait(60)
        assert "pool closed" in server.output
        assert "Traceback" not in server.output
