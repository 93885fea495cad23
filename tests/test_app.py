"""The life of an application: start, requests, end, and what tests put in its place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware as ASGIMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from kick import App, Controller, Get, Middleware, Module, NotFound, Provider, RequestContext, Service, bootstrap
from kick.app import WrappedApp
from kick.errors import SetupErrors
from kick.session import Sessions
from tests.http.support import app_of, ask
from tests.support.ids import without_address
from tests.support.setup_errors import raises_code


class Clock:
    def now(self) -> str:
        return "noon"


class Stopped(Clock):
    def __init__(self, at: str = "midnight") -> None:
        self.at = at

    def now(self) -> str:
        return self.at


@Service(scope="request")
class Visit:
    def __init__(self, clock: Clock, ctx: RequestContext) -> None:
        self.label = f"{ctx.path} at {clock.now()}"


@Controller()
class Times:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @Get("/own")
    async def own(self) -> str:
        return self.clock.now()

    @Get("/injected")
    async def injected(self, clock: Clock) -> str:
        return clock.now()

    @Get("/visit")
    async def visit(self, visit: Visit) -> str:
        return visit.label


def times(**options: Any) -> App:
    return app_of(Times, providers=[Clock], **options)


class Lifespan:
    """The server's side of the lifespan protocol."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.sent: list[Message] = []

    async def run(self, during: Any = None) -> "Lifespan":
        started = anyio.Event()

        async def receive() -> Message:
            if not self.sent and not started.is_set():
                started.set()
                return {"type": "lifespan.startup"}
            if during is not None:
                await during()
            return {"type": "lifespan.shutdown"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        await self.app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
        return self


# Start and end


def traced(trail: list[str], **options: Any) -> App:
    class Database: ...

    class Cache: ...

    @Service(scope="singleton")
    async def database() -> AsyncIterator[Database]:
        trail.append("database opens")
        yield Database()
        trail.append("database closes")

    @Service(scope="singleton")
    async def cache(database: Database) -> AsyncIterator[Cache]:
        trail.append("cache opens")
        yield Cache()
        trail.append("cache closes")

    cache.__annotations__.update(database=Database, **{"return": AsyncIterator[Cache]})
    database.__annotations__["return"] = AsyncIterator[Database]

    class Layer(Middleware):
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, ctx: RequestContext, call_next: Any) -> Any:
            return await call_next(ctx)

        async def aclose(self) -> None:
            trail.append(f"{self.name} closes")

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        trail.append(f"lifespan of {len(app.routes)} routes begins")
        yield
        trail.append("lifespan ends")

    return app_of(
        Times,
        providers=[Clock, database, cache],
        middleware=[Layer("outer"), Layer("inner")],
        **{"lifespan": lifespan, **options},
    )


