"""A module: one feature, put together for `bootstrap`."""

from typing import Any

import pytest

from kick import Controller, Get, Module, RequestContext, Use, bootstrap
from kick.session import session
from tests.http.support import ask
from tests.support.setup_errors import raises_code


@Controller("/things")
class Things:
    @Get()
    async def index(self) -> str:
        return "things"

    @Get("/session", session=True)
    async def with_session(self, ctx: RequestContext) -> str:
        return type(ctx.session).__name__


async def test_a_module_may_be_used_under_several_prefixes() -> None:
    app = bootstrap(
        [Module("old", controllers=[Things], prefix="/v1"), Module("new", controllers=[Things], prefix="v2")]
    )
    assert [route.module for route in app.routes] == ["old", "old", "new", "new"]
    for target in ("/v1/things", "/v2/things"):
        assert (await ask(app, target)).json() == "things"


async def test_the_middleware_of_a_module_is_for_its_own_routes() -> None:
    async def stamp(ctx: RequestContext, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.headers["x-module"] = "one"
        return response

    @Use(stamp)
    @Controller("/stamped")
    class Stamped(Things): ...

    app = bootstrap(
        [
            Module("one", controllers=[Things], prefix="/one", middleware=[stamp]),
            Module("two", controllers=[Things], prefix="/two"),
            Module("three", controllers=[Stamped]),
        ]
    )
    seen = [(await ask(app, target)).header("x-module") for target in ("/one/things", "/two/things", "/stamped", "/no")]
    assert seen == ["one", None, "one", None]


async def test_the_nearest_word_on_sessions_counts() -> None:
    layer = session(secret="a secret of at least thirty-two bytes")
    app = bootstrap([Module("off", controllers=[Things], session=False)], [layer])
    assert [route.session for route in app.routes] == [False, True]
    assert (await ask(app, "/things/session")).json() == "ContextSession"
    assert (await ask(app, "/things")).all("set-cookie") == []


def test_a_class_that_is_no_controller_is_named_with_its_module() -> None:
    class Plain: ...

    class Inherits(Things): ...

    for given in (Plain, Inherits, Things()):
        module = Module("shop", controllers=[given])  # type: ignore[list-item]  # pyright: ignore
        with raises_code("controller-missing", match="Module 'shop'"):
            bootstrap([module])


def test_a_module_shows_its_name() -> None:
    assert repr(Module("shop")) == "Module('shop')"


@pytest.mark.parametrize("option", ["controllers", "providers", "middleware"])
@pytest.mark.parametrize("given", [Things, None, "text", print])
def test_what_is_no_list_is_refused(option: str, given: Any) -> None:
    options: dict[str, Any] = {option: given}
    with raises_code("list-missing", match=rf"{option}= of Module\('one'\) takes a list"):
        Module("one", **options)


def test_a_controller_in_two_modules_of_one_prefix_is_listed_twice() -> None:
    with raises_code("controller-twice", match="Things is listed by Module 'one' and by Module 'two'"):
        bootstrap([Module("one", controllers=[Things], prefix="/a"), Module("two", controllers=[Things], prefix="a/")])
