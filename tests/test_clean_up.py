"""The clean-ups of a request: they decide the answer, and when they run."""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from jinja2 import DictLoader, Environment
from starlette.responses import StreamingResponse
from starlette.templating import Jinja2Templates
from starlette.testclient import WebSocketDenialResponse

from kick import (
    Conflict,
    Controller,
    Get,
    KickError,
    Module,
    NotFound,
    Post,
    Provider,
    RequestContext,
    Response,
    Socket,
    WebSocket,
    bootstrap,
)
from kick.session import session
from kick.testing import TestClient
from tests.http.support import Answer, app_of, ask
from tests.support.serving import Serve

SECRET = "a secret of at least thirty-two bytes"


class Duplicate(Exception):
    """What a database raises at a commit."""


class Unit:
    """A unit of work."""


trail: list[str] = []


def unit_of(raised: Exception | None, *, translated: bool = False) -> Any:
    async def unit() -> AsyncIterator[Unit]:
        try:
            yield Unit()
            trail.append("ends")
            if raised is not None:
                raise raised
        except Duplicate as error:
            if not translated:
                raise
            raise Conflict("This name is taken.") from error

    return unit


@Controller("/units")
class UnitController:
    @Get("/plain")
    async def plain(self, unit: Unit) -> str:
        return "done"

    @Get("/raises")
    async def raises(self, unit: Unit) -> str:
        raise Duplicate("by the handler")

    @Get("/stream")
    async def stream(self, ctx: RequestContext, unit: Unit) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            trail.append("first")
            yield b"a"
            trail.append("second")
            yield b"b"

        return ctx.stream(chunks())

    @Get("/file")
    async def file(self, ctx: RequestContext, unit: Unit) -> Response:
        return ctx.send_file(__file__)

    @Get("/background")
    async def background(self, ctx: RequestContext, unit: Unit) -> None:
        ctx.background(trail.append, "background")

    @Get("/template")
    async def template(self, ctx: RequestContext, unit: Unit) -> Response:
        pages = Jinja2Templates(env=Environment(loader=DictLoader({"page": "done"}), autoescape=True))
        return pages.TemplateResponse(ctx.request, "page")

    @Get("/starlette")
    async def starlette(self, unit: Unit) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            trail.append("first")
            yield b"a"

        return StreamingResponse(chunks())

    @Get("/seen")
    async def seen(self, ctx: RequestContext) -> int:
        return int(ctx.session.get("visits", 0))

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str], unit: Unit) -> None:
        trail.append("handler")
        await socket.accept()
        trail.append("accepted")
        async for message in socket:
            await socket.send(message)
        trail.append("closed")

    @Post("/visit")
    async def visit(self, ctx: RequestContext, unit: Unit) -> str:
        ctx.session["visits"] = 1
        return "counted"


@pytest.fixture(autouse=True)
def _empty_trail() -> None:
    trail.clear()


def application(raised: Exception | None, *, scope: Any = None, translated: bool = False, **options: Any) -> Any:
    provider = Provider(Unit, unit_of(raised, translated=translated), scope=scope)
    return app_of(UnitController, providers=[provider], **options)


SCOPES = pytest.mark.parametrize("scope", [None, "request", "handler"])


@SCOPES
@pytest.mark.parametrize("path", ["plain", "file", "template"])
class TestPlainResponses:
    async def test_one_failure_is_raised_as_itself(self, scope: Any, path: str) -> None:
        seen: list[Exception] = []

        async def watching(ctx: RequestContext, call_next: Any) -> Any:
            try:
                return await call_next(ctx)
            except Duplicate as error:
                seen.append(error)
                raise

        raised = Duplicate("at the commit")
        app = bootstrap(
            [
                Module(
                    "units",
                    controllers=[UnitController],
                    providers=[Provider(Unit, unit_of(raised), scope=scope)],
                    middleware=[watching],
                )
            ]
        )
        assert (await ask(app, f"/units/{path}")).status == 500
        assert seen == [raised]

    async def test_an_exception_handler_answers_it(self, scope: Any, path: str) -> None:
        async def taken(ctx: RequestContext, error: Duplicate) -> Response:
            return ctx.problem(409, str(error))

        app = application(Duplicate("taken"), scope=scope, exception_handlers={Duplicate: taken})
        answer = await ask(app, f"/units/{path}")
        assert (answer.status, answer.json()["detail"]) == (409, "taken")

    async def test_a_provider_may_turn_it_into_an_answer(self, scope: Any, path: str) -> None:
        answer = await ask(application(Duplicate("x"), scope=scope, translated=True), f"/units/{path}")
        assert (answer.status, answer.json()["detail"]) == (409, "This name is taken.")


