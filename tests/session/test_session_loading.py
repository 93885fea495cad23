"""A session is loaded where the route, its handler, a provider or middleware may use it, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from kick import Controller, Get, Middleware, Module, Post, Provider, RequestContext, Service, Use, bootstrap
from kick.auth import Authenticated, authentication, login, roles
from kick.middleware import (
    compression,
    conditional,
    cookie_parser,
    cors,
    csrf,
    rate_limit,
    request_id,
    security_headers,
)
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


class Concerned(Middleware):
    """Says nothing, so it may use the session."""


class Unconcerned(Middleware):
    uses_session = False


async def timing(ctx: RequestContext, call_next: Any) -> Any:
    response = await call_next(ctx)
    response.headers["x-path"] = ctx.path
    return response


async def looking(ctx: RequestContext, call_next: Any) -> Any:
    assert ctx.session.data is not None
    return await call_next(ctx)


@Controller("")
class Entry:
    @Get("/login")
    async def login(self, ctx: RequestContext) -> None:
        await login(ctx, 7)

    @Get("/without", session=False)
    async def without(self, ctx: RequestContext) -> Any:
        return ctx.json({"path": ctx.path})


@Controller("")
class Page:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @Get("/plain")
    async def plain(self) -> int:
        return self.clock.now()

    @Get("/context")
    async def context(self, ctx: RequestContext) -> Any:
        return ctx.json({"path": ctx.path})

    @Use(Unconcerned())
    @Get("/unconcerned")
    async def unconcerned(self) -> str:
        return "unconcerned"

    @Use(Concerned())
    @Get("/concerned")
    async def concerned(self) -> str:
        return "concerned"

    @Authenticated
    @Get("/account")
    async def account(self) -> str:
        return "account"

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
        return ctx.session.principal

    @Use(looking)
    @Get("/guarded")
    async def guarded(self) -> str:
        return "guarded"


def site(*layers: Any, after: Any = (), guards: Any = (), **options: Any) -> tuple[Any, Any]:
    layer = session(SECRET, **{"save_uninitialized": False, **options})
    entry = Module("entry", controllers=[Entry])
    modules = [entry, Module("page", controllers=[Page], providers=[connection], middleware=guards)]
    return bootstrap(modules, [*layers, layer, *after]), layer.manager.store


async def visits(
    app: Any, store: Any, path: str, *, status: int = 200, more: dict[str, str] | None = None, **options: Any
) -> list[str]:
    """The calls that a request makes which comes with the cookie of a live session."""
    cookie = (await ask(app, "/login")).all("set-cookie")[0].partition(";")[0]
    calls = calls_to(store)
    answer = await ask(app, path, headers={"cookie": cookie, **(more or {})}, **options)
    assert answer.status == status, answer.text
    return calls


@pytest.mark.parametrize("path", ["/plain", "/connection", "/threads", "/without", "/unconcerned"])
async def test_without_a_context_no_session_is_loaded(path: str, store: Any) -> None:
    app, _ = site(store=store)
    assert await visits(app, store, path) == []


async def test_a_typed_body_needs_no_session() -> None:
    app, store = site()
    assert await visits(app, store, "/body", method="POST", json={"a": 1}) == []


@pytest.mark.parametrize("path", ["/context", "/always", "/visitor", "/user", "/guarded", "/concerned", "/account"])
async def test_whoever_takes_a_context_has_it_loaded(path: str, store: Any) -> None:
    app, _ = site(store=store)
    assert await visits(app, store, path) == ["load"]


UNCONCERNED = {
    "request_id": request_id,
    "security_headers": security_headers,
    "cors": lambda: cors(allow_origins=["https://a.example"]),
    "compression": compression,
    "conditional": conditional,
    "cookie_parser": cookie_parser,
    "rate_limit": lambda: rate_limit("1000/minute"),
}


@pytest.mark.parametrize("layer", UNCONCERNED.values(), ids=UNCONCERNED)
async def test_middleware_of_kick_that_uses_no_session_has_none_loaded(layer: Any) -> None:
    app, store = site(layer())
    assert await visits(app, store, "/plain") == []


async def test_a_rate_limit_by_principal_has_it_loaded() -> None:
    app, store = site(after=[rate_limit("1000/minute", key="principal")])
    assert await visits(app, store, "/plain") == ["load"]


async def test_csrf_has_it_loaded_for_methods_that_change_something() -> None:
    app, store = site(after=[csrf(), authentication()])
    assert await visits(app, store, "/plain") == []
    origin = {"sec-fetch-site": "same-origin"}
    assert await visits(app, store, "/body", method="POST", json={"a": 1}, more=origin) == ["load"]


async def test_a_guard_of_a_module_has_it_loaded() -> None:
    app, store = site(guards=[roles("admin")])
    assert (await visits(app, store, "/plain", status=403)) == ["load"]


@pytest.mark.parametrize("layer", [timing, Concerned()], ids=["function", "object"])
async def test_middleware_that_does_not_say_otherwise_has_it_loaded(layer: Any) -> None:
    app, store = site(layer)
    assert await visits(app, store, "/plain") == ["load"]


@pytest.mark.parametrize("options", [{"rolling": True}, {"save_uninitialized": True}, {"rotate_after": 60.0}])
async def test_a_session_that_every_request_prolongs_is_loaded_by_every_request(options: dict[str, Any]) -> None:
    app, store = site(**options)
    assert (await visits(app, store, "/plain"))[0] == "load"


async def test_an_override_decides_again() -> None:
    app, store = site()
    assert await visits(app, store, "/connection") == []

    class Other(Connection):
        pass

    def other(ctx: RequestContext) -> Connection:
        ctx.session.data.get("name")
        return Other()

    with app.override(Connection, Provider(Connection, other)):
        assert await visits(app, store, "/connection") == ["load"]
