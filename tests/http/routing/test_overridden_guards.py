"""A method that overrides a handler of a base class keeps its routes, and with them its guards and middleware."""

from typing import Any

import pytest
from starlette.testclient import WebSocketDenialResponse

from kick import Controller, Delete, Get, Module, Post, RequestContext, Socket, Use, WebSocket, bootstrap
from kick.auth import Authenticated, Roles, authentication
from kick.http import CallNext
from kick.middleware import rate_limit
from kick.session import session
from kick.testing import TestClient

SECRET = "a secret of at least thirty-two bytes"
ran: list[str] = []


def noting(name: str) -> Any:
    async def note(ctx: RequestContext, call_next: CallNext) -> Any:
        ran.append(name)
        return await call_next(ctx)

    return note


async def load_user(user_id: str) -> str:
    return user_id


class Guarded:
    @Roles("admin")
    @Delete("/{number}")
    async def remove(self, number: int) -> str:
        return "removed"

    @Get("/mine")
    @Authenticated()
    async def mine(self) -> str:
        return "mine"

    @Use(rate_limit("2/minute"))
    @Post("/log-in")
    async def log_in(self, ctx: RequestContext) -> str:
        return "in"

    @Use(noting("outer"))
    @Get("/noted")
    async def noted(self) -> str:
        return "noted"

    @Roles("admin")
    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str]) -> None:
        await socket.send("secret")


@Controller("/plain")
class Plain(Guarded):
    async def remove(self, number: int) -> str:
        return "overridden"

    async def mine(self) -> str:
        return "overridden"

    async def log_in(self, ctx: RequestContext) -> str:
        return "overridden"

    async def socket(self, socket: Socket[str, str]) -> None:
        await socket.send("overridden")

    @Use(noting("inner"))
    async def noted(self) -> str:
        return "overridden"


@Controller("/deeper")
class Deeper(Plain):
    async def remove(self, number: int) -> str:
        return "deeper"

    @Use(noting("innermost"))
    async def noted(self) -> str:
        return "deeper"


class Mixin:
    async def remove(self, number: int) -> str:
        return "mixed in"


@Controller("/mixed")
class Mixed(Mixin, Guarded):
    pass


@Controller("/anew")
class Anew(Guarded):
    @Get("/mine")
    async def mine(self) -> str:
        return "open"

    noted: Any = None


@pytest.fixture
def client() -> Any:
    controllers = [Plain, Deeper, Mixed, Anew]
    layers = [session(SECRET, save_uninitialized=False), authentication(load_user)]
    ran.clear()
    with TestClient(bootstrap([Module("site", controllers=controllers)], layers)) as client:
        yield client


@pytest.mark.parametrize("path", ["/plain", "/deeper", "/mixed"])
def test_a_guard_stays(client: TestClient, path: str) -> None:
    assert client.delete(f"{path}/1").status_code == 401


def test_so_do_other_guards_and_limits(client: TestClient) -> None:
    assert client.get("/plain/mine").status_code == 401
    assert [client.post("/plain/log-in").status_code for _ in range(3)] == [200, 200, 429]


def test_a_socket_stays_guarded(client: TestClient) -> None:
    for path in ("/plain", "/deeper", "/mixed"):
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(f"{path}/socket") as socket:
            socket.receive_text()
        assert refused.value.status_code == 401


def test_middleware_of_each_class_runs_once_and_that_of_the_base_first(client: TestClient) -> None:
    assert client.get("/plain/noted").json() == "overridden"
    assert ran == ["outer", "inner"]
    ran.clear()
    assert client.get("/deeper/noted").json() == "deeper"
    assert ran == ["outer", "inner", "innermost"]


def test_a_route_of_its_own_inherits_none(client: TestClient) -> None:
    assert client.get("/anew/mine").json() == "open"
    assert client.get("/anew/noted").status_code == 404
    assert client.delete("/anew/1").status_code == 401
