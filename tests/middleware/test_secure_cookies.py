"""Cookies are `Secure` outside of development and tests; on the loopback, clients keep them over http too."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from kick import App, Controller, Get, Module, RequestContext, bootstrap
from kick.session import session
from tests.http.support import app_of, ask
from tests.support.programs import program
from tests.support.serving import Serve
from tests.support.waiting import wait_until

SECRET = "a secret of at least thirty-two bytes"

OFFLINE = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.dns.disabled": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
}
"""Preferences of Firefox: it asks a proxy that is not there for everything but the loopback."""


@Controller()
class Reloading:
    """A page that a browser without a driver asks for again and again; `seen` is what it has told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []

    @Get("/visits")
    async def visits(self, ctx: RequestContext) -> Any:
        self.seen.append((await ctx.session.increment("n"), ctx.cookies.get("seen", "0")))
        ctx.set_cookie("seen", str(len(self.seen)))
        ctx.set_header("refresh", "0")
        return ctx.html("<p>again")


@Controller()
class Visits:
    @Get("/visits")
    async def visits(self, ctx: RequestContext) -> Any:
        seen = int(ctx.cookies.get("seen", "0")) + 1
        ctx.set_cookie("seen", str(seen))
        return f"visits {await ctx.session.increment('n')} seen {seen}"


def make(prefix: Any = "auto", controller: type = Visits) -> App:
    layers = [session(SECRET, save_uninitialized=False, cookie={"prefix": prefix})]
    return bootstrap([Module("visits", controllers=[controller])], layers)


@pytest.fixture(params=[None, "staging"])
def _forgotten(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server for which nobody has set `KICK_ENV` to anything that kick knows."""
    monkeypatch.delenv("KICK_ENV")
    if request.param:
        monkeypatch.setenv("KICK_ENV", request.param)


@pytest.mark.usefixtures("_forgotten")
async def test_an_environment_that_nobody_named_is_production() -> None:
    answer = await ask(make(), "/visits")
    assert [each.partition("=")[0] for each in answer.all("set-cookie")] == ["__Host-kick.sid", "seen"]
    assert all("; Secure" in each for each in answer.all("set-cookie"))

    @Controller()
    class Failing:
        @Get()
        async def fail(self) -> None:
            raise RuntimeError("a detail")

    answer = await ask(app_of(Failing), "/", headers={"accept": "text/html"})
    assert (answer.status, "a detail" in answer.text, "Traceback" in answer.text) == (500, False, False)


@pytest.mark.parametrize("environment", ["development", "test"])
async def test_in_development_and_in_tests_a_cookie_is_secure_where_the_request_was(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("KICK_ENV", environment)
    over_http = (await ask(make(), "/visits")).all("set-cookie")
    assert [each.partition("=")[0] for each in over_http] == ["kick.sid", "seen"]
    assert not any("Secure" in each for each in over_http)
    over_https = (await ask(make(), "/visits", scheme="https")).all("set-cookie")
    assert "Secure" in over_https[1]


@pytest.mark.parametrize("prefix", ["", "auto"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
class TestOverHttpOnTheLoopback:
    """`python -m uvicorn app:app` on a developer's machine, without any environment."""

    def check(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve, host: str, prefix: str, get: Callable[..., str]
    ) -> None:
        monkeypatch.delenv("KICK_ENV")
        with serve(make(prefix)) as url:
            url = url.replace("127.0.0.1", host) + "/visits"
            assert [get(url) for _ in range(3)] == ['"visits 1 seen 1"', '"visits 2 seen 2"', '"visits 3 seen 3"']

    @pytest.mark.browser
    def test_chromium_keeps_secure_cookies(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve, browser: Chrome, host: str, prefix: str
    ) -> None:
        def get(url: str) -> str:
            browser.get(url)
            return browser.find_element(By.TAG_NAME, "body").text

        self.check(monkeypatch, serve, host, prefix, get)

    def test_curl_keeps_secure_cookies(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve, tmp_path: Path, host: str, prefix: str
    ) -> None:
        jar = str(tmp_path / "cookies")

        def get(url: str) -> str:
            command = [program("curl"), "--silent", "--ipv4", "--noproxy", "*", "-b", jar, "-c", jar, url]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

        self.check(monkeypatch, serve, host, prefix, get)

    @pytest.mark.browser
    @pytest.mark.nightly
    def test_firefox_keeps_secure_cookies(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve, tmp_path: Path, host: str, prefix: str
    ) -> None:
        monkeypatch.delenv("KICK_ENV")
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in OFFLINE.items()]
        (tmp_path / "user.js").write_text("".join(lines))
        app = make(prefix, Reloading)
        with serve(app) as url:
            url = url.replace("127.0.0.1", host) + "/visits"
            command = [program("firefox"), "--headless", "--no-remote", "--profile", str(tmp_path), url]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as firefox:
                try:
                    page = app.container.instance(Reloading)
                    wait_until(lambda: len(page.seen) >= 3, "the third visit of Firefox")
                finally:
                    firefox.terminate()
        assert page.seen[:3] == [(1, "0"), (2, "1"), (3, "2")]
