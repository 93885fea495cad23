"""An application below a prefix that nginx takes away: `X-Forwarded-Prefix`, and `kick start --root-path`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kick import App, Controller, Get, Module, RequestContext, Use, WebSocket, bootstrap
from kick.auth import authenticated
from kick.http import Socket, StaticFiles
from kick.middleware.proxies import TrustedProxies, seen_through
from kick.session import session
from tests.cli.support import SECRET, running
from tests.http.support import app_of, ask
from tests.support.nginx import nginx
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT, Serve
from tests.support.sockets import client as socket_client

PREFIXED = "proxy_set_header X-Forwarded-Prefix {prefix};"


@Controller("/notes")
class Notes:
    @Get()
    async def notes(self, ctx: RequestContext) -> dict[str, Any]:
        ctx.session.data["seen"] = ctx.session.data.get("seen", 0) + 1
        return {
            "show": ctx.url_for("Notes.show", name="a b"),
            "file": ctx.url_for("notes.static", path="logo.svg"),
            "path": ctx.path,
            "url": str(ctx.url),
            "seen": ctx.session.data["seen"],
        }

    @Get("/{name}")
    async def show(self, ctx: RequestContext, name: str) -> Any:
        return {"name": name, "url": str(ctx.url)}

    @Get("/latest/one")
    async def latest(self, ctx: RequestContext) -> Any:
        return ctx.redirect(ctx.url_for("Notes.show", name="7"))

    @Use(authenticated(login_page="/login"))
    @Get("/mine/all")
    async def mine(self) -> str:
        return "mine"

    @WebSocket("/live/{room}")
    async def live(self, socket: Socket[str, str], room: str) -> None:
        await socket.send(f"{room} at {socket.url.path}")


def make(**options: Any) -> App:
    files = StaticFiles(Path(__file__).parent)
    layer = session(SECRET, save_uninitialized=False, cookie={"path": "/shop", "secure": False})
    module = Module("notes", controllers=[Notes], mounts={"/static": files})
    return bootstrap([module], [layer], trailing_slash="redirect", **options)


@contextmanager
def by_header(tmp_path: Path, serve: Serve) -> Iterator[str]:
    """The URL of nginx, which says what it has taken away."""
    with (
        serve(make(trusted_proxies=TrustedProxies([HOST], prefix=True))) as url,
        nginx(tmp_path, url, "/shop", more=PREFIXED.format(prefix="/shop")) as outside,
    ):
        yield outside


@contextmanager
def by_option(tmp_path: Path, serve: Serve) -> Iterator[str]:
    """The URL of nginx, which does not; `kick start` is told."""
    port = free_port()
    project = tmp_path / "project"
    project.mkdir()
    (project / "app.py").write_text("from tests.middleware.test_prefix import make\napp = make()\n")
    options = ("--port", str(port), "--root-path", "/shop", "--trusted-proxies", HOST)
    with running("start", *options, cwd=project, PYTHONPATH=str(ROOT), KICK_ENV="test") as process:
        process.wait_for("kick serves")
        with nginx(tmp_path, f"http://{HOST}:{port}", "/shop") as outside:
            yield outside


@pytest.fixture(params=[by_header, by_option], ids=["header", "option"])
def outside(request: pytest.FixtureRequest, tmp_path: Path, serve: Serve) -> Iterator[str]:
    with request.param(tmp_path, serve) as url:
        yield url


class TestBehindNginx:
    def test_everything_leads_below_the_prefix(self, outside: str) -> None:
        with httpx2.Client(base_url=outside) as client:
            first = client.get("/shop/notes")
            assert first.json() == {
                "show": "/shop/notes/a%20b",
                "file": "/shop/static/logo.svg",
                "path": "/shop/notes",
                "url": f"{outside}/shop/notes",
                "seen": 1,
            }
            assert "Path=/shop;" in first.headers["set-cookie"]
            assert client.get("/shop/notes").json()["seen"] == 2

            redirected = client.get("/shop/notes/latest/one")
            assert redirected.headers["location"] == "/shop/notes/7"
            assert client.get(redirected.headers["location"]).json()["name"] == "7"

            slash = client.get("/shop/notes/?page=2")
            assert (slash.status_code, slash.headers["location"]) == (301, "/shop/notes?page=2")

            login = client.get("/shop/notes/mine/all", headers={"accept": "text/html"})
            assert login.headers["location"] == "/shop/login?next=/shop/notes/mine/all"

            assert client.get("/shop/static/test_prefix.py").status_code == 200
            assert client.get("/shop/nowhere").status_code == 404

    def test_a_socket_is_below_the_prefix(self, outside: str) -> None:
        with socket_client(outside.replace("http", "ws") + "/shop/notes/live/garden") as socket:
            assert socket.recv() == "garden at /shop/notes/live/garden"


# Who may say it, and what


BEHIND = TrustedProxies(1, prefix=True)


@Controller("/where")
class Where:
    @Get("/{rest:path}")
    async def where(self, ctx: RequestContext, rest: str) -> list[str]:
        return [ctx.scope["root_path"], ctx.url.path, rest]


async def where(prefix: str, target: str = "/where/x", trusted: Any = BEHIND, **options: Any) -> list[str]:
    headers = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-prefix", prefix)]
    answer = await ask(app_of(Where, trusted_proxies=trusted), target, headers=headers, **options)
    found: list[str] = answer.json()
    return found


@pytest.mark.parametrize(
    ("prefix", "root_path", "path"),
    [
        ("/shop", "/shop", "/shop/where/a%2Fb"),
        ("/shop/", "/shop", "/shop/where/a%2Fb"),
        ("/a/b", "/a/b", "/a/b/where/a%2Fb"),
        ("/caf%C3%A9", "/café", "/caf%C3%A9/where/a%2Fb"),
        ("/outer, /inner", "/inner", "/inner/where/a%2Fb"),
    ],
)
async def test_the_prefix_of_a_trusted_proxy_counts(prefix: str, root_path: str, path: str) -> None:
    assert await where(prefix, "/where/a%2Fb") == [root_path, path, "a/b"]


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "/", "shop", "//evil.test", "/\\evil.test", "https://evil.test/", "/a//b", "/../x", "/a/%2e%2e"),
        *("/a%2fb", "/a%5cb", "/a?b", "/a b", "/%ff", "/a%0d%0ab", "/" + "a" * 600, "/é"),
    ],
)
async def test_what_is_no_path_does_not_count(prefix: str) -> None:
    assert await where(prefix) == ["", "/where/x", "x"]


@pytest.mark.parametrize(
    "trusted", [1, ["192.0.2.0/24"], TrustedProxies(1, host=True), TrustedProxies.of_text("1, host")]
)
async def test_a_proxy_that_is_not_said_to_set_it_hands_on_what_the_client_wrote(trusted: Any) -> None:
    assert await where("/evil", trusted=trusted, client=("192.0.2.7", 1)) == ["", "/where/x", "x"]


async def test_a_client_has_no_say_in_it() -> None:
    assert await where("/evil", trusted=TrustedProxies(["10.0.0.0/8"], prefix=True)) == ["", "/where/x", "x"]
    assert await where("/evil", trusted=None) == ["", "/where/x", "x"]
    assert await where("/evil", trusted=TrustedProxies(1, headers="forwarded")) == ["", "/where/x", "x"]


async def test_the_prefix_takes_the_place_of_the_root_path_of_the_server() -> None:
    scope: dict[str, Any] = {"path": "/old/path/where/x", "raw_path": b"/old/path/where/x", "root_path": "/old/path"}
    assert await where("/shop", **scope) == ["/shop", "/shop/where/x", "x"]


async def test_a_prefix_is_seen_of_sockets_and_without_an_address_of_the_client() -> None:
    scope = {
        "type": "websocket",
        "client": ("10.0.0.1", 1),
        "path": "/x",
        "headers": [(b"x-forwarded-prefix", b"/shop")],
    }
    seen = seen_through(BEHIND, scope)
    assert (seen["root_path"], seen["path"], seen["client"]) == ("/shop", "/shop/x", ("10.0.0.1", 1))
