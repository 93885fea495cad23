"""Static files, and the page of a single-page application."""

import errno
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from kick import App, Controller, Forbidden, Get, Module, RequestContext, bootstrap
from kick.http import CallNext, Response, StaticFiles
from kick.session import session
from kick.testing import TestClient
from tests.http.response.conftest import Refuse
from tests.http.support import ask
from tests.support.costs import assert_costs_at_most
from tests.support.setup_errors import raises_code

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@Controller("/api/users")
class Users:
    @Get("/{user_id}")
    async def show(self, user_id: int) -> int:
        return user_id


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / ".well-known").mkdir()
    (folder / "index.html").write_text("<h1>page</h1>")
    (folder / "assets" / "app-B3x9.js").write_text("let a = 1; // a script")
    (folder / "assets" / "a b é.txt").write_text("spaces")
    (folder / ".well-known" / "security.txt").write_text("Contact: us")
    (folder / ".env").write_text("SECRET=1")
    (folder / "inside.txt").symlink_to(folder / "index.html")
    (folder / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    return folder


def app_of(path: str, *args: Any, **options: Any) -> App:
    return bootstrap([Module("web", controllers=[Users], mounts={path: StaticFiles(*args, **options)})])


def test_a_path_of_many_folders_costs_no_more_than_its_length(dist: Path) -> None:
    app = app_of("/static", dist)

    def get(path: str) -> Callable[[], object]:
        return lambda: anyio.run(lambda: ask(app, path))

    deep, flat = get("/static/" + "a/" * 30_000 + "a"), get("/static/" + "a" * 60_001)
    assert_costs_at_most(30, deep, flat, clock=time.process_time)  # the file system is asked in a thread
    deep, flat = get("/static/" + "a/" * 2000 + "a"), get("/static/" + "a" * 4001)
    assert_costs_at_most(5, deep, flat, clock=time.process_time)


async def test_a_file_is_sent_with_its_type_and_validators(dist: Path) -> None:
    answer = await ask(app_of("/static", dist), "/static/assets/app-B3x9.js")
    assert (answer.status, answer.text) == (200, "let a = 1; // a script")
    assert (answer.header("content-type") or "").startswith("text/javascript")
    assert answer.header("content-length") == "22"
    assert answer.header("accept-ranges") == "bytes"
    assert answer.header("etag")
    assert answer.header("last-modified")
    assert answer.header("cache-control") == "no-cache"


class TestErrorsOfTheSystem:
    @pytest.mark.parametrize("path", ["loop", "x" * 300, "index.html/", "index.html/x", "assets", "%00", "x" * 5000])
    async def test_what_is_not_there_is_a_404_that_nobody_keeps(self, dist: Path, path: str) -> None:
        (dist / "loop").symlink_to(dist / "loop")
        answer = await ask(app_of("/static", dist, immutable=["*"]), f"/static/{path}")
        assert (answer.status, answer.header("cache-control")) == (404, None)

    @pytest.mark.parametrize(
        ("call", "code", "status"),
        [
            ("stat", errno.EACCES, 500),
            ("stat", errno.EIO, 500),
            ("open", errno.EACCES, 404),
            ("open", errno.ENOENT, 404),
            ("open", errno.EMFILE, 500),
        ],
    )
    async def test_what_the_system_refuses_is_sent_as_no_200(
        self, dist: Path, refuse: Refuse, call: str, code: int, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        refuse(call, "app-B3x9.js", code)
        answer = await ask(app_of("/static", dist, immutable=["assets/*"]), "/static/assets/app-B3x9.js")
        assert (answer.status, answer.header("cache-control")) == (status, None)
        assert (os.strerror(code) in caplog.text) is (code != errno.ENOENT)

    async def test_an_unsatisfiable_range_is_not_kept(self, dist: Path) -> None:
        app = app_of("/static", dist, immutable=["assets/*"])
        answer = await ask(app, "/static/assets/app-B3x9.js", headers={"range": "bytes=500-"})
        assert (answer.status, answer.header("cache-control")) == (416, None)


async def test_names_are_decoded_once(dist: Path) -> None:
    app = app_of("/static", dist)
    assert (await ask(app, "/static/assets/a%20b%20%C3%A9.txt")).text == "spaces"
    assert (await ask(app, "/static/assets/a%2520b%20%C3%A9.txt")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%2fsecret.txt",
        "assets/../../secret.txt",
        "assets/../index.html",
        "./index.html",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "assets%2Fapp-B3x9.js",
        "..%5csecret.txt",
        "assets\\app-B3x9.js",
        "index.html%00",
        "%00",
        "index.html%00.js",
        "outside.txt",
        "up/secret.txt",
        "up/dist/../secret.txt",
        ".env",
        "up/dist/.env",
        "assets",
        "assets/",
        "",
        "index.html/",
        "nothing.txt",
        "x" * 5000,
        "%ED%A0%80",
    ],
)
async def test_what_is_not_below_the_folder_is_not_found(dist: Path, path: str) -> None:
    for prefix, options in (("/static", {}), ("/", {}), ("/static", {"spa": "index.html"})):
        target = f"{prefix.rstrip('/')}/{path}"
        answer = await ask(app_of(prefix, dist, **options), target)
        if options and path == "":
            continue
        assert answer.status == (400 if path == "%ED%A0%80" else 404), target
        assert answer.header("content-type") == "application/problem+json"


async def test_links_within_the_folder_and_well_known_are_found(dist: Path) -> None:
    app = app_of("/", dist)
    assert (await ask(app, "/inside.txt")).text == "<h1>page</h1>"
    assert (await ask(app, "/.well-known/security.txt")).text == "Contact: us"


async def test_what_is_no_file_is_not_found(dist: Path) -> None:
    os.mkfifo(dist / "pipe")
    assert (await ask(app_of("/", dist), "/pipe")).status == 404


async def test_head_has_the_headers_and_no_body(dist: Path) -> None:
    app = app_of("/", dist)
    got, head = await ask(app, "/index.html"), await ask(app, "/index.html", method="HEAD")
    assert head.headers == got.headers
    assert (head.status, head.body) == (200, b"")


async def test_what_has_not_changed_is_a_304(dist: Path) -> None:
    app = app_of("/", dist, max_age=60)
    first = await ask(app, "/index.html")
    etag, modified = first.header("etag") or "", first.header("last-modified") or ""
    for headers in (
        {"if-none-match": etag},
        {"if-none-match": f'"other", W/{etag}'},
        {"if-none-match": "*"},
        {"if-modified-since": modified},
    ):
        for method in ("GET", "HEAD"):
            answer = await ask(app, "/index.html", method=method, headers=headers)
            assert (answer.status, answer.body, answer.header("etag")) == (304, b"", etag)
            assert answer.header("cache-control") == "public, max-age=60"
    stale = {"if-none-match": '"other"', "if-modified-since": modified}
    assert (await ask(app, "/index.html", headers=stale)).status == 200


def test_ranges(dist: Path, serve: Callable[..., Any]) -> None:
    with serve(app_of("/static", dist)) as url, httpx2.Client(base_url=f"{url}/static/assets") as client:
        part = client.get("/app-B3x9.js", headers={"range": "bytes=4-8"})
        assert (part.status_code, part.text, part.headers["content-range"]) == (206, "a = 1", "bytes 4-8/22")
        assert client.get("/app-B3x9.js", headers={"range": "bytes=-6"}).text == "script"
        beyond = client.get("/app-B3x9.js", headers={"range": "bytes=99-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */22")
        changed = {"range": "bytes=4-8", "if-range": '"other"'}
        assert client.get("/app-B3x9.js", headers=changed).status_code == 200


@pytest.mark.parametrize("field", ["bytes=x", "lines=1-2", "bytes=8-4", "bytes=" + "0-0,2-2," * 100])
async def test_a_range_that_is_none_is_not_there(dist: Path, field: str) -> None:
    answer = await ask(app_of("/static", dist), "/static/assets/app-B3x9.js", headers={"range": field})
    assert (answer.status, len(answer.body), answer.header("content-range")) == (200, 22, None)


async def test_ranges_are_for_get(dist: Path) -> None:
    target = "/static/assets/app-B3x9.js"
    answer = await ask(app_of("/static", dist), target, method="HEAD", headers={"range": "bytes=0-1"})
    assert (answer.status, answer.header("content-length")) == (200, "22")


async def test_other_methods_are_405(dist: Path) -> None:
    app = app_of("/static", dist)
    answer = await ask(app, "/static/index.html", method="POST")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")
    assert (await ask(app, "/static/index.html", method="OPTIONS")).status == 204


# Caching


async def test_names_that_hold_their_content_are_kept_for_good(dist: Path) -> None:
    app = app_of("/", dist, max_age=timedelta(minutes=5), immutable=["assets/*"], spa="index.html")
    assert (await ask(app, "/assets/app-B3x9.js")).header("cache-control") == "public, max-age=31536000, immutable"
    assert (await ask(app, "/index.html")).header("cache-control") == "public, max-age=300"
    for target in ("/", "/some/page"):
        assert (await ask(app, target, headers=HTML)).header("cache-control") == "no-cache"
    assert (await ask(app, "/assets/gone.js")).header("cache-control") is None


# The single page


async def test_the_page_answers_for_pages_that_browsers_ask_for(dist: Path) -> None:
    app = app_of("/", dist, spa="index.html")
    for method in ("GET", "HEAD"):
        for target in ("/", "/users/7", "/users/7/", "/assets", "/a%2Fb"):
            answer = await ask(app, target, method=method, headers=HTML)
            assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8"), target
            assert answer.header("vary") == "Accept"
    assert (await ask(app, "/", headers={"accept": "*/*"})).text == "<h1>page</h1>"
    etag = (await ask(app, "/x", headers=HTML)).header("etag") or ""
    assert (await ask(app, "/y", headers={**HTML, "if-none-match": etag})).status == 304


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/avif,image/webp,*/*;q=0.8", "text/html;q=0", ""])
async def test_it_does_not_for_scripts_pictures_and_fetches(dist: Path, accept: str) -> None:
    answer = await ask(app_of("/", dist, spa="index.html"), "/assets/gone.js", headers={"accept": accept})
    assert (answer.status, answer.header("content-type")) == (404, "application/problem+json")
    assert answer.header("vary") == "Accept"  # caches keep a 404, and a browser gets the page here


async def test_it_does_not_below_api(dist: Path) -> None:
    app = app_of("/", dist, spa="index.html")
    assert (await ask(app, "/api/users/7", headers=HTML)).json() == 7
    for target in ("/api/users/x", "/api/nothing", "/api", "/api/", "/%61pi/x"):
        answer = await ask(app, target, headers=HTML)
        assert (answer.status, answer.header("content-type")) == (404, "application/problem+json"), target
        assert answer.header("vary") is None
    assert (await ask(app, "/apiary", headers=HTML)).status == 200
    other = app_of("/", dist, spa="index.html", spa_except=["/graphql"])
    assert [(await ask(other, target, headers=HTML)).status for target in ("/graphql/x", "/api/x")] == [404, 200]


async def test_it_does_not_for_other_methods_and_leaves_routes_their_405(dist: Path) -> None:
    app = app_of("/", dist, spa="index.html")
    answer = await ask(app, "/api/users/7", method="DELETE", headers=HTML)
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")
    assert (await ask(app, "/users/7", method="POST", headers=HTML)).status == 404
    assert (await ask(app, "/api/users/7", method="OPTIONS")).status == 204


async def test_the_middleware_sees_what_is_sent(dist: Path) -> None:
    seen: list[int] = []

    async def watch(ctx: RequestContext, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        seen.append(response.status_code)
        response.headers["x-content-type-options"] = "nosniff"
        return response

    files = StaticFiles(dist)
    app = bootstrap([Module("web", mounts={"/static": files})], [watch])
    answers = [await ask(app, f"/static/{name}") for name in ("index.html", "gone")]
    assert seen == [200, 404]
    assert [answer.header("x-content-type-options") for answer in answers] == ["nosniff"] * 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/files/index.html", "max-age=60"),
        ("/files/assets/app-B3x9.js", "max-age=31536000, immutable"),
        ("/asked/index.html", "no-cache"),
        ("/asked/some/page", "no-cache"),
    ],
)
def test_files_behind_a_guard_are_kept_by_browsers_alone(dist: Path, path: str, said: str) -> None:
    """A cache between would send them to whoever asks next, if it does not know `Vary`."""

    async def members_only(ctx: RequestContext, call_next: CallNext) -> Response:
        if "card" not in ctx.session:
            raise Forbidden("For members.")
        return await call_next(ctx)

    mounts = {
        "/files": StaticFiles(dist, max_age=60, immutable=["assets/*"]),
        "/asked": StaticFiles(dist, spa="index.html"),
    }

    @Controller()
    class Door:
        @Get("/enter")
        async def enter(self, ctx: RequestContext) -> None:
            ctx.session["card"] = 7

    layers = [session(secret="s" * 32, save_uninitialized=False)]
    guarded = bootstrap(
        [Module("web", mounts=mounts, middleware=[members_only], session=True), Module("door", controllers=[Door])],
        layers,
    )
    open_to_all = bootstrap([Module("web", mounts=mounts, session=True)], layers)
    with TestClient(guarded) as member, TestClient(open_to_all) as guest:
        refused = member.get(path, headers=HTML)
        assert (refused.status_code, "max-age" in refused.headers.get("cache-control", "")) == (403, False)
        member.get("/enter")
        response = member.get(path, headers=HTML)
        assert response.status_code == 200
        assert response.headers["cache-control"] == f"private, {said}"
        again = member.get(path, headers=HTML | {"if-none-match": response.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, f"private, {said}")
        assert guest.get(path, headers=HTML).headers["cache-control"] in (f"public, {said}", said)


# Mistakes, and names


def test_a_folder_or_page_that_is_not_there_stops_the_start(dist: Path) -> None:
    with raises_code("static-folder", match="there is no such folder"):
        StaticFiles(dist / "nowhere")
    with raises_code("static-folder", match="there is no such folder"):
        StaticFiles(dist / "index.html")
    with raises_code("static-folder", match=r'`spa="index\.html"`'):
        StaticFiles(dist, spa="main.html")


@pytest.mark.parametrize("max_age", [-1, "60", True, float("nan"), float("inf"), timedelta(seconds=-1)])
def test_a_time_that_is_none_stops_the_start(dist: Path, max_age: Any) -> None:
    with raises_code("static-max-age"):
        StaticFiles(dist, max_age=max_age)


def test_files_have_addresses(dist: Path) -> None:
    assert app_of("/static", dist).url_for("web.static", path="assets/a b.txt") == "/static/assets/a%20b.txt"
    assert not app_of("/static", dist).mounts[0].has_lifespan
