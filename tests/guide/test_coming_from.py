"""docs/coming-from: the application before and the one after respond alike."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import httpx2
import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient
from starlette.types import Message

from kick import Controller, Get
from tests.http.support import app_of, ask
from tests.support.serving import ROOT

FOLDER = ROOT / "docs/coming-from"
PAGES = ("django", "express", "fastapi", "flask", "kickjs", "nestjs")
PREFIX = {"kickjs": "/api/v1"}
"""Where an application has its routes."""


def block(page: str, language: str, index: int) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", (FOLDER / f"{page}.md").read_text(), re.DOTALL)
    return found[index]


@contextmanager
def module_of(code: str, name: str) -> Iterator[Any]:
    """The namespace of a page's application, as a module that can be imported: Django looks its URLs up by name."""
    module = ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(code, name, "exec"), vars(module))
        yield module
    finally:
        del sys.modules[name]


def asgi_of(app: Any) -> Any:
    if hasattr(app, "wsgi_app"):
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(app)
    return app


def conversation(client: Any) -> list[tuple[int, Any]]:
    """The status and the JSON of each response, the JSON of errors left out."""
    responses = [
        client.get("/auth/me"),
        client.get("/notes/1"),
        client.post("/auth/login", json={}),
        client.post("/auth/login", json={"name": "Ada"}),
        client.get("/auth/me"),
        client.get("/notes/1"),
        client.get("/notes/2"),
        client.get("/elsewhere"),
        client.post("/auth/logout"),
        client.get("/auth/me"),
    ]
    return [(each.status_code, each.json() if each.is_success else None) for each in responses]


def status_of_text_as_number(client: Any) -> int:
    client.post("/auth/login", json={"name": "Ada"})
    return int(client.get("/notes/x").status_code)


EXPECTED = [
    (401, None),
    (401, None),
    (422, None),
    (200, {"hello": "Ada"}),
    (200, {"name": "Ada"}),
    (200, {"title": "Buy milk", "reader": "Ada"}),
    (404, None),
    (404, None),
    (200, {"goodbye": True}),
    (401, None),
]


def test_each_page_is_here() -> None:
    assert sorted(page.stem for page in FOLDER.glob("*.md")) == sorted(["README", *PAGES])


@pytest.mark.parametrize("page", PAGES)
def test_the_application_after(page: str) -> None:
    with (
        module_of(block(page, "python", -1), f"after_{page}") as module,
        TestClient(module.app, base_url=f"http://testserver{PREFIX.get(page, '')}") as client,
    ):
        assert conversation(client) == EXPECTED
        assert status_of_text_as_number(client) == 404


@pytest.mark.parametrize(("page", "status"), [("django", 404), ("fastapi", 422), ("flask", 404)])
@pytest.mark.usefixtures("logging_as_before")
def test_the_application_before(page: str, status: int) -> None:
    with module_of(block(page, "python", 0), f"before_{page}") as module:  # Django can be set up once in a process
        client = TestClient(asgi_of(module.app))
        assert conversation(client) == EXPECTED
        assert status_of_text_as_number(client) == status


class Connection:
    """What a dependency with `yield` opens."""


@Controller()
class Page:
    @Get()
    async def page(self, connection: Connection) -> None: ...


@pytest.mark.parametrize(
    ("scope", "is_before"), [("kick", True), ("request", False), ("function", True)], ids=["kick", "fastapi", "scope"]
)
async def test_the_code_after_a_yield_runs_when_the_page_on_fastapi_says(
    scope: Literal["kick", "request", "function"], is_before: bool
) -> None:
    happened: list[str] = []

    async def connection() -> AsyncIterator[Connection]:
        yield Connection()
        happened.append("clean-up")

    async def send(message: Message) -> None:
        happened.append(message["type"])

    app: Any = app_of(Page, providers=[connection])
    if scope != "kick":
        app = FastAPI(dependencies=[Depends(connection, scope=scope)])
        app.get("/")(lambda: None)
    await ask(app, "/", sends=send)
    assert (happened[0] == "clean-up") is is_before
    assert "clean-up" in happened


@pytest.mark.long
@pytest.mark.process
@pytest.mark.parametrize(("page", "language"), [("express", "javascript"), ("nestjs", "typescript")])
def test_the_application_before_on_node(page: str, language: str, tmp_path: Path) -> None:
    from tests.support.node.applications import served

    with served(block(page, language, 0), language, tmp_path) as address, httpx2.Client(base_url=address) as client:
        assert conversation(client) == EXPECTED
