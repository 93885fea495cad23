"""The access log: what stands in a line, that none is lost, and that nobody can write into it."""

from __future__ import annotations

import asyncio
import io
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse

from kick import App, Controller, Get, Module, Post, RequestContext, Response, bootstrap
from kick.http.log_text import shown
from kick.http.observers import ASK_AFTER
from kick.middleware import AccessLog, request_id
from kick.middleware.access_log.formats import Entry, JSONLines, TextLines
from kick.session import session
from tests.http.support import ask
from tests.support.serving import ROOT, ServeProcess, serve
from tests.support.setup_errors import raises_code
from tests.support.waiting import wait_until

SECRET = "a secret of at least thirty-two bytes"
OWN_LENGTH = Path(__file__).stat().st_size
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Gate:
    """What the handlers wait for."""

    began = False
    opened: asyncio.Event


@Controller("/")
class Everything:
    @Get("/notes/{note_id}")
    async def note(self, note_id: int) -> dict[str, int]:
        return {"id": note_id}

    @Get("/session")
    async def session(self, ctx: RequestContext) -> str:
        ctx.session.data["a"] = 1
        await ctx.session.save()
        return ctx.session.fingerprint

    @Get("/fail")
    async def fail(self) -> None:
        raise RuntimeError("broken")

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"a" * 1000
            await anyio.sleep(0.03)
            yield b"b" * 500

        return ctx.stream(pieces())

    @Get("/endless")
    async def endless(self, ctx: RequestContext) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000
                await anyio.sleep(0.005)

        return ctx.stream(pieces())

    @Get("/breaks")
    async def breaks(self, ctx: RequestContext) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"x" * 10
            raise RuntimeError("broken")

        return ctx.stream(pieces())

    @Get("/slow")
    async def slow(self) -> str:
        Gate.began = True
        await Gate.opened.wait()
        await anyio.sleep(2 * ASK_AFTER)
        return "done"

    @Post("/upload")
    async def upload(self, ctx: RequestContext) -> int:
        return len(await ctx.read())

    @Get("/file")
    async def file(self) -> FileResponse:
        return FileResponse(__file__)

    @Get("/open")
    async def open(self) -> None:
        Gate.opened.set()


class Log:
    """An application with a log in JSON, and what it has written."""

    def __init__(self, **options: Any) -> None:
        self.pieces: list[str] = []
        self.log = AccessLog("json", write=self.pieces.append, query=options.pop("query", False))
        layers = [request_id(), session(SECRET, save_uninitialized=False)]
        self.app: App = bootstrap([Module("all", controllers=[Everything])], layers, access_log=self.log, **options)

    @property
    def lines(self) -> list[dict[str, Any]]:
        self.log.flush()
        return self.written

    @property
    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in "".join(self.pieces).splitlines()]

    async def line(self, target: str, **options: Any) -> dict[str, Any]:
        """The line of one request."""
        await ask(self.app, target, **options)
        return self.lines[-1]


async def test_a_line_has_what_there_is_to_know() -> None:
    line = await Log().line("/notes/7?token=secret", headers={"traceparent": PARENT})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert re.fullmatch(r"[0-9a-f]{32}", line.pop("request_id"))
    assert 0 < line.pop("duration") < 1
    assert line == {
        "status": 200,
        "method": "GET",
        "path": "/notes/7",
        "bytes": 8,
        "client": "192.0.2.7",
        "route": "/notes/{note_id}",
        "handler": "Everything.note",
        "trace_id": PARENT[3:35],
    }


async def test_the_query_string_is_there_if_it_is_wanted() -> None:
    assert (await Log(query=True).line("/notes/7?a=%0A&b=c d"))["query"] == "a=%0A&b=c%20d"


@pytest.mark.parametrize("path", ["/notes/a%2Fb", "/notes/%37", "/caf%c3%a9", "/100%25", "/%0A%1b[31m"])
async def test_the_path_is_the_one_that_the_client_sent(path: str) -> None:
    assert (await Log().line(path))["path"] == path


