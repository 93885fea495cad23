"""Other ASGI applications below a path of this one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.routing import Mount as StarletteMount
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kick import App, Controller, Forbidden, Get, Module, Post, RequestContext, bootstrap
from kick.errors import SetupErrors
from kick.http import CallNext, Response
from kick.session import session
from tests.http.support import ask
from tests.support.setup_errors import raises_code


def teller(name: str = "", status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> ASGIApp:
    """An application that tells what it was asked, as JSON."""

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        body = f'"{name}[{scope["root_path"]}]{scope["path"]}"'.encode()
        start = {"type": "http.response.start", "status": status, "headers": headers or []}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return tell


def mounted(mounts: dict[str, ASGIApp], *controllers: type, **options: Any) -> App:
    return bootstrap([Module("test", controllers=controllers, mounts=mounts)], **options)


def fastapi_app() -> FastAPI:
    other = FastAPI()

    @other.get("/users/{user_id}")
    async def user(user_id: int, request: Request) -> dict[str, Any]:
        return {"user": user_id, "url": str(request.url), "self": str(request.url_for("user", user_id=user_id))}

    @other.post("/echo")
    async def echo(request: Request) -> dict[str, Any]:
        return {"body": (await request.body()).decode()}

    @other.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(f"hello {await websocket.receive_text()} at {websocket.url.path}")
        await websocket.close()

    return other


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Old", "yes")])
    text = f"{environ['REQUEST_METHOD']} [{environ['SCRIPT_NAME']}] {environ['PATH_INFO']} {environ['QUERY_STRING']} "
    return [text.encode("latin-1") + body]


# Other frameworks, over real sockets


def test_a_fastapi_application_is_served_as_it_is(serve: Callable[..., Any]) -> None:
    app = bootstrap([Module("legacy", prefix="/v1", mounts={"/old": fastapi_app()})], prefix="/api")
    with serve(app) as url, httpx2.Client(base_url=url) as client:
        here = f"{url}/api/v1/old/users/7"
        assert client.get("/api/v1/old/users/7").json() == {"user": 7, "url": here, "self": here}
        assert client.get("/api/v1/old/users/x").status_code == 422
        assert client.get("/api/v1/old/nowhere").json() == {"detail": "Not Found"}
        assert client.post("/api/v1/old/echo", content=b"x" * 3_000_000).json()["body"] == "x" * 3_000_000
        assert client.get("/api/v1/older").headers["content-type"] == "application/problem+json"
        assert "/api/v1/old/openapi.json" in client.get("/api/v1/old/docs").text
        head = client.head("/api/v1/old/docs")
        assert (head.status_code, head.content) == (200, b"")
        assert client.put("/api/v1/old/echo").headers["allow"] == "POST"


def test_websockets_are_handed_on(serve: Callable[..., Any]) -> None:
    with serve(mounted({"/old": fastapi_app()})) as url:
        with connect(f"{url.replace('http', 'ws')}/old/ws") as socket:
            socket.send("Ada")
            assert socket.recv() == "hello Ada at /old/ws"
        for path, status in (("/old/nowhere", "403"), ("/elsewhere", "404")):
            with pytest.raises(InvalidStatus, match=status), connect(f"{url.replace('http', 'ws')}{path}"):
                pass


def test_a_wsgi_application_is_served_through_a_bridge(serve: Callable[..., Any]) -> None:
    app = bootstrap([Module("test", mounts={"/old": WSGIMiddleware(wsgi_app)})])  # type: ignore[arg-type]  # its own
    with serve(app) as url, httpx2.Client(base_url=f"{url}/old") as client:
        answer = client.post("/caf%C3%A9?a=b", content=b"body")
        assert answer.content == "POST [/old] /café a=b body".encode()
        assert answer.headers["x-old"] == "yes"
        assert client.get(f"{url}/old").text.rstrip() == "GET [/old]"


# Which one answers


@Controller("/users")
class Users:
    @Get("/{user_id}")
    async def show(self, user_id: int) -> str:
        return f"kick {user_id}"

    @Get("/me")
    async def me(self) -> str:
        return "kick me"


async def test_the_most_specific_wins_between_routes_and_mounts() -> None:
    mounts = {"/": teller("root"), "/users": teller("users"), "/users/7/old": teller("old")}
    app = mounted(mounts, Users)
    for target, answer in {
        "/users/7": "kick 7",
        "/users/me": "kick me",
        "/users/x": "users[/users]/users/x",
        "/users": "users[/users]/users",
        "/users/": "users[/users]/users/",
        "/users/7/old": "old[/users/7/old]/users/7/old",
        "/users/7/old/er": "old[/users/7/old]/users/7/old/er",
        "/users/7/older": "users[/users]/users/7/older",
        "/": "root[]/",
        "/elsewhere": "root[]/elsewhere",
        "/%75sers/x": "users[/users]/users/x",
        "/users%2Fx": "root[]/users/x",
    }.items():
        assert (await ask(app, target)).json() == answer, target


async def test_methods_that_no_route_takes_go_to_the_mount() -> None:
    app = mounted({"/users": teller("users")}, Users)
    assert (await ask(app, "/users/7", method="DELETE")).json() == "users[/users]/users/7"
    assert (await ask(app, "/users/7", method="OPTIONS")).json() == "users[/users]/users/7"
    assert (await ask(app, "/users/7", method="HEAD")).status == 200
    assert (await ask(app, "/users/7", method="HEAD")).body == b""


async def test_a_longer_name_is_another_path() -> None:
    app = mounted({"/old": teller()})
    assert [(await ask(app, target)).status for target in ("/older", "/Old", "/ol", "/old2/x")] == [404] * 4


async def test_parameters_in_the_prefix_are_part_of_the_root_path() -> None:
    app = bootstrap([Module("shop", prefix="/shops/{shop}", mounts={"/old": teller()})])
    assert (await ask(app, "/shops/corner%20one/old/x")).json() == "[/shops/corner one/old]/shops/corner one/old/x"


async def test_the_root_path_of_the_server_stands_in_front() -> None:
    app = mounted({"/old": teller()})
    expected = "[/api/old]/api/old/x"
    assert (await ask(app, "/api/old/x", root_path="/api")).json() == expected
    assert (await ask(app, "/old/x", root_path="/api")).json() == expected  # a proxy that took the prefix away


async def test_kick_may_stand_between_two_others() -> None:
    app = mounted({"/old": fastapi_app()})
    outside = Starlette(routes=[StarletteMount("/outside", app)])
    answer = await ask(outside, "/outside/old/users/7")
    assert answer.json()["self"] == "http://example.com/outside/old/users/7"
    assert (await ask(mounted({"/kick": app}), "/kick/old/users/8")).json()["user"] == 8


# Middleware


async def stamp(ctx: RequestContext, call_next: CallNext) -> Response:
    assert ctx.route is not None
    response = await call_next(ctx)
    response.headers["x-route"] = ctx.route.name
    response.headers["x-frame-options"] = "DENY"
    response.headers["vary"] = "Cookie"
    ctx.set_cookie("seen", "1")
    return response


async def test_middleware_runs_before_the_application_and_adds_headers() -> None:
    own = [(b"X-Frame-Options", b"SAMEORIGIN"), (b"set-cookie", b"old=1"), (b"vary", b"Accept"), (b"x-own", b"1")]
    app = mounted({"/old": teller(status=201, headers=own)}, middleware=[stamp])
    for method in ("GET", "HEAD"):
        answer = await ask(app, "/old/x", method=method)
        assert answer.status == 201
        assert answer.header("x-route") == "test.old"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("x-own") == "1"
        assert answer.header("vary") == "Accept, Cookie"
        assert [each.partition("=")[0] for each in answer.all("set-cookie")] == ["old", "seen"]


async def test_middleware_does_not_say_how_long_a_body_is_that_it_has_not_seen() -> None:
    async def counts(ctx: RequestContext, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        response.headers["content-length"] = str(len(response.body))
        return response

    answer = await ask(mounted({"/old": teller()}, middleware=[counts]), "/old")
    assert (answer.header("content-length"), answer.json()) == (None, "[/old]/old")


async def only_admins(ctx: RequestContext, call_next: CallNext) -> Response:
    if ctx.headers.get("x-admin") != "yes":
        raise Forbidden("Admins only.")
    response = await call_next(ctx)
    response.headers["x-seen"] = "yes"
    return response


async def test_the_middleware_of_a_module_guards_what_it_mounts() -> None:
    app = bootstrap([Module("admin", mounts={"/admin": teller()}, middleware=[only_admins])])
    answer = await ask(app, "/admin/x")
    assert (answer.status, answer.json()["detail"]) == (403, "Admins only.")
    assert (await ask(app, "/admin/x", headers={"x-admin": "yes"})).status == 200


def test_it_guards_the_websockets_too(serve: Callable[..., Any]) -> None:
    app = bootstrap([Module("admin", mounts={"/admin": fastapi_app()}, middleware=[only_admins])])
    with serve(app) as url:
        address = f"{url.replace('http', 'ws')}/admin/ws"
        with pytest.raises(InvalidStatus) as refused, connect(address):
            pass
        assert refused.value.response.status_code == 403
        assert b"Admins only" in (refused.value.response.body or b"")
        with connect(address, additional_headers={"x-admin": "yes"}) as socket:
            socket.send("Ada")
            assert socket.recv() == "hello Ada at /admin/ws"
            assert socket.response is not None
            assert socket.response.headers["x-seen"] == "yes"


@pytest.mark.parametrize("how", ["read", "request.body"])
async def test_a_body_that_middleware_has_read_is_there_once_more(how: str) -> None:
    async def reader(ctx: RequestContext, call_next: CallNext) -> Response:
        assert await (ctx.read() if how == "read" else ctx.request.body()) == b"abcd"
        return await call_next(ctx)

    app = mounted({"/old": fastapi_app()}, middleware=[reader])
    assert (await ask(app, "/old/echo", method="POST", body=[b"ab", b"cd"])).json() == {"body": "abcd"}


async def test_the_limit_of_bodies_is_not_that_of_a_mounted_application() -> None:
    async def looks_at_the_url(ctx: RequestContext, call_next: CallNext) -> Response:
        assert ctx.url.path == "/old/echo"
        return await call_next(ctx)

    app = mounted({"/old": fastapi_app()}, middleware=[looks_at_the_url], max_body=3)
    assert (await ask(app, "/old/echo", method="POST", body=b"abcd")).json() == {"body": "abcd"}


async def test_a_mount_has_a_session_only_where_its_module_says_so() -> None:
    layer = session(secret="a secret of at least thirty-two bytes")
    mounts = {"/old": teller()}
    assert (await ask(mounted(mounts, middleware=[layer]), "/old")).all("set-cookie") == []
    app = bootstrap([Module("old", mounts=mounts, session=True)], [layer])
    assert len((await ask(app, "/old")).all("set-cookie")) == 1


async def test_what_an_application_raises_is_an_opaque_500(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("late"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise Forbidden("by name") if scope["path"].endswith("known") else RuntimeError("the secret word")

    app = mounted({"/old": failing})
    answer = await ask(app, "/old/x")
    assert (answer.status, answer.header("content-type")) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert caplog.records[-1].exc_info is not None
    assert (await ask(app, "/old/known")).status == 403
    with pytest.raises(RuntimeError, match="secret"):
        await ask(app, "/old/late")


# State, and the list


async def test_the_mounts_are_listed_with_the_state_of_their_requests() -> None:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": "open"}

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        await teller(scope["state"]["pool"])(scope, receive, send)

    app = bootstrap([Module("a", controllers=[Users], mounts={"/old": tell}), Module("b", mounts={"/new": teller()})])
    assert [(mount.path, mount.route.name, mount.has_lifespan) for mount in app.mounts] == [
        ("/old", "a.old", True),
        ("/new", "b.new", True),
    ]
    assert all(route.method != "*" for route in app.routes)
    app.mounts[0].state["pool"] = "open"
    assert (await ask(app, "/old", state={"of": "the server"})).json() == "open[/old]/old"


async def test_two_applications_do_not_share_a_state() -> None:
    first, second = mounted({"/old": teller()}), mounted({"/old": teller()})
    first.mounts[0].state["a"] = 1
    assert second.mounts[0].state == {}


# Mistakes


@pytest.mark.parametrize("given", [[teller()], None, {1: teller()}, teller()])
def test_what_maps_no_paths_is_refused(given: Any) -> None:
    with raises_code("mount", match=r"mounts= of Module\('one'\) takes paths"):
        Module("one", mounts=given)


def test_all_that_cannot_be_mounted_is_reported() -> None:
    class Application:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    bad: Any = {"/a": wsgi_app, "/b": Application, "/c": "dist", "/d": 7, "/e/{rest:path}": teller(), "/f g": teller()}
    with pytest.raises(SetupErrors) as caught:
        mounted(bad)
    assert [problem.code for problem in caught.value.problems] == ["mount"] * 4 + ["route-path"] * 2
    text = str(caught.value)
    for part in (
        "WSGI",
        "the class Application",
        "`Application()`",
        '`StaticFiles("dist")`',
        "is a int",
        "takes all the rest",
    ):
        assert part in text
    assert mounted({"/b": Application()}).mounts


def test_two_things_at_one_path_are_a_mistake_that_names_both() -> None:
    with raises_code("mount-duplicate") as caught:
        bootstrap([Module("a", mounts={"/x/old": teller()}), Module("b", prefix="/x", mounts={"old/": teller()})])
    assert caught.value.cause == (
        "Two things are mounted at /x/old: mounts={'/x/old': ...} of Module('a') and "
        "mounts={'old/': ...} of Module('b')."
    )


def test_a_route_may_have_the_path_of_a_mount() -> None:
    @Controller("/old")
    class Old:
        @Get()
        async def index(self) -> str:
            return "kick"

        @Post("/x")
        async def create(self) -> None: ...

    assert len(mounted({"/old": teller()}, Old).routes) == 2


async def test_the_end_of_an_application_is_that_of_those_that_it_mounts() -> None:
    @Controller()
    class Events:
        @Get("/events")
        async def events(self, ctx: RequestContext) -> Response:
            async def events() -> AsyncIterator[str]:
                yield "begun"
                outer.begin_shutdown()
                await anyio.sleep_forever()

            return ctx.sse(events())

    inner = bootstrap([Module("inner", controllers=[Events])])
    outer = bootstrap([Module("outer", mounts={"/inner": inner})])
    with anyio.fail_after(60):
        assert (await ask(outer, "/inner/events")).body == b"data: begun\n\n"
    assert inner.stopping.is_set


def test_a_handshake_may_be_refused_with_a_response_in_pieces(serve: Callable[..., Any]) -> None:
    async def refuse(ctx: RequestContext, call_next: CallNext) -> Response:
        return ctx.stream(["not ", "today"], media_type="text/plain", status=503)

    app = bootstrap([Module("old", mounts={"/old": teller()}, middleware=[refuse])])
    with serve(app) as url, pytest.raises(InvalidStatus) as caught, connect(url.replace("http", "ws") + "/old"):
        pytest.fail("it was accepted")
    response = caught.value.response
    assert (response.status_code, response.body) == (503, b"not today")
