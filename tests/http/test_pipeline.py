"""Middleware: its order, what it sees, and what it may not be."""

import dataclasses
import functools
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import pytest
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware as ASGIMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse

from kick import (
    App,
    Controller,
    Get,
    HTTPError,
    KickError,
    Middleware,
    Module,
    NotFound,
    Post,
    Provider,
    RequestContext,
    Response,
    Unauthorized,
    Use,
    bootstrap,
)
from kick.errors import SetupErrors
from kick.http import CallNext, cookie_parser
from kick.session import session
from tests.http.support import NO_HEADERS, app_of, ask
from tests.support.ids import without_address
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"


def tracing(trail: list[str], name: str) -> Callable[..., Any]:
    async def trace(ctx: RequestContext, call_next: CallNext) -> Response:
        trail.append(f"{name} in")
        try:
            response = await call_next(ctx)
        except Exception as error:
            trail.append(f"{name} sees {type(error).__name__}")
            raise
        trail.append(f"{name} sees {response.status_code}")
        return response

    return trace


def layered(trail: list[str], act: Any = lambda: "done") -> App:
    """An application with two layers at each level."""
    at = functools.partial(tracing, trail)

    @Use(at("controller 1"), at("controller 2"))
    @Controller()
    class Layered:
        @Use(at("method 1"))
        @Get("/")
        @Use(at("method 2"))
        async def show(self) -> Any:
            trail.append("handler")
            return act()

    module = Module("m", controllers=[Layered], middleware=[at("module 1"), at("module 2")])
    return bootstrap([module], [at("global 1"), at("global 2")])


ORDER = [f"{level} {n}" for level in ("global", "module", "controller", "method") for n in (1, 2)]


async def test_layers_run_from_the_outside_in_and_back() -> None:
    trail: list[str] = []
    assert (await ask(layered(trail), "/")).json() == "done"
    assert trail == [f"{each} in" for each in ORDER] + ["handler"] + [f"{each} sees 200" for each in reversed(ORDER)]


async def test_an_exception_is_seen_by_the_inner_layers_and_a_response_by_the_outer_ones() -> None:
    trail: list[str] = []

    def fail(error: Exception) -> Any:
        raise error

    for error, status in ((NotFound(), 404), (ZeroDivisionError(), 500), (HTTPException(418), 418)):
        trail.clear()
        assert (await ask(layered(trail, functools.partial(fail, error)), "/")).status == status
        inner = [f"{each} sees {type(error).__name__}" for each in reversed(ORDER[2:])]
        assert trail[9:] == [*inner, f"global 2 sees {status}", f"global 1 sees {status}"]


async def test_the_layers_of_the_application_see_what_no_route_matches() -> None:
    trail: list[str] = []
    app = layered(trail)
    for target, method, status in (
        ("/none", "GET", 404),
        ("/", "DELETE", 405),
        ("/", "OPTIONS", 204),
        ("/%FF", "GET", 400),
    ):
        trail.clear()
        assert (await ask(app, target, method=method)).status == status
        assert trail == ["global 1 in", "global 2 in", f"global 2 sees {status}", f"global 1 sees {status}"]


async def test_an_error_of_a_layer_is_a_response_for_those_around_it() -> None:
    trail: list[str] = []

    async def refuse(ctx: RequestContext, call_next: CallNext) -> Response:
        raise Unauthorized("Not here")

    async def fail(ctx: RequestContext, call_next: CallNext) -> Response:
        raise ZeroDivisionError

    @Controller()
    class Simple:
        @Get()
        async def show(self) -> str:
            return "never"

    for layer, status in ((refuse, 401), (fail, 500)):
        trail.clear()
        app = app_of(Simple, middleware=[tracing(trail, "outer"), layer, tracing(trail, "inner")])
        assert (await ask(app, "/")).status == status
        assert trail == ["outer in", f"outer sees {status}"]
        assert (await ask(app_of(Simple, middleware=[layer]), "/")).status == status


