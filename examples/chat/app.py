"""A chat with rooms. The session identifies the members, and a logout ends their connections."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import anyio
import msgspec
from broker import open_broker
from rooms import Guest, Present, Rooms, Told, open_rooms

from kick import (
    Controller,
    Get,
    Module,
    Post,
    RequestContext,
    Response,
    Socket,
    SocketClosed,
    TooManyRequests,
    Unauthorized,
    Use,
    WebSocket,
    bootstrap,
)
from kick.http import StaticFiles
from kick.middleware import rate_limit
from kick.session import csrf, session

PAGE = Path(__file__).with_name("page.html")
REDIS_URL = os.environ.get("REDIS_URL")
TOO_SLOW = 4008
MOST_CONNECTIONS = 10
"""Connections of one login, in one process."""
PAUSE = 0.1
"""Seconds until the next message of a connection is read: what comes sooner waits in the network."""
SESSION_CHECK = 5
"""Seconds after which a connection in one process notices a logout in another one."""


class Login(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class Say(msgspec.Struct, tag="say"):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


Room = Annotated[str, msgspec.Meta(max_length=100)]
"""The name of a room, which anybody may choose."""


class Person:
    """The logged-in user."""

    def __init__(self, name: str) -> None:
        self.name = name


async def person(ctx: RequestContext) -> Person:
    if "name" not in ctx.session:
        raise Unauthorized("Log in first.")
    return Person(ctx.session["name"])


@Controller()
class PageController:
    @Get("/")
    async def page(self, ctx: RequestContext) -> Response:
        return ctx.send_file(PAGE)

    @Post("/login")
    @Use(rate_limit("20/minute", store=REDIS_URL), rate_limit("100/minute", key="site", store=REDIS_URL))
    async def login(self, ctx: RequestContext, body: Login) -> None:
        await ctx.session.regenerate(keep=False)
        ctx.session["name"] = body.name

    @Post("/logout")
    async def logout(self, ctx: RequestContext) -> None:
        await ctx.session.destroy()  # ends every connection of the session, in all processes


@Controller("/rooms")
class RoomController:
    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._connections: Counter[str] = Counter()

    @WebSocket("/{room}", max_message=4096, on_invalid="reply")
    async def talk(self, socket: Socket[Say, Told | Present], room: Room, person: Person) -> None:
        with self._connected(socket.session.id):
            await socket.accept()
            async with self.rooms.entered(room, person.name) as guest, anyio.create_task_group() as tasks:
                tasks.start_soon(self._deliver, guest, socket)
                async for message in socket:
                    await self.rooms.tell(room, Told(person.name, message.text))
                    await anyio.sleep(PAUSE)
                tasks.cancel_scope.cancel()

    @contextmanager
    def _connected(self, session_id: str) -> Iterator[None]:
        if self._connections[session_id] >= MOST_CONNECTIONS:
            raise TooManyRequests("You are in too many rooms.")
        self._connections[session_id] += 1
        try:
            yield
        finally:
            self._connections[session_id] -= 1
            self._connections += Counter()  # drops what is 0

    async def _deliver(self, guest: Guest, socket: Socket[Say, Told | Present]) -> None:
        try:
            async for message in guest.unread:
                await socket.send(message)
        except SocketClosed:
            return
        await socket.close(TOO_SLOW, "Your connection is too slow.")


app = bootstrap(
    modules=[
        Module(
            "chat",
            controllers=[PageController, RoomController],
            providers=[person, open_broker, open_rooms],
            mounts={"/static": StaticFiles(PAGE.with_name("static"))},
        )
    ],
    middleware=[
        session(
            secret=os.environ["SESSION_SECRET"],
            store=f"{REDIS_URL}?prefix=chat:" if REDIS_URL else "memory://",
            save_uninitialized=False,
            session_check=SESSION_CHECK,
            cookie={"prefix": "auto"},
        ),
        csrf(),
    ],
)
