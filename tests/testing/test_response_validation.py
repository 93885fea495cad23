import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from anyio.lowlevel import checkpoint

from kick import App, Controller, Get, Module, NotFound, Post, Raises, RequestContext, Response, bootstrap
from kick.testing import AsyncTestClient, ResponseMismatch, TestClient
from kick.testing.response_validation import ResponseValidator
from tests.support.serving import ROOT
from tests.support.setup_errors import raises_code


class Note(msgspec.Struct):
    id: int
    text: str


NOTE = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]}},
        "at": {"type": "string", "format": "date-time"},
        "a/b": {"$ref": "#/components/schemas/Note"},
    },
    "required": ["id"],
    "additionalProperties": False,
}


def described(*, status: str = "200", media_type: str = "application/json", schema: Any = None, **more: Any) -> Any:
    """What `openapi=` of a route says: its one answer."""
    content = {} if schema is None else {"content": {media_type: {"schema": schema}}}
    return {"responses": {status: {"description": "The answer.", **content, **more}}}


def app_of(answer: Any, about: Any) -> App:
    """An application whose one route gives this answer, and promises another."""

    @Controller("/notes")
    class NoteController:
        @Get("/it", openapi=about)
        async def it(self, ctx: RequestContext[Any]) -> Any:
            return answer(ctx) if callable(answer) else answer

        @Get("/promised", response=Note)
        async def promised(self, ctx: RequestContext[Any]) -> Any:
            return answer(ctx)

        @Get("/{note_id}")
        async def show(self, note_id: int) -> Note:
            return Note(note_id, "text")

    return bootstrap([Module("notes", controllers=[NoteController])])


def mismatch(app: App, path: str = "/notes/it", **options: Any) -> ResponseMismatch:
    with pytest.raises(ResponseMismatch) as caught:
        TestClient(app, validate=True).get(path, **options)
    return caught.value


class TestBodies:
    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            ({"id": "7"}, '/id is "7": type is "integer"'),
            ({"id": 0}, "/id is 0: minimum is 1"),
            ({}, "the whole body is {}: id is missing"),
            ([], 'the whole body is []: type is "object"'),
            ({"id": 1, "tags": ["a", "too long"]}, '/tags/1 is "too long": maxLength is 5'),
            ({"id": 1, "at": "2026-11-29"}, '/at is "2026-11-29": format is "date-time"'),
            ({"id": 1, "at": "never"}, '/at is "never": format is "date-time"'),
            ({"id": 1, "a/b": {"id": "x", "text": ""}}, '/a~1b/id is "x": type is "integer"'),
            ({"id": 1, "more": 2}, 'the whole body is {"id": 1, "more": 2}: Additional properties'),
        ],
    )
    def test_one_that_does_not_fit_names_operation_place_and_value(self, answer: Any, problem: str) -> None:
        error = mismatch(app_of(answer, described(schema=NOTE)))
        assert error.operation == "GET /notes/it (NoteController.it)"
        assert error.problem.startswith("the response 200 does not fit its schema: ")
        assert problem in error.problem
        assert str(error) == f"{error.operation}: {error.problem}"

    @pytest.mark.parametrize(
        "answer",
        [{"id": 1}, {"id": 1, "tags": ["a", None], "at": "2026-11-29T20:00:00Z", "a/b": {"id": 1, "text": ""}}],
    )
    def test_one_that_fits_is_returned(self, answer: Any) -> None:
        client = TestClient(app_of(answer, described(schema=NOTE)), validate=True)
        for _ in range(2):
            assert client.get("/notes/it").json() == answer

    def test_many_errors_and_long_values_are_cut(self) -> None:
        schema = {"type": "array", "items": {"type": "integer"}}
        error = mismatch(app_of(["x" * 1000] * 50, described(schema=schema)))
        assert "and 45 more" in error.problem
        assert len(error.problem) < 2500

    def test_json_that_is_none_is_a_mismatch(self) -> None:
        broken = Response(b"{", media_type="application/json")
        assert "is no JSON" in mismatch(app_of(lambda _: broken, described(schema=NOTE))).problem

    def test_a_body_where_none_is_declared_is_a_mismatch(self) -> None:
        assert "without a body" in mismatch(app_of({"id": 1}, {"responses": {"200": {"description": ""}}})).problem


class TestStatusesAndHeaders:
    def test_an_undeclared_status_is_a_mismatch(self) -> None:
        def missing(ctx: RequestContext[Any]) -> Any:
            raise NotFound("There is no note.")

        error = mismatch(app_of(missing, True), "/notes/promised")
        assert "the status 404 is not declared (200" in error.problem
        assert "There is no note." in error.problem

    @pytest.mark.parametrize("status", ["404", "4XX", "default"])
    def test_a_declared_one_is_not(self, status: str) -> None:
        about = described(status=status, media_type="application/problem+json", schema={"type": "object"})

        def missing(ctx: RequestContext[Any]) -> Any:
            raise NotFound("There is no note.")

        assert TestClient(app_of(missing, about), validate=True).get("/notes/it").status_code == 404

    def test_what_a_route_raises_is_declared_by_its_decorator(self) -> None:
        @Controller("/notes")
        class NoteController:
            @Raises(NotFound)
            @Get("/gone")
            async def gone(self) -> Note:
                raise NotFound("There is no note.")

        app = bootstrap([Module("notes", controllers=[NoteController])])
        assert TestClient(app, validate=True).get("/notes/gone").status_code == 404

    def test_another_media_type_is_a_mismatch(self) -> None:
        error = mismatch(app_of(lambda ctx: ctx.html("<p>"), described(schema=NOTE)))
        assert "is 'text/html', declared is application/json" in error.problem

    def test_a_range_of_media_types_is_none(self) -> None:
        for declared in ("text/*", "*/*", "text/html; charset=utf-8"):
            app = app_of(lambda ctx: ctx.html("<p>"), described(media_type=declared, schema={}))
            assert TestClient(app, validate=True).get("/notes/it").text == "<p>"

    def test_a_required_header_that_is_missing_is_a_mismatch(self) -> None:
        headers = {"X-Total": {"required": True, "schema": {"type": "integer"}}, "X-Other": {"schema": {}}}
        error = mismatch(app_of({"id": 1}, described(schema=NOTE, headers=headers)))
        assert error.problem == "the response 200 has no header X-Total"


