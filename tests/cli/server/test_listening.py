"""`kick start` on a Unix socket, with TLS, and how long it keeps idle connections."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.cli.support import Running, kick, running
from tests.support.certificates import certify
from tests.support.nginx import nginx
from tests.support.ports import HOST, free_port
from tests.support.wire import Wire

SHARED = {"SESSION_STORE": "sqlite:///sessions.db"}


@contextmanager
def start(project: Path, *arguments: str) -> Iterator[Running]:
    with running("start", *arguments, cwd=project, **SHARED) as process:
        process.wait_for("kick serves")
        yield process


def ask(path: Path) -> dict[str, object]:
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as client:
        answer: dict[str, object] = client.get("http://kick.test/hello/Ada").json()
    return answer


class TestUnixSockets:
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_it_serves_and_removes_the_socket_at_the_end(self, project: Path, workers: str) -> None:
        path = project / "kick.sock"
        with start(project, "--uds", "kick.sock", "--workers", workers) as process:
            assert "on unix:kick.sock" in process.output
            assert ask(path)["hello"] == "Ada"
            assert path.stat().st_mode & 0o777 == 0o666
            process.process.terminate()
            assert process.end() == 0
        assert not path.exists()

    def test_one_that_a_server_left_behind_is_replaced(self, project: Path) -> None:
        path = project / "kick.sock"
        with start(project, "--uds", str(path)) as process:
            process.process.kill()
            process.end()
        assert path.is_socket()
        with start(project, "--uds", str(path)):
            assert ask(path)["hello"] == "Ada"

    def test_one_of_a_later_server_is_left_alone(self, project: Path) -> None:
        path = project / "kick.sock"
        with start(project, "--uds", str(path)) as process:
            path.unlink()
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(str(path))
                process.process.terminate()
                assert process.end() == 0
                assert path.is_socket()

    def test_a_trusted_proxy_on_it_says_who_the_client_is(self, project: Path, tmp_path: Path) -> None:
        folder = tmp_path / "nginx"
        folder.mkdir()
        path = project / "kick.sock"
        with (
            start(project, "--uds", str(path), "--trusted-proxies", "unix"),
            nginx(folder, f"http://unix:{path}:", "/shop") as url,
        ):
            answer = httpx2.get(f"{url}/shop/hello/Ada", headers={"x-forwarded-for": "203.0.113.9"}).json()
            assert answer["ip"] == HOST

    def test_a_port_beside_it_is_refused(self, project: Path) -> None:
        run = kick("start", "--uds", "kick.sock", "--port", "8000", cwd=project)
        assert run.returncode == 2
        assert "cannot be used together with --host and --port" in run.stderr

    def test_a_folder_that_is_not_there_is_an_error(self, project: Path) -> None:
        run = kick("start", "--uds", "nowhere/kick.sock", cwd=project)
        assert run.returncode == 1
        assert "error  unix-socket" in run.stderr


class TestTLS:
    @pytest.mark.parametrize("together", [True, False])
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_it_speaks_https(self, project: Path, together: bool, workers: str) -> None:
        certificate, key = project / "certificate.pem", project / "key.pem"
        certify(certificate, key)
        options = ["--ssl-certfile", str(certificate)]
        if together:
            certificate.write_text(certificate.read_text() + key.read_text())
        else:
            options += ["--ssl-keyfile", str(key)]
        port = free_port()
        trust = ssl.create_default_context(cafile=str(certificate))
        with start(project, *options, "--port", str(port), "--workers", workers) as process:
            assert f"on https://{HOST}:{port}" in process.output
            answer = httpx2.get(f"https://{HOST}:{port}/hello/Ada", verify=trust)
            assert answer.json()["hello"] == "Ada"
            assert "Secure" in answer.headers["set-cookie"]
            process.process.terminate()
            assert process.end() == 0

    @pytest.mark.parametrize(
        "options",
        [
            ("--ssl-certfile", "nowhere.pem"),
            ("--ssl-certfile", "app.py"),
            ("--ssl-certfile", "certificate.pem"),
            ("--ssl-keyfile", "key.pem"),
            ("--ssl-certfile", "certificate.pem", "--ssl-keyfile", "other.pem"),
        ],
    )
    def test_what_is_no_certificate_with_its_key_stops_the_start(self, project: Path, options: tuple[str, ...]) -> None:
        certify(project / "certificate.pem", project / "key.pem")
        certify(project / "another.pem", project / "other.pem")
        run = kick("start", "--port", str(free_port()), *options, cwd=project)
        assert run.returncode == 1
        assert "error  tls-certificate" in run.stderr
        assert "Traceback" not in run.stderr


def test_idle_connections_are_kept_for_as_long_as_is_said(project: Path) -> None:
    other = project / "other"
    other.mkdir()
    (other / "app.py").write_text((project / "app.py").read_text())
    long, short = free_port(), free_port()
    with (
        start(project, "--keep-alive", "600", "--port", str(long)),
        start(other, "--keep-alive", "1", "--port", str(short)),
        Wire(f"http://{HOST}:{long}") as kept,
    ):
        assert kept.ask("/hello/Ada").status == 200
        for _ in range(8):  # in total longer than uvicorn keeps connections by itself
            with Wire(f"http://{HOST}:{short}") as closed:
                assert closed.ask("/hello/Ada").status == 200
                assert closed.rest() == b""
        assert kept.ask("/hello/Ada").status == 200