async def test_an_application_starts_in_order_and_ends_in_reverse() -> None:
    trail: list[str] = []
    app = traced(trail)

    async def requests() -> None:
        trail.append((await ask(app, "/own")).json())

    lifespan = await Lifespan(app).run(requests)
    assert [message["type"] for message in lifespan.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert trail == [
        "database opens",
        "cache opens",
        "lifespan of 3 routes begins",
        "noon",
        "lifespan ends",
        "cache closes",
        "database closes",
        "inner closes",
        "outer closes",
    ]


async def test_an_application_can_start_again_after_its_end() -> None:
    trail: list[str] = []
    app = traced(trail)
    await Lifespan(app).run()
    first = [*trail]
    trail.clear()
    await Lifespan(app).run()
    assert trail == first


async def test_importing_and_bootstrapping_build_nothing() -> None:
    trail: list[str] = []
    app = traced(trail)
    assert repr(app) == "<kick.App with 3 routes>"
    assert trail == []


async def test_a_provider_that_fails_stops_the_start_and_is_named() -> None:
    trail: list[str] = []

    class Broken: ...

    async def connect() -> Broken:
        raise ConnectionRefusedError("nobody listens")

    connect.__annotations__["return"] = Broken
    app = traced(trail)
    failing = app_of(Times, providers=[Clock, connect], middleware=[*app.middleware], lifespan=app._parts[0].lifespan)
    lifespan = Lifespan(failing)
    with pytest.raises(ConnectionRefusedError):
        await lifespan.run()
    (message,) = lifespan.sent
    assert message["type"] == "lifespan.startup.failed"
    assert "ConnectionRefusedError: nobody listens" in message["message"]
    assert "connect" in message["message"]
    assert "Broken" in message["message"]
    assert trail == ["inner closes", "outer closes"]


async def test_a_lifespan_that_fails_at_either_end_is_reported() -> None:
    for at, kind in (("begin", "startup"), ("end", "shutdown")):
        trail: list[str] = []

        @asynccontextmanager
        async def lifespan(app: App, at: str = at) -> AsyncIterator[None]:
            if at == "begin":
                raise LookupError("no queue")
            yield
            raise LookupError("no queue")

        served = Lifespan(traced(trail, lifespan=lifespan))
        with pytest.raises(LookupError):
            await served.run()
        assert served.sent[-1]["type"] == f"lifespan.{kind}.failed"
        assert "no queue" in served.sent[-1]["message"]
        assert trail[-4:] == ["cache closes", "database closes", "inner closes", "outer closes"]


async def test_a_server_without_lifespan_starts_with_the_first_request() -> None:
    trail: list[str] = []
    app = traced(trail)
    assert (await ask(app, "/none")).status == 404
    assert trail == []
    assert (await ask(app, "/own")).json() == "noon"
    assert trail == ["database opens", "cache opens"]
    await app.aclose()
    assert "cache closes" in trail


async def test_a_hundred_first_requests_build_one_instance() -> None:
    built: list[int] = []

    async def slow() -> Clock:
        built.append(1)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        return Clock()

    app = app_of(Times, providers=[slow])
    answers: list[Any] = []

    async def one() -> None:
        answers.append((await ask(app, "/own")).json())

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(one)
    assert answers == ["noon"] * 100
    assert built == [1]


async def test_a_start_that_fails_at_the_first_request_is_a_500_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts: list[int] = []

    async def shaky() -> Clock:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionRefusedError("nobody listens")
        return Clock()

    app = app_of(Times, providers=[shaky])
    first = await ask(app, "/own")
    assert first.status == 500
    assert "nobody" not in first.text
    assert "nobody listens" in caplog.text
    assert (await ask(app, "/own")).json() == "noon"


async def test_a_request_that_is_cancelled_cleans_up() -> None:
    trail: list[str] = []

    class Resource: ...

    async def resource() -> AsyncIterator[Resource]:
        trail.append("open")
        try:
            yield Resource()
        finally:
            trail.append("closed")

    resource.__annotations__["return"] = AsyncIterator[Resource]

    @Controller()
    class Hanging:
        @Get("/hang")
        async def hang(self, thing: Resource) -> None:
            reached.set()
            await anyio.sleep_forever()

        @Get("/stream")
        async def stream(self, ctx: RequestContext, thing: Resource) -> Any:
            async def chunks() -> AsyncIterator[bytes]:
                yield b"x"
                reached.set()
                await anyio.sleep_forever()

            return ctx.stream(chunks())

    Hanging.hang.__annotations__["thing"] = Resource
    Hanging.stream.__annotations__["thing"] = Resource

    async def late(ctx: RequestContext, call_next: Any) -> Any:
        response = await call_next(ctx)
        if ctx.query.get("late"):
            reached.set()
            await anyio.sleep_forever()
        return response

    app = app_of(Hanging, providers=[Provider(Resource, resource, scope="request")], middleware=[late])
    for target in ("/hang", "/stream", "/stream?late=1"):
        trail.clear()
        reached = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, app, target)
            await reached.wait()
            assert trail == ["open"]
            tasks.cancel_scope.cancel()
        assert trail == ["open", "closed"], target


async def test_what_is_to_be_done_at_the_end_of_a_request_may_await_when_the_request_was_cancelled() -> None:
    trail: list[str] = []
    reached = anyio.Event()

    async def outer(ctx: RequestContext, call_next: Any) -> Any:
        for name in ("last", "first"):

            async def clean_up(error: BaseException | None, name: str = name) -> None:
                await anyio.lowlevel.checkpoint()
                trail.append(f"{name}: {type(error).__name__}")

            ctx.on_end(clean_up)
        reached.set()
        await anyio.sleep_forever()

    app = times(middleware=[outer])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, app, "/own")
        await reached.wait()
        tasks.cancel_scope.cancel()
    assert trail == ["first: CancelledError", "last: CancelledError"]


# Several applications, and other protocols


