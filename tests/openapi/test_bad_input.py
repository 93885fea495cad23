"""What applications put into their document: mistakes are errors at start-up that name the place, or harmless text."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import msgspec
import pytest

from kick import App, Controller, Get, Header, Middleware, Post, Raises, RequestContext, Response, Unauthorized
from kick.http import CallNext, Description, Route
from kick.openapi import OpenAPI
from kick.testing import TestClient
from tests.openapi.support import app_of, checked, document_of, operation
from tests.support.setup_errors import raises_code

M = msgspec.Meta
BEARER = {"type": "http", "scheme": "bearer"}
SURROGATE = "a \ud800 <script>alert(1)</script>"


class Money:
    """A class without a schema."""


class Price(msgspec.Struct):
    cents: int


class Odd(enum.Enum):
    ONE = Money()


def answering(hint: Any, **options: Any) -> type:
    """A controller whose handler returns a type."""

    async def show(self: Any) -> Any: ...

    show.__annotations__["return"] = hint

    @Controller("/x")
    class X:
        pass

    X.show = Get(**options)(show)  # type: ignore[attr-defined]
    return X


class TestOptions:
    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("names", {Price: "Not a name!"}),
            ("names", {Price: ""}),
            ("names", {Price: 5}),
            ("schemas", {Money: 5}),
            ("schemas", {Money: {"default": Money()}}),
            ("servers", [5]),
            ("servers", [{"name": "eu"}]),
            ("security", ["bearer"]),
            ("security", [{"bearer": "all"}]),
            ("security_schemes", {"a b": BEARER}),
            ("security_schemes", {"bearer": {"type": "token"}}),
            ("security_schemes", {"bearer": {"type": "http"}}),
            ("security_schemes", {"bearer": "http"}),
            ("tags", {"notes": 5}),
            ("tags", {"notes": {"name": "other"}}),
            ("tags", {"notes": {"externalDocs": "https://example.com"}}),
            ("tags", {"notes": {"externalDocs": {"description": "Manual"}}}),
            ("contact", {"mail": "support@example.com"}),
            ("contact", {"email": 5}),
            ("license", {"identifier": "MIT"}),
            ("extensions", {"team": "billing"}),
            ("extensions", {"x-team": Money()}),
            ("extensions", ["x-team"]),
        ],
    )
    def test_a_value_that_the_document_cannot_have_is_an_error(self, name: str, given: Any) -> None:
        with raises_code("openapi-option") as caught:
            OpenAPI(**{name: given})
        assert f"OpenAPI({name}=" in str(caught.value)

    def test_what_the_document_can_have_is_none(self) -> None:
        given = OpenAPI(
            names={Price: "Old.Price-2"},
            schemas={Money: {"type": "string", "examples": ["5.00"]}},
            servers=["https://a.example.com", {"url": "https://{region}.example.com", "description": "Ours."}],
            security=[{}, {"bearer": []}],
            security_schemes={
                "bearer": BEARER,
                "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "tls": {"type": "mutualTLS"},
                "openid": {"type": "openIdConnect", "openIdConnectUrl": "https://example.com/.well-known"},
                "oauth": {"type": "oauth2", "flows": {}, "x-team": "billing"},
            },
            tags={"notes": "Notes.", "users": {"description": "", "externalDocs": {"url": "/users"}}},
            contact={"name": "Support", "url": "https://example.com", "x-room": "5"},
            license={"name": "MIT", "identifier": "MIT"},
            extensions={"x-since": date(2026, 1, 2)},
        )
        document = document_of(answering(Price), openapi=given)
        assert document["x-since"] == "2026-01-02"
        assert document["components"]["schemas"].keys() == {"Old.Price-2"}


class TestOperationFields:
    @pytest.mark.parametrize(
        "given",
        [
            ["tags"],
            "hidden",
            {"respones": {}},
            {"responses": 5},
            {"responses": {"200": "A table."}},
            {"responses": {"teapot": {"description": "A teapot."}}},
            {"responses": {42: {"description": "A teapot."}}},
            {"tags": "billing"},
            {"tags": [5]},
            {"summary": 5},
            {"deprecated": "yes"},
            {"x-team": Money()},
        ],
    )
    @pytest.mark.parametrize("of_controller", [False, True])
    def test_what_is_no_part_of_an_operation_stops_the_start(self, given: Any, of_controller: bool) -> None:
        @Controller("/x", openapi=given if of_controller else True)
        class X:
            @Get(openapi=True if of_controller else given)
            async def show(self) -> None: ...

        with raises_code("openapi-operation") as caught:
            app_of(X, openapi=None)
        assert "tests/openapi/test_bad_input.py:" in str(caught.value)

    def test_a_status_may_be_a_number(self) -> None:
        @Controller("/x")
        class X:
            @Get(openapi={"responses": {200: {"description": "The prices."}}, "x-team": "billing"})
            async def show(self) -> list[Price]: ...  # type: ignore[empty-body]

        found = operation(document_of(X), "get", "/x")
        assert list(found["responses"]) == ["200"]
        assert found["responses"]["200"]["description"] == "The prices."
        assert "content" in found["responses"]["200"]


class TestValues:
    @pytest.mark.parametrize(
        "meta",
        [M(examples=[Money()]), M(extra_json_schema={"x-unit": Money()})],
        ids=["examples", "extra_json_schema"],
    )
    def test_one_without_a_json_form_stops_the_start_where_the_document_is_asked_for(self, meta: M) -> None:
        with raises_code("openapi-value") as caught:
            app_of(answering(Annotated[str, meta]))
        assert "tests/openapi/test_bad_input.py:" in str(caught.value)

    def test_elsewhere_it_is_a_text(self) -> None:
        client = TestClient(app_of(answering(Annotated[str, M(examples=[Money()])]), openapi=None))
        document = checked(client.app.openapi())  # type: ignore[attr-defined]
        [example] = operation(document, "get", "/x")["responses"]["200"]["content"]["application/json"]["schema"][
            "examples"
        ]
        assert "Money" in example

    def test_an_enum_of_objects_has_no_schema(self) -> None:
        with raises_code("openapi-schema"):
            app_of(answering(Odd))
        document_of(answering(Odd), openapi=None)

    def test_the_document_has_values_of_json_only(self) -> None:
        document = document_of(answering(Annotated[date, M(examples=[date(2026, 1, 2)])]))
        assert json.loads(json.dumps(document)) == document

    def test_a_default_that_json_does_not_have_is_left_out(self) -> None:
        class Limit(msgspec.Struct):
            most: float = float("inf")

        assert document_of(answering(Limit))["components"]["schemas"]["Limit"]["properties"]["most"] == {
            "type": "number"
        }


def texts() -> list[tuple[str, Callable[[], App]]]:
    """Applications with a text that UTF-8 does not have, by its place."""

    def documented() -> App:
        async def show(self: Any) -> None: ...

        show.__doc__ = SURROGATE

        @Controller("/x")
        class X:
            pass

        X.__doc__ = SURROGATE
        X.show = Get()(show)  # type: ignore[attr-defined]
        return app_of(X)

    return [
        ("docstring", documented),
        ("title", lambda: app_of(answering(Price), openapi=OpenAPI(title=SURROGATE, description=SURROGATE))),
        ("meta", lambda: app_of(answering(Annotated[str, M(description=SURROGATE, examples=[SURROGATE])]))),
        ("extension", lambda: app_of(answering(Price, openapi={"x-team": SURROGATE}))),
    ]


@pytest.mark.parametrize("make", [make for _, make in texts()], ids=[name for name, _ in texts()])
def test_a_text_that_utf8_does_not_have_breaks_neither_the_document_nor_the_page(make: Callable[[], App]) -> None:
    app = make()
    with TestClient(app) as client:
        document = checked(client.get("/openapi.json").json())
        assert "a ? <script>" in json.dumps(document)
        assert document == app.openapi()
        page = client.get("/docs")
    assert page.status_code == 200
    assert "<script>alert" not in page.text


class Keyed(Middleware):
    """Middleware with a scheme of its own."""

    uses_session = False

    def describe(self, route: Route | None) -> Description:
        return Description(security=["key"], schemes={"key": {"type": "apiKey", "in": "header", "name": "X-Key"}})

    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> Response:
        return await call_next(ctx)


class TestSecurity:
    def controller(self, name: str) -> type:
        @Controller("/x")
        class X:
            @Raises(Unauthorized, security=name)
            @Post()
            async def write(self) -> None: ...

        return X

    def test_a_scheme_that_nobody_defines_stops_the_start(self) -> None:
        with raises_code("openapi-security") as caught:
            app_of(self.controller("bearer"))
        assert "tests/openapi/test_bad_input.py:" in str(caught.value)
        app_of(self.controller("bearer"), openapi=None)

    def test_one_of_a_provider_too(self) -> None:
        class Client:
            pass

        @Raises(Unauthorized, security="bearer")
        def client(authorization: Header[str]) -> Client:
            return Client()

        client.__annotations__["return"] = Client

        @Controller("/x")
        class X:
            @Get()
            async def show(self, client: Any) -> None: ...

        X.show.__annotations__["client"] = Client
        with raises_code("openapi-security"):
            app_of(X, providers=[client])
        document_of(X, providers=[client], openapi=OpenAPI(security_schemes={"bearer": BEARER}))

    def test_one_of_the_options_too(self) -> None:
        with raises_code("openapi-security"):
            app_of(answering(Price), openapi=OpenAPI(security=[{"bearer": []}]))
        document_of(answering(Price), openapi=OpenAPI(security=[{"key": []}]), middleware=[Keyed()])

    def test_the_schemes_of_middleware_count(self) -> None:
        document_of(self.controller("key"), middleware=[Keyed()])
