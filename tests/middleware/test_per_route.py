"""Where a layer runs that an application has, and a route perhaps another in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kick import Controller, Get, Module, RequestContext, Response, Use, bootstrap
from kick.middleware.per_route import PerRoute
from tests.http.support import app_of, ask


class Mark(PerRoute):
    """Adds its letter to a header; an empty one has nothing to do."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    @property
    def is_idle(self) -> bool:
        return not self.letter

    async def __call__(
        self, ctx: RequestContext, call_next: Callable[[RequestContext], Awaitable[Response]]
    ) -> Response:
        response = await call_next(ctx)
        response.headers.append("x-mark", self.letter)
        return response


@Controller("/x")
class XController:
    @Get()
    async def show(self) -> None: ...

    @Get("/own")
    @Use(Mark("b"))
    async def own(self) -> None: ...

    @Get("/two")
    @Use(Mark("b"), Mark("c"))
    async def two(self) -> None: ...

    @Get("/off")
    @Use(Mark(""))
    async def off(self) -> None: ...

    @Get("/broken")
    @Use(Mark("b"))
    async def broken(self) -> None:
        raise LookupError


async def marks(app: Any, *targets: str) -> list[list[str]]:
    return [(await ask(app, target)).all("x-mark") for target in targets]


async def test_that_of_the_route_stands_in_place_of_that_of_the_application() -> None:
    app = app_of(XController, middleware=[Mark("a")])
    found = await marks(app, "/x", "/x/own", "/x/two", "/x/off", "/x/broken", "/nowhere")
    assert found == [["a"], ["b"], ["c"], [], ["b"], ["a"]]


async def test_a_route_may_have_one_alone() -> None:
    found = await marks(app_of(XController), "/x", "/x/own", "/x/two", "/x/off", "/x/broken", "/nowhere")
    assert found == [[], ["b"], ["c"], [], [], []]


async def test_a_module_may_have_one_for_its_routes() -> None:
    module = Module("x", controllers=[XController], middleware=[Mark("m")])
    for middleware in ([], [Mark("a")]):
        assert await marks(bootstrap([module], middleware=middleware), "/x", "/x/own") == [["m"], ["b"]]


async def test_one_object_may_stand_in_two_applications() -> None:
    layer = Mark("a")
    apps = [app_of(XController, middleware=[layer]) for _ in range(2)]
    assert [await marks(app, "/x", "/x/own") for app in apps] == [[["a"], ["b"]]] * 2


async def test_one_that_is_idle_may_be_switched_on_for_a_route() -> None:
    assert await marks(app_of(XController, middleware=[Mark("")]), "/x", "/x/own", "/x/broken") == [[], ["b"], ["b"]]
