"""Decorators that write down what they are told."""

from typing import Any

from kick import Controller, Delete, Get, Head, Options, Patch, Post, Put, Use
from kick.http.routing.decorators import controller_info, handlers_of, middleware_of
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code


async def test_every_verb_has_its_decorator() -> None:
    async def tell(self: Any) -> str:
        return "x"

    verbs = {"GET": Get, "POST": Post, "PUT": Put, "PATCH": Patch, "DELETE": Delete, "OPTIONS": Options, "HEAD": Head}
    for method, verb in verbs.items():
        app = app_of(Controller()(type("C", (), {"h": verb("/x")(lambda self: "x")})))
        assert (await ask(app, "/x", method=method)).status == 200
        assert (await ask(app, "/x", method="TRACE")).status == 405


def test_decorated_classes_and_functions_are_the_same_objects() -> None:
    async def handler(self: Any) -> None: ...

    class Plain: ...

    async def layer(ctx: Any, call_next: Any) -> Any: ...

    assert Get("/")(handler) is handler
    assert Use(layer)(handler) is handler
    assert Controller("/")(Plain) is Plain
    assert Use(layer)(Plain) is Plain


def test_a_controller_is_that_very_class() -> None:
    @Controller("/a", session=False)
    class A: ...

    class B(A): ...

    info = controller_info(A)
    assert info is not None
    assert (info.prefix, info.session) == ("/a", False)
    assert controller_info(B) is None


def test_handlers_come_in_the_order_of_their_definition_base_first() -> None:
    class Base:
        @Get("/a")
        async def a(self) -> None: ...

        @Get("/b")
        async def b(self) -> None: ...

    class Sub(Base):
        @Get("/c")
        async def c(self) -> None: ...

        @Get("/b2")
        async def b(self) -> None: ...

    assert [info.path for _, info in handlers_of(Sub)] == ["/a", "/b2", "/c"]


def test_middleware_of_a_base_is_outside_that_of_its_subclass() -> None:
    @Use("base 1", "base 2")
    class Base: ...

    @Use("sub")
    class Sub(Base): ...

    assert middleware_of(Sub) == ("base 1", "base 2", "sub")
    assert middleware_of(Base) == ("base 1", "base 2")


def test_a_route_can_have_a_name_of_its_own() -> None:
    @Controller()
    class Named:
        @Get("/a", name="front page")
        async def a(self) -> None: ...

        @Get("/b")
        async def b(self) -> None: ...

    assert [route.name for route in app_of(Named).routes] == ["front page", "Named.b"]


def test_decorators_without_parentheses_are_told() -> None:
    async def handler(self: Any) -> None: ...

    for verb, name in ((Get, "Get"), (Post, "Post"), (Delete, "Delete")):
        with raises_code("decorator-not-called", match=f"@{name} is written without parentheses on handler"):
            verb(handler)  # type: ignore[arg-type]  # pyright: ignore
    with raises_code("decorator-not-called", match="@Controller is written without parentheses on"):

        @Controller  # type: ignore[arg-type]  # pyright: ignore
        class C: ...

    with raises_code("decorator-not-called", match="@Use"):

        @Use
        @Controller()
        class D: ...

    with raises_code("decorator-not-called", match="@Use"):
        Use(Get()(handler))


def test_two_handlers_of_one_name_are_refused_where_the_second_is_written() -> None:
    with raises_code("handler-twice", match=r"Twice.get is defined twice, at .*test_decorators.py:\d+ and at"):

        class Twice:
            @Get("/one")
            async def get(self) -> None: ...  # pyright: ignore[reportRedeclaration]

            @Get("/two")
            async def get(self) -> None: ...  # noqa: F811


def test_several_routes_overriding_and_functions_of_one_name_are_fine() -> None:
    class Base:
        @Get("/one")
        @Post("/one")
        async def get(self) -> None: ...

    class Own(Base):
        @Get("/two")
        async def get(self) -> None: ...

    @Get("/three")
    async def get(self: Any) -> None: ...  # pyright: ignore[reportRedeclaration]

    first = get

    @Get("/four")
    async def get(self: Any) -> None: ...

    assert first is not get
    assert [info.path for _, info in handlers_of(Own)] == ["/two"]
