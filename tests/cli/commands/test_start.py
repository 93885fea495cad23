import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.support import APP, FAILING, SECRET, Running, get, kick, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT
from tests.support.waiting import wait_until

OTHER = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["client"][0].encode()})
"""

SERVED_BY = """
import asyncio
import sys

@Controller("/served-by")
class ServedByController:
    @Get("/")
    async def served_by(self) -> dict[str, object]:
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        return {"loop": loop, "httptools": "uvicorn.protocols.http.httptools_impl" in sys.modules}

app = bootstrap([Module("served-by", controllers=[ServedByController])])
"""

SERVES = "kick serves app:app"

SLOW = """
from pathlib import Path
import anyio

@Controller("/slow")
class SlowController:
    @Get("/")
    async def slow(self) -> str:
        Path("began").touch()
        while not Path("may-end").exists():
            await anyio.sleep(0.02)
        return "done"

app = bootstrap([Module("slow", controllers=[SlowController])])
"""


@contextmanager
def start(project: Path, *arguments: str, **variables: str) -> Iterator[tuple[Running, str]]:
    """`kick start` in a folder, and the URL that it serves."""
    port = free_port()
    with running("start", *arguments, "--port", str(port), cwd=project, **variables) as process:
        yield process, f"http://{HOST}:{port}"


def test_it_serves_in_production_without_a_table_of_routes(project: Path) -> None:
    with start(project) as (process, url):
        process.wait_for(SERVES)
        assert f"{url}: production, 1 worker\n" in process.output
        answer = get(f"{url}/hello/Ada").json
        assert answer["environment"] == "production"
        assert answer["pid"] == process.process.pid
        process.wait_for("127.0.0.1  200  GET      /hello/Ada")
        assert "/hello/{name}" not in process.output
        process.process.terminate()
        assert process.end() == 0


@pytest.mark.long
def test_the_environment_can_be_another(project: Path) -> None:
    with start(project, "--access-log", "off", KICK_ENV="staging") as (process, url):
        process.wait_for(SERVES)
        assert get(f"{url}/hello/Ada").json["environment"] == "staging"
        process.press_ctrl_c()
        assert process.end() == 0
        assert "/hello/Ada" not in process.output


def test_workers_share_the_port_and_are_replaced(project: Path) -> None:
    with start(project, "--workers", "2", SESSION_STORE="sqlite:///sessions.db") as (process, url):
        process.wait_for(SERVES)
        assert "2 workers" in process.output
        first = get(f"{url}/hello/Ada").json["pid"]
        assert first != process.process.pid
        os.kill(first, signal.SIGKILL)
        process.wait_for(f"worker {first} has ended and is replaced")
        wait_until(lambda: get(f"{url}/hello/Ada").status == 200, "an answer of another worker")
        assert get(f"{url}/hello/Ada").json["pid"] != first
        process.process.terminate()
        assert process.end() == 0
        assert "Traceback" not in process.output
        with pytest.raises(OSError, match="refused"):
            get(url)


@pytest.mark.long
@pytest.mark.parametrize("there", [True, False])
def test_uvloop_and_httptools_are_used_when_they_are_there(project: Path, tmp_path: Path, there: bool) -> None:
    (project / "app.py").write_text(APP + SERVED_BY)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    if not there:
        for name in ("uvloop", "httptools"):
            (hidden / f"{name}.py").write_text("raise ImportError\n")
    with start(project, PYTHONPATH=os.pathsep.join([str(hidden), str(ROOT)])) as (process, url):
        process.wait_for(SERVES)
        served_by = get(f"{url}/served-by").json
        assert served_by == {"loop": "uvloop" if there else "asyncio", "httptools": there}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_request_in_flight_is_answered_before_the_end(project: Path, workers: int) -> None:
    (project / "app.py").write_text(APP + SLOW)
    with start(project, "--workers", str(workers)) as (process, url), ThreadPoolExecutor(1) as pool:
        process.wait_for(SERVES)
        answer = pool.submit(get, f"{url}/slow")
        wait_until((project / "began").exists, "the request")
        process.process.terminate()
        wait_until(lambda: _refuses(url), "the end of new connections")
        (project / "may-end").touch()
        assert answer.result(timeout=60).text == '"done"'
        assert process.end() == 0


def test_a_request_that_does_not_end_is_given_up_after_the_timeout(project: Path) -> None:
    (project / "app.py").write_text(APP + SLOW)
    with start(project, "--graceful-timeout", "1") as (process, url):
        process.wait_for(SERVES)
        threading.Thread(target=_ignore_errors, args=(f"{url}/slow",), daemon=True).start()
        wait_until((project / "began").exists, "the request")
        process.process.terminate()
        assert process.end() == 0


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_a_weak_secret_stops_the_start_and_the_fix_is_printed(project: Path, workers: str) -> None:
    run = kick("start", "--workers", workers, "--port", str(free_port()), cwd=project, SESSION_SECRET="weak")
    assert run.returncode == 1
    assert "error  secret-weak" in run.stderr
    assert "Generate one with `kick secret`" in run.stderr
    assert "Traceback" not in run.stderr


def test_workers_do_not_start_with_sessions_in_memory(project: Path) -> None:
    run = kick("start", "--workers", "2", "--port", str(free_port()), cwd=project)
    assert run.returncode == 1
    assert "error  session-store-not-shared" in run.stderr
    assert "sqlite:///sessions.db" in run.stderr


@pytest.mark.long
def test_sessions_in_memory_are_found_in_a_module_too(project: Path) -> None:
    text = APP.partition("app = bootstrap(")[0].replace(
        "controllers=[HelloController])", f'controllers=[HelloController], middleware=[session("{SECRET}")])'
    )
    (project / "app.py").write_text(text + "app = bootstrap([HelloModule])\n")
    run = kick("start", "--workers", "2", "--port", str(free_port()), cwd=project)
    assert run.returncode == 1
    assert "error  session-store-not-shared" in run.stderr


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_an_application_that_does_not_start_is_an_error(project: Path, workers: str) -> None:
    (project / "app.py").write_text(APP + FAILING)
    run = kick("start", "--workers", workers, "--port", str(free_port()), cwd=project)
    assert run.returncode == 1
    assert "no database" in run.stderr
    assert SERVES not in run.stdout


@pytest.mark.long
def test_the_number_of_workers_may_come_from_the_environment(project: Path) -> None:
    run = kick("start", "--port", str(free_port()), cwd=project, WEB_CONCURRENCY="3")
    assert run.returncode == 1
    assert "each of the 3 workers" in run.stderr


@pytest.mark.long
def test_nobody_but_a_trusted_proxy_says_who_the_client_is(project: Path) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    with start(project) as (process, url):
        process.wait_for(SERVES)
        assert get(f"{url}/hello/Ada", **forwarded).json["ip"] == "127.0.0.1"
    with start(project, "--trusted-proxies", "127.0.0.0/8") as (process, url):
        process.wait_for(SERVES)
        assert get(f"{url}/hello/Ada", **forwarded).json["ip"] == "192.0.2.7"
        process.wait_for("192.0.2.7  200  GET      /hello/Ada")
    with start(project, KICK_TRUSTED_PROXIES="192.0.2.1") as (process, url):
        process.wait_for(SERVES)
        assert get(f"{url}/hello/Ada", **forwarded).json["ip"] == "127.0.0.1"


def test_proxies_that_cannot_be_read_stop_the_start(project: Path) -> None:
    run = kick("start", "--trusted-proxies", "the big one", "--port", str(free_port()), cwd=project)
    assert run.returncode == 1
    assert "error  trusted-proxies" in run.stderr


@pytest.mark.long
def test_an_application_of_another_framework_is_served_likewise(project: Path) -> None:
    (project / "app.py").write_text(OTHER)
    with start(project, "--trusted-proxies", "1") as (process, url):
        process.wait_for(SERVES)
        assert get(f"{url}/hello", **{"X-Forwarded-For": "192.0.2.7"}).text == "192.0.2.7"
        process.wait_for("200  GET      /hello")


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_the_access_log_may_be_json_and_loses_nothing_at_the_end(project: Path, workers: str) -> None:
    store = "sqlite:///sessions.db"
    with start(project, "--access-log", "json", "--workers", workers, SESSION_STORE=store) as (process, url):
        process.wait_for(SERVES)
        for number in range(20):
            get(f"{url}/hello/{number}?secret=1")
        process.process.terminate()
        assert process.end() == 0
        lines = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    assert sorted(line["path"] for line in lines) == sorted(f"/hello/{number}" for number in range(20))
    assert {(line["route"], line["status"], line["client"]) for line in lines} == {("/hello/{name}", 200, "127.0.0.1")}
    assert all(len(line["session"]) == 8 for line in lines)
    assert "secret" not in process.output


LOGGING = """
import logging
from kick.middleware import request_id