async def test_the_session_is_named_by_its_short_hash() -> None:
    log = Log()
    answer = await ask(log.app, "/session")
    assert log.lines[0]["session"] == answer.json()
    assert "session" not in await log.line("/notes/7")


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/fail", 500), ("/notes/x", 404)])
async def test_errors_are_logged_with_their_status_and_id(path: str, status: int) -> None:
    log = Log()
    answer = await ask(log.app, path)
    (line,) = log.lines
    assert (line["status"], line["bytes"]) == (status, len(answer.body))
    assert line["request_id"] == answer.json()["request_id"]


async def test_head_has_no_bytes() -> None:
    assert (await Log().line("/notes/7", method="HEAD"))["bytes"] == 0


async def test_what_is_logged_is_what_is_sent() -> None:
    log = Log(asgi_middleware=[Middleware(GZipMiddleware, minimum_size=1)])
    answer = await ask(log.app, "/notes/7", headers={"accept-encoding": "gzip"})
    assert answer.header("content-encoding") == "gzip"
    assert log.lines[0]["bytes"] == len(answer.body) != 8


async def test_what_is_refused_for_its_host_is_logged_too() -> None:
    line = await Log(allowed_hosts=["example.org"]).line("/notes/7")
    assert (line["status"], line["path"]) == (400, "/notes/7")
    assert "route" not in line


async def test_a_stream_has_its_true_length_and_duration() -> None:
    line = await Log().line("/stream")
    assert (line["status"], line["bytes"]) == (200, 1500)
    assert line["duration"] >= 0.03


def test_a_stream_that_the_client_leaves_is_499() -> None:
    log = Log()
    with serve(log.app) as url, _connection(url, "/endless") as client:
        assert client.recv(4096)
        client.close()
        wait_until(lambda: log.written, "the line")
    (line,) = log.written
    assert line["status"] == 499
    assert line["bytes"] >= 1000


def test_a_client_that_does_not_wait_for_the_answer_is_499() -> None:
    log = Log()
    Gate.began, Gate.opened = False, asyncio.Event()
    with serve(log.app) as url:
        client = _connection(url, "/slow")
        wait_until(lambda: Gate.began, "the request")
        client.close()
        with _connection(url, "/open") as other:
            assert b"204" in other.recv(4096)
        wait_until(lambda: len(log.written) == 2, "the lines")
    assert {line["path"]: (line["status"], line["bytes"]) for line in log.written} == {
        "/slow": (499, 0),
        "/open": (204, 0),
    }


def test_a_client_that_waits_gets_a_200() -> None:
    log = Log()
    Gate.began, Gate.opened = False, asyncio.Event()
    with serve(log.app) as url, _connection(url, "/slow") as client:
        wait_until(lambda: Gate.began, "the request")
        with _connection(url, "/open") as other:
            assert b"204" in other.recv(4096)
        assert b"200" in client.recv(4096)
        wait_until(lambda: len(log.written) == 2, "the lines")
    assert log.written[-1]["status"] == 200


async def test_an_upload_that_the_client_gives_up_is_499() -> None:
    line = await Log().line("/upload", method="POST", body=[b"half"], disconnects=True)
    assert (line["status"], line["bytes"], line["handler"]) == (499, 0, "Everything.upload")


@pytest.mark.parametrize("extensions", [{}, {"http.response.pathsend": {}}])
async def test_a_file_has_its_length_whoever_sends_it(extensions: dict[str, Any]) -> None:
    line = await Log().line("/file", extensions=extensions)
    assert (line["status"], line["bytes"]) == (200, OWN_LENGTH)


async def test_a_stream_that_breaks_is_500() -> None:
    log = Log()
    with pytest.raises(BaseException, match=r"broken|exceptions"):
        await ask(log.app, "/breaks")
    (line,) = log.lines
    assert (line["status"], line["bytes"]) == (500, 10)