async def test_a_layer_may_answer_itself_and_knows_the_route() -> None:
    async def guard(ctx: RequestContext, call_next: CallNext) -> Response:
        assert ctx.route is not None
        if ctx.route.name == "Doors.closed":
            return ctx.problem(403, "Closed")
        return await call_next(ctx)

    ran: list[str] = []

    @Controller()
    class Doors:
        @Get("/open")
        async def open(self) -> str:
            return "open"

        @Get("/closed")
        async def closed(self) -> str:
            ran.append("closed")
            return "closed"

    app = app_of(Doors, middleware=[guard])
    assert (await ask(app, "/open")).json() == "open"
    assert (await ask(app, "/closed")).status == 403
    assert ran == []


async def test_layers_run_before_the_body_is_read() -> None:
    async def refuse(ctx: RequestContext, call_next: CallNext) -> Response:
        raise Unauthorized

    @Use(refuse)
    @Controller()
    class Guarded:
        @Post()
        async def create(self, body: dict[str, str]) -> None: ...

    answer = await ask(app_of(Guarded), "/", method="POST", json={})
    assert (answer.status, answer.read) == (401, 0)


async def test_a_layer_may_add_to_any_response() -> None:
    async def stamp(ctx: RequestContext, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        response.headers["x-stamp"] = "1"
        return response

    @Controller()
    class Kinds:
        @Get("/json")
        async def json(self) -> Any:
            return {}

        @Get("/stream")
        async def stream(self, ctx: RequestContext) -> Any:
            return ctx.stream(iter([b"x"]))

        @Get("/starlette")
        async def starlette(self) -> Any:
            return PlainTextResponse("x")

    app = app_of(Kinds, middleware=[stamp])
    for target in ("/json", "/stream", "/starlette", "/none"):
        assert (await ask(app, target)).header("x-stamp") == "1"


async def test_a_response_that_a_layer_keeps_is_copied_for_each_request() -> None:
    kept = PlainTextResponse("maintenance", 503)
    cached: list[Response] = []

    async def stamp(ctx: RequestContext, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        response.headers["x-for"] = ctx.headers["x-user"]
        return response

    async def maintenance(ctx: RequestContext, call_next: CallNext) -> Response:
        return kept

    async def cache(ctx: RequestContext, call_next: CallNext) -> Response:
        if not cached:
            cached.append(await call_next(ctx))
        return cached[0]

    @Controller()
    class Simple:
        @Get()
        async def show(self) -> Any:
            return {}

    for layer in (maintenance, cache):
        app = app_of(Simple, middleware=[stamp, layer])
        assert (await ask(app, "/", headers={"x-user": "alice"})).header("x-for") == "alice"
        assert (await ask(app, "/", headers={"x-user": "bob"})).header("x-for") == "bob"
    assert "x-for" not in kept.headers


# What it may have beside


class Everything(Middleware):
    """A layer with all that the protocol knows."""

    def __init__(self, wanted: Callable[[Any], bool] = lambda route: True) -> None:
        self.wanted = wanted
        self.trail: list[str] = []
        self.asked: list[str | None] = []
        self.providers = (Provider(Everything, value=self),)

    def for_route(self, route: Any) -> Any:
        self.asked.append(None if route is None else f"{route.method} {route.path}")
        return self if self.wanted(route) else None

    def check(self, before: Any, after: Any) -> list[KickError]:
        self.trail.append(f"check {len(before)} {len(after)}")
        return []

    def configure(self, settings: Any) -> None:
        self.trail.append("configure")
        settings.max_body = 5

    async def aclose(self) -> None:
        self.trail.append("aclose")

    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> Response:
        self.trail.append(f"call {ctx.path}")
        return await call_next(ctx)


@Controller()
class Two:
    @Get("/a")
    async def a(self, layer: Everything) -> str:
        return type(layer).__name__

    @Post("/b")
    async def b(self, body: bytes) -> int:
        return len(body)


async def test_a_layer_is_asked_once_for_each_route_and_left_out_where_it_will() -> None:
    layer = Everything(lambda route: route is not None and route.path == "/a")
    app = app_of(Two, middleware=[layer])
    assert sorted(map(str, layer.asked)) == ["GET /a", "None", "POST /b"]
    for target, method in (("/a", "GET"), ("/b", "POST"), ("/none", "GET"), ("/a", "GET")):
        await ask(app, target, method=method)
    assert [each for each in layer.trail if each.startswith("call")] == ["call /a", "call /a"]
    assert len(layer.asked) == 3


async def test_a_layer_configures_provides_and_is_closed_wherever_it_stands() -> None:
    def at_module(layer: Any) -> App:
        return bootstrap([Module("m", controllers=[Two], middleware=[layer])], [NO_HEADERS])

    def at_controller(layer: Any) -> App:
        return app_of(Controller()(Use(layer)(type("Sub", (Two,), {}))))

    for build in (lambda layer: app_of(Two, middleware=[layer]), at_module, at_controller):
        layer = Everything()
        app = build(layer)
        assert (await ask(app, "/a")).json() == "Everything"
        assert (await ask(app, "/b", method="POST", body=b"123456")).status == 413
        await app.aclose()
        assert layer.trail[1] in ("check 0 1", "check 1 0"), "one stands beside it that does nothing"
        assert [layer.trail[0], *layer.trail[2:]] == ["configure", "call /a", "call /b", "aclose"]


def test_a_layer_that_stands_wrong_says_so_once() -> None:
    @Controller()
    class One:
        @Get("/a")
        async def a(self) -> None: ...

        @Get("/b")
        async def b(self) -> None: ...

    with raises_code("middleware-order"):
        app_of(One, middleware=[session(secret=SECRET), cookie_parser()])
    with raises_code("middleware-order"):
        bootstrap([Module("m", controllers=[One], middleware=[cookie_parser()])], [session(secret=SECRET)])


# What it may not be


class AsClass:
    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> Response:
        return await call_next(ctx)


class Sync:
    def __call__(self, ctx: RequestContext, call_next: CallNext) -> Any: ...


async def one_argument(ctx: RequestContext) -> Any: ...


async def three_arguments(ctx: RequestContext, call_next: CallNext, more: int) -> Any: ...


async def keyword_needed(ctx: RequestContext, call_next: CallNext, *, option: int) -> Any: ...


def sync_function(ctx: RequestContext, call_next: CallNext) -> Any: ...


def factory(*, option: int = 0) -> Any: ...


@pytest.mark.parametrize(
    ("layer", "cause", "fix"),
    [
        (AsClass, "it is a class", "`middleware=[AsClass()]`"),
        (GZipMiddleware, "it is a class", "`asgi_middleware=[Middleware(GZipMiddleware)]`"),
        (ASGIMiddleware(GZipMiddleware), "it cannot be called", "`asgi_middleware=[Middleware(GZipMiddleware)]`"),
        (Sync(), "it is not a coroutine function", "async def"),
        (sync_function, "it is not a coroutine function", "async def"),
        (factory, "it is not a coroutine function", "`middleware=[factory()]`"),
        (session, "it is not a coroutine function", "`middleware=[session()]`"),
        (one_argument, "does not take two arguments", "async def"),
        (three_arguments, "does not take two arguments", "async def"),
        (keyword_needed, "does not take two arguments", "async def"),
        ("text", "it cannot be called", "async def"),
        (None, "it cannot be called", "async def"),
    ],
    ids=without_address,
)
def test_what_is_no_middleware_is_refused_at_every_level(layer: Any, cause: str, fix: str) -> None:
    def at_method() -> App:
        @Controller()
        class M:
            @Use(layer)
            @Get()
            async def show(self) -> None: ...

        return app_of(M)

    for build in (
        lambda: bootstrap([], [layer]),
        lambda: bootstrap([Module("m", controllers=[Two], middleware=[layer])], providers=[Everything()]),
        lambda: app_of(Use(layer)(Controller()(type("C", (), {"show": Get()(lambda self: None)})))),
        at_method,
    ):
        with raises_code("middleware-signature") as caught:
            build()
        assert cause in caught.value.cause
        assert fix in caught.value.fix


def test_partials_methods_and_objects_are_middleware() -> None:
    class Holder:
        async def method(self, ctx: RequestContext, call_next: CallNext) -> Response:
            return await call_next(ctx)

    @dataclasses.dataclass
    class Unhashable(AsClass):
        option: int = 0

    partial = functools.partial(three_arguments, more=1)
    layers = [partial, Holder().method, AsClass(), Unhashable()]
    assert app_of(Failing, middleware=layers).middleware == (*layers, NO_HEADERS)


def test_a_choice_of_for_route_that_is_no_middleware_is_refused() -> None:
    class Choosing(Middleware):
        def for_route(self, route: Any) -> Any:
            return sync_function

    with raises_code("middleware-signature", match="sync_function"):
        bootstrap([], [Choosing()])


@pytest.mark.parametrize("hook", ["uses_session", "optional", "providers", "health", "for_route", "check", "aclose"])
def test_a_hook_counts_on_a_middleware_only(hook: str) -> None:
    layer = AsClass()
    setattr(layer, hook, None)
    with raises_code("middleware-signature", match=f"it has '{hook}', and does not inherit from kick.Middleware"):
        bootstrap([], [layer])


@pytest.mark.parametrize("returned", [None, {"a": 1}, "text"], ids=str)
async def test_a_layer_that_returns_no_response_is_named_in_the_log(
    returned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def forgetful(ctx: RequestContext, call_next: CallNext) -> Any:
        await call_next(ctx)
        return returned

    @Controller()
    class Simple:
        @Use(forgetful)
        @Get("/method")
        async def method(self) -> str:
            return "x"

        @Get("/plain")
        async def plain(self) -> str:
            return "x"

    trail: list[str] = []
    for app, target in (
        (app_of(Simple), "/method"),
        (app_of(Simple, middleware=[tracing(trail, "outer")]), "/method"),
        (app_of(Simple, middleware=[forgetful]), "/plain"),
        (app_of(Simple, middleware=[tracing(trail, "outer"), forgetful]), "/plain"),
        (app_of(Simple, middleware=[forgetful]), "/none"),
    ):
        caplog.clear()
        answer = await ask(app, target)
        assert answer.status == 500
        assert "return await call_next(ctx)" in caplog.text
        assert "forgetful" in caplog.text or target != "/method"
        assert "call_next" not in answer.text
    assert trail == ["outer in", "outer sees 500"] * 2


# Errors


@Controller()
class Failing:
    @Get("/http")
    async def http(self) -> None:
        raise HTTPError(402, "Too little", headers={"X-Left": "30"}, type="https://e.test/c", title="Poor", left=30)

    @Get("/starlette")
    async def starlette(self) -> None:
        raise HTTPException(409, "Taken", headers={"x-by": "Ada"})

    @Get("/moved")
    async def moved(self) -> None:
        raise HTTPException(307, headers={"location": "/elsewhere"})

    @Get("/strange")
    async def strange(self) -> None:
        raise HTTPException(999)

    @Get("/secret")
    async def secret(self) -> None:
        raise ValueError("the password is hunter2")

    @Get("/sync")
    def sync(self) -> None:
        raise ValueError("the password is hunter2")

    @Get("/no-json")
    async def no_json(self) -> None:
        raise NotFound("x", thing=object())

    @Get("/bad-header")
    async def bad_header(self) -> None:
        raise NotFound("x", headers={"x": "a\r\nset-cookie: b=c"})

    @Get("/caused")
    async def caused(self) -> None:
        try:
            raise OSError("connection refused")
        except OSError as error:
            raise HTTPError(503, "Try again later") from error

    @Get("/group")
    async def group(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.secret)

    @Get("/clash")
    async def clash(self) -> None:
        raise NotFound("x", request_id="mine", instance="/x")


async def test_an_http_error_is_a_problem_with_the_id_of_the_request() -> None:
    seen: list[str] = []

    async def note(ctx: RequestContext, call_next: CallNext) -> Response:
        seen.append(ctx.request_id)
        return await call_next(ctx)

    answer = await ask(app_of(Failing, middleware=[note]), "/http")
    assert answer.status == 402
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("x-left") == "30"
    assert answer.json() == {
        "type": "https://e.test/c",
        "title": "Poor",
        "status": 402,
        "detail": "Too little",
        "request_id": seen[0],
        "left": 30,
    }


async def test_exceptions_of_starlette_are_problems_too(caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(Failing)
    answer = await ask(app, "/starlette")
    assert (answer.status, answer.json()["detail"], answer.header("x-by")) == (409, "Taken", "Ada")
    moved = await ask(app, "/moved")
    assert (moved.status, moved.header("location"), moved.body) == (307, "/elsewhere", b"")
    assert caplog.records == []
    assert (await ask(app, "/strange")).status in (500, 999)


@pytest.mark.parametrize("target", ["/secret", "/sync", "/group"])
async def test_any_other_exception_is_an_opaque_500_and_a_log_entry(
    target: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(app_of(Failing), target)
    assert answer.status == 500
    assert set(answer.json()) == {"type", "title", "status", "detail", "request_id"}
    assert "hunter2" not in answer.text
    assert "ValueError" not in answer.text
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.name == "kick.http"
    assert answer.json()["request_id"] in record.getMessage()
    assert "hunter2" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("target", ["/no-json", "/bad-header"])
async def test_an_error_that_cannot_be_sent_is_an_opaque_500(target: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(app_of(Failing), target)
    assert answer.status == 500
    assert answer.all("set-cookie") == []
    assert "404 Not Found" in caplog.text


async def test_the_cause_of_a_server_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(app_of(Failing), "/caused")
    assert (answer.status, answer.json()["detail"]) == (503, "Try again later")
    assert "connection refused" in caplog.text
    assert "connection refused" not in answer.text


async def test_extensions_do_not_overwrite_what_a_problem_has() -> None:
    problem = (await ask(app_of(Failing), "/clash")).json()
    assert problem["status"] == 404
    assert problem["request_id"] != "mine"
    assert problem["instance"] == "/x"


# ASGI middleware


async def test_asgi_middleware_wraps_everything_else() -> None:
    @Controller()
    class Long:
        @Get("/long")
        async def long(self) -> str:
            return "x" * 2000

    app = app_of(
        Long,
        asgi_middleware=[
            ASGIMiddleware(CORSMiddleware, allow_origins=["https://other.test"], allow_methods=["GET"]),
            ASGIMiddleware(GZipMiddleware, minimum_size=100),
        ],
    )
    headers = {"origin": "https://other.test", "accept-encoding": "gzip"}
    answer = await ask(app, "/long", headers=headers)
    assert answer.header("content-encoding") == "gzip"
    assert answer.header("access-control-allow-origin") == "https://other.test"
    missing = await ask(app, "/none", headers=headers)
    assert (missing.status, missing.header("access-control-allow-origin")) == (404, "https://other.test")
    preflight = await ask(
        app, "/long", method="OPTIONS", headers={"origin": "https://other.test", "access-control-request-method": "GET"}
    )
    assert (preflight.status, preflight.header("access-control-allow-methods")) == (200, "GET")


def test_every_mistake_in_middleware_is_reported_at_once() -> None:
    with pytest.raises(SetupErrors) as caught:
        bootstrap([], [sync_function, one_argument], asgi_middleware=[GZipMiddleware])  # type: ignore[list-item]
    assert [problem.code for problem in caught.value.problems] == [
        "middleware-asgi",
        "middleware-signature",
        "middleware-signature",
    ]


async def test_a_response_that_cannot_be_sent_is_a_500_and_what_belongs_to_the_request_is_cleaned_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trail: list[str] = []

    class Held: ...

    async def held() -> AsyncGenerator[Held]:
        yield Held()
        trail.append("closed")

    async def breaking(ctx: RequestContext, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        response.raw_headers.append((b"x-broken", b"a\r\nset-cookie: sid=1"))
        ctx.set_header("x-set", "1")
        return response

    @Controller()
    class Pages:
        @Get()
        async def page(self, held: Held) -> Response:
            return StreamingResponse(iter([b"a"]))

    answer = await ask(app_of(Pages, providers=[Provider(Held, held, scope="request")], middleware=[breaking]), "/")
    assert (answer.status, answer.header("x-set"), answer.header("x-broken")) == (500, "1", None)
    assert trail == ["closed"]
    assert "x-broken" in caplog.text
