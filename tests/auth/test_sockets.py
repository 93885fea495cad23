"""Guards and identities on WebSockets: a handshake is a request, and is turned away as one."""

from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kick import App, Controller, Module, Post, RequestContext, Socket, WebSocket, bootstrap
from kick.auth import Authenticated, Identity, Roles, authenticated, authentication, login
from kick.session import session
from tests.support.serving import Serve

SECRET = "a secret of at least thirty-two bytes"


async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "mounted"})
    await send({"type": "websocket.close"})


@Controller("/door")
class Door:
    @Post("/login/{role}")
    async def log_in(self, ctx: RequestContext, role: str) -> None:
        await login(ctx, 7, roles=[role])

    @Authenticated(login_page="/login")
    @WebSocket("/known")
    async def known(self, socket: Socket, who: Identity) -> None:
        await socket.accept()
        await socket.send(f"hello {who.user_id}")

    @Roles("admin")
    @WebSocket("/admin")
    async def admin(self, socket: Socket) -> None:
        await socket.accept()
        await socket.send("hello admin")


def app() -> App:
    modules = [
        Module("door", controllers=[Door]),
        Module("old", mounts={"/old": mounted}, middleware=[authenticated()], session=True),
    ]
    return bootstrap(modules, [session(SECRET, save_uninitialized=False), authentication()])


def said(url: str, path: str, cookie: str | None = None) -> Any:
    """The first message, or the status of the refusal."""
    headers = {} if cookie is None else {"cookie": cookie}
    try:
        with connect(url.replace("http", "ws") + path, additional_headers=headers) as socket:
            return socket.recv()
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (None, [401, 401, 401]),
        ("guest", ['"hello 7"', 403, "mounted"]),
        ("admin", ['"hello 7"', '"hello admin"', "mounted"]),
    ],
)
def test_a_handshake_passes_the_guards_of_a_socket_and_of_a_mount(
    serve: Serve, role: str | None, expected: Any
) -> None:
    with serve(app()) as url:
        cookie = None
        if role is not None:
            cookie = httpx2.post(f"{url}/door/login/{role}").headers["set-cookie"].partition(";")[0]
        assert [said(url, path, cookie) for path in ("/door/known", "/door/admin", "/old")] == expected