async def test_a_request_that_is_cancelled_is_499() -> None:
    log = Log()
    Gate.began, Gate.opened = False, asyncio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ask(log.app, "/slow"))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert log.lines[0]["status"] == 499


# When it is written


async def test_lines_are_written_together_a_moment_later() -> None:
    log, came = Log(), anyio.Event()

    def write(lines: str) -> None:
        log.pieces.append(lines)
        came.set()

    log.log._batch._write = write
    for number in range(3):
        await ask(log.app, f"/notes/{number}")
    assert log.pieces == []
    with anyio.fail_after(60):
        await came.wait()
    assert len(log.pieces) == 1
    assert [line["path"] for line in log.written] == ["/notes/0", "/notes/1", "/notes/2"]


async def test_the_end_of_the_application_writes_the_rest() -> None:
    log = Log()
    await ask(log.app, "/notes/7")
    await log.app.aclose()
    assert len(log.written) == 1


def test_a_loop_that_has_ended_takes_no_line_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    asyncio.run(_one(log.app))
    assert log.pieces == []
    log.log._due = 1e-9  # long ago
    asyncio.run(_one(log.app))
    assert len(log.written) == 2


def test_pieces_are_whole_lines_that_a_pipe_takes_as_one() -> None:
    log = Log()

    async def many() -> None:
        for number in range(100):
            await ask(log.app, f"/notes/{number}")

    asyncio.run(many())
    assert len(log.lines) == 100
    assert max(map(len, log.pieces)) <= 4096
    assert all(piece.endswith("\n") for piece in log.pieces)


CRASH = """
import asyncio
from kick import bootstrap
from tests.http.support import ask
app = bootstrap([], access_log={how!r})
asyncio.run(ask(app, "/lost"))
{end}
"""


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise RuntimeError('crash')", ""])
@pytest.mark.process
def test_a_process_that_ends_has_written_all(end: str, tmp_path: Path) -> None:
    script = CRASH.format(how="json", end=end)
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(run.stdout)["path"] == "/lost"


def test_a_server_that_is_stopped_has_written_all(tmp_path: Path, serve_process: ServeProcess) -> None:
    (tmp_path / "shop.py").write_text("from kick import bootstrap\napp = bootstrap([], access_log='json')\n")
    with serve_process("shop:app", cwd=tmp_path) as server:
        for number in range(5):
            with _connection(server.url, f"/{number}") as client:
                assert b"404" in client.recv(4096)
        server.stop()
        lines = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    assert [line["path"] for line in lines] == [f"/{number}" for number in range(5)]


async def test_lines_that_cannot_be_written_disturb_no_request(caplog: pytest.LogCaptureFixture) -> None:
    def full(lines: str) -> None:
        raise OSError("no space left")

    log = AccessLog(write=full)
    app = bootstrap([], access_log=log)
    assert (await ask(app, "/x")).status == 404
    log.flush()
    assert "lines of the access log were lost" in caplog.text


# Whether there is one


