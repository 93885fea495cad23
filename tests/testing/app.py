"""An application with a bit of everything that a test of an application touches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec

from kick import App, Controller, Get, Module, Post, RequestContext, Response, Service, Socket, UploadFile, WebSocket
from kick import bootstrap as make
from kick.auth import Authenticated, Identity, Roles, authentication, login, logout
from kick.session import csrf, session

SECRET = "a secret of at least thirty-two bytes"


@dataclass
class User:
    id: int
    name: str
    roles: list[str] = field(default_factory=list)


@dataclass
class Settings:
    greeting: str = "hello"
    most: int = 3


@Service()
class Users:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def get(self, user_id: int) -> User | None:
        return User(user_id, f"user {user_id}") if user_id < 100 else None


@Service()
class Mailer:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send(self, address: str, subject: str) -> None:
        self.sent.append((address, subject))


async def load_user(user_id: int, users: Users) -> User | None:
    return await users.get(user_id)


async def welcome(address: str, mailer: Mailer) -> None:
    await mailer.send(address, "Welcome")


async def fail() -> None:
    raise LookupError("in the background")


class Cart(msgspec.Struct):
    items: list[str] = []
    currency: str = "EUR"


@Controller("")
class Shop:
    def __init__(self, users: Users) -> None:
        self.users = users

    @Get("/me")
    async def me(self, who: Identity | None, user: User | None) -> dict[str, Any]:
        return {"id": who and who.user_id, "roles": sorted(who.roles) if who else [], "name": user and user.name}

    @Authenticated()
    @Get("/account")
    async def account(self, user: User) -> str:
        return user.name

    @Roles("admin")
    @Get("/admin")
    async def admin(self) -> str:
        return "secret"

    @Post("/login")
    async def log_in(self, ctx: RequestContext) -> None:
        await login(ctx, 7)

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> None:
        await logout(ctx)

    @Get("/session")
    async def read(self, ctx: RequestContext) -> dict[str, Any]:
        return dict(ctx.session)

    @Post("/cart/{item}")
    async def add(self, ctx: RequestContext, item: str) -> list[str]:
        ctx.session["cart"] = [*ctx.session.get("cart", []), item]
        return ctx.session["cart"]  # type: ignore[no-any-return]

    @Get("/headers")
    async def headers(self, ctx: RequestContext) -> dict[str, str]:
        return dict(ctx.headers)

    @Post("/headers")
    async def posted_headers(self, ctx: RequestContext) -> dict[str, str]:
        return dict(ctx.headers)

    @Get("/greeting")
    async def greeting(self) -> str:
        return self.users.settings.greeting

    @Get("/broken")
    async def broken(self) -> None:
        raise LookupError("no such thing")

    @Post("/welcome/{address}")
    async def welcomed(self, ctx: RequestContext, address: str) -> None:
        ctx.background(welcome, address)

    @Post("/failing")
    async def failing(self, ctx: RequestContext) -> None:
        ctx.background(fail)

    @Post("/upload")
    async def upload(self, picture: UploadFile) -> dict[str, Any]:
        return {"name": picture.filename, "size": len(await picture.read())}

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Response:
        return ctx.stream(numbers(), media_type="text/plain")

    @Get("/broken-stream")
    async def broken_stream(self, ctx: RequestContext) -> Response:
        return ctx.stream(breaking(), media_type="text/plain")

    @Get("/events")
    async def events(self, ctx: RequestContext) -> Response:
        return ctx.sse(forever())

    @Get("/silent")
    async def silent(self, ctx: RequestContext) -> Response:
        return ctx.sse(nothing())

    @WebSocket("/echo")
    async def echo(self, socket: Socket[str, str]) -> None:
        async for message in socket:
            if message == "fail":
                raise LookupError("in the socket")
            await socket.send(f"{socket.session.principal}: {message}")


STATE: dict[str, Any] = {}
"""What has become of streams: tests look here."""


async def numbers() -> AsyncIterator[str]:
    """Yield the next number only after the client has taken the last one."""
    for number in range(3):
        STATE["number"] = number
        yield f"{number}\n"


async def breaking() -> AsyncIterator[str]:
    yield "one\n"
    raise LookupError("in the stream")


async def nothing() -> AsyncIterator[str]:
    await anyio.sleep_forever()
    yield ""


async def forever() -> AsyncIterator[dict[str, int]]:
    number = 0
    STATE["open"] = True
    try:
        while True:
            yield {"number": number}
            number += 1
            await asyncio.sleep(0)
    finally:
        STATE["open"] = False


def make_app(*, protected: bool = False, **options: Any) -> App:
    """The application; `protected` is with csrf()."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        STATE["lives"] = STATE.get("lives", 0) + 1
        yield
        STATE["lives"] -= 1

    sessions = session(SECRET, cookie={"secure": True}, **{"save_uninitialized": False, **options})
    module = Module("shop", controllers=[Shop], providers=[Mailer])
    layers = [sessions, *([csrf()] if protected else []), authentication(load_user)]
    return make([module], layers, settings=Settings(), lifespan=lifespan)
