"""Parts of the request as parameters of providers, which take what handlers take."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from kick import (
    Body,
    Controller,
    Cookie,
    Get,
    Header,
    Post,
    Provider,
    Query,
    RequestContext,
    Service,
    Socket,
    Unauthorized,
    WebSocket,
)
from kick.di import Lifetime
from kick.session import session
from kick.testing import TestClient
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code


class Page(msgspec.Struct):
    page: int = 1
    size: int = 10


class Pager:
    def __init__(self, start: int) -> None:
        self.start = start


async def pager(query: Page) -> Pager:
    return Pager((query.page - 1) * query.size)


class Note(msgspec.Struct):
    title: str


class Signed:
    def __init__(self, text: str) -> None:
        self.text = text


class Client:
    def __init__(self, text: str) -> None:
        self.text = text


async def current_note(note_id: int) -> Note:
    return Note(f"note {note_id}")


async def signed(body: bytes, signature: Header[str]) -> Signed:
    if signature != "right":
        raise Unauthorized("The signature is wrong.")
    return Signed(body.decode())


def client(user_agent: Header[str | None] = None, theme: Cookie[str] = "light") -> Client:
    return Client(f"{user_agent} {theme}")


@Controller("/notes")
class NoteController:
    @Get("/")
    async def index(self, pager: Pager) -> int:
        return pager.start

    @Get("/{note_id}")
    async def show(self, note: Note) -> str:
        return note.title

    @Get("/{note_id}/twice")
    async def twice(self, note_id: int, note: Note) -> list[Any]:
        return [note_id, note.title]

    @Post("/hook")
    async def hook(self, signed: Signed, body: Note) -> list[str]:
        return [signed.text, body.title]


@Controller("/client")
class ClientController:
    def __init__(self, client: Client) -> None:
        self.client = client

    @Get("/")
    async def show(self) -> str:
        return self.client.text

    @WebSocket("/{note_id}/socket")
    async def socket(self, socket: Socket[str, str], note: Note, pager: Pager) -> None:
        await socket.send(f"{note.title} from {pager.start} for {self.client.text}")


PROVIDERS = [pager, current_note, signed, client]
app = app_of(NoteController, ClientController, providers=PROVIDERS)


class TestQuery:
    @pytest.mark.parametrize(("query", "start"), [("", 0), ("?page=3", 20), ("?page=2&size=5", 5)])
    async def test_each_request_has_its_own(self, query: str, start: int) -> None:
        assert (await ask(app, f"/notes{query}")).json() == start

    async def test_what_does_not_fit_is_a_422_with_its_location(self) -> None:
        answer = await ask(app, "/notes?page=x")
        assert (answer.status, answer.locations) == (422, ["/query/page"])

    async def test_a_marker_says_it_under_any_name_and_before_what_is_provided(self) -> None:
        async def marked(page: Query[Page]) -> Pager:
            return Pager(page.page)

        answer = await ask(app_of(IndexController, providers=[marked, Page(page=99)]), "/index?page=4")
        assert answer.json() == 4

    async def test_what_somebody_provides_is_injected(self) -> None:
        assert (await ask(app_of(IndexController, providers=[pager, Page(page=3)]), "/index?page=4")).json() == 20

    async def test_a_class_takes_it_too(self) -> None:
        @Service()
        class Search:
            def __init__(self, query: Page) -> None:
                self.page = query.page

        @dataclass
        class Results:
            search: Search
            query: dict[str, str]

        @Controller("/search")
        class SearchController:
            @Get("/")
            async def search(self, results: Results) -> list[Any]:
                return [results.search.page, results.query]

        searching = app_of(SearchController, providers=[Results])
        assert (await ask(searching, "/search?page=7")).json() == [7, {"page": "7"}]
        assert searching.container.lifetime(Search) is Lifetime.REQUEST

    async def test_it_is_read_once_for_all_that_take_it(self) -> None:
        read: list[object] = []

        class Watched(msgspec.Struct):
            page: int = 1

            def __post_init__(self) -> None:
                read.append(self)

        async def first(query: Watched) -> Pager:
            return Pager(query.page)

        async def second(query: Watched, pager: Pager) -> Client:
            return Client(f"{query.page} {pager.start}")

        for function in (first, second):
            function.__annotations__["query"] = Watched
        answer = await ask(app_of(ClientController2, providers=[first, second]), "/client2?page=2")
        assert answer.json() == "2 2"
        assert len(read) == 1


@Controller("/index")
class IndexController:
    @Get("/")
    async def index(self, pager: Pager) -> int:
        return pager.start


@Controller("/client2")
class ClientController2:
    @Get("/")
    async def show(self, client: Client) -> str:
        return client.text


class TestBody:
    async def test_a_provider_and_the_handler_may_both_take_it(self) -> None:
        answer = await ask(app, "/notes/hook", method="POST", json={"title": "a"}, headers={"signature": "right"})
        assert answer.json() == ['{"title":"a"}', "a"]

    async def test_a_provider_may_refuse_it(self) -> None:
        answer = await ask(app, "/notes/hook", method="POST", json={}, headers={"signature": "wrong"})
        assert answer.status == 401

    async def test_what_does_not_fit_is_a_422(self) -> None:
        async def titled(note: Body[Note]) -> Client:
            return Client(note.title)

        @Controller("/titles")
        class TitleController:
            @Post("/")
            async def title(self, client: Client) -> str:
                return client.text

        titles = app_of(TitleController, providers=[titled])
        assert (await ask(titles, "/titles", method="POST", json={"title": "b"})).json() == "b"
        assert (await ask(titles, "/titles", method="POST", json={})).locations == ["/body/title"]


class TestHeadersAndCookies:
    async def test_they_are_read_as_a_handler_reads_them(self) -> None:
        answer = await ask(app, "/client", headers={"user-agent": "kick", "cookie": "theme=dark"})
        assert answer.json() == "kick dark"
        assert (await ask(app, "/client")).json() == "None light"

    async def test_a_missing_one_is_a_422(self) -> None:
        assert (await ask(app, "/notes/hook", method="POST", json={})).locations == ["/header/signature"]


class TestPathParameters:
    async def test_the_handler_need_not_take_them(self) -> None:
        assert (await ask(app, "/notes/7")).json() == "note 7"
        assert (await ask(app, "/notes/7/twice")).json() == [7, "note 7"]

    async def test_what_does_not_fit_is_a_404(self) -> None:
        assert (await ask(app, "/notes/x")).status == 404

    async def test_constraints_hold(self) -> None:
        async def small(note_id: Annotated[int, Meta(le=9)]) -> Note:
            return Note(f"note {note_id}")

        @Controller("/small")
        class SmallController:
            @Get("/{note_id}")
            async def show(self, note: Note) -> str:
                return note.title

            @Get("/{note_id}/told", path_errors=422)
            async def told(self, note: Note) -> str:
                return note.title

        strict = app_of(SmallController, providers=[small])
        assert (await ask(strict, "/small/9")).json() == "note 9"
        assert (await ask(strict, "/small/10")).status == 404
        assert (await ask(strict, "/small/10/told")).locations == ["/path/note_id"]

    async def test_a_default_stands_in_where_the_path_has_none(self) -> None:
        async def any_note(note_id: int = 1) -> Note:
            return Note(f"note {note_id}")

        @Controller("/any")
        class AnyController:
            @Get("/")
            async def first(self, note: Note) -> str:
                return note.title

            @Get("/{note_id}")
            async def show(self, note: Note) -> str:
                return note.title

        served = app_of(AnyController, providers=[any_note])
        assert [(await ask(served, path)).json() for path in ("/any", "/any/5")] == ["note 1", "note 5"]


async def test_the_context_may_say_the_type_of_the_session() -> None:
    async def counted(ctx: RequestContext[Page]) -> Pager:
        return Pager(ctx.session.data.page)

    layers = [session("a secret of at least thirty-two bytes", data=Page)]
    served = app_of(IndexController, providers=[counted], middleware=layers)
    assert (await ask(served, "/index")).json() == 1


def test_sockets_have_them_too() -> None:
    with TestClient(app) as tester, tester.websocket_connect("/client/3/socket?page=2") as socket:
        assert socket.receive_text() == "note 3 from 10 for testclient light"


async def test_generators_take_them() -> None:
    ended: list[int] = []

    async def opened(query: Page) -> AsyncIterator[Pager]:
        yield Pager(query.page)
        ended.append(query.page)

    served = app_of(IndexController, providers=[opened])
    assert (await ask(served, "/index?page=8")).json() == 8
    assert ended == [8]


async def test_the_session_is_not_loaded_for_them() -> None:
    chains = [each for each in app._chains if each.route.path == "/notes"]
    assert not any(each.uses_session(app.container) for each in chains)  # type: ignore[union-attr]


class TestSetUp:
    def test_a_singleton_cannot_take_them(self) -> None:
        with raises_code("di-scope") as caught:
            app_of(IndexController, providers=[Provider(Pager, pager, scope="singleton")])
        assert caught.value.cause.startswith(
            "Pager lives as long as the app, but query: Page only as long as a request:"
        )
        assert re.findall("`([^`]+)`", caught.value.fix) == [
            'Provider(Pager, pager, scope="request")',
            "query: Page",
        ]

    def test_a_path_without_the_parameter_is_named(self) -> None:
        @Controller("/other")
        class OtherController:
            @Get("/")
            async def show(self, note: Note) -> None: ...

        with raises_code("provider-path") as caught:
            app_of(NoteController, OtherController, providers=PROVIDERS)
        assert "current_note(note_id)" in caught.value.cause
        assert "OtherController.show()" in caught.value.cause
        assert "`/{note_id}`" in caught.value.fix

    def test_a_scalar_that_no_path_has_is_missing_as_ever(self) -> None:
        with raises_code("di-missing-provider"):
            app_of(IndexController, providers=[Provider(Pager, connect)])

    @pytest.mark.parametrize("options", [{}, {"stream": True}])
    def test_a_body_needs_a_route_that_has_one(self, options: Any) -> None:
        method = Post if options else Get

        @Controller("/hooks")
        class HookController:
            @method("/", **options)  # type: ignore[arg-type, untyped-decorator]
            async def hook(self, signed: Signed) -> None: ...

        with raises_code("handler-stream" if options else "handler-body") as caught:
            app_of(HookController, providers=[signed])
        assert "signed(body)" in caught.value.cause

    def test_a_type_that_cannot_be_read_is_an_error(self) -> None:
        async def unreadable(thing: Query[RequestContext]) -> Pager:
            return Pager(1)

        with raises_code("handler-type"):
            app_of(IndexController, providers=[unreadable])

    def test_a_path_parameter_that_nobody_takes_is_still_an_error(self) -> None:
        @Controller("/lost")
        class LostController:
            @Get("/{lost_id}")
            async def show(self, pager: Pager) -> None: ...

        with raises_code("route-parameter"):
            app_of(LostController, providers=[pager])


def connect(url: str) -> Pager:
    return Pager(len(url))
