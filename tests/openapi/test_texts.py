"""Texts of the document: what is said about parameters, errors, responses and tags is where readers look for it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from kick import Conflict, Controller, Cookie, Get, Header, Module, Raises, RequestContext, Response, bootstrap
from kick.http import Query
from kick.openapi import OpenAPI
from kick.testing import ResponseMismatch, TestClient
from tests.openapi.support import app_of, checked, document_of, operation, parameters

BY_MSGSPEC = msgspec.Meta(ge=1, le=9, title="Count", description="A number.", examples=[7])
BY_PYDANTIC = pydantic.Field(ge=1, le=9, title="Count", description="A number.", examples=[7])


@pytest.mark.parametrize("said", [BY_MSGSPEC, BY_PYDANTIC])
class TestParameters:
    """A type with constraints is described alike, by whomever they are checked."""

    schema = {"type": "integer", "minimum": 1, "maximum": 9, "title": "Count", "examples": [7]}  # noqa: RUF012

    def found(self, where: Any, hint: Any, *, path: str = "", **default: Any) -> dict[str, Any]:
        """What the document says about a parameter of this type, but for its name and its place."""

        def show(self: Any, count: Any) -> None: ...

        show.__annotations__ = {"count": hint if where is None else where[hint], "return": None}
        show.__defaults__ = tuple(default.values())

        @Controller("/x")
        class X:
            get = Get(path)(show)

        [found] = parameters(operation(document_of(X), "get", f"/x{path}")).values()
        found["schema"].pop("format", None)
        return {name: each for name, each in found.items() if name not in ("name", "in")}

    def test_a_path_parameter(self, said: Any) -> None:
        found = self.found(None, Annotated[int, said], path="/{count}")
        assert found == {"description": "A number.", "required": True, "example": 7, "schema": self.schema}

    @pytest.mark.parametrize("where", [Header, Cookie])
    def test_headers_and_cookies(self, where: Any, said: Any) -> None:
        found = self.found(where, Annotated[int, said])
        assert found == {"description": "A number.", "required": True, "example": 7, "schema": self.schema}

    @pytest.mark.parametrize("where", [Header, Cookie])
    def test_optional_ones_are_no_null(self, where: Any, said: Any) -> None:
        hint: Any = Annotated[int, said]
        assert self.found(where, hint | None, default=None) == {
            "description": "A number.",
            "schema": self.schema,
        }

    def test_a_field_of_a_query(self, said: Any) -> None:
        base = msgspec.Struct if said is BY_MSGSPEC else pydantic.BaseModel
        members = {"__annotations__": {"count": Annotated[int, said]}, "__module__": __name__}
        found = self.found(Query, type("Search", (base,), members))
        assert found == {"description": "A number.", "required": True, "example": 7, "schema": self.schema}


class OutOfStock(Conflict):
    """409: the product is out of stock."""


class Sold(Conflict):
    """It is sold."""


class TestErrors:
    def test_a_description_begins_with_a_capital(self) -> None:
        @Controller("/x")
        class X:
            @Raises(OutOfStock, Sold)
            @Get()
            async def show(self) -> None: ...

        found = operation(document_of(X), "get", "/x")["responses"]["409"]["description"]
        assert found == "The product is out of stock.\n\nIt is sold."

    @pytest.mark.parametrize(
        ("hint", "default", "can_fail"),
        [
            (str, (), True),  # it may be missing
            (str, ("",), False),
            (str | None, (None,), False),
            (int | None, (None,), True),
            (Annotated[str, msgspec.Meta(max_length=9)], ("",), True),
            (Annotated[str | None, pydantic.Field(max_length=9)], (None,), True),
        ],
    )
    @pytest.mark.parametrize("where", [Header, Cookie])
    def test_a_header_that_any_text_fits_is_no_reason_for_a_422(
        self, where: Any, hint: Any, default: tuple[Any, ...], can_fail: bool
    ) -> None:
        def show(self: Any, token: Any) -> None: ...

        show.__annotations__ = {"token": where[hint], "return": None}
        show.__defaults__ = default

        @Controller("/x")
        class X:
            get = Get()(show)

        app = app_of(X)
        assert ("422" in operation(app.openapi(), "get", "/x")["responses"]) == can_fail
        client = TestClient(app, validate=True)
        for value in ("", "x" * 20, "é", '"', ",", "\x7f"):
            name, text = ("cookie", f"token={value}") if where is Cookie else ("token", value)
            assert client.get("/x", headers=[(name.encode(), text.encode("latin-1"))]).status_code in (
                (204, 422) if can_fail else (204,)
            )


TABLE: dict[str, Any] = {"content": {"text/csv": {}}}


class TestResponses:
    @pytest.mark.parametrize("given", [{"200": TABLE}, {200: TABLE}, {"2XX": TABLE}, {"303": {}}])
    def test_those_that_are_declared_for_a_response_are_all_of_them(self, given: Any) -> None:
        @Controller("/x")
        class X:
            @Get(openapi={"responses": given})
            async def show(self, ctx: RequestContext[Any]) -> Response:
                return ctx.redirect("/") if "303" in given else ctx.download("a,b", "table.csv")

            @Get("/more", openapi={"responses": given})
            async def other(self, ctx: RequestContext[Any]) -> Response:
                return ctx.json({}, status=201 if "2XX" not in given else 302)

        app = app_of(X)
        found = operation(checked(app.openapi()), "get", "/x")["responses"]
        assert list(found) == [str(status) for status in given]
        client = TestClient(app, validate=True, follow_redirects=False)
        assert client.get("/x").status_code in (200, 303)
        with pytest.raises(ResponseMismatch):
            client.get("/x/more")

    def test_a_description_of_its_own_or_the_phrase_of_the_status(self) -> None:
        @Controller("/x")
        class X:
            @Get(
                openapi={"responses": {200: {"description": "The table.", **TABLE}, "3XX": {}, 404: {}, "default": {}}}
            )
            async def show(self) -> Response: ...  # type: ignore[empty-body]

        found = operation(document_of(X), "get", "/x")["responses"]
        assert {status: each["description"] for status, each in found.items()} == {
            "200": "The table.",
            "3XX": "Redirection",
            "404": "Not Found",
            "default": "The response of the handler.",
        }

    def test_a_declared_error_alone_says_nothing_about_the_rest(self) -> None:
        @Controller("/x", openapi={"responses": {"404": {"description": "None."}}})
        class X:
            @Get()
            async def show(self) -> Response: ...  # type: ignore[empty-body]

        assert list(operation(document_of(X), "get", "/x")["responses"]) == ["default", "404"]


class TestTags:
    @pytest.mark.parametrize("empty", ["", {}])
    def test_options_without_a_text_say_the_order_only(self, empty: Any) -> None:
        @Controller("/x")
        class X:
            """Notes of a user."""

            @Get()
            async def show(self) -> None: ...

        options = OpenAPI(tags={"last": "", "notes": empty})
        assert document_of(X, openapi=options)["tags"] == [
            {"name": "last"},
            {"name": "notes", "description": "Notes of a user."},
        ]

    def test_a_tag_may_have_documentation_elsewhere(self) -> None:
        docs = {"url": "https://example.com/notes", "description": "Manual"}

        @Controller("/x")
        class X:
            """Notes of a user."""

            @Get()
            async def show(self) -> None: ...

        options = OpenAPI(tags={"users": "Users.", "notes": {"externalDocs": docs, "x-team": "one"}})
        assert document_of(X, openapi=options)["tags"] == [
            {"name": "users", "description": "Users."},
            {"name": "notes", "description": "Notes of a user.", "externalDocs": docs, "x-team": "one"},
        ]

    def test_a_controller_may_have_tags_of_its_own_which_its_docstring_describes(self) -> None:
        @Controller("/x", openapi={"tags": ["drafts"]})
        class X:
            """Unfinished notes."""

            @Get()
            async def show(self) -> None: ...

            @Get("/others", openapi={"tags": ["others", "drafts"]})
            async def others(self) -> None: ...

        @Controller("/y")
        class Y:
            """Finished notes."""

            @Get()
            async def show(self) -> None: ...

        app = bootstrap([Module("notes", controllers=[X, Y])], openapi=True)
        assert checked(app.openapi())["tags"] == [
            {"name": "drafts", "description": "Unfinished notes."},
            {"name": "others"},
            {"name": "notes", "description": "Finished notes."},
        ]
