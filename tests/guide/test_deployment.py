"""The page about deployment: its nginx serves an application over TLS; its other files fit what kick has."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import yaml
from click.testing import CliRunner

from kick.cli.program import program as kick
from kick.testing import TestClient
from tests.guide.pages import GUIDE, application
from tests.support.certificates import certify
from tests.support.ports import HOST, free_port
from tests.support.programs import program
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


@pytest.mark.long
@pytest.mark.process
def test_nginx_passes_the_address_and_the_scheme_on_and_streams(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from kick import Controller, Get, Module, RequestContext, bootstrap\n"
        "@Controller()\n"
        "class Shop:\n"
        "    @Get('/me')\n"
        "    async def me(self, ctx: RequestContext):\n"
        "        return {'url': str(ctx.url), 'ip': ctx.client_ip}\n"
        "app = bootstrap([Module('shop', controllers=[Shop])])\n"
    )
    certify(tmp_path / "certificate.pem", tmp_path / "key.pem")
    port, socket = free_port(), tmp_path / "kick.sock"
    server = block("nginx").replace("/run/shop/kick.sock", str(socket)).replace("listen 443", f"listen {HOST}:{port}")
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
        subprocess.Popen([*START, "app:app", "--uds", str(socket)], cwd=tmp_path, env=trusted) as served,
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
            wait_until(socket.exists, "kick start")
            wait_until((tmp_path / "nginx.pid").exists, "nginx")
            trust = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
            with httpx2.Client(verify=trust) as client:
                answer = client.get(f"https://{HOST}:{port}/me", headers={"host": "shop.example"})
            assert answer.json() == {"url": "https://shop.example/me", "ip": HOST}
        finally:
            proxy.terminate()
            served.terminate()
