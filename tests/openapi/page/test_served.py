"""The page of an application: when it is served, and what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from kick import App, Controller, Get, Module, Socket, WebSocket, bootstrap
from kick.auth import authenticated, authentication
from kick.openapi import OpenAPI
from kick.session import session
from kick.testing import TestClient


@Controller("/notes")
class NoteController:
    @Get("/{note_id}")
    async def show(self, note_id: int) -> dict[str, int]:
        return {"id": note_id}

    @WebSocket("/live")
    async def live(self, socket: Socket) -> None:
        """Changes of notes."""


@Controller("/secret", openapi=False)
class SecretController:
    @WebSocket("/notes")
    async def notes(self, socket: Socket) -> None: ...


def app_of(*modules: Module, middleware: Any = (), **options: Any) -> App:
    own = Module("notes", controllers=[NoteController, SecretController])
    return bootstrap([own, *modules], middleware, **options)


class TestWhenItIsServed:
    @pytest.mark.parametrize(
        ("environment", "option", "status"),
        [
            ("development", None, 200),
            ("production", None, 404),
            ("production", True, 200),
            ("production", OpenAPI(title="Notes"), 200),
            ("development", False, 404),
            ("development", OpenAPI(page=None), 404),
        ],
    )
    def test_with_the_document(
        self, monkeypatch: pytest.MonkeyPatch, environment: str, option: Any, status: int
    ) -> None:
        monkeypatch.setenv("KICK_ENV", environment)
        client = TestClient(app_of(openapi=option))
        assert client.get("/docs").status_code == status
        assert client.get("/docs/csrf-token").status_code == 404

    def test_at_another_path_and_below_the_prefix(self) -> None:
        client = TestClient(app_of(prefix="/api", openapi=OpenAPI(page="/about/api", path="/about/api.json")))
        html = client.get("/api/about/api").text
        assert 'data-document="/api/about/api.json"' in html
        assert client.get("/api/about/api.json").status_code == 200
        assert client.get("/docs").status_code == 404

    def test_where_nobody_asked_for_it_a_route_of_the_application_has_its_path(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @Controller("/docs")
        class DocsController:
            @Get()
            async def mine(self) -> str:
                return "mine"

        monkeypatch.setenv("KICK_ENV", "development")
        client = TestClient(app_of(Module("docs", controllers=[DocsController])))
        assert client.get("/docs").json() == "mine"
        assert client.get("/openapi.json").status_code == 200

    def test_a_login_on_every_route_holds_for_it_too(self) -> None:
        layers = [session("a secret of at least thirty-two bytes"), authentication(), authenticated()]
        client = TestClient(app_of(middleware=layers, openapi=True))
        for path in ("/docs", "/docs/csrf-token", "/docs/assets/page.js"):
            assert client.get(path).status_code == 401


class TestWhatItShows:
    def test_the_document_of_the_application(self) -> None:
        app = app_of(openapi=OpenAPI(title="Notes & more"))
        html = TestClient(app).get("/docs").text
        assert "<title>Notes &amp; more</title>" in html
        assert 'data-document="/openapi.json"' in html
        assert "/notes/live" in html
        assert "Changes of notes." in html
        assert "/secret/notes" not in html
        assert [path for path in app.openapi()["paths"] if "docs" in path] == []

    def test_of_several_versions_the_newest_first(self) -> None:
        def module(version: str) -> Module:
            @Controller("/items")
            class ItemController:
                @Get()
                async def index(self) -> list[int]:
                    return []

                @WebSocket("/live")
                async def live(self, socket: Socket) -> None: ...

            return Module(f"items-{version}", version=version, controllers=[ItemController])

        client = TestClient(bootstrap([module("v9"), module("v10")], openapi=True))
        for query, shown, other in (("", "v10", "v9"), ("?document=v9", "v9", "v10")):
            html = client.get(f"/docs{query}").text
            assert f'data-document="/{shown}/openapi.json"' in html
            assert client.get(f"/{shown}/openapi.json").status_code == 200
            assert f"/{shown}/items/live" in html
            assert f"/{other}/items/live" not in html
            assert html.index("?document=v10") < html.index("?document=v9")
