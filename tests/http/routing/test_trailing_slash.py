"""A slash at the end of a path: strict, redirected or ignored."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount as StarletteMount
from starlette.routing import Route as StarletteRoute
from websockets.exceptions import InvalidStatus

from kick import App, Controller, Get, Module, Post, RequestContext, Socket, WebSocket, bootstrap
from kick.http.response.redirects import is_local
from kick.http.routing.trailing_slash import TrailingSlash
from tests.http.support import Answer, app_of, ask
from tests.support.sockets import client


@Controller("/notes")
class Notes:
    @Get()
    async def index(self, ctx: RequestContext) -> str:
        return f"all {ctx.query.get('page')}"

    @Post()
    async def create(self, body: dict[str, str]) -> dict[str, str]:
        return body

    @Get("/{note_id}")
    async def show(self, note_id: int) -> int:
        return note_id


@Controller()
class Names:
    @Get("/{name}")
    async def name(self, name: str) -> str:
        return name

    @Get("/{name}/{other}")
    async def names(self, name: str, other: str) -> str:
        return f"{name} {other}"

    @Get("/")
    async def root(self) -> str:
        return "root"


@Controller("/files")
class Files:
    @Get("/list")
    async def list(self) -> str:
        return "list"

    @Get("/{rest:path}")
    async def file(self, rest: str) -> str:
        return f"file {rest}"


def app_with(slash: TrailingSlash, *controllers: type, **options: Any) -> App:
    return app_of(*(controllers or (Notes, Files)), trailing_slash=slash, **options)


async def test_strict_is_the_default_and_a_404() -> None:
    for app in (app_of(Notes), app_with("strict")):
        assert [(await ask(app, target)).status for target in ("/notes", "/notes/", "/notes/7/")] == [200, 404, 404]


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/notes/", "/notes"),
        ("/notes/?page=2&q=a%20b", "/notes?page=2&q=a%20b"),
        ("/notes/7/", "/notes/7"),
        ("/notes/%37/", "/notes/%37"),
        ("/files/list/", "/files/list"),
    ],
)
async def test_redirect_sends_to_the_path_without_it_and_keeps_the_query(target: str, location: str) -> None:
    app = app_with("redirect")
    for method in ("GET", "HEAD"):
        answer = await ask(app, target, method=method)
        assert (answer.status, answer.header("location"), answer.body) == (301, location, b"")


async def test_a_redirect_of_a_method_with_a_body_keeps_both(serve: Callable[..., Any]) -> None:
    answer = await ask(app_with("redirect"), "/notes/", method="POST", json={"a": "b"})
    assert (answer.status, answer.header("location")) == (308, "/notes")
    with serve(app_with("redirect")) as url, httpx2.Client(follow_redirects=True) as client:
        assert client.post(f"{url}/notes/", json={"a": "b"}).json() == {"a": "b"}
        assert client.get(f"{url}/notes/?page=3").json() == "all 3"


async def test_ignore_serves_both() -> None:
    app = app_with("ignore")
    assert (await ask(app, "/notes/?page=2")).json() == "all 2"
    assert (await ask(app, "/notes/7/")).json() == 7
    assert (await ask(app, "/notes/", method="POST", json={"a": "b"})).json() == {"a": "b"}
    assert (await ask(app, "/notes/7/", method="HEAD")).status == 200
    assert (await ask(app, "/n%6Ftes/")).json() == "all None"


@pytest.mark.parametrize("slash", ["redirect", "ignore"])
async def test_one_slash_is_passed_over_and_not_two(slash: TrailingSlash) -> None:
    app = app_with(slash, Notes, Names)
    for target in ("/notes//", "//", "//notes/", "/nowhere/x/y/"):
        assert (await ask(app, target)).status == 404, target
    assert (await ask(app, "/")).json() == "root"


@pytest.mark.parametrize("slash", ["redirect", "ignore"])
async def test_other_methods_are_405_with_the_slash_too(slash: TrailingSlash) -> None:
    answer = await ask(app_with(slash), "/notes/", method="DELETE")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS, POST")
    assert (await ask(app_with(slash), "/notes/", method="OPTIONS")).status == 204


@pytest.mark.parametrize("slash", ["strict", "redirect", "ignore"])
async def test_what_takes_the_rest_of_a_path_takes_its_slash_too(slash: TrailingSlash) -> None:
    app = app_with(slash)
    assert (await ask(app, "/files/a/")).json() == "file a/"
    assert (await ask(app, "/files/")).json() == "file "
    listing = await ask(app, "/files/list/")
    expected: dict[str, Any] = {"strict": "file list/", "ignore": "list"}
    assert listing.status == 301 if slash == "redirect" else listing.json() == expected[slash]


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("//evil.test/", None),
        ("/\\evil.test/", "/%5Cevil.test"),
        ("/%5Cevil.test/", "/%5Cevil.test"),
        ("/%2Fevil.test/", "/%2Fevil.test"),
        ("/%09/evil.test/", "/%09/evil.test"),
        ("/https:%2F%2Fevil.test/", "/https:%2F%2Fevil.test"),
        ("/x/?next=\r\nset-cookie: a=b", "/x?next=%0D%0Aset-cookie:%20a=b"),
    ],
)
async def test_no_redirect_leads_to_another_host(target: str, location: str | None) -> None:
    answer = await ask(app_with("redirect", Names), target)
    assert answer.header("location") == location
    assert answer.status == (404 if location is None else 301)


@settings(max_examples=300, deadline=None)
@given(
    raw=st.lists(
        st.sampled_from([b"/", b"\\", b"a", b"%2F", b"%5C", b"\t", b".", b"@", b"?", b"#", b"\xff"]), max_size=8
    )
)
async def test_whatever_is_sent_a_redirect_stays_here(raw: list[bytes]) -> None:
    target = "/" + b"".join(raw).decode("latin-1") + "/"
    answer: Answer = await ask(app_with("redirect", Names), target)
    location = answer.header("location")
    assert answer.status in (200, 301, 400, 404)
    assert location is None or (location.startswith("/") and is_local(location, "example.com"))


async def test_a_redirect_stays_below_the_root_path() -> None:
    app = app_with("redirect")
    assert (await ask(app, "/api/notes/", root_path="/api")).header("location") == "/api/notes"
    assert (await ask(app, "/notes/", root_path="/api")).header("location") == "/api/notes"
    inside = Starlette(routes=[StarletteMount("/inside", app)])
    assert (await ask(inside, "/inside/notes/7/?a=b")).header("location") == "/inside/notes/7?a=b"


async def test_without_the_path_as_sent_the_decoded_one_is_encoded() -> None:
    answer = await ask(app_with("redirect", Names), "/caf%C3%A9%20x/", raw_path=None)
    assert answer.header("location") == "/caf%C3%A9%20x"


async def test_the_middleware_of_the_application_sees_the_redirect() -> None:
    async def stamp(ctx: RequestContext, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.headers["x-status"] = str(response.status_code)
        return response

    answer = await ask(app_with("redirect", middleware=[stamp]), "/notes/")
    assert answer.header("x-status") == "301"


async def test_a_mount_at_the_root_does_not_take_a_route_for_its_slash() -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body"})

    modules = [Module("notes", controllers=[Notes]), Module("other", mounts={"/": other})]
    for slash, status in {"strict": 299, "redirect": 301, "ignore": 200}.items():
        app = bootstrap(modules, trailing_slash=slash)  # type: ignore[arg-type]
        assert [(await ask(app, target)).status for target in ("/notes/", "/others/")] == [status, 299]


def test_an_application_that_adds_the_slash_is_not_sent_in_circles(serve: Callable[..., Any]) -> None:
    async def home(_: Any) -> PlainTextResponse:
        return PlainTextResponse("home")

    module = Module("old", mounts={"/old": Starlette(routes=[StarletteRoute("/", home)])})
    with serve(bootstrap([module], trailing_slash="redirect")) as url:
        answer = httpx2.get(f"{url}/old?a=b", follow_redirects=True)
        assert (answer.text, str(answer.url)) == ("home", f"{url}/old/?a=b")


def test_a_static_path_is_one_look_up_with_and_without_the_slash() -> None:
    assert "/notes/" in app_with("ignore")._static
    assert "/notes/" not in app_with("redirect")._static
    strict = app_with("strict")
    assert strict._look_up == strict._finder.router.find


@pytest.mark.parametrize(("slash", "is_served"), [("strict", False), ("redirect", True), ("ignore", True)])
def test_a_handshake_is_sent_nowhere_and_served_with_the_slash(
    serve: Callable[..., Any], slash: TrailingSlash, is_served: bool
) -> None:
    @Controller("/echo")
    class Echo:
        @WebSocket("/{name}")
        async def echo(self, socket: Socket[str, str], name: str) -> None:
            await socket.send(name)

    with serve(app_of(Echo, trailing_slash=slash)) as url:
        with client(f"{url}/echo/a") as socket:
            assert socket.recv(timeout=60) == "a"
        if is_served:
            with client(f"{url}/echo/a/") as socket:
                assert socket.recv(timeout=60) == "a"
            assert httpx2.get(f"{url}/echo/a/").status_code == 426
        else:
            with pytest.raises(InvalidStatus), client(f"{url}/echo/a/"):
                pytest.fail("it was served")