async def test_there_is_none_unless_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    app = bootstrap([])
    assert type(app) is App
    await ask(app, "/x")
    await app.aclose()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("given", "said", "format"),
    [
        (None, "", None),
        (None, "json", "json"),
        (None, "short", "short"),
        (True, "", "text"),
        (True, "short", "short"),
        ("json", "text", "json"),
        (False, "json", None),
        (True, "off", None),
        (None, "OFF", None),
    ],
)
def test_the_application_and_the_environment_decide(
    given: Any, said: str, format: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KICK_ACCESS_LOG", said)
    log = AccessLog.of(given)
    assert (log and log.format) == format


def test_an_environment_that_names_no_format_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ACCESS_LOG", "xml")
    with raises_code("access-log", match="KICK_ACCESS_LOG='xml' is not a format"):
        bootstrap([])


# What it looks like


def entry(**values: Any) -> Entry:
    known: dict[str, Any] = {"ended": 0.0, "duration": 0.00184, "status": 200, "size": 42, "method": "GET"}
    known |= {"path": "/notes/7", "query": b"", "client": "192.0.2.7", "route": None, "request_id": None}
    return Entry(**{**known, "session_key": None, "parent": None, **values})


def test_a_line_for_people() -> None:
    line = TextLines(dated=True, painted=False)(entry(request_id="abc", session_key="{abcd}:0123456789"), 0.042)
    time, rest = line.split("  ", 1)
    assert re.fullmatch(r"(1970-01-01|1969-12-31)T\d\d:\d\d:00\.042[+-]\d\d:\d\d", time)
    assert rest == "192.0.2.7  200  GET      /notes/7  1.8 ms  42 B  id=abc  session=01234567"


def test_a_short_line_for_the_one_in_front_of_it() -> None:
    line = TextLines(dated=False, painted=False)(entry(status=404, method="DELETE"), 5.0)
    assert re.fullmatch(r"  \d\d:\d\d:05  404  DELETE   /notes/7  1\.8 ms  42 B", line)
    known = TextLines(dated=False, painted=False)(entry(request_id="0123456789abcdef"), 5.0)
    assert known.endswith("  id=01234567")


def test_colours_change_nothing_but_the_colours() -> None:
    for status in (200, 404, 500):
        painted = TextLines(dated=False, painted=True)(entry(status=status), 5.0)
        assert "\x1b[" in painted
        assert re.sub(r"\x1b\[\d+m", "", painted) == TextLines(dated=False, painted=False)(entry(status=status), 5.0)


def test_a_terminal_gets_colours_and_a_pipe_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for stream in (Screen(), io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        log = AccessLog()
        log._put(entry())
        log.flush()
        assert ("\x1b[" in stream.getvalue()) is stream.isatty()


HOSTILE = [
    "/a\n200  GET  /b",
    "/\x1b[2J\x1b]0;x\x07",
    "/a  500  GET",
    "/\u202e\u2028",
    "/\x9b31m",
    "/\udc80",
    "/\x00\x7f",
]


@pytest.mark.parametrize("path", [*HOSTILE, "/" + "a" * 5000, "/" + "é" * 5000])
def test_a_path_cannot_write_lines_or_colours(path: str) -> None:
    written = shown(path)
    assert re.fullmatch(r"[!-~]{1,1027}", written)
    line = TextLines(dated=False, painted=False)(entry(path=path), 0.0)
    assert "\n" not in line
    assert f"  {written}  " in line
    assert json.loads(JSONLines()(entry(path=path), 0.0))["path"] == written


def test_an_address_that_a_server_believed_writes_no_columns() -> None:
    hostile = entry(client="192.0.2.7  200  GET  /admin")
    line = TextLines(dated=True, painted=False)(hostile, 0.0)
    assert line.split("  ")[1] == "192.0.2.7%20%20200%20%20GET%20%20/admin"
    assert json.loads(JSONLines()(hostile, 0.0))["client"] == "192.0.2.7%20%20200%20%20GET%20%20/admin"


@settings(max_examples=200, deadline=None)
@given(st.text(), st.binary(), st.text(max_size=20), st.text(max_size=20), st.binary(max_size=80))
def test_whatever_comes_a_line_is_one_printable_line(
    path: str, query: bytes, method: str, client: str, parent: bytes
) -> None:
    hostile = entry(path=path, query=query, method=method, client=client, parent=parent)
    for lines in (TextLines(dated=True, painted=False), JSONLines()):
        line = lines(hostile, 1.0)
        assert re.fullmatch(r"[ -~]+", line)


async def _one(app: App) -> None:
    await ask(app, "/notes/1")


def _connection(url: str, path: str) -> socket.socket:
    """A connection on which a request was sent."""
    parts = urlsplit(url)
    client = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    return client
