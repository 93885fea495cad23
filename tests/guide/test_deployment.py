"""The page about deployment: its nginx serves an application over TLS; its other files fit what kick has."""

from __future__ import annotations

import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest
import yaml
from click.testing import CliRunner
from websockets.sync.client import connect

from kick import App
from kick.cli.program import program as kick
from kick.testing import TestClient
from tests.guide.pages import GUIDE, application
from tests.support.certificates import certify
from tests.support.ports import HOST, free_port
from tests.support.postgres import PostgresServer
from tests.support.programs import program
from tests.support.redis import RedisCluster
from tests.support.waiting import wait_until

START = (sys.executable, "-m", "kick.cli", "start")
PAGE = (GUIDE / "deployment.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_application_is_healthy() -> None:
    with TestClient(application("deployment.md", "Several machines")) as client:
        assert client.get("/health/ready").status_code == 200


def store_urls() -> list[str]:
    """The URLs that the page sets in its files of variables."""
    return re.findall(r"^SESSION_STORE=(\S+)$", PAGE, re.MULTILINE)


def machine(store: str, *secrets: str) -> App:
    """The application of the page on one machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SESSION_STORE", store)
        patch.setenv("SESSION_SECRET", ",".join(each.ljust(32, "!") for each in secrets or ["old"]))
        app = application("deployment.md", "Several machines")
    assert isinstance(app, App)
    return app


def is_known_there(here: App, there: App) -> bool:
    """Whether a user who logs in on one machine is known on another."""
    with TestClient(here) as one:
        one.login(7)
        cookies = dict(one.cookies)
    with TestClient(there) as two:
        two.cookies.update(cookies)
        with two.session() as session:
            return bool(session.principal == "7")


@pytest.mark.redis
@pytest.mark.process
def test_machines_share_sessions_over_a_cluster(redis_cluster: RedisCluster) -> None:
    nodes = ",".join(f"{HOST}:{node.port}" for node in redis_cluster.nodes)
    url = next(each for each in store_urls() if "+cluster" in each)
    store = re.sub(r"rediss(\+cluster://)[^?]+", rf"redis\g<1>{nodes}", url)
    assert store.endswith("?prefix=shop:")
    assert is_known_there(machine(store), machine(store))


@pytest.mark.postgres
@pytest.mark.process
def test_machines_share_sessions_over_postgresql_with_a_table_that_was_made_before(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    table, query = postgres_server.new_table(), postgres_server.url.partition("?")[2]
    line = next(each for each in PAGE.splitlines() if each.startswith("$ kick sessions migrate"))
    owner = f"{postgres_server.url}{'&' if query else '?'}table={table}"
    command = [owner if "://" in each else each for each in shlex.split(line)[2:]]
    result = CliRunner().invoke(kick, command)
    assert result.exit_code == 0, result.output
    options = next(each for each in store_urls() if each.startswith("postgresql")).partition("?")[2]
    store = f"{owner}&{re.sub('(sslmode|table)=[^&]*&?', '', options).rstrip('&')}"
    assert "target_session_attrs=read-write" in store
    assert is_known_there(machine(store), machine(store))


def test_a_new_secret_logs_nobody_out_while_machines_restart(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/sessions.db"
    rows = re.findall(r"^\| (?:before|\d) \| `([a-z,]+)` \|", PAGE, re.MULTILINE)
    steps = [row.split(",") for row in rows]
    assert len(steps) == 4
    for before, after in pairwise(steps):
        for here, there in ((before, after), (after, before)):
            assert is_known_there(machine(store, *here), machine(store, *there))
    assert not is_known_there(machine(store, "new", "old"), machine(store, "old"))  # why there is a step 1


def options_of_start() -> set[str]:
    return set(re.findall(r"--[a-z-]+", CliRunner().invoke(kick, ["start", "--help"]).output))


def test_the_service_calls_kick_with_options_that_exist() -> None:
    line = next(each for each in block("ini").splitlines() if each.startswith("ExecStart="))
    assert set(re.findall(r"--[a-z-]+", line)) <= options_of_start()


def test_the_probes_ask_routes_that_exist_and_the_times_fit() -> None:
    pod = yaml.safe_load(block("yaml"))
    container = pod["containers"][0]
    with TestClient(application("deployment.md", "Several machines")) as client:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert client.get(container[probe]["httpGet"]["path"]).status_code == 200
    args = container["args"]
    assert {each for each in args if each.startswith("--")} <= options_of_start()
    assert pod["terminationGracePeriodSeconds"] > int(args[args.index("--drain") + 1]) + 30


SHOP = """
from kick import Controller, Get, Module, Post, RequestContext, Socket, WebSocket, bootstrap

@Controller()
class Shop:
    smuggled = 0

    @Get("/me")
    async def me(self, ctx: RequestContext):
        return {"url": str(ctx.url), "ip": ctx.client_ip}

    @Get("/smuggled")
    async def count(self):
        Shop.smuggled += 1
        return Shop.smuggled

    @Post("/size")
    async def size(self, ctx: RequestContext):
        return {"size": len(await ctx.read()), "upgrade": ctx.headers.get("upgrade")}

    @WebSocket("/echo")
    async def echo(self, socket: Socket[str, str]):
        async for text in socket:
            await socket.send(text)

app = bootstrap([Module("shop", controllers=[Shop])])
"""


def check_upgrades(address: tuple[str, int], trust: ssl.SSLContext) -> None:
    """Check that WebSockets are passed on, and that the body of a request to upgrade is no request."""
    body = b"GET /smuggled HTTP/1.1\r\nhost: shop.example\r\n\r\n" * 20
    for _ in range(5):
        with trust.wrap_socket(socket.create_connection(address, 30), server_hostname=HOST) as connection:
            connection.sendall(
                b"POST /size HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\nUpgrade: x\r\n"
                b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            connection.sendall(body)
            received = connection.recv(65_536)
            while b'"upgrade"' not in received:
                received += connection.recv(65_536)
        assert b'{"size":%d,"upgrade":null}' % len(body) in received
    with httpx2.Client(verify=trust) as client:
        count = client.get(f"https://{HOST}:{address[1]}/smuggled", headers={"host": "shop.example"}).json()
    assert count == 1
    url = f"wss://{HOST}:{address[1]}/echo"
    with connect(url, ssl=trust) as websocket:
        websocket.send("hello")
        assert websocket.recv(30) == "hello"


@pytest.mark.long
@pytest.mark.process
def test_nginx_passes_the_address_the_scheme_and_websockets_on(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SHOP)
    certify(tmp_path / "certificate.pem", tmp_path / "key.pem")
    port, path = free_port(), tmp_path / "kick.sock"
    server = block("nginx").replace("/run/shop/kick.sock", str(path)).replace("listen 443", f"listen {HOST}:{port}")
    server = re.sub(r"/etc/letsencrypt/\S+fullchain.pem", str(tmp_path / "certificate.pem"), server)
    server = re.sub(r"/etc/letsencrypt/\S+privkey.pem", str(tmp_path / "key.pem"), server)
    server = server.replace("listen 80", f"listen {HOST}:{free_port()}")
    places = "".join(
        f"{each}_temp_path {tmp_path}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; {user} pid {tmp_path}/nginx.pid; events {{}} http {{ access_log off; {places} {server} }}"
    )
    trusted = {**os.environ, "KICK_TRUSTED_PROXIES": "unix"}
    with (
        subprocess.Popen([*START, "app:app", "--uds", str(path)], cwd=tmp_path, env=trusted) as served,
        subprocess.Popen(
            [
                program("nginx"),
                "-p",
                str(tmp_path),
                "-e",
                str(tmp_path / "error.log"),
                "-c",
                str(tmp_path / "nginx.conf"),
            ]
        ) as proxy,
    ):
        try:
            wait_until(path.exists, "kick start")
            wait_until((tmp_path / "nginx.pid").exists, "nginx")
            trust = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
            with httpx2.Client(verify=trust) as client:
                answer = client.get(f"https://{HOST}:{port}/me", headers={"host": "shop.example"})
            assert answer.json() == {"url": "https://shop.example/me", "ip": HOST}
            check_upgrades((HOST, port), trust)
        finally:
            proxy.terminate()
            served.terminate()
