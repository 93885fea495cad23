import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
from websockets.exceptions import ConnectionClosed

from tests.cli.support import APP, FAILING, SECRET, Answer, Browser, Running, get, kick, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT
from tests.support.sockets import client
from tests.support.waiting import wait_until

GREETING = "Every save is picked up."

OPEN = """
import anyio
from kick import Socket, WebSocket

@Controller()
class OpenController:
    @Get("/visits")
    async def visits(self, ctx: RequestContext) -> dict[str, int]:
        return {"version": 0, "visits": await ctx.session.increment("visits")}

    @Get("/events")
    async def events(self, ctx: RequestContext):
        async def forever():
            yield "first"
            await anyio.sleep_forever()
        return ctx.sse(forever())

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str]) -> None:
        async for text in socket:
            await socket.send(text)

app = bootstrap(
    [Module("open", controllers=[OpenController])], [session("{secret}", store="sqlite:///sessions.db")]
)
""".replace("{secret}", SECRET)
"""Added to `APP`, it is an application that keeps connections open, and sessions in a file."""


@contextmanager
def dev(project: Path, *arguments: str, **variables: str) -> Iterator[tuple[Running, str]]:
    """`kick dev` in a folder, and the URL that it serves; its children end with it."""
    port = free_port()
    with running("dev", *arguments, "--port", str(port), cwd=project, **variables) as process:
        yield process, f"http://{HOST}:{port}"


def save(project: Path, text: str, name: str = "app.py") -> None:
    """Save as an editor does: a whole file takes the place of the old one."""
    beside = project / f"{name}.new"
    beside.write_text(text)
    beside.replace(project / name)


def wait_for_answer(url: str, part: str) -> Answer:
    """The first answer that has this in it."""
    answers: list[Answer] = []

    def has_it() -> bool:
        answers.append(get(url))
        return part in answers[-1].text

    try:
        wait_until(has_it, part, timeout=30)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; the last of {len(answers)} answers: {answers[-1:]}") from None
    return answers[-1]


def test_it_shows_the_address_and_the_routes_and_serves(project: Path) -> None:
    with dev(project) as (process, url):
        process.wait_for(GREETING)
        shown = [line.split() for line in process.output.splitlines()]
        assert ["kick", "app:app", "development"] in shown
        assert [url] in shown
        assert ["GET", "/hello/{name}", "HelloController.hello"] in shown
        assert [f"{url}/docs", "the", "API"] in shown
        assert "PageController" not in process.output
        assert get(f"{url}/docs").status == 200
        answer = get(f"{url}/hello/Ada")
        assert answer.json["hello"] == "Ada"
        assert answer.json["environment"] == "development"
        process.wait_for("200  GET      /hello/Ada")


@pytest.mark.long
@pytest.mark.parametrize("broken", [False, True], ids=["works", "cannot be imported"])
def test_a_page_of_another_host_reads_nothing_through_a_name_that_leads_here(project: Path, broken: bool) -> None:
    """DNS rebinding: the browser takes `evil.test`, whose address is now 127.0.0.1, for the origin of the page."""
    if broken:
        (project / "app.py").write_text(APP + "x = (\n")
    with dev(project, "--live", "--allowed-host", "*.tunnel.example") as (process, url):
        process.wait_for("error  target-import" if broken else GREETING)
        served = 500 if broken else 200
        for path in ("/hello/Ada", "/__kick__/live.js"):
            for host in ("evil.test", "localhost.evil.test", ""):
                answer = get(url + path, Host=host)
                assert answer.status == 400
                assert "Ada" not in answer.text
                assert "SyntaxError" not in answer.text
        assert "--allowed-host" in get(f"{url}/hello/Ada", Host="evil.test").text
        for host in ("localhost:8000", "127.0.0.1", "[::1]", "shop.localhost", "192.168.0.7", "a.tunnel.example"):
            assert get(f"{url}/hello/Ada", Host=host).status == served


def test_a_host_that_is_none_is_named(project: Path) -> None:
    refused = kick("dev", "--allowed-host", "https://evil.test/", cwd=project)
    assert refused.returncode == 1
    assert "error  allowed-host" in refused.stderr