async def test_two_applications_share_nothing() -> None:
    one = app_of(Times, providers=[Provider(Clock, value=Stopped("one"))])
    two = app_of(Times, providers=[Provider(Clock, value=Stopped("two"))])
    assert [(await ask(app, "/own")).json() for app in (one, two, one)] == ["one", "two", "one"]
    with one.override(Clock, Stopped("fake")):
        assert [(await ask(app, "/injected")).json() for app in (one, two)] == ["fake", "two"]


@pytest.mark.parametrize(
    "options", [{}, {"asgi_middleware": [ASGIMiddleware(GZipMiddleware)]}], ids=["plain", "wrapped"]
)
def test_websockets_are_refused_politely(options: dict[str, Any]) -> None:
    client = TestClient(times(**options))
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/own"):
        pytest.fail("it must not be accepted")


async def test_another_protocol_is_refused_with_its_name() -> None:
    with pytest.raises(RuntimeError, match="carrier-pigeon"):
        await times()({"type": "carrier-pigeon"}, None, None)  # type: ignore[arg-type]


async def test_an_application_can_be_mounted_in_another() -> None:
    client = TestClient(Starlette(routes=[Mount("/kick", app=times())]))
    assert client.get("/kick/own").json() == "noon"
    assert client.get("/kick/visit").json() == "/kick/visit at noon"
    assert client.get("/kick/none").status_code == 404
    assert client.get("/own").status_code == 404


async def test_asgi_middleware_sees_the_lifespan_too() -> None:
    seen: list[str] = []

    class Watching:
        def __init__(self, app: Any, name: str) -> None:
            self.app, self.name = app, name

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(f"{self.name} {scope['type']}")
            await self.app(scope, receive, send)

    app = times(asgi_middleware=[ASGIMiddleware(Watching, "outer"), ASGIMiddleware(Watching, name="inner")])
    assert isinstance(app, WrappedApp)
    await Lifespan(app).run()
    await ask(app, "/own")
    assert seen == ["outer lifespan", "inner lifespan", "outer http", "inner http"]


# Overrides and scopes


async def test_an_override_holds_for_its_block_wherever_the_type_is_used() -> None:
    app = times()

    async def seen() -> list[str]:
        return [(await ask(app, target)).json() for target in ("/own", "/injected", "/visit")]

    real = ["noon", "noon", "/visit at noon"]
    with app.override(Clock, Stopped()) as fake:
        assert isinstance(fake, Stopped)
        assert await seen() == ["midnight", "midnight", "/visit at midnight"]
    assert await seen() == real
    with app.override(Clock, Stopped("a")):
        assert (await seen())[0] == "a"
        with app.override(Clock, Stopped("b")):
            assert (await seen())[0] == "b"
        assert (await seen())[0] == "a"
    assert await seen() == real


async def test_an_override_ends_with_an_exception_too() -> None:
    app = times()

    async def failing_test() -> None:
        with app.override(Clock, Stopped()):
            assert (await ask(app, "/own")).json() == "midnight"
            raise LookupError

    with pytest.raises(LookupError):
        await failing_test()
    assert (await ask(app, "/own")).json() == "noon"


async def test_a_provider_may_stand_in() -> None:
    async def fake() -> Clock:
        return Stopped("made")

    app = times()
    await app.start()
    with app.override(Clock, Provider(Clock, fake)):
        assert (await ask(app, "/own")).json() == "made"
    override: Any = app.override
    with raises_code("di-override-by-class"):
        override(Clock, Stopped).__enter__()


def test_an_override_works_while_a_client_runs() -> None:
    app = times()
    with TestClient(app) as client:
        assert client.get("/own").json() == "noon"
        with app.override(Clock, Stopped()):
            assert client.get("/own").json() == "midnight"
        assert client.get("/own").json() == "noon"


async def test_a_job_has_a_scope_of_its_own() -> None:
    trail: list[str] = []

    class Unit: ...

    async def unit() -> AsyncIterator[Unit]:
        trail.append("open")
        yield Unit()
        trail.append("closed")

    unit.__annotations__["return"] = AsyncIterator[Unit]
    app = times()
    app = app_of(Times, providers=[Clock, Provider(Unit, unit, scope="request")])
    async with app.scope() as scope:
        assert (await scope.get(Clock)).now() == "noon"
        assert await scope.get(Unit) is await scope.get(Unit)
        assert trail == ["open"]
    assert trail == ["open", "closed"]


# bootstrap


