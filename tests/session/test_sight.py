"""A request that neither reads nor changes its session costs the store nothing: where nobody could, none is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from kick import Controller, Get, Module, Post, Provider, RequestContext, Service, Use, bootstrap
from kick.middleware import compression, cors, request_id, security_headers
from kick.session import session
from tests.http.support import ask
from tests.session.harness import SECRET, calls_to


@Service(scope="request")
class Visitor:
    """Made of the context, so it might have looked at the session."""

    def __init__(self, ctx: RequestContext) -> None:
        self.path = ctx.path


class Connection:
    """Lives as long as a request, and knows nothing of it."""


def connection() -> Connection:
    return Connection()


@Service()
class Clock:
    def now(self) -> int:
        return 7


async def timing(ctx: RequestContext, call_next: Any) -> Any:
    response = await call_next(ctx)
    response.headers["x-path"] = ctx.path
    return response


async def looking(ctx: RequestContext, call_next: Any) -> Any:
    assert ctx.session.data is not None
    return await call_next(ctx)


@Controller("")
class Page:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @Get("/login")
    async def login(self, ctx: RequestContext) -> None:
        ctx.session.data["user_id"] = 7

    @Get("/plain")
    async def plain(self) -> int:
        return self.clock.now()

    @Get("/answer")
    async def answer(self, ctx: RequestContext) -> Any:
        return ctx.json({"path": ctx.path})

    @Post("/body")
    async def body(self, body: dict[str, int]) -> dict[str, int]:
        return body

    @Get("/connection")
    async def connection(self, connection: Connection) -> str:
        return type(connection).__name__

    @Get("/threads")
    def threads(self) -> str:
        return "from a thread"

    @Get("/always", session=True)
    async def always(self) -> str:
        return "always"

    @Get("/visitor")
    async def visitor(self, visitor: Visitor) -> str:
        return visitor.path

    @Get("/user")
    async def user(self, ctx: RequestContext) -> Any:
        return ctx.session.data["user_id"]

    @Use(looking)
    @Get("/guarded")
    async def guarded(self) -> str:
        return "guarded"


def site(*layers: Any, **options: Any) -> tuple[Any, Any]:
    layer = session(SECRET, **{"save_uninitialized": False, **options})
    modules = [Module("page", controllers=[Page], providers=[connection])]
    return bootstrap(modules, [*layers, layer]), layer.manager.store


async def visits(app: Any, store: Any, path: str, **options: Any) -> list[str]:
    """The calls that a request makes which comes with the cookie of a live session."""
    cookie = (await ask(app, "/login")).all("set-cookie")[0].partition(";")[0]
    calls = calls_to(store)
    answer = await ask(app, path, headers={"cookie": cookie}, **options)
    assert answer.status in (200, 204), answer.text
    return calls


@pytest.mark.parametrize("path", ["/plain", "/answer", "/connection", "/threads"])
async def test_a_request_whose_session_nobody_can_see_costs_no_call(path: str) -> None:
    app, store = site()
    assert await visits(app, store, path) == []


async def test_nor_does_one_with_a_typed_body() -> None:
    app, store = site()
    assert await visits(app, store, "/body", method="POST", json={"a": 1}) == []


@pytest.mark.parametrize("path", ["/always", "/visitor", "/user", "/guarded"])
async def test_where_somebody_might_see_it_it_is_loaded(path: str) -> None:
    app, store = site()
    assert await visits(app, store, path) == ["load"]


async def test_layers_that_look_at_no_session_ask_for_none() -> None:
    app, store = site(
        timing, request_id(), security_headers(), cors(allow_origins=["https://a.example"]), compression()
    )
    assert await visits(app, store, "/answer") == []


async def test_a_layer_around_everything_that_might_look_has_it_loaded_everywhere() -> None:
    app, store = site(printing)
    assert await visits(app, store, "/plain") == ["load"]


async def printing(ctx: RequestContext, call_next: Any) -> Any:
    response = await call_next(ctx)
    print(ctx)  # noqa: T201
    return response


@pytest.mark.parametrize("options", [{"rolling": True}, {"save_uninitialized": True}, {"rotate_after": 60.0}])
async def test_a_session_that_every_request_prolongs_is_loaded_by_every_request(options: dict[str, Any]) -> None:
    app, store = site(**options)
    assert (await visits(app, store, "/plain"))[0] == "load"


async def test_what_is_put_in_the_place_of_something_for_a_test_is_looked_at_anew() -> None:
    app, store = site()
    assert await visits(app, store, "/connection") == []

    class Other(Connection):
        pass

    def other(ctx: RequestContext) -> Connection:
        ctx.session.data.get("user_id")
        return Other()

    with app.override(Connection, Provider(Connection, other)):
        assert await visits(app, store, "/connection") == ["load"]
