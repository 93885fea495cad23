"""One small application on each library, each written as its documentation shows it.

All have the same routes. `set` waits until `gate` is opened, between reading the session and writing to it: this is the
slow request of a race.

| route | |
|---|---|
| `POST /login` | logs `ada` in |
| `POST /logout` | logs out |
| `GET /read` | the session as JSON |
| `POST /set?key=a` | waits for the gate, then writes `a` |
| `POST /count` | adds 1 to `n` |
| `GET /waiting`, `POST /gate` | how many requests wait; lets them go on |
"""

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

SECRET: Final = "a secret of at least thirty-two bytes"  # made up


class Gate:
    """Lets waiting requests go on when it is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self._opened = asyncio.Event()

    async def wait(self) -> None:
        """Wait until the gate is opened."""
        self.waiting += 1
        await self._opened.wait()

    def open(self) -> None:
        """Let all go on, and close the gate behind them."""
        self.waiting = 0
        opened, self._opened = self._opened, asyncio.Event()
        opened.set()


def with_kick() -> Any:
    """kick."""
    from kick import Controller, Get, Module, Post, RequestContext, bootstrap
    from kick.auth import login, logout
    from kick.session import session

    gate = Gate()

    @Controller()
    class Races:
        @Post("/login")
        async def log_in(self, ctx: RequestContext) -> None:
            await login(ctx, "ada")
            ctx.session["user"] = "ada"

        @Post("/logout")
        async def log_out(self, ctx: RequestContext) -> None:
            await logout(ctx)

        @Get("/read")
        async def read(self, ctx: RequestContext) -> dict[str, Any]:
            return dict(ctx.session)

        @Post("/set")
        async def set(self, ctx: RequestContext) -> None:
            ctx.session.get("user")
            await gate.wait()
            ctx.session[ctx.query["key"]] = 1

        @Post("/count")
        async def count(self, ctx: RequestContext) -> None:
            await ctx.session.increment("n")

        @Get("/waiting", session=False)
        async def waiting(self) -> int:
            return gate.waiting

        @Post("/gate", session=False)
        async def open(self) -> None:
            gate.open()

    return bootstrap([Module("races", controllers=[Races])], middleware=[session(SECRET, save_uninitialized=False)])


def _starlette(middleware: list[Any], log_in: Callable[[Any], None], log_out: Callable[[Any], None]) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    gate = Gate()

    async def login(request: Request) -> JSONResponse:
        log_in(request)
        request.session["user"] = "ada"
        return JSONResponse(None)

    async def logout(request: Request) -> JSONResponse:
        log_out(request)
        return JSONResponse(None)

    async def read(request: Request) -> JSONResponse:
        return JSONResponse(dict(request.session))

    async def set(request: Request) -> JSONResponse:
        request.session.get("user")
        await gate.wait()
        request.session[request.query_params["key"]] = 1
        return JSONResponse(None)

    async def count(request: Request) -> JSONResponse:
        n = request.session.get("n", 0)
        await asyncio.sleep(0)  # whatever a handler awaits, such as a query
        request.session["n"] = n + 1
        return JSONResponse(None)

    async def waiting(request: Request) -> JSONResponse:
        return JSONResponse(gate.waiting)

    async def open(request: Request) -> JSONResponse:
        gate.open()
        return JSONResponse(None)

    posts = {"/login": login, "/logout": logout, "/set": set, "/count": count, "/gate": open}
    routes = [Route(path, handler, methods=["POST"]) for path, handler in posts.items()]
    return Starlette(routes=[*routes, Route("/read", read), Route("/waiting", waiting)], middleware=middleware)


def with_starlette() -> Any:
    """Starlette and FastAPI: a signed cookie."""
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware

    def clear(request: Any) -> None:
        request.session.clear()

    return _starlette([Middleware(SessionMiddleware, secret_key=SECRET)], clear, clear)


def with_starsessions() -> Any:
    """starsessions: sessions on the server, for Starlette and FastAPI."""
    from starlette.middleware import Middleware
    from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware, regenerate_session_id

    stored = Middleware(SessionMiddleware, store=InMemoryStore(), cookie_https_only=False, lifetime=3600)
    return _starlette(
        [stored, Middleware(SessionAutoloadMiddleware)], regenerate_session_id, lambda request: request.session.clear()
    )


def with_litestar() -> Any:
    """Litestar: sessions on the server."""
    from litestar import Litestar, Request, get, post
    from litestar.middleware.session.server_side import ServerSideSessionConfig

    gate = Gate()

    @post("/login")
    async def login(request: Request[Any, Any, Any]) -> None:
        request.set_session({"user": "ada"})

    @post("/logout")
    async def logout(request: Request[Any, Any, Any]) -> None:
        request.clear_session()

    @get("/read")
    async def read(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return dict(request.session)

    @post("/set")
    async def set(request: Request[Any, Any, Any]) -> None:
        request.session.get("user")
        await gate.wait()
        request.session[request.query_params["key"]] = 1

    @post("/count")
    async def count(request: Request[Any, Any, Any]) -> None:
        n = request.session.get("n", 0)
        await asyncio.sleep(0)
        request.session["n"] = n + 1

    @get("/waiting")
    async def waiting() -> int:
        return gate.waiting

    @post("/gate")
    async def open() -> None:
        gate.open()

    handlers = [login, logout, read, set, count, waiting, open]
    return Litestar(handlers, middleware=[ServerSideSessionConfig().middleware])


def with_django() -> Any:
    """Django: sessions on the server, here in its cache."""
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import JsonResponse
    from django.urls import path

    gate = Gate()
    module = ModuleType("races_with_django")
    sys.modules[module.__name__] = module
    if not settings.configured:
        settings.configure(
            SECRET_KEY=SECRET,
            ROOT_URLCONF=module.__name__,
            ALLOWED_HOSTS=["*"],
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
            SESSION_ENGINE="django.contrib.sessions.backends.cache",
        )

    async def login(request: Any) -> JsonResponse:
        await request.session.acycle_key()
        await request.session.aset("user", "ada")
        return JsonResponse({})

    async def logout(request: Any) -> JsonResponse:
        await request.session.aflush()
        return JsonResponse({})

    async def read(request: Any) -> JsonResponse:
        return JsonResponse({key: value async for key, value in _items(request.session)})

    async def set(request: Any) -> JsonResponse:
        await request.session.aget("user")
        await gate.wait()
        await request.session.aset(request.GET["key"], 1)
        return JsonResponse({})

    async def count(request: Any) -> JsonResponse:
        await request.session.aset("n", await request.session.aget("n", 0) + 1)
        return JsonResponse({})

    async def waiting(request: Any) -> JsonResponse:
        return JsonResponse(gate.waiting, safe=False)

    async def open(request: Any) -> JsonResponse:
        gate.open()
        return JsonResponse({})

    views = {"login": login, "logout": logout, "read": read, "set": set, "count": count, "waiting": waiting}
    module.urlpatterns = [path(name, view) for name, view in {**views, "gate": open}.items()]  # type: ignore[attr-defined]
    return get_asgi_application()


async def _items(session: Any) -> Any:
    for item in await session.aitems():
        yield item


PYTHON: Final[dict[str, Callable[[], Any]]] = {
    "kick": with_kick,
    "Django": with_django,
    "Litestar": with_litestar,
    "starsessions": with_starsessions,
    "Starlette, FastAPI": with_starlette,
}
