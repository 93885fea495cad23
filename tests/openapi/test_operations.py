"""Operations: parameters, bodies, responses, errors and security, from each source that they have."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, PlainTextResponse

from kick import (
    Conflict,
    Controller,
    Cookie,
    File,
    Get,
    Header,
    HTTPError,
    Middleware,
    Module,
    NotFound,
    Post,
    Provider,
    Put,
    Raises,
    RequestContext,
    Response,
    Service,
    Unauthorized,
    UploadFile,
    Use,
    bootstrap,
)
from kick.auth import Authenticated, Identity, Roles, authentication
from kick.http import Body, CallNext, Description, Form, FromCookie, FromHeader, Query, Route
from kick.middleware import conditional, rate_limit
from kick.openapi import OpenAPI
from kick.session import CsrfExempt, csrf, session
from kick.testing import TestClient
from tests.http.support import ask
from tests.openapi.support import PROBLEM, app_of, checked, document_of, fits, operation, parameters
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
M = msgspec.Meta
T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Search(msgspec.Struct, rename="camel"):
    text: Annotated[str, M(max_length=50, description="Words to look for.", examples=["tea"])]
    page_size: Annotated[int, M(ge=1, le=100)] = 20
    tags: list[str] = []
    color: Color | None = None
    near: dict[str, float] = {}


class Note(msgspec.Struct):
    title: str
    pages: int = 1


class User:
    pass


class TestPath:
    def test_each_parameter_has_its_type(self) -> None:
        @Controller("/x")
        class X:
            @Get("/{number}/{id}/{color}/{size}/{name}")
            async def show(
                self,
                number: int,
                id: UUID,
                color: Color,
                size: Literal["s", "m"],
                name: Annotated[str, M(max_length=3)],
            ) -> None: ...

        found = parameters(operation(document_of(X), "get", "/x/{number}/{id}/{color}/{size}/{name}"))
        assert all(each["in"] == "path" and each["required"] for each in found.values())
        assert found["number"]["schema"]["type"] == "integer"
        assert found["id"]["schema"] == {"type": "string", "format": "uuid"}
        assert found["color"]["schema"] == {"$ref": "#/components/schemas/Color"}
        assert found["size"]["schema"] == {"type": "string", "enum": ["s", "m"]}
        assert found["name"]["schema"] == {"minLength": 1, "type": "string", "maxLength": 3}

    def test_what_only_the_context_sees_and_the_rest_of_a_path(self) -> None:
        @Controller("/x")
        class X:
            @Get("/{number:int}/{rest:path}")
            async def show(self, ctx: RequestContext) -> None: ...

        found = operation(document_of(X), "get", "/x/{number}/{rest}")
        assert parameters(found)["number"]["schema"]["type"] == "integer"
        assert parameters(found)["rest"]["schema"]["type"] == "string"
        assert "404" in found["responses"]

    def test_a_text_is_always_found(self) -> None:
        @Controller("/x")
        class X:
            @Get("/{name}")
            async def show(self, name: str) -> None: ...

        assert list(operation(document_of(X), "get", "/x/{name}")["responses"]) == ["204"]

    def test_constraints_are_a_404_or_a_422(self) -> None:
        @Controller("/x")
        class X:
            @Get("/a/{name}")
            async def a(self, name: Annotated[str, M(max_length=3)]) -> None: ...
            @Get("/b/{name}", path_errors=422)
            async def b(self, name: Annotated[str, M(max_length=3)]) -> None: ...

        document = document_of(X)
        assert list(operation(document, "get", "/x/a/{name}")["responses"]) == ["204", "404"]
        assert "422" in operation(document, "get", "/x/b/{name}")["responses"]

    def test_paths_that_differ_in_the_names_of_parameters_are_one(self) -> None:
        @Controller("/x")
        class X:
            @Get("/{number}")
            async def show(self, number: int) -> None: ...
            @Put("/{id}")
            async def replace(self, id: int) -> None: ...
            @Get("/{name}")
            async def named(self, name: str) -> None: ...

        document = document_of(X)
        assert {path: list(methods) for path, methods in document["paths"].items()} == {
            "/x/{number}": ["get", "put"],
            "/x/{name}": ["get"],
        }
        assert list(parameters(operation(document, "put", "/x/{number}"))) == ["number"]

    def test_parameters_of_one_name_and_several_kinds_have_a_path_each(self) -> None:
        @Controller("/x")
        class X:
            @Get("/{id:int}")
            async def a(self, id: int) -> None: ...
            @Get("/{id:uuid}")
            async def b(self, id: UUID) -> None: ...

        document = document_of(X)
        assert list(document["paths"]) == ["/x/{id}", "/x/{id_uuid}"]
        assert list(parameters(operation(document, "get", "/x/{id_uuid}"))) == ["id_uuid"]
        app = app_of(X)
        assert [app.documents.path_of(route) for route in app.routes[:2]] == ["/x/{id}", "/x/{id_uuid}"]

    async def test_the_greatest_numbers_that_it_allows_are_found(self) -> None:
        @Controller("/x")
        class X:
            @Get("/{number}")
            async def show(self, number: int) -> int:
                return number

        app = app_of(X)
        schema = parameters(operation(app.openapi(), "get", "/x/{number}"))["number"]["schema"]
        assert schema == {"type": "integer", "format": "int64"}
        for number in (-(1 << 63), (1 << 63) - 1):
            assert (await ask(app, f"/x/{number}")).json() == number
        for number in (-(1 << 63) - 1, 1 << 63):
            assert (await ask(app, f"/x/{number}")).status == 404


class TestQuery:
    def test_the_fields_are_parameters(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def show(self, query: Search) -> None: ...

        document = document_of(X)
        found = parameters(operation(document, "get", "/x"))
        assert found == {
            "text": {
                "name": "text",
                "in": "query",
                "description": "Words to look for.",
                "required": True,
                "example": "tea",
                "schema": {"type": "string", "maxLength": 50, "examples": ["tea"]},
            },
            "pageSize": {
                "name": "pageSize",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            },
            "tags": {
                "name": "tags",
                "in": "query",
                "schema": {"type": "array", "items": {"type": "string"}, "default": []},
            },
            "color": {"name": "color", "in": "query", "schema": {"$ref": "#/components/schemas/Color"}},
            "near": {
                "name": "near",
                "in": "query",
                "content": {
                    "application/json": {
                        "schema": {"type": "object", "additionalProperties": {"type": "number"}, "default": {}}
                    }
                },
            },
        }
        assert list(document["components"]["schemas"]) == ["Color", "FieldError", "ProblemDetails"]
        assert {"400", "422"} <= operation(document, "get", "/x")["responses"].keys()

    def test_other_kinds_of_classes_and_a_default_of_the_whole(self) -> None:
        @dataclass
        class Page:
            number: int = 1

        class Order(TypedDict):
            by: Literal["title", "date"]

        class Filter(BaseModel):
            min_price: int = Field(alias="min", ge=0, description="In cents.")
            colors: list[Color] = []

        globals().update(Page=Page, Order=Order, Filter=Filter)

        @Controller("/x")
        class X:
            @Get("/a")
            async def a(self, query: Page) -> None: ...
            @Get("/b")
            async def b(self, order: Query[Order]) -> None: ...
            @Get("/c")
            async def c(self, query: Filter) -> None: ...
            @Get("/d")
            async def d(self, query: Order | None = None) -> None: ...
            @Get("/e")
            async def e(self, query: dict[str, int]) -> None: ...

        document = document_of(X)
        found = {path[-1]: parameters(methods["get"]) for path, methods in document["paths"].items()}
        assert found["a"]["number"]["schema"] == {"type": "integer", "format": "int64", "default": 1}
        assert found["b"]["by"]["required"]
        assert found["c"]["min"] == {
            "name": "min",
            "in": "query",
            "description": "In cents.",
            "required": True,
            "schema": {"type": "integer", "format": "int64", "minimum": 0},
        }
        assert found["c"]["colors"]["schema"]["items"]["enum"] == ["red", "blue"]
        assert "required" not in found["d"]["by"]
        assert found["e"]["query"]["schema"] == {
            "type": "object",
            "additionalProperties": {"type": "integer", "format": "int64"},
        }
        assert found["e"]["query"]["explode"] is True


class TestHeadersAndCookies:
    def test_each_has_its_name_and_is_no_null(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def show(
                self,
                user_agent: Header[str],
                token: Annotated[str, FromHeader("X-Token")],
                sizes: Header[list[int]],
                if_match: Header[str | None] = None,
                accept: Header[str] = "*/*",
                theme: Cookie[Literal["dark", "light"]] = "light",
                seen: Annotated[bool, FromCookie("seen-intro")] = False,
            ) -> None: ...

        found = parameters(operation(document_of(X), "get", "/x"))
        assert {name: each["in"] for name, each in found.items()} == {
            "User-Agent": "header",
            "X-Token": "header",
            "Sizes": "header",
            "If-Match": "header",
            "theme": "cookie",
            "seen-intro": "cookie",
        }
        assert [name for name, each in found.items() if each.get("required")] == ["User-Agent", "X-Token", "Sizes"]
        assert found["If-Match"]["schema"] == {"type": "string"}
        assert found["Sizes"]["schema"] == {"type": "array", "items": {"type": "integer", "format": "int64"}}
        assert found["theme"]["schema"] == {"type": "string", "enum": ["dark", "light"], "default": "light"}

    def test_what_providers_read_is_there_too(self) -> None:
        class Paging(msgspec.Struct):
            page: int = 1

        class Window:
            pass

        def window(query: Paging, x_zone: Header[str], note_id: int) -> Window:
            return Window()

        window.__annotations__ = {"query": Paging, "x_zone": Header[str], "note_id": int, "return": Window}

        @Controller("/x")
        class X:
            @Get("/{note_id}")
            async def show(self, window: Window, ctx: RequestContext) -> None: ...

        X.show.__annotations__["window"] = Window
        document = checked(
            bootstrap([Module("x", controllers=[X])], providers=[Provider(Window, window)], openapi=True).openapi()
        )
        found = operation(document, "get", "/x/{note_id}")
        assert {name: each["in"] for name, each in parameters(found).items()} == {
            "note_id": "path",
            "page": "query",
            "X-Zone": "header",
        }
        assert parameters(found)["note_id"]["schema"]["type"] == "integer"
        assert {"404", "422"} <= found["responses"].keys()


class TestBodies:
    def test_json(self) -> None:
        @Controller("/x")
        class X:
            @Post()
            async def create(self, body: Note) -> None: ...
            @Put()
            async def replace(self, notes: Body[list[Note] | None] = None) -> None: ...

        document = document_of(X)
        assert operation(document, "post", "/x")["requestBody"] == {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}},
            "required": True,
        }
        assert operation(document, "put", "/x")["requestBody"]["required"] is False
        assert list(operation(document, "post", "/x")["responses"]) == ["204", "400", "413", "415", "422"]

    def test_texts_bytes_and_streams(self) -> None:
        @Controller("/x")
        class X:
            @Post("/a")
            async def a(self, body: str) -> None: ...
            @Post("/b")
            async def b(self, body: bytes) -> None: ...
            @Post("/c", stream=True)
            async def c(self, ctx: RequestContext) -> None: ...

        document = document_of(X)
        content = {path[-1]: list(each["post"]["requestBody"]["content"]) for path, each in document["paths"].items()}
        assert content == {
            "a": ["application/json", "text/plain"],
            "b": ["application/octet-stream"],
            "c": ["application/octet-stream"],
        }
        assert "415" not in operation(document, "post", "/x/b")["responses"]

    def test_a_limit_that_is_switched_off(self) -> None:
        @Controller("/x")
        class X:
            @Post()
            async def create(self, body: Note) -> None: ...

        assert "413" not in operation(document_of(X, max_body=None), "post", "/x")["responses"]

    def test_files_with_their_limits(self) -> None:
        class Profile(msgspec.Struct):
            name: str
            picture: Annotated[UploadFile, File(max_size=100, types=["image/png", "image/jpeg"])]
            age: int | None = None

        globals()["Profile"] = Profile

        @Controller("/x")
        class X:
            @Post("/a")
            async def a(self, avatar: Annotated[UploadFile, File(max_size=5)], body: Note) -> None: ...
            @Post("/b")
            async def b(self, body: Profile) -> None: ...
            @Post("/c")
            async def c(self, papers: Annotated[list[UploadFile], File(max_files=3)]) -> None: ...
            @Post("/d")
            async def d(self, avatar: UploadFile | None = None) -> None: ...

        document = document_of(X)
        media = {
            path[-1]: each["post"]["requestBody"]["content"]["multipart/form-data"]
            for path, each in document["paths"].items()
        }
        file = {"type": "string", "format": "binary"}
        assert media["a"]["schema"]["properties"]["avatar"] == {**file, "description": "At most 5 bytes."}
        assert media["a"]["schema"]["required"] == ["title", "avatar"]
        assert media["b"]["encoding"] == {"picture": {"contentType": "image/png, image/jpeg"}}
        assert media["b"]["schema"]["properties"]["age"] == {"type": "integer", "format": "int64"}
        assert media["b"]["schema"]["required"] == ["name", "picture"]
        assert media["c"]["schema"]["properties"]["papers"] == {
            "type": "array",
            "items": file,
            "minItems": 1,
            "maxItems": 3,
        }
        assert "required" not in media["d"]["schema"]
        assert operation(document, "post", "/x/d")["requestBody"]["required"] is False

    def test_forms(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def page(self, form: Form[Note]) -> None: ...
            @Post()
            async def send(self, form: Form[Note]) -> None: ...

        document = document_of(X)
        assert "requestBody" not in operation(document, "get", "/x")
        content = operation(document, "post", "/x")["requestBody"]["content"]
        assert list(content) == ["application/x-www-form-urlencoded"]
        assert content["application/x-www-form-urlencoded"]["schema"]["required"] == ["title"]
        assert "422" not in operation(document, "get", "/x")["responses"]

    def test_a_form_that_does_not_fit_is_a_422_with_problem_details_or_a_page(self) -> None:
        @Controller("/x")
        class X:
            @Post("/data")
            async def data(self, form: Form[Note]) -> Note: ...  # type: ignore[empty-body]
            @Post("/any")
            async def any(self, form: Form[Note]) -> Response: ...  # type: ignore[empty-body]
            @Raises(Unauthorized)
            @Post("/page")
            async def page(self, form: Form[Note]) -> HTMLResponse: ...  # type: ignore[empty-body]

        document = document_of(X)

        def content(path: str, status: str = "422") -> list[str]:
            return list(operation(document, "post", path)["responses"][status]["content"])

        assert content("/x/data") == [PROBLEM]
        assert content("/x/any") == [PROBLEM, "*/*"]
        assert content("/x/page") == [PROBLEM, "text/html"]

    def test_the_page_that_shows_a_form_again_may_have_any_status_of_a_client_error(self) -> None:
        @Controller("/x")
        class X:
            @Authenticated
            @Raises(Conflict, Unauthorized)
            @Post()
            async def send(self, ctx: RequestContext, form: Form[Note]) -> Response:
                return ctx.html("<p>No.", status=401)

        document = document_of(X, middleware=[session(SECRET), authentication(), csrf()])
        found = operation(document, "post", "/x")["responses"]
        assert {status: list(each.get("content", ())) for status, each in found.items() if status != "default"} == {
            **{status: [PROBLEM, "*/*"] for status in ("400", "401", "403", "409", "413", "415", "422")},
            "503": [PROBLEM],
        }


class TestResponses:
    def test_the_annotation_says_the_status_and_the_data(self) -> None:
        @Controller("/x")
        class X:
            @Get("/a")
            async def a(self) -> list[Note]: ...  # type: ignore[empty-body]
            @Get("/b")
            async def b(self) -> None: ...
            @Get("/c")
            async def c(self) -> Note | None: ...
            @Post("/d", status=201)
            async def d(self) -> Note: ...  # type: ignore[empty-body]
            @Get("/e", response=Note)
            async def e(self, ctx: RequestContext) -> Response: ...  # type: ignore[empty-body]
            @Get("/f", status=202)
            async def f(self) -> Note | None: ...

        document = document_of(X)
        reference = {"$ref": "#/components/schemas/Note"}

        def content(path: str, method: str = "get") -> dict[str, Any]:
            responses = operation(document, method, path)["responses"]
            return {status: each.get("content", {}).get("application/json", {}) for status, each in responses.items()}

        assert content("/x/a") == {"200": {"schema": {"type": "array", "items": reference}}}
        assert content("/x/b") == {"204": {}}
        assert content("/x/c") == {"200": {"schema": reference}, "204": {}}
        assert content("/x/d", "post") == {"201": {"schema": reference}}
        assert content("/x/e") == {"200": {"schema": reference}}
        assert list(content("/x/f")) == ["202"]

    def test_a_handler_that_says_nothing_may_answer_anything(self) -> None:
        @Controller("/x")
        class X:
            @Get("/a")
            async def a(self, ctx: RequestContext): ...  # type: ignore[no-untyped-def]
            @Get("/b")
            async def b(self, ctx: RequestContext) -> Response: ...  # type: ignore[empty-body]
            @Get("/c")
            async def c(self) -> HTMLResponse: ...  # type: ignore[empty-body]
            @Get("/d", status=200)
            async def d(self) -> PlainTextResponse: ...  # type: ignore[empty-body]

        document = document_of(X)
        assert list(operation(document, "get", "/x/a")["responses"]) == ["default"]
        assert list(operation(document, "get", "/x/b")["responses"]) == ["default"]
        assert operation(document, "get", "/x/c")["responses"]["default"]["content"] == {"text/html": {}}
        assert operation(document, "get", "/x/d")["responses"]["200"]["content"] == {"text/plain": {}}

    def test_event_streams(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def watch(self, ctx: RequestContext) -> AsyncIterator[Note]: ...  # type: ignore[empty-body]

        content = operation(document_of(X), "get", "/x")["responses"]["200"]["content"]
        assert content == {
            "text/event-stream": {
                "schema": {"type": "string"},
                "x-itemSchema": {"$ref": "#/components/schemas/Note"},
            }
        }

    def test_generic_controllers_have_the_types_of_their_own(self) -> None:
        class Crud(Generic[T]):
            @Get()
            async def index(self) -> list[T]: ...  # type: ignore[empty-body]
            @Post()
            async def create(self, body: T) -> T: ...  # type: ignore[empty-body]

        Crud.index.__annotations__["return"] = list[T]  # type: ignore[valid-type]
        Crud.create.__annotations__.update(body=T)
        Crud.create.__annotations__["return"] = T

        @Controller("/notes")
        class NoteController(Crud[Note]):
            pass

        document = document_of(NoteController)
        reference = {"$ref": "#/components/schemas/Note"}
        body = operation(document, "post", "/notes")["requestBody"]["content"]["application/json"]["schema"]
        assert body == reference
        assert operation(document, "post", "/notes")["operationId"] == "NoteController.create"

    def test_errors_are_problem_details(self) -> None:
        @Controller("/x")
        class X:
            @Post()
            async def create(self, body: Note) -> None: ...

        document = document_of(X)
        found = operation(document, "post", "/x")["responses"]["422"]
        schema = found["content"][PROBLEM]["schema"]
        assert schema == {"$ref": "#/components/schemas/ProblemDetails"}
        assert document["components"]["schemas"]["ProblemDetails"]["required"] == ["type", "title", "status"]

    async def test_the_problem_details_that_are_sent_fit(self) -> None:
        @Controller("/x")
        class X:
            @Post()
            async def create(self, body: Note) -> None: ...

        app = app_of(X)
        document = app.openapi()
        for sent in ({"json": {"title": 1}}, {"body": b"{"}, {"body": b"x", "headers": {"content-type": "image/png"}}):
            answer = await ask(app, "/x", method="POST", **sent)  # type: ignore[arg-type]
            found = operation(document, "post", "/x")["responses"][str(answer.status)]
            assert fits(document, found["content"][PROBLEM]["schema"], answer.json())


class OutOfStock(Conflict):
    """409: the product is out of stock.

    Nothing is sold.
    """


class PaymentRequired(HTTPError):
    code = 402


class Plain(HTTPError):
    pass


class TestRaises:
    def test_errors_of_handlers_and_controllers(self) -> None:
        @Raises(NotFound)
        @Controller("/x")
        class X:
            @Raises(OutOfStock, Conflict)
            @Raises(PaymentRequired)
            @Post()
            async def buy(self) -> None: ...

        found = operation(document_of(X), "post", "/x")["responses"]
        assert {status: each["description"] for status, each in found.items()} == {
            "204": "No Content",
            "402": "Payment Required",
            "404": "Not Found",
            "409": "The product is out of stock.",
        }

    def test_errors_of_what_is_made_for_each_request(self) -> None:
        @Service(scope="request")
        class Basket:
            def __init__(self, owner: Owner) -> None: ...

        @Raises(NotFound, security="bearer")
        async def owner(ctx: RequestContext) -> Owner:
            return Owner()

        @Raises(Conflict)
        @Service()
        class Once:
            pass

        globals().update(Basket=Basket, Once=Once)

        @Controller("/x")
        class X:
            @Get("/a")
            async def a(self, basket: Basket, once: Once) -> None: ...
            @Get("/b")
            async def b(self) -> None: ...

        bearer = {"bearer": {"type": "http", "scheme": "bearer"}}
        document = document_of(X, providers=[owner], openapi=OpenAPI(security_schemes=bearer))
        assert list(operation(document, "get", "/x/a")["responses"]) == ["204", "404"]
        assert operation(document, "get", "/x/a")["security"] == [{"bearer": []}]
        assert list(operation(document, "get", "/x/b")["responses"]) == ["204"]
        assert document["components"]["securitySchemes"] == bearer

    @pytest.mark.parametrize("given", [ValueError, 404, NotFound("x"), Plain, HTTPError, "NotFound"])
    def test_what_is_no_error_for_clients_stops_the_start(self, given: Any) -> None:
        async def show() -> None: ...

        with raises_code("raises") as caught:
            Raises(given)(show)
        assert "tests/openapi/test_operations.py:" in str(caught.value)


class Owner:
    pass


class TestSecurity:
    def layers(self, *more: Any) -> list[Any]:
        return [session(SECRET, cookie_name="my.sid"), csrf(), *more]

    def test_guards_need_the_session_and_csrf_its_token(self) -> None:
        @Controller("/x")
        class X:
            @Authenticated
            @Get()
            async def show(self) -> None: ...
            @Roles("admin")
            @Post()
            async def create(self) -> None: ...
            @Post("/open")
            async def open(self, ctx: RequestContext) -> None: ...
            @CsrfExempt
            @Post("/hook")
            async def hook(self, ctx: RequestContext) -> None: ...
            @Post("/none", session=False)
            async def none(self) -> None: ...

        document = document_of(X, middleware=self.layers())
        assert document["components"]["securitySchemes"] == {
            "session": {"type": "apiKey", "in": "cookie", "name": "my.sid"},
            "csrf": {
                "type": "apiKey",
                "in": "header",
                "name": "X-CSRF-Token",
                "description": "The CSRF token of the session.",
            },
        }
        assert operation(document, "get", "/x")["security"] == [{"session": []}]
        assert list(operation(document, "get", "/x")["responses"]) == ["204", "401", "503"]
        assert operation(document, "post", "/x")["security"] == [{"session": [], "csrf": []}]
        assert list(operation(document, "post", "/x")["responses"]) == ["204", "401", "403", "503"]
        assert operation(document, "post", "/x/open")["security"] == [{}, {"csrf": []}]
        assert "security" not in operation(document, "post", "/x/hook")
        assert "security" not in operation(document, "post", "/x/none")
        assert list(operation(document, "post", "/x/none")["responses"]) == ["204"]

    @pytest.mark.parametrize(
        ("declared", "get", "post"),
        [
            (["bearer"], [{"bearer": []}], [{"bearer": []}]),
            (["session"], [{"session": []}], [{"session": [], "csrf": []}]),
            (
                [("session", "bearer")],
                [{"session": []}, {"bearer": []}],
                [{"session": [], "csrf": []}, {"bearer": []}],
            ),
            (
                [["bearer", "key"], "session"],
                [{"session": [], "bearer": []}, {"session": [], "key": []}],
                [{"session": [], "bearer": [], "csrf": []}, {"session": [], "key": [], "csrf": []}],
            ),
            ([("session", "bearer"), "bearer"], [{"bearer": []}], [{"bearer": []}]),
            (["key"], [{"key": []}], [{"key": [], "csrf": []}]),
            ([()], None, [{}, {"csrf": []}]),
        ],
    )
    def test_one_of_several_schemes_and_csrf_with_cookies_alone(self, declared: Any, get: Any, post: Any) -> None:
        class Caller: ...

        async def caller(ctx: RequestContext) -> Caller:
            return Caller()

        for security in reversed(declared):
            Raises(Unauthorized, security=security)(caller)
        globals().update(Caller=Caller)

        @Controller("/x")
        class X:
            @Get()
            async def show(self, caller: Caller) -> None: ...
            @Post()
            async def create(self, caller: Caller) -> None: ...

        schemes = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "cookie", "name": "key"},
        }
        options = OpenAPI(security_schemes=schemes)
        document = document_of(X, middleware=self.layers(), providers=[caller], openapi=options)
        as_set = lambda security: security and sorted(sorted(each) for each in security)  # noqa: E731
        assert as_set(operation(document, "get", "/x").get("security")) == as_set(get)
        assert as_set(operation(document, "post", "/x").get("security")) == as_set(post)

    def test_an_alternative_that_nothing_defines_stops_the_start(self) -> None:
        @Controller("/x")
        class X:
            @Raises(security=("session", "bearer"))
            @Get()
            async def show(self) -> None: ...

        with raises_code("openapi-security") as caught:
            document_of(X, middleware=self.layers())
        assert "'bearer'" in str(caught.value)

    def test_who_asks_for_the_user_needs_a_login(self) -> None:
        async def load(user_id: int) -> User | None: ...

        @Controller("/x")
        class X:
            @Get("/a")
            async def a(self, user: User) -> None: ...
            @Get("/b")
            async def b(self, user: User | None) -> None: ...
            @Get("/c")
            async def c(self, who: Identity) -> None: ...

        document = document_of(X, middleware=self.layers(authentication(load)))
        for path in ("/x/a", "/x/c"):
            assert operation(document, "get", path)["security"] == [{"session": []}]
            assert "401" in operation(document, "get", path)["responses"]
        assert "security" not in operation(document, "get", "/x/b")
        assert "401" not in operation(document, "get", "/x/b")["responses"]

    def test_limits_are_a_429(self) -> None:
        @Controller("/x")
        class X:
            @Use(rate_limit("5/minute", on_error="closed"))
            @Get()
            async def show(self) -> None: ...

        found = operation(document_of(X), "get", "/x")["responses"]
        assert list(found) == ["204", "429", "503"]

    def test_an_age_of_the_login_is_said(self) -> None:
        @Controller("/x")
        class X:
            @Authenticated(max_age=timedelta(minutes=5))
            @Get()
            async def show(self) -> None: ...

        found = operation(document_of(X, middleware=self.layers()), "get", "/x")["responses"]["401"]
        assert found["description"] == "The user is not logged in. Or the login is too old."

    def test_schemes_that_every_operation_needs(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def show(self) -> None: ...

        options = OpenAPI(
            security_schemes={"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}, security=[{"key": []}]
        )
        assert document_of(X, openapi=options)["security"] == [{"key": []}]


class TestResponsesOfMiddleware:
    def test_a_login_page_is_a_303_for_browsers(self) -> None:
        @Authenticated(login_page="/login")
        @Controller("/x")
        class X:
            @Get()
            async def show(self) -> Note:
                return Note("a")

            @Post()
            async def create(self) -> None: ...

        app = app_of(X, middleware=[session(SECRET), csrf(), authentication()])
        document = checked(app.openapi())
        assert list(operation(document, "get", "/x")["responses"]) == ["200", "303", "401", "503"]
        assert "303" not in operation(document, "post", "/x")["responses"]
        client = TestClient(app, validate=True, follow_redirects=False)
        assert client.get("/x", headers={"accept": "text/html"}).status_code == 303
        assert client.get("/x").status_code == 401

    def test_a_body_that_the_client_has_is_a_304(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def show(self) -> Note:
                return Note("a")

            @Post()
            async def create(self) -> None: ...

        app = app_of(X, middleware=[conditional()])
        document = checked(app.openapi())
        assert list(operation(document, "get", "/x")["responses"]) == ["200", "304"]
        assert list(parameters(operation(document, "get", "/x"))) == ["If-None-Match"]
        assert "304" not in operation(document, "post", "/x")["responses"]
        client = TestClient(app, validate=True)
        tag = client.get("/x").headers["etag"]
        assert client.get("/x", headers={"if-none-match": tag}).status_code == 304


class Bearer(Middleware):
    """Middleware of an application, which says what it does."""

    uses_session = False

    def describe(self, route: Route | None) -> Description:
        return Description(
            errors={401: "The token is missing.", 402: "The balance is too low."},
            error_types=["text/html"],
            headers={"X-Trace": "The id of the trace."},
            security=["bearer"],
            schemes={"bearer": {"type": "http", "scheme": "bearer"}},
        )

    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> Response:
        if "authorization" not in ctx.headers:
            raise Unauthorized
        return await call_next(ctx)


@pytest.mark.parametrize("place", ["application", "module", "controller", "handler"])
def test_middleware_of_an_application_says_what_it_adds(place: str) -> None:
    def use(where: str, target: Any) -> Any:
        return Use(Bearer())(target) if where == place else target

    @Controller("/x")
    class X:
        @Get()
        async def show(self) -> None: ...

    use("controller", X)
    use("handler", X.show)
    module = Module("x", controllers=[X], middleware=[Bearer()] if place == "module" else [])
    document = checked(bootstrap([module], [Bearer()] if place == "application" else [], openapi=True).openapi())
    found = operation(document, "get", "/x")
    assert {status: each["description"] for status, each in found["responses"].items()} == {
        "204": "No Content",
        "401": "The token is missing.",
        "402": "The balance is too low.",
    }
    assert list(found["responses"]["402"]["content"]) == [PROBLEM, "text/html"]
    assert parameters(found)["X-Trace"]["description"] == "The id of the trace."
    assert found["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}


class TestStart:
    def test_two_models_of_one_name_stop_it_where_the_document_is_asked_for(self) -> None:
        other = msgspec.defstruct("Note", [("text", str)])

        @Controller("/x")
        class X:
            @Get("/a")
            async def a(self) -> Note: ...  # type: ignore[empty-body]
            @Get("/b", response=other)
            async def b(self, ctx: RequestContext) -> None: ...

        with raises_code("openapi-names"):
            app_of(X)
        assert len(app_of(X, openapi=None).openapi()["components"]["schemas"]) == 2
        document_of(X, openapi=OpenAPI(names={other: "OtherNote"}))

    def test_a_type_without_a_schema_stops_it(self) -> None:
        @Controller("/x")
        class X:
            @Get()
            async def show(self) -> User: ...  # type: ignore[empty-body]

        with raises_code("openapi-schema") as caught:
            app_of(X)
        assert "X.show() at tests/openapi/test_operations.py:" in str(caught.value)
        app_of(X, openapi=None)
        document_of(X, openapi=OpenAPI(schemas={User: {"type": "object"}}))
