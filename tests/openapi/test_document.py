"""The document as a whole: when it is served, what it says of the application, and its versions."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from kick import (
    Controller,
    Get,
    Header,
    KickError,
    Module,
    Post,
    RequestContext,
    Response,
    Socket,
    WebSocket,
    bootstrap,
)
from kick.auth import authenticated
from kick.http import StaticFiles
from kick.openapi import OpenAPI
from kick.session import csrf, session
from tests.http.support import ask
from tests.openapi.support import app_of, checked, document_of, operation
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"


class Note(msgspec.Struct):
    title: str


@Controller("/notes")
class NoteController:
    """Notes of a user."""

    @Get()
    async def index(self) -> list[Note]:
        """List the notes.

        The newest are first.
        """
        return [Note("a")]


def notes_app(**options: Any) -> Any:
    return bootstrap([Module("notes", controllers=[NoteController])], **options)


class TestWhenItIsServed:
    @pytest.mark.parametrize(
        ("environment", "given", "status"),
        [
            ("development", None, 200),
            ("production", None, 404),
            ("test", None, 404),
            ("production", True, 200),
            ("production", OpenAPI(), 200),
            ("production", OpenAPI(in_production=False), 404),
            ("development", OpenAPI(in_production=False), 200),
            ("development", False, 404),
        ],
    )
    async def test_by_the_environment_unless_somebody_says_so(
        self, monkeypatch: pytest.MonkeyPatch, environment: str, given: Any, status: int
    ) -> None:
        monkeypatch.setenv("KICK_ENV", environment)
        assert (await ask(notes_app(openapi=given), "/openapi.json")).status == status

    async def test_at_another_path_and_below_the_prefix(self) -> None:
        app = notes_app(openapi=OpenAPI(path="/schema.json"), prefix="/api")
        answer = await ask(app, "/api/schema.json")
        assert list(answer.json()["paths"]) == ["/api/notes"]

    async def test_a_document_that_nobody_asked_for_makes_room_for_a_route(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @Controller("")
        class OwnController:
            @Get("/openapi.json")
            async def own(self) -> str:
                return "own"

        monkeypatch.setenv("KICK_ENV", "development")
        assert (await ask(bootstrap([Module("own", controllers=[OwnController])]), "/openapi.json")).json() == "own"
        with raises_code("route-duplicate"):
            bootstrap([Module("own", controllers=[OwnController])], openapi=True)

    async def test_an_application_without_routes_has_none_in_development(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KICK_ENV", "development")
        assert bootstrap([]).routes == ()

    @pytest.mark.parametrize("given", ["yes", 1, {"title": "Notes"}])
    def test_another_value_stops_the_start(self, given: Any) -> None:
        with raises_code("openapi"):
            notes_app(openapi=given)


class TestTheAnswer:
    async def test_it_has_an_etag_and_is_compressed_for_who_takes_that(self) -> None:
        app = notes_app(openapi=True)
        plain = await ask(app, "/openapi.json")
        assert plain.header("content-type") == "application/json"
        assert plain.header("content-encoding") is None
        assert plain.header("vary") == "Accept-Encoding"
        zipped = await ask(app, "/openapi.json", headers={"accept-encoding": "gzip"})
        assert zipped.header("content-encoding") == "gzip"
        assert gzip.decompress(zipped.body) == plain.body
        assert zipped.header("etag") == plain.header("etag")
        again = await ask(app, "/openapi.json", headers={"if-none-match": plain.header("etag") or ""})
        assert (again.status, again.body) == (304, b"")
        assert (await ask(app, "/openapi.json", method="HEAD")).header("content-length") == str(len(plain.body))

    async def test_it_is_made_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        app = notes_app(openapi=True)
        first = await ask(app, "/openapi.json")
        monkeypatch.setattr("kick.openapi.document.make_document", None)
        assert (await ask(app, "/openapi.json")).body == first.body

    async def test_it_needs_no_session_and_asks_no_store(self) -> None:
        app = notes_app(middleware=[session(SECRET, store=Down()), csrf()], openapi=True)
        answer = await ask(app, "/openapi.json", headers={"cookie": "kick.sid=abc"})
        assert answer.status == 200
        assert answer.all("set-cookie") == []

    async def test_a_login_on_every_route_holds_for_it_too(self) -> None:
        app = notes_app(middleware=[session(SECRET), authenticated()], openapi=True)
        assert (await ask(app, "/openapi.json")).status == 401

    async def test_its_server_is_the_root_path_that_it_was_asked_at(self) -> None:
        app = notes_app(openapi=True)
        assert "servers" not in (await ask(app, "/openapi.json")).json()
        below = await ask(app, "/shop/openapi.json", root_path="/shop")
        assert below.json()["servers"] == [{"url": "/shop"}]
        own = notes_app(openapi=OpenAPI(servers=["https://api.example.com", {"url": "/", "description": "Here."}]))
        assert (await ask(own, "/shop/openapi.json", root_path="/shop")).json()["servers"] == [
            {"url": "https://api.example.com"},
            {"url": "/", "description": "Here."},
        ]

    async def test_a_server_with_many_root_paths_keeps_a_few(self) -> None:
        app = notes_app(openapi=True)
        for number in range(40):
            root = f"/shop{number}"
            answer = await ask(app, f"{root}/openapi.json", root_path=root)
            assert answer.json()["servers"] == [{"url": root}]


class Down:
    """A store that nobody may ask."""

    async def get(self, key: str) -> bytes | None:
        raise AssertionError("asked")

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        raise AssertionError("asked")

    async def destroy(self, key: str) -> None:
        raise AssertionError("asked")


class TestInfo:
    def test_it_has_what_the_options_say(self) -> None:
        options = OpenAPI(
            title="Shop",
            version="1.4",
            summary="A shop.",
            description="""
                All of it.

                And more.
            """,
            terms_of_service="https://example.com/terms",
            contact={"name": "Support", "email": "support@example.com"},
            license={"name": "MIT", "identifier": "MIT"},
            external_docs="https://example.com",
            tags={"users": "Users.", "notes": "The notes."},
            extensions={"x-team": "billing"},
        )
        document = document_of(NoteController, openapi=options)
        assert document["openapi"].startswith("3.1.")
        assert document["info"] == {
            "title": "Shop",
            "version": "1.4",
            "summary": "A shop.",
            "description": "All of it.\n\nAnd more.",
            "termsOfService": "https://example.com/terms",
            "contact": {"name": "Support", "email": "support@example.com"},
            "license": {"name": "MIT", "identifier": "MIT"},
        }
        assert document["tags"] == [
            {"name": "users", "description": "Users."},
            {"name": "notes", "description": "The notes."},
        ]
        assert document["externalDocs"] == {"url": "https://example.com"}
        assert document["x-team"] == "billing"

    def test_tags_are_modules_with_the_docstrings_of_their_controllers(self) -> None:
        assert document_of(NoteController)["tags"] == [{"name": "notes", "description": "Notes of a user."}]

    @pytest.mark.parametrize(
        "given",
        [
            {"title": ""},
            {"version": 1},
            {"path": "openapi.json"},
            {"path": "/{version}.json"},
            {"page": "docs"},
            {"servers": "https://api.example.com"},
            {"schemas": []},
            {"description": 5},
        ],
    )
    def test_an_option_of_another_kind_is_an_error(self, given: dict[str, Any]) -> None:
        with raises_code("openapi-option"):
            OpenAPI(**given)


class TestOperations:
    def test_texts_come_from_the_docstring(self) -> None:
        found = operation(document_of(NoteController), "get", "/notes")
        assert found["summary"] == "List the notes"
        assert found["description"] == "The newest are first."
        assert found["operationId"] == "NoteController.index"
        assert found["tags"] == ["notes"]

    def test_a_handler_without_a_docstring_is_named_by_its_name(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def list_all_notes(self) -> None: ...

        assert operation(document_of(X), "get", "/x")["summary"] == "List all notes"

    def test_sections_for_readers_of_the_code_are_left_out(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def show(self, agent: Header[str] = "") -> None:
                """Show it.

                More.

                Args:
                    agent: the browser.
                """

        found = operation(document_of(X), "get", "/x")
        assert found["description"] == "More."

    def test_hidden_and_deprecated_routes(self) -> None:
        @Controller("/x", deprecated=True)
        class X:
            @Get("/hidden", openapi=False)
            async def hidden(self) -> None: ...
            @Get("/old")
            async def old(self) -> None: ...

        @Controller("/y", openapi=False)
        class Y:
            @Get()
            async def hidden(self) -> None: ...

        @Controller("/z")
        class Z:
            @Get(deprecated=True)
            async def old(self) -> None: ...
            @Post()
            async def new(self) -> None: ...

        paths = document_of(X, Y, Z)["paths"]
        assert {path: list(methods) for path, methods in paths.items()} == {"/x/old": ["get"], "/z": ["get", "post"]}
        assert paths["/x/old"]["get"]["deprecated"]
        assert paths["/z"]["get"]["deprecated"]
        assert "deprecated" not in paths["/z"]["post"]

    def test_fields_of_the_operation_can_be_given(self) -> None:
        @Controller("/x", openapi={"x-team": "billing"})
        class X:
            @Get(
                openapi={"responses": {"200": {"description": "A table.", "content": {"text/csv": {}}}}, "tags": ["t"]}
            )
            async def show(self) -> str: ...  # type: ignore[empty-body]

        found = operation(document_of(X), "get", "/x")
        assert found["responses"]["200"]["content"] == {
            "application/json": {"schema": {"type": "string"}},
            "text/csv": {},
        }
        assert found["responses"]["200"]["description"] == "A table."
        assert (found["tags"], found["x-team"]) == (["t"], "billing")

    def test_routes_of_the_same_name_have_ids_of_their_own(self) -> None:
        @Controller("/a")
        class X:
            @Get()
            @Post()
            async def show(self) -> None: ...

        @Controller("/b")
        class Other:
            @Get()
            async def show(self) -> None: ...

        Other.__name__ = "X"
        modules = [Module("one", controllers=[X]), Module("two", controllers=[Other])]
        paths = checked(bootstrap(modules, openapi=True).openapi())["paths"]
        assert paths["/a"]["get"]["operationId"] == "one.X.show.get"
        assert paths["/a"]["post"]["operationId"] == "one.X.show.post"
        assert paths["/b"]["get"]["operationId"] == "two.X.show"
        other_order = bootstrap(modules[::-1], openapi=True).openapi()["paths"]
        assert {path: paths[path] for path in other_order} == other_order

    def test_mounts_and_sockets_have_no_place_in_it(self) -> None:

        @Controller("/x")
        class X:
            @WebSocket("/live")
            async def live(self, socket: Socket[str, str]) -> None: ...

        app = bootstrap(
            [Module("x", controllers=[X, NoteController], mounts={"/files": StaticFiles(".")})], openapi=True
        )
        assert list(checked(app.openapi())["paths"]) == ["/notes"]


class TestVersions:
    def modules(self) -> list[Module]:
        @Controller("/notes")
        class NewController:
            @Get(response=list[msgspec.defstruct("Note", [("text", str)])])
            async def index(self, ctx: RequestContext) -> Response: ...  # type: ignore[empty-body]

        NewController.__name__ = "NoteController"

        @Controller("/status")
        class StatusController:
            @Get()
            async def show(self) -> str: ...  # type: ignore[empty-body]

        return [
            Module("old", controllers=[NoteController], version="v9"),
            Module("new", controllers=[NewController], version="v10"),
            Module("status", controllers=[StatusController]),
        ]

    async def test_each_version_has_a_document_with_the_routes_that_have_none(self) -> None:
        app = bootstrap(self.modules(), openapi=True, prefix="/api")
        assert app.documents.versions == ["v9", "v10"]
        assert list(checked(app.openapi())["paths"]) == ["/api/v10/notes", "/api/status"]
        old = checked((await ask(app, "/api/v9/openapi.json")).json())
        assert list(old["paths"]) == ["/api/v9/notes", "/api/status"]
        assert old == app.openapi("v9")
        assert old["components"]["schemas"]["Note"]["required"] == ["title"]
        assert app.openapi("v10")["components"]["schemas"]["Note"]["required"] == ["text"]
        assert old["paths"]["/api/v9/notes"]["get"]["operationId"] == "NoteController.index"

    def test_another_version_is_an_error(self) -> None:
        with pytest.raises(KickError, match="openapi-version") as caught:
            bootstrap(self.modules()).openapi("v3")
        assert "`v9`, `v10`" in caught.value.fix


def test_the_document_does_not_change_from_one_start_to_the_next() -> None:
    assert document_of(NoteController) == document_of(NoteController)


def test_who_changes_the_returned_document_changes_no_other() -> None:
    app = app_of(NoteController)
    app.openapi()["info"]["title"] = "Changed"
    assert app.openapi()["info"]["title"] == "Notes"


@pytest.mark.process
def test_an_application_that_shows_no_document_imports_nothing_that_makes_one() -> None:
    """The hot path and the start pay nothing: the document is made at the first request for it."""
    script = """
import asyncio, sys
from kick import Controller, Get, Module, bootstrap
from kick.testing import TestClient

@Controller("/x")
class X:
    @Get()
    async def show(self) -> int:
        return 1

app = bootstrap([Module("x", controllers=[X])])
with TestClient(app) as client:
    assert client.get("/x").json() == 1
    before = {each for each in sys.modules if each.startswith("kick.openapi.")}
    app.openapi()
    after = {each for each in sys.modules if each.startswith("kick.openapi.")}
print(*before, sep="\\n", end="\\n\\n")
print(*after - before, sep="\\n")
"""
    env = {**os.environ, "KICK_ENV": "production"}
    run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    before, after = (part.split() for part in run.stdout.split("\n\n"))
    makes = {f"kick.openapi.{each}" for each in ("document", "operations.operation", "schemas.schemas")}
    assert makes <= set(after)
    assert [each for each in before if each.partition(".openapi.")[2].startswith(("page", "routes", "checks"))] == []
