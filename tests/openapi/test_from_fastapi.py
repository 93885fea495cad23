"""The small application of FastAPI's tutorial, moved to kick: whoever moves it finds the same in `/docs`."""

from __future__ import annotations

from typing import Any

import fastapi
from pydantic import BaseModel

from kick import App, Controller, Get, Module, Put, bootstrap
from kick.testing import TestClient


class Item(BaseModel):
    name: str
    price: float
    is_offer: bool | None = None


class Search(BaseModel):
    q: str | None = None


def before() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.get("/")
    def read_root() -> dict[str, str]:
        return {"Hello": "World"}

    @app.get("/items/{item_id}")
    def read_item(item_id: int, q: str | None = None) -> dict[str, int | str | None]:
        return {"item_id": item_id, "q": q}

    @app.put("/items/{item_id}")
    def update_item(item_id: int, item: Item) -> Item:
        return item

    return app


@Controller()
class ItemController:
    @Get("/")
    def read_root(self) -> dict[str, str]:
        return {"Hello": "World"}

    @Get("/items/{item_id}")
    def read_item(self, item_id: int, query: Search) -> dict[str, int | str | None]:
        return {"item_id": item_id, "q": query.q}

    @Put("/items/{item_id}")
    def update_item(self, item_id: int, body: Item) -> Item:
        return body


def after() -> App:
    return bootstrap([Module("items", controllers=[ItemController])], openapi=True)


def essence(document: dict[str, Any]) -> dict[str, Any]:
    """What somebody sees in the page: operations, parameters, bodies and answers, by the types of their fields."""

    def resolved(schema: Any) -> Any:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            members = [resolved(each) for each in schema["anyOf"]]
            return sorted({name for each in members for name in (each if isinstance(each, list) else [str(each)])})
        if "properties" in schema:
            fields = {name: resolved(each) for name, each in schema["properties"].items()}
            return {"fields": fields, "required": sorted(schema.get("required", ()))}
        if "additionalProperties" in schema:
            return {"values": resolved(schema["additionalProperties"])}
        kinds = schema.get("type")
        return sorted(str(each) for each in kinds) if isinstance(kinds, list) else kinds

    def without_null(kinds: Any) -> Any:
        left = [each for each in kinds if each != "null"] if isinstance(kinds, list) else [kinds]
        return left[0] if len(left) == 1 else left

    def body(part: Any) -> Any:
        return {kind: resolved(each["schema"]) for kind, each in part.get("content", {}).items()}

    return {
        f"{method} {path}": {
            "summary": operation["summary"].capitalize(),
            "parameters": [
                # A query string has no null: kick leaves it out.
                (each["in"], each["name"], each.get("required", False), without_null(resolved(each["schema"])))
                for each in operation.get("parameters", ())
            ],
            "body": body(operation.get("requestBody", {})),
            "answer": body(operation["responses"]["200"]),
            "422": "422" in operation["responses"] or "404" in operation["responses"],
        }
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_the_documents_say_the_same() -> None:
    assert essence(after().openapi()) == essence(before().openapi())


def test_the_same_requests_get_the_same_answers_and_there_is_a_page() -> None:
    old, new = TestClient(before()), TestClient(after(), validate=True)
    item = {"name": "tea", "price": 3.5}
    for method, path, json in (
        ("GET", "/", None),
        ("GET", "/items/5?q=some", None),
        ("GET", "/items/5", None),
        ("PUT", "/items/5", item),
    ):
        assert new.request(method, path, json=json).json() == old.request(method, path, json=json).json()
    assert 'data-document="/openapi.json"' in new.get("/docs").text