@SCOPES
async def test_a_provider_may_turn_what_the_handler_raised_into_an_answer(scope: Any) -> None:
    answer = await ask(application(None, scope=scope, translated=True), "/units/raises")
    assert (answer.status, answer.json()["detail"]) == (409, "This name is taken.")


async def test_background_tasks_of_a_request_whose_clean_up_fails_do_not_run() -> None:
    assert (await ask(application(Duplicate("x")), "/units/background")).status == 500
    assert trail == ["ends"]
    assert (await ask(application(None), "/units/background")).status == 204
    assert trail == ["ends", "ends", "background"]


@SCOPES
@pytest.mark.parametrize("translated", [True, False])
@pytest.mark.parametrize("handled", [True, False])
def test_nothing_of_the_session_is_stored_then(scope: Any, translated: bool, handled: bool) -> None:
    async def taken(ctx: RequestContext, error: Duplicate) -> Response:
        return ctx.text("taken", 409)

    app = application(
        Duplicate("x"),
        scope=scope,
        translated=translated,
        middleware=[session(SECRET, save_uninitialized=False)],
        exception_handlers={Duplicate: taken} if handled else None,
    )
    with TestClient(app, raise_exceptions=False) as client:
        answer = client.post("/units/visit")
        assert answer.status_code == (409 if translated or handled else 500)
        assert "set-cookie" not in answer.headers
        assert client.get("/units/seen").json() == 0


class Outer:
    """What an inner unit of work needs, so that it ends after it."""


class Inner:
    """The unit of work that ends first."""


@SCOPES
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("outer_error", "inner_error", "status"),
    [
        (Duplicate("outer"), Conflict("Taken."), 409),
        (Conflict("Taken."), Duplicate("inner"), 409),
        (NotFound("Gone."), Conflict("Taken."), 404),  # the last one decides, as in nested `async with` blocks
        (Duplicate("outer"), OSError("inner"), 500),
    ],
    ids=["inner", "outer", "both", "neither"],
)
def test_of_several_failures_one_that_is_meant_for_the_client_is_the_response(
    scope: Any, method: str, outer_error: Exception, inner_error: Exception, status: int
) -> None:
    async def outer() -> AsyncIterator[Outer]:
        try:
            yield Outer()
        finally:
            raise outer_error

    async def inner(outer: Outer) -> AsyncIterator[Inner]:
        try:
            yield Inner()
        finally:
            raise inner_error

    @Controller("/both")
    class Both:
        @Get("/")
        async def seen(self, ctx: RequestContext, inner: Inner) -> str:
            ctx.session["visits"] = 1
            return "done"

        @Post("/")
        async def visit(self, ctx: RequestContext, inner: Inner) -> str:
            ctx.session["visits"] = 1
            return "done"

        @Get("/count")
        async def count(self, ctx: RequestContext) -> int:
            return int(ctx.session.get("visits", 0))

    app = app_of(
        Both,
        providers=[Provider(Outer, outer, scope=scope), Provider(Inner, inner, scope=scope)],
        middleware=[session(SECRET, save_uninitialized=False)],
    )
    with TestClient(app, raise_exceptions=False) as client:
        answer = client.request(method, "/both")
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers
        assert client.get("/both/count").json() == 0