def test_a_save_is_served_and_a_mistake_waits_for_the_next(project: Path) -> None:
    with dev(project) as (process, url):
        process.wait_for(GREETING)
        save(project, APP.replace('"hello": name', '"version": 2'))
        wait_for_answer(f"{url}/hello/Ada", '"version":2')
        save(project, APP + "x = (\n")
        broken = wait_for_answer(f"{url}/hello/Ada", "SyntaxError")
        assert broken.status == 500
        assert "app.py" in broken.text
        save(project, APP.replace('"hello": name', '"version": 3'))
        wait_for_answer(f"{url}/hello/Ada", '"version":3')
        process.wait_for("reloaded  app.py", times=2)
        assert process.output.count(GREETING) == 1
        assert "error  target-import" in process.output
        assert "Traceback" not in process.output


def test_a_mistake_in_the_set_up_is_shown_with_its_fix_until_it_is_mended(project: Path) -> None:
    with dev(project, SESSION_SECRET="") as (process, url):
        process.wait_for("error  secret-missing")
        assert "fix    Generate one with `kick secret`" in process.output
        assert "Traceback" not in process.output
        assert GREETING not in process.output
        save(project, APP.replace('os.environ.get("SESSION_SECRET", ', "str("))
        wait_for_answer(f"{url}/hello/Ada", '"hello":"Ada"')
        process.wait_for(GREETING)


@pytest.mark.long
@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("import sys\nsys.exit('DATABASE_URL is not set')\n", "DATABASE_URL is not set"),
        ("raise SystemExit(3)\n", "with the status 3"),
        ("exit()\n", "ended the program"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['--unknown'])\n", "with the status 2"),
    ],
)
def test_an_import_that_ends_the_program_is_a_page_until_it_is_mended(project: Path, ending: str, said: str) -> None:
    (project / "settings.py").write_text(ending)
    save(project, f"import settings\n{APP}")
    with dev(project) as (process, url):
        process.wait_for("error  target-exit")
        page = wait_for_answer(f"{url}/hello/Ada", said)
        assert page.status == 500
        assert "settings.py" in page.text or "argparse" in ending
        assert "Traceback" not in process.output
        save(project, APP)
        wait_for_answer(f"{url}/hello/Ada", '"hello":"Ada"')


@pytest.mark.long
def test_an_application_that_does_not_start_is_started_by_the_next_save(project: Path) -> None:
    save(project, APP + FAILING)
    with dev(project) as (process, url):
        process.wait_for("The application has ended.")
        assert "no database" in process.output
        save(project, APP)
        wait_for_answer(f"{url}/hello/Ada", '"hello":"Ada"')


def test_trace_shows_how_the_mistake_was_reached(project: Path) -> None:
    (project / "app.py").write_text("import helper\n")
    (project / "helper.py").write_text("1 / 0\n")
    with dev(project, "--trace") as (process, _):
        process.wait_for("error  target-import")
        assert "Traceback (most recent call last)" in process.output
        assert "helper.py:1" in process.output


@pytest.mark.long
def test_an_exception_is_one_trace_of_the_applications_own_code(project: Path) -> None:
    save(
        project,
        APP.replace('return {"hello": name', 'raise LookupError("no such name")\n        return {"hello": name'),
    )
    with dev(project) as (process, url):
        answer = wait_for_answer(f"{url}/hello/Ada", "LookupError")
        assert '"trace":["LookupError: no such name"' in answer.text
        process.wait_for('raise LookupError("no such name")')
        process.press_ctrl_c()
        process.end()
        assert process.output.count("LookupError: no such name") == 1
        assert "HelloController.hello" in process.output
        assert "Traceback" not in process.output


@pytest.mark.long
def test_env_is_read_for_each_start_and_overrides_nothing(project: Path) -> None:
    save(project, APP.replace('"hello": name', '"a": os.environ["A"], "b": os.environ["B"]'))
    save(project, "A=1\nB=1\n", ".env")
    with dev(project, B="set") as (_, url):
        wait_for_answer(f"{url}/hello/Ada", '"a":"1","b":"set"')
        save(project, "A=2\nB=2\n", ".env")
        wait_for_answer(f"{url}/hello/Ada", '"a":"2","b":"set"')


def test_ctrl_c_ends_it_at_once_and_quietly(project: Path) -> None:
    with dev(project) as (process, url):
        process.wait_for(GREETING)
        process.press_ctrl_c()
        assert process.end() == 0
        assert "Traceback" not in process.output
        with pytest.raises(OSError, match="refused"):
            get(url)


