"""Annotations that are text, that are evaluated late, and that are not there at run time: alike on every Python."""

import sys
import textwrap
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kick import App, Module, Provider, bootstrap
from kick.cli.target import load_target, parse_target
from kick.errors import KickError, SetupErrors
from kick.session import session
from kick.session.data.typed import Shape
from tests.http.support import ask
from tests.support.setup_errors import raises_code

Load = Callable[[str], ModuleType]

IMPORTS = """
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from kick import Controller, Get, Module, Post, Provider, RequestContext, Response, Service, Use
from kick.http import CallNext

if TYPE_CHECKING:
    from decimal import Decimal

    from starlette.types import Receive, Scope, Send


class Note(msgspec.Struct):
    title: str


class Shape: ...
"""


@pytest.fixture(params=["", "from __future__ import annotations"], ids=["evaluated", "text"])
def load(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Run a source as a module of its own, with and without annotations as text."""

    def run(source: str) -> ModuleType:
        module = ModuleType("of_annotations")
        module.__file__ = str(tmp_path / "of_annotations.py")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        text = f"{request.param}{IMPORTS}{textwrap.dedent(source)}"
        Path(module.__file__).write_text(text)
        exec(compile(text, module.__file__, "exec", dont_inherit=True), module.__dict__)
        return module

    return run


def app_of(module: ModuleType, *providers: Any, middleware: Any = (), **options: Any) -> App:
    controllers = [each for name, each in vars(module).items() if name.endswith("Controller") and name != "Controller"]
    return bootstrap([Module("test", controllers=controllers, **options)], middleware, providers=providers)


def problems_of(module: ModuleType, *providers: Any, **options: Any) -> list[KickError]:
    with pytest.raises(KickError) as caught:
        app_of(module, *providers, **options)
    return list(caught.value.problems) if isinstance(caught.value, SetupErrors) else [caught.value]


DAY = date(2026, 1, 2)

NAMED_LIKE_TYPES = """
@Controller("/notes")
class NotesController:
    def __init__(self, numbers: list[int], words: dict[str, int], key: bytes, made: type[Shape], today: date) -> None:
        self.given = [numbers, words, key.decode(), made.__name__, today.isoformat()]

    class Filter(msgspec.Struct):
        tag: str = ""

    @Get("/given")
    async def all(self) -> list[Any]:
        return self.given

    @Post("/list")
    async def list(self, body: list[Note], numbers: list[int]) -> list[Note]:
        return [*body, *(Note(str(number)) for number in numbers)]

    @Get("/dict")
    async def dict(self, query: dict[str, str], words: dict[str, int]) -> dict[str, Any]:
        return {**query, **words}

    @Get("/bytes")
    async def bytes(self, ctx: RequestContext, key: bytes) -> Response:
        return ctx.text(key.decode())

    @Get("/type")
    async def type(self, made: type[Shape]) -> str:
        return made.__name__

    @Get("/date")
    async def date(self, today: date) -> date:
        return today
"""


@pytest.fixture
def named_like_types(load: Load) -> App:
    module = load(NAMED_LIKE_TYPES)
    given = {list[int]: [1, 2], dict[str, int]: {"a": 1}, bytes: b"key", type[module.Shape]: module.Shape, date: DAY}
    return app_of(module, *(Provider(key, value=value) for key, value in given.items()))


class TestControllers:
    """Methods with the names of types, which hide these from the annotations of their class since Python 3.14."""

    async def test_a_constructor_takes_what_its_annotations_say(self, named_like_types: App) -> None:
        given = [[1, 2], {"a": 1}, "key", "Shape", "2026-01-02"]
        assert (await ask(named_like_types, "/notes/given")).json() == given

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/dict?page=2", {"page": "2", "a": 1}),
            ("/type", "Shape"),
            ("/date", "2026-01-02"),
        ],
    )
    async def test_a_handler_takes_what_its_annotations_say(
        self, named_like_types: App, path: str, expected: Any
    ) -> None:
        assert (await ask(named_like_types, f"/notes{path}")).json() == expected

    async def test_a_handler_named_bytes(self, named_like_types: App) -> None:
        assert (await ask(named_like_types, "/notes/bytes")).text == "key"

    async def test_a_body_is_validated_as_the_builtin_type(self, named_like_types: App) -> None:
        answer = await ask(named_like_types, "/notes/list", method="POST", json=[{"title": "a"}])
        assert answer.json() == [{"title": "a"}, {"title": "1"}, {"title": "2"}]
        answer = await ask(named_like_types, "/notes/list", method="POST", json=[{"title": 1}])
        assert (answer.status, answer.locations) == (422, ["/body/0/title"])

    @pytest.mark.parametrize(
        ("name", "value", "text"),
        [
            ("list", '[{"title": "a"}]', '[{"title":"a"}]'),
            ("dict", '{"title": "a"}', '{"title":"a"}'),
            ("bytes", 'b"a"', '"YQ=="'),
            ("set", "builtins.set()", "[]"),
            ("int", "7", "7"),
            ("str", '"a"', '"a"'),
            ("Note", 'Note("a")', '{"title":"a"}'),
        ],
    )
    async def test_a_return_type_may_have_the_name_of_the_method(
        self, load: Load, name: str, value: str, text: str
    ) -> None:
        returned = f"{name}[Note]" if name in ("list", "set") else name
        module = load(f"""
            import builtins

            @Controller("/")
            class NotesController:
                @Get("/")
                async def {name}(self) -> {returned}:
                    return {value}
        """)
        assert (await ask(app_of(module), "/")).text == text

    async def test_classes_within_the_controller_are_found(self) -> None:
        module = ModuleType("of_annotations")
        exec(f"{IMPORTS}{NESTED}", module.__dict__)
        answer = await ask(app_of(module), "/notes?tag=7")
        assert answer.json() == [7]

    async def test_variables_of_a_function_around_the_controller_are_found(self) -> None:
        module = ModuleType("of_annotations")
        exec(f"{IMPORTS}{textwrap.dedent(LOCAL)}", module.__dict__)
        module.__dict__["MadeController"] = module.make()
        answer = await ask(app_of(module), "/", method="POST", json=[{"tag": 7}])
        assert answer.json() == [7]


NESTED = """
@Controller("/notes")
class NotesController:
    class Filter(msgspec.Struct):
        tag: int

    @Get("/")
    async def list(self, query: Filter) -> list[int]:
        return [query.tag]
"""

LOCAL = """
def make():
    class Tag(msgspec.Struct):
        tag: int

    @Controller("/")
    class TagsController:
        @Post("/")
        async def list(self, body: list[Tag]) -> list[int]:
            return [each.tag for each in body]

    return TagsController
"""


class TestProviders:
    async def test_a_service_with_methods_named_like_types(self, load: Load) -> None:
        module = load("""
            @Service()
            class Numbers:
                def __init__(self, numbers: list[int], key: bytes) -> None:
                    self.numbers, self.key = numbers, key

                def list(self) -> list[int]:
                    return self.numbers

                def bytes(self) -> bytes:
                    return self.key

            @Service()
            @dataclass
            class Words:
                numbers: Numbers
                words: dict[str, int]
                more: list[str] = field(default_factory=list)

                def dict(self) -> dict[str, int]:
                    return self.words

                def list(self) -> list[str]:
                    return self.more

            @Controller("/")
            class NumbersController:
                @Get("/")
                async def show(self, numbers: Numbers, words: Words) -> Any:
                    return [numbers.list(), numbers.bytes().decode(), words.dict(), words.list()]
        """)
        given = {list[int]: [1], bytes: b"key", dict[str, int]: {"a": 1}}
        app = app_of(module, *(Provider(key, value=value) for key, value in given.items()))
        assert (await ask(app, "/")).json() == [[1], "key", {"a": 1}, []]

    async def test_provider_functions_that_are_methods(self, load: Load) -> None:
        module = load("""
            class Making:
                def numbers(self, word: bytearray) -> list[int]:
                    return [*word]

                def bytearray(self) -> bytearray:
                    return bytearray(b"ab")

                async def dict(self, numbers: list[int]) -> AsyncIterator[dict[str, int]]:
                    yield {"sum": sum(numbers)}

            @Controller("/")
            class SumsController:
                @Get("/")
                async def show(self, sums: dict[str, int]) -> Any:
                    return sums
        """)
        making = module.Making()
        app = app_of(module, making.bytearray, making.numbers, making.dict)
        assert (await ask(app, "/")).json() == {"sum": 97 + 98}

    def test_a_type_that_is_not_there_is_named(self, load: Load) -> None:
        module = load("""
            class Prices:
                def list(self, rate: "list[Decimal]") -> "list[Decimal]":
                    return []

            class Shop:
                def __init__(self, rate: "Decimal", items: "list[Decimal]") -> None: ...

                def list(self) -> "list[Decimal]":
                    return []
        """)
        for problem in problems_of(module, module.Shop) + problems_of(module, module.Prices().list):
            assert problem.code == "di-unresolved-hint"
            assert "name 'Decimal' is not defined" in problem.cause
            assert "`from decimal import Decimal`" in problem.fix


# Annotations that Python before 3.14 evaluates only where they are text.
LATE = sys.version_info >= (3, 14)
UNQUOTED = pytest.mark.parametrize("q", ['"', *([""] if LATE else [])], ids=["quoted", *(["bare"] if LATE else [])])


class TestNamesThatAreNotThere:
    """Names that are imported for type checkers only: an error where kick needs the type, and none elsewhere."""

    @UNQUOTED
    def test_in_a_handler(self, load: Load, q: str) -> None:
        module = load(f"""
            @Controller("/prices")
            class PricesController:
                @Post("/")
                async def list(self, body: {q}list[Decimal]{q}, ctx: RequestContext) -> {q}list[Decimal]{q}: ...
        """)
        problem, of_the_return = problems_of(module)
        assert problem.code == of_the_return.code == "di-unresolved-hint"
        assert "The type list[Decimal] of the return of PricesController.list()" in of_the_return.cause
        assert "The type list[Decimal] of body of PricesController.list()" in problem.cause
        assert "name 'Decimal' is not defined" in problem.cause
        assert "`from decimal import Decimal`" in problem.fix

    def test_a_mistake_within_an_annotation_speaks_for_itself(self, load: Load) -> None:
        source = """
            from kick import File, UploadFile

            @Controller("/files")
            class FilesController:
                @Post("/")
                async def add(self, picture: Annotated[UploadFile, File(max_size="5 MB")]) -> None: ...
        """
        with raises_code("file-limit", match="5 MB"):
            app_of(load(source))

    @UNQUOTED
    def test_in_what_a_handler_returns(self, load: Load, q: str) -> None:
        """It is a promise: only what it declares is sent."""
        module = load(f"""
            @Controller("/prices")
            class PricesController:
                @Get("/")
                async def list(self) -> {q}list[Decimal]{q}:
                    return [1]
        """)
        (problem,) = problems_of(module)
        assert problem.code == "di-unresolved-hint"
        assert "`from decimal import Decimal`" in problem.fix

    @UNQUOTED
    def test_in_a_constructor(self, load: Load, q: str) -> None:
        module = load(f"""
            @Controller("/prices")
            class PricesController:
                def __init__(self, key: bytes, rate: {q}Decimal{q}) -> None: ...

                @Get("/")
                async def bytes(self) -> None: ...
        """)
        (problem,) = problems_of(module, Provider(bytes, value=b""))
        assert problem.code == "di-unresolved-hint"
        assert "The type Decimal of PricesController(rate)" in problem.cause

    @UNQUOTED
    async def test_middleware_needs_none(self, load: Load, q: str) -> None:
        module = load(f"""
            async def function(ctx: {q}Decimal{q}, call_next: {q}Decimal{q}) -> {q}Decimal{q}:
                response = await call_next(ctx)
                response.headers["x-function"] = "1"
                return response

            class Layer:
                async def __call__(self, ctx: {q}Decimal{q}, call_next: {q}Decimal{q}) -> {q}list[Decimal]{q}:
                    response = await call_next(ctx)
                    response.headers["x-layer"] = "1"
                    return response

                def list(self) -> {q}list[Decimal]{q}: ...

                async def type(self, ctx: {q}type[Decimal]{q}, call_next: {q}Decimal{q}) -> {q}type[Decimal]{q}:
                    response = await call_next(ctx)
                    response.headers["x-method"] = "1"
                    return response

            @Controller("/")
            @Use(Layer().type)
            class PricesController:
                @Get("/")
                @Use(function)
                async def show(self) -> None: ...
        """)
        answer = await ask(app_of(module, middleware=[module.Layer()]), "/")
        assert [answer.header(name) for name in ("x-function", "x-layer", "x-method")] == ["1", "1", "1"]

    @UNQUOTED
    def test_what_is_no_middleware_is_refused_with_its_fix(self, load: Load, q: str) -> None:
        module = load(f"""
            def timing(seconds: {q}Decimal{q}) -> {q}Decimal{q}: ...

            async def short(ctx: {q}Decimal{q}) -> {q}Decimal{q}: ...

            class Timing:
                async def __call__(self, ctx: {q}Decimal{q}, call_next: {q}Decimal{q}) -> {q}Decimal{q}: ...
        """)
        problems = problems_of(module, middleware=[module.timing, module.short, module.Timing])
        assert [problem.code for problem in problems] == ["middleware-signature"] * 3
        assert "`middleware=[timing()]`" in problems[0].fix
        assert "`middleware=[Timing()]`" in problems[2].fix

    @UNQUOTED
    async def test_a_mounted_application_needs_none(self, load: Load, q: str) -> None:
        module = load(f"""
            async def legacy(scope: {q}Scope{q}, receive: {q}Receive{q}, send: {q}Send{q}) -> None:
                await send({{"type": "http.response.start", "status": 204, "headers": []}})
                await send({{"type": "http.response.body", "body": b""}})

            def wsgi(environ: {q}Scope{q}, start_response: {q}Send{q}) -> {q}Send{q}: ...
        """)
        assert (await ask(app_of(module, mounts={"/old": module.legacy}), "/old")).status == 204
        (problem,) = problems_of(module, mounts={"/old": module.wsgi})
        assert "WSGI" in problem.cause

    @UNQUOTED
    def test_a_served_application_needs_none(self, load: Load, q: str, tmp_path: Path) -> None:
        module = load(f"""
            async def app(scope: {q}Scope{q}, receive: {q}Receive{q}, send: {q}Send{q}) -> None: ...
        """)
        assert load_target(parse_target("of_annotations:app"), tmp_path) is module.app

    @UNQUOTED
    def test_a_handler_that_takes_anything_is_refused(self, load: Load, q: str) -> None:
        module = load(f"""
            @Controller("/")
            class PricesController:
                @Get("/")
                async def show(self, *rates: {q}Decimal{q}) -> None: ...
        """)
        (problem,) = problems_of(module)
        assert "it takes *rates" in problem.cause


class TestFields:
    """Types of fields, of what is read from a request and of typed sessions."""

    @UNQUOTED
    @pytest.mark.parametrize("taken", ["Price", "list[Price]", "Old", "Price | None"])
    def test_of_a_body_are_named(self, load: Load, q: str, taken: str) -> None:
        module = load(f"""
            class Price(msgspec.Struct):
                rate: {q}Decimal{q}

            @dataclass
            class Old:
                rate: {q}list[Decimal]{q}

            @Controller("/")
            class PricesController:
                @Post("/")
                async def create(self, body: {taken}) -> None: ...
        """)
        (problem,) = problems_of(module)
        assert problem.code == "di-unresolved-hint"
        assert "The type Decimal of a field within body: " in problem.cause
        assert "of PricesController.create()" in problem.cause

    @UNQUOTED
    @pytest.mark.parametrize("base", ["msgspec.Struct", "object"])
    def test_of_a_session_are_named(self, load: Load, q: str, base: str) -> None:
        module = load(f"""
            {"@dataclass" if base == "object" else ""}
            class Data({base}):
                user_id: int | None = None
                rate: {q}Decimal{q} = None
        """)
        with pytest.raises(KickError) as caught:
            session(secret="0123456789abcdef" * 4, data=module.Data)
        assert caught.value.code == "di-unresolved-hint"
        assert "The type Decimal of the field rate of session(data=Data)" in caught.value.cause
        assert "`from decimal import Decimal`" in caught.value.fix

    @pytest.mark.parametrize("base", ["msgspec.Struct", "object"])
    def test_of_a_session_may_be_hidden_by_methods(self, load: Load, base: str) -> None:
        module = load(f"""
            {"@dataclass" if base == "object" else ""}
            class Data({base}):
                cart: tuple[str, ...] = ()

                def tuple(self) -> tuple[str, ...]:
                    return self.cart
        """)
        assert Shape(module.Data).contents({"cart": b'["a"]'}).value.tuple() == ("a",)