@Controller("/sold")
class SoldController:
    @Get("/")
    async def sold(self) -> str:
        logging.getLogger("shop").info("sold", extra={"order": 7})
        return "sold"

app = bootstrap([Module("sold", controllers=[SoldController])], [request_id(logs=True)]FORMAT)
"""


@pytest.mark.long
@pytest.mark.parametrize("format", ["json", "text"])
@pytest.mark.parametrize("said_by", ["the application", "an option"])
def test_records_have_the_id_and_the_format_of_the_access_log(project: Path, format: str, said_by: str) -> None:
    by_application = said_by == "the application"
    source = LOGGING.replace("FORMAT", f', access_log="{format}"' if by_application else "")
    (project / "app.py").write_text(f"from kick import Controller, Get, Module, bootstrap\n{source}")
    options = [] if by_application else ["--access-log", format]
    with start(project, *options) as (process, url):
        process.wait_for(SERVES)
        get(f"{url}/sold")
        process.process.terminate()
        assert process.end() == 0
    (line,) = [line for line in process.output.splitlines() if "shop" in line]
    (access,) = [line for line in process.output.splitlines() if "/sold" in line]
    if format == "json":
        record = json.loads(line)
        assert (record["message"], record["order"]) == ("sold", 7)
        assert record["request_id"] == json.loads(access)["request_id"]
    else:
        request_id = line.partition("  shop  sold  id=")[2]
        assert len(request_id) == 32
        assert f"id={request_id}" in access


def _refuses(url: str) -> bool:
    try:
        get(url)
    except ConnectionRefusedError:
        return True
    except OSError as error:
        return "refused" in str(error)
    return False


def _ignore_errors(url: str) -> None:
    try:
        get(url)
    except OSError:
        pass