@pytest.mark.long
def test_ctrl_c_does_not_wait_for_a_stream(project: Path) -> None:
    (project / "app.py").write_text(APP + OPEN)
    with dev(project) as (process, url):
        process.wait_for(GREETING)
        with stream(f"{url}/events"):
            process.press_ctrl_c()
            assert process.end() == 0


@pytest.mark.long
def test_ctrl_c_while_nothing_can_be_served_ends_it_too(project: Path) -> None:
    (project / "app.py").write_text("x = (")
    with dev(project) as (process, _):
        process.wait_for("SyntaxError")
        process.press_ctrl_c()
        assert process.end() == 0
        assert "Traceback" not in process.output


@pytest.mark.long
def test_the_server_does_not_outlive_the_command(project: Path) -> None:
    with dev(project) as (process, url):
        process.wait_for(GREETING)
        pid = get(f"{url}/hello/Ada").json["pid"]
        assert pid != process.process.pid
        process.process.kill()

        def is_gone() -> bool:
            try:
                os.kill(pid, 0)
                return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except (FileNotFoundError, ProcessLookupError):
                return True

        wait_until(is_gone, "the end of the server")


@pytest.mark.long
def test_without_reload_there_is_one_process(project: Path) -> None:
    with dev(project, "--no-reload") as (process, url):
        process.wait_for(GREETING)
        assert get(f"{url}/hello/Ada").json["pid"] == process.process.pid
        process.process.send_signal(signal.SIGTERM)
        assert process.end() == 0


@pytest.mark.long
def test_without_reload_a_mistake_ends_it(project: Path) -> None:
    run = kick("dev", "--no-reload", "--port", str(free_port()), cwd=project, SESSION_SECRET="")
    assert run.returncode == 1
    assert "error  secret-missing" in run.stderr


def test_a_port_that_is_taken_is_named_with_another(project: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        run = kick("dev", "--port", str(port), cwd=project)
    assert run.returncode == 1
    assert f"Another program listens on {HOST}, port {port}." in run.stderr
    assert "kick dev --port" in run.stderr


def test_an_address_of_another_machine_is_refused(project: Path) -> None:
    run = kick("dev", "--host", "192.0.2.1", cwd=project)
    assert run.returncode == 1
    assert "error  address" in run.stderr


def test_without_an_application_it_says_how_to_name_one(tmp_path: Path) -> None:
    run = kick("dev", cwd=tmp_path)
    assert run.returncode == 1
    assert "error  target-missing" in run.stderr
    assert "[tool.kick]" in run.stderr


@pytest.fixture(params=["watchfiles", "without"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variables of a process that has watchfiles, or to which it is as if it were not installed."""
    if request.param == "watchfiles":
        return {}
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "watchfiles.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": os.pathsep.join([str(hidden), str(ROOT)])}


@pytest.mark.long
def test_a_save_is_served_with_streams_and_sockets_open(project: Path, variables: dict[str, str]) -> None:
    save(project, APP + OPEN)
    with dev(project, **variables) as (process, url):
        process.wait_for(GREETING)
        browser = Browser(url)
        assert browser.get("/visits").json == {"version": 0, "visits": 1}
        for version in (1, 2, 3):
            with client(f"{url}/socket") as open_socket, stream(f"{url}/events") as events:
                open_socket.send("hello")
                assert open_socket.recv(timeout=30) == "hello"
                save(project, APP + OPEN.replace('"version": 0', f'"version": {version}'))
                wait_for_answer(f"{url}/visits", f'"version":{version}')
                with pytest.raises(ConnectionClosed) as caught:
                    open_socket.recv(timeout=30)
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code in (1001, 1012)
                assert events.read().endswith(b"0\r\n\r\n")
            assert browser.get("/visits").json == {"version": version, "visits": version + 1}
        process.wait_for("reloaded  app.py", times=3)
        assert "Traceback" not in process.output


@contextmanager
def stream(url: str) -> Iterator[BinaryIO]:
    """A stream of events that has begun, as it comes over the socket."""
    host, _, rest = url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")
    with socket.create_connection((host, int(port)), timeout=30) as connection, connection.makefile("rb") as received:
        connection.sendall(f"GET /{path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        while received.readline() != b"data: first\n":
            pass
        yield received