async def test_a_layer_within_the_session_may_answer_and_nothing_is_stored() -> None:
    async def forgiving(ctx: RequestContext, call_next: Any) -> Response:
        try:
            response: Response = await call_next(ctx)
        except Duplicate:
            return ctx.text("never mind")
        return response

    layers = [session(SECRET, save_uninitialized=False)]
    module = Module(
        "units",
        controllers=[UnitController],
        providers=[Provider(Unit, unit_of(Duplicate("x")))],
        middleware=[forgiving],
    )
    with TestClient(bootstrap([module], layers), raise_exceptions=False) as client:
        assert client.post("/units/visit").text == "never mind"
        assert client.get("/units/seen").json() == 0


class TestStreams:
    async def test_a_request_ends_between_the_last_byte_and_the_end(self) -> None:
        answer = await ask(application(None), "/units/stream")
        assert trail == ["first", "second", "ends"]
        assert answer.body == b"ab"
        assert answer.messages[-1].get("more_body", False) is False

    async def test_a_stream_of_starlette_is_one(self) -> None:
        assert (await ask(application(None), "/units/starlette")).body == b"a"
        assert trail == ["first", "ends"]

    async def test_a_handler_ends_before_the_first_byte(self) -> None:
        assert (await ask(application(None, scope="handler"), "/units/stream")).body == b"ab"
        assert trail == ["ends", "first", "second"]

    async def test_a_failure_at_the_end_of_a_request_cuts_the_connection_and_is_told(self) -> None:
        told: list[Exception] = []
        app = application(Duplicate("late"), on_error=lambda ctx, error: told.append(error))
        answer = Answer()

        async def send(message: Any) -> None:
            answer.messages.append(message)

        with pytest.raises(Duplicate):
            await ask(app, "/units/stream", sends=send)
        assert [type(each) for each in told] == [Duplicate]
        assert answer.messages[-1]["more_body"] is True

    @pytest.mark.parametrize("raised", [None, Duplicate("late")])
    def test_a_client_notices_that_it_was_cut(self, serve: Serve, raised: Exception | None) -> None:
        with serve(application(raised)) as url, httpx2.stream("GET", f"{url}/units/stream") as response:
            if raised is None:
                assert response.read() == b"ab"
            else:
                with pytest.raises(httpx2.RemoteProtocolError):
                    response.read()

    async def test_a_failure_at_the_end_of_the_handler_decides_the_answer(self) -> None:
        app = application(Duplicate("x"), scope="handler", translated=True)
        assert (await ask(app, "/units/stream")).status == 409
        assert trail == ["ends"]

    async def test_the_request_rolls_back_when_the_handler_scope_fails(self) -> None:
        class Outer: ...

        async def outer() -> AsyncIterator[Outer]:
            try:
                yield Outer()
            except BaseException as error:
                trail.append(f"rolled back: {type(error).__name__}")
                raise

        @Controller("/both")
        class BothController:
            @Get("/")
            async def stream(self, ctx: RequestContext, outer: Outer, unit: Unit) -> Response:
                return ctx.stream([b"a"])

        app = app_of(BothController, providers=[outer, Provider(Unit, unit_of(Duplicate("x")), scope="handler")])
        assert (await ask(app, "/both")).status == 500
        assert trail == ["ends", "rolled back: Duplicate"]

    @pytest.mark.parametrize("kind", ["closure", "argument", "plain", "events", "starlette"])
    async def test_a_stream_that_uses_what_ends_with_the_handler_is_refused(self, kind: str) -> None:
        @Controller("/uses")
        class UsingController:
            @Get("/")
            async def stream(self, ctx: RequestContext, unit: Unit) -> Any:
                async def closure() -> AsyncIterator[bytes]:
                    yield repr(unit).encode()

                async def argument(of: Unit) -> AsyncIterator[bytes]:
                    yield repr(of).encode()

                def plain() -> Iterator[bytes]:
                    yield repr(unit).encode()

                match kind:
                    case "closure":
                        return ctx.stream(closure())
                    case "argument":
                        return ctx.stream(argument(unit))
                    case "plain":
                        return ctx.stream(plain())
                    case "events":
                        return ctx.sse(str(each) async for each in closure())
                    case _:
                        return StreamingResponse(closure())

        told: list[Exception] = []
        app = app_of(
            UsingController,
            providers=[Provider(Unit, unit_of(None), scope="handler")],
            on_error=lambda ctx, error: told.append(error),
        )
        answer = await ask(app, "/uses")
        if kind == "events":  # a generator in a generator is not looked into
            assert answer.status == 200
            return
        assert answer.status == 500
        assert isinstance(told[0], KickError)
        assert told[0].code == "stream-resource"

    async def test_a_stream_may_use_its_controller_and_data(self) -> None:
        class User:
            def __init__(self, unit: Unit) -> None:
                self.name = "ada"

        def current_user(unit: Unit) -> User:
            return User(unit)

        @Controller("/fine")
        class FineController:
            def __init__(self, unit: Unit) -> None:
                self.unit = unit

            def name(self) -> str:
                return "fine"

            @Get("/")
            async def stream(self, ctx: RequestContext, user: User) -> Any:
                async def chunks() -> AsyncIterator[str]:
                    yield f"{self.name()} {user.name}"

                return ctx.stream(chunks())

        for function in (User.__init__, current_user):
            function.__annotations__["unit"] = Unit
        app = app_of(FineController, providers=[current_user, Provider(Unit, unit_of(None), scope="handler")])
        assert (await ask(app, "/fine")).body == b"fine ada"

    async def test_head_ends_it_too(self) -> None:
        answer = await ask(application(None), "/units/stream", method="HEAD")
        assert (answer.status, answer.body, trail) == (200, b"", ["ends"])