async def test_settings_are_provided_under_their_type() -> None:
    @dataclass
    class Settings:
        name: str

    @Controller()
    class Named:
        def __init__(self, settings: Settings) -> None:
            self.name = settings.name

        @Get()
        async def show(self) -> str:
            return self.name

    assert (await ask(app_of(Named, settings=Settings("shop")), "/")).json() == "shop"


def test_modules_bring_their_providers_for_all() -> None:
    app = bootstrap([Module("times", controllers=[Times]), Module("clock", providers=[Clock])])
    assert TestClient(app).get("/own").json() == "noon"
    with pytest.raises(SetupErrors) as caught:
        bootstrap([Module("times", controllers=[Times])])
    assert {problem.code for problem in caught.value.problems} == {"di-missing-provider"}


def test_an_application_without_modules_answers() -> None:
    client = TestClient(bootstrap([]))
    assert client.get("/").status_code == 404
    assert client.get("/").json()["detail"] == "There is nothing at /."


async def test_a_controller_is_built_once() -> None:
    built: list[int] = []

    @Controller()
    class Counted:
        def __init__(self) -> None:
            built.append(1)

        @Get("/a")
        async def a(self) -> None: ...

        @Get("/b")
        async def b(self) -> None:
            raise NotFound

    app = app_of(Counted)
    for target in ("/a", "/b", "/a"):
        await ask(app, target)
    assert built == [1]


# Mistakes


async def test_a_protocol_may_be_overridden() -> None:
    class Telling(Protocol):
        def now(self) -> str: ...

    app = bootstrap([], providers=[Provider(Telling, Stopped)])
    fake = Stopped("noon")
    with app.override(Telling, fake) as given:
        await app.start()
        assert app.container.instance(Telling) is given is fake
    await app.aclose()


def test_a_controller_is_no_candidate_for_what_is_missing() -> None:
    class Shown(Protocol):
        def show(self) -> Any: ...

    @Controller()
    class Notes:
        def __init__(self, shown: Shown) -> None: ...

        @Get()
        async def show(self) -> None: ...

    with raises_code("di-missing-provider") as caught:
        app_of(Notes)
    assert "Notes)" not in caught.value.fix
    assert "YourShown" in caught.value.fix


def test_a_constructor_that_asks_for_sessions_needs_the_middleware() -> None:
    @Controller()
    class Devices:
        def __init__(self, sessions: Sessions) -> None: ...

        @Get()
        async def index(self) -> None: ...

    with raises_code("di-missing-provider") as caught:
        app_of(Devices)
    assert "`middleware=[session(" in caught.value.fix


def test_settings_may_be_a_plain_dict() -> None:
    assert bootstrap([], settings={"page": 1}).container.provides(dict)


@pytest.mark.parametrize("option", ["middleware", "providers", "asgi_middleware"])
@pytest.mark.parametrize("given", [print, "text", Clock(), ASGIMiddleware(GZipMiddleware), None], ids=without_address)
def test_what_is_no_list_is_refused(option: str, given: Any) -> None:
    options: dict[str, Any] = {option: given}
    with raises_code("list-missing", match=rf"{option}= of bootstrap\(\) takes a list"):
        bootstrap([], **options)


def test_lists_may_be_of_any_kind() -> None:
    providers: Any = (each for each in (Clock,))
    assert bootstrap([], (), providers=providers).container.provides(Clock)


def test_the_places_of_two_handlers_for_one_path_can_be_told_apart() -> None:
    @Controller()
    class Notes:
        @Get("/notes")
        async def one(self) -> None: ...

        @Get("/notes")
        async def other(self) -> None: ...

    with raises_code("route-duplicate", match=r"Notes.one\(\) at \S*tests/test_app.py:\d+ and Notes.other"):
        app_of(Notes)


async def test_two_first_requests_at_once_start_the_application_once() -> None:
    begun, may_end, built = anyio.Event(), anyio.Event(), list[Clock]()

    async def clock() -> Clock:
        begun.set()
        await may_end.wait()
        built.append(Clock())
        return built[-1]

    @Controller("/time")
    class TimeController:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

        @Get()
        async def now(self) -> str:
            return self.clock.now()

    app = bootstrap([Module("time", controllers=[TimeController], providers=[clock])])
    answers = []

    async def first() -> None:
        answers.append((await ask(app, "/time")).body)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await begun.wait()
        tasks.start_soon(first)
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        may_end.set()
    assert len(built) == 1
    assert len(answers) == 2
