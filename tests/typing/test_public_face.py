"""What type checkers see of the public face. The assertions are theirs: mypy and pyright read this file."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, assert_type

import msgspec
from starlette.datastructures import FormData, Headers, QueryParams
from starlette.requests import Request

from kick import (
    App,
    Controller,
    ExceptionHandler,
    Get,
    HTTPError,
    Module,
    NotFound,
    OnError,
    Post,
    Provider,
    RequestContext,
    Response,
    Scopes,
    ServerSentEvent,
    Service,
    Session,
    Sessions,
    Socket,
    UnprocessableEntity,
    Use,
    WebSocket,
    bootstrap,
)
from kick.http import AnyMiddleware, CallNext, Mount, Route, StaticFiles, cookie_parser
from kick.session import session
from kick.session.data.mapping import SessionData

SECRET = "a secret of at least thirty-two bytes"


class UserSession(msgspec.Struct):
    user_id: int | None = None


class Note(msgspec.Struct):
    title: str


@Service()
class Notes:
    def count(self) -> int:
        return 3


async def timing(ctx: RequestContext, call_next: CallNext) -> Response:
    response = await call_next(ctx)
    assert_type(response, Response)
    return response


@Use(timing)
@Controller("/notes", session=True)
class NoteController:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    @Get()
    async def index(self, ctx: RequestContext) -> Response:
        return ctx.json(self.notes.count())

    @Get("/{note_id}", name="one")
    @Post("/{note_id}", status=201, max_body=10)
    async def show(self, note_id: int) -> dict[str, int]:
        return {"id": note_id}

    @Use(timing, timing)
    @Post()
    def create(self, body: Note) -> Note:
        return body


def test_decorated_classes_and_methods_keep_their_types() -> None:
    controller = NoteController(Notes())
    assert_type(controller, NoteController)
    assert_type(controller.notes, Notes)
    as_class: type[NoteController] = NoteController
    assert_type(controller.create(Note("a")), Note)
    show: Callable[[int], Awaitable[dict[str, int]]] = controller.show
    assert as_class.__name__ == "NoteController"
    assert show == controller.show


async def results(controller: NoteController, ctx: RequestContext) -> None:
    assert_type(await controller.show(1), dict[str, int])
    assert_type(await controller.index(ctx), Response)


async def no_more(ctx: RequestContext) -> Response:
    return ctx.no_content()


def of_a_context(ctx: RequestContext) -> None:
    assert_type(ctx.session, Session[SessionData])
    assert_type(ctx.session.data, SessionData)
    assert_type(ctx.method, str)
    assert_type(ctx.params, dict[str, Any])
    assert_type(ctx.query, QueryParams)
    assert_type(ctx.headers, Headers)
    assert_type(ctx.cookies, dict[str, str])
    assert_type(ctx.signed_cookies, dict[str, str])
    assert_type(ctx.form, FormData)
    assert_type(ctx.request, Request)
    assert_type(ctx.route, Route | None)
    assert_type(ctx.client_ip, str | None)
    assert_type(ctx.body_stream(), AsyncIterator[bytes])
    assert_type(ctx.json({}), Response)
    assert_type(ctx.redirect("/"), Response)
    assert_type(ctx.url_for("NoteController.show", note_id=1, page=2), str)
    assert_type(ctx.problem(400), Response)
    assert_type(ctx.stream([b"a", "b"]), Response)
    assert_type(ctx.sse([ServerSentEvent(data=1), "text", {"n": 1}], heartbeat=None), Response)
    assert_type(ctx.send_file("a.txt", root="files", disposition="attachment"), Response)
    assert_type(ctx.download("text", "a.txt"), Response)
    assert_type(ctx.is_not_modified("v1"), bool)
    assert_type(ctx.not_modified(), Response)
    assert_type(ctx.last_event_id, str | None)
    ctx.background(timing, ctx, no_more)
    ctx.background(timing, ctx)  # what is not passed is injected


def of_a_typed_context(ctx: RequestContext[UserSession]) -> None:
    assert_type(ctx.session, Session[UserSession])
    assert_type(ctx.session.data, UserSession)
    assert_type(ctx.session.data.user_id, int | None)


@Controller("/socket")
class SocketController:
    @WebSocket("/{room}", origins=["https://app.example.com"], on_invalid="reply")
    async def talk(self, socket: Socket[Note, int], room: str) -> None:
        async for message in socket:
            assert_type(message, Note)
        assert_type(await socket.receive(), Note)
        await socket.send(7)
        await socket.send("seven")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert_type(await socket.receive_text(), str)
        assert_type(await socket.receive_bytes(), bytes)
        assert_type(socket.session, Session[Any])


async def of_a_socket_of_any_kind(socket: Socket) -> None:
    assert_type(await socket.receive(), Any)
    await socket.send({"any": "thing"})


def test_a_handler_of_a_socket_keeps_its_type() -> None:
    talk: Callable[[Socket[Note, int], str], Awaitable[None]] = SocketController().talk
    assert talk == SocketController.talk.__get__(talk.__self__)  # type: ignore[attr-defined]


async def test_an_application_gives_what_it_is_asked_for() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        yield

    app = bootstrap(
        [Module("notes", controllers=[NoteController], middleware=[timing])],
        [cookie_parser(), session(secret=SECRET, data=UserSession), timing],
        providers=[Provider(str, value="x")],
        lifespan=lifespan,
    )
    assert_type(app, App)
    assert_type(app.routes, tuple[Route, ...])
    assert_type(app.mounts, tuple[Mount, ...])
    await app.start()
    assert_type(await app.container.get(Notes), Notes)
    assert_type(app.container.instance(Notes), Notes)
    async with app.scope() as scope:
        assert_type(await scope.get(Notes), Notes)
        assert_type(await scope.get(Sessions), Sessions)
        scopes = await scope.get(Scopes)
    async with scopes.open() as own:
        assert_type(await own.get(Notes), Notes)
    with app.override(Notes, Notes()) as fake:
        assert_type(fake, Notes)
    with app.override(Notes, Provider(Notes, Notes)) as provider:
        assert_type(provider, Provider)
    await app.aclose()


def test_applications_and_files_are_mounted() -> None:
    module = Module("web", mounts={"/again": bootstrap([]), "/files": StaticFiles(".", max_age=60)})
    assert_type(bootstrap([module], trailing_slash="ignore"), App)


def test_middleware_is_a_class_or_a_function() -> None:
    layers: list[AnyMiddleware] = [timing, session(secret=SECRET)]
    assert layers


def test_errors_and_events_have_their_types() -> None:
    error: HTTPError = NotFound("x", headers={"a": "b"}, thing=1)
    assert_type(error.status, int)
    assert_type(error.detail, str | None)
    assert UnprocessableEntity(errors=[{"location": "/body", "message": "m", "code": "c"}]).status == 422
    assert_type(ServerSentEvent(data=1).encode(), bytes)


async def conflict(ctx: RequestContext, error: LookupError) -> Response:
    return ctx.problem(409, str(error))


def told(ctx: RequestContext, error: Exception) -> None: ...


def of_exception_handlers(handler: ExceptionHandler, on_error: OnError | None = told) -> App:
    return bootstrap([], exception_handlers={LookupError: conflict, KeyError: handler}, on_error=on_error)