async def test_a_failure_beside_the_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Connection: ...

    async def connection() -> AsyncIterator[Connection]:
        try:
            yield Connection()
        finally:
            raise OSError("the connection is lost")

    @Controller("/two")
    class TwoController:
        @Get("/")
        async def both(self, connection: Connection, unit: Unit) -> None: ...

    providers = [connection, Provider(Unit, unit_of(Duplicate("x"), translated=True))]
    with caplog.at_level(logging.ERROR):
        assert (await ask(app_of(TwoController, providers=providers), "/two")).status == 409
    assert "the connection is lost" in caplog.text


class TestSockets:
    @pytest.mark.parametrize(
        ("scope", "expected"),
        [("handler", ["handler", "ends", "accepted", "closed"]), (None, ["handler", "accepted", "closed", "ends"])],
    )
    def test_a_handler_ends_at_the_acceptance_and_a_request_with_the_connection(
        self, scope: Any, expected: list[str]
    ) -> None:
        app = application(None, scope=scope)
        with TestClient(app) as client, client.websocket_connect("/units/socket") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "hello"
        assert trail == expected

    def test_a_failure_at_the_acceptance_refuses_it(self) -> None:
        app = application(Duplicate("x"), scope="handler", translated=True)
        with TestClient(app) as client, pytest.raises(WebSocketDenialResponse) as refused:
            client.websocket_connect("/units/socket").__enter__()
        assert refused.value.status_code == 409
        assert trail == ["handler", "ends"]

    def test_a_failure_at_the_end_closes_it_as_failed(self, caplog: pytest.LogCaptureFixture) -> None:
        class Late: ...

        async def late() -> AsyncIterator[Late]:
            yield Late()
            raise Duplicate("late")

        @Controller("/late")
        class LateController:
            @WebSocket("/")
            async def socket(self, socket: Socket[str, str], late: Late) -> None:
                await socket.accept()

        app = app_of(LateController, providers=[late])
        with TestClient(app, raise_exceptions=False) as client, client.websocket_connect("/late") as socket:
            assert socket.receive()["code"] == 1011
        assert "Duplicate: late" in caplog.text