class TestRequests:
    def test_path_parameters_and_other_methods_find_their_operation(self) -> None:
        client = TestClient(app_of({"id": 1}, described(schema=NOTE)), validate=True)
        assert client.get("/notes/7").json() == {"id": 7, "text": "text"}
        assert client.head("/notes/7").status_code == 200
        assert client.get("/notes/seven").status_code == 404
        with pytest.raises(ResponseMismatch, match="HEAD /notes/promised"):
            TestClient(app_of(lambda ctx: ctx.redirect("/"), True), validate=True).head("/notes/promised")
        assert client.options("/notes/7").status_code == 204

    def test_below_a_root_path_too(self) -> None:
        app = app_of({"id": "x"}, described(schema=NOTE))
        with pytest.raises(ResponseMismatch, match="GET /notes/it"):
            TestClient(app, validate=True, root_path="/shop").get("/shop/notes/it")

    def test_each_step_of_a_redirect_is_checked(self) -> None:
        app = app_of(lambda ctx: ctx.redirect("/notes/7"), True)
        assert "303 is not declared" in mismatch(app, "/notes/promised").problem
        assert TestClient(app, validate=True).get("/notes/it").json()["id"] == 7

    def test_what_is_in_no_document_is_not_checked(self) -> None:
        client = TestClient(app_of({"id": "x"}, False), validate=True)
        assert client.get("/notes/it").json() == {"id": "x"}
        assert client.get("/elsewhere").status_code == 404
        assert client.post("/notes/7").status_code == 405

    def test_where_a_handler_promises_nothing_everything_fits(self) -> None:
        for answer in ({"id": "x"}, None, lambda ctx: ctx.html("<p>"), lambda ctx: ctx.problem(418, "A teapot.")):
            TestClient(app_of(answer, True), validate=True).get("/notes/it")

    def test_without_validate_nothing_is_checked(self) -> None:
        assert TestClient(app_of({"id": "x"}, described(schema=NOTE))).get("/notes/it").json() == {"id": "x"}

    def test_each_version_has_its_document(self) -> None:
        def controller(about: Any) -> type:
            @Controller("/notes")
            class NoteController:
                @Post("", openapi=about)
                async def add(self) -> Any:
                    return {"id": 1}

            return NoteController

        modules = [
            Module("old", version="v1", controllers=[controller(described(schema={"type": "array"}))]),
            Module("new", version="v2", controllers=[controller(described(schema=NOTE))]),
        ]
        client = TestClient(bootstrap(modules), validate=True)
        assert client.post("/v2/notes").json() == {"id": 1}
        with pytest.raises(ResponseMismatch, match="POST /v1/notes"):
            client.post("/v1/notes")


class TestStreams:
    @staticmethod
    def endless(declared: str) -> App:
        async def ticks() -> AsyncIterator[str]:
            while True:
                yield "tick"
                await checkpoint()

        return app_of(lambda ctx: ctx.sse(ticks()), described(media_type=declared, schema={"type": "string"}))

    def test_one_without_an_end_is_not_read(self) -> None:
        client = TestClient(self.endless("text/event-stream"), validate=True)
        assert next(iter(client.sse("/notes/it"))).data == "tick"

    def test_its_media_type_is_checked(self) -> None:
        with pytest.raises(ResponseMismatch, match="is 'text/event-stream', declared is text/plain"):
            next(iter(TestClient(self.endless("text/plain"), validate=True).sse("/notes/it")))


class TestOtherClients:
    async def test_the_client_for_coroutines_checks_too(self) -> None:
        async with AsyncTestClient(app_of({"id": "x"}, described(schema=NOTE)), validate=True) as client:
            assert (await client.get("/notes/7")).json()["id"] == 7
            with pytest.raises(ResponseMismatch, match="/id is"):
                await client.get("/notes/it")

    def test_another_browser_of_the_same_application_checks_too(self) -> None:
        client = TestClient(app_of({"id": "x"}, described(schema=NOTE)), validate=True)
        with pytest.raises(ResponseMismatch):
            client.another().get("/notes/it")


class TestErrors:
    def test_an_application_without_a_document_is_refused(self) -> None:
        async def other(scope: Any, receive: Any, send: Any) -> None: ...

        with raises_code("validate-app"):
            TestClient(other, validate=True)
        with raises_code("validate-app"):
            ResponseValidator(other)

    def test_a_mismatch_can_be_pickled(self) -> None:
        error = mismatch(app_of({}, described(schema=NOTE)))
        back = pickle.loads(pickle.dumps(error))  # noqa: S301  # what the test itself has pickled
        assert str(back) == str(error)

    @pytest.mark.process
    def test_without_jsonschema_the_extra_is_named(self) -> None:
        code = (
            "import sys; sys.modules['jsonschema'] = None\n"
            "from kick import bootstrap\nfrom kick.testing import TestClient\n"
            "TestClient(bootstrap([]))\nTestClient(bootstrap([]), validate=True)"
        )
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert "kick-framework[testing]" in run.stderr
        assert "jsonschema" in run.stderr
