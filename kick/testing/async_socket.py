"""`AsyncWebSocket`: a WebSocket to an application, on the event loop of the test."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any, Self

import anyio
import msgspec
from starlette.testclient import WebSocketDenialResponse
from starlette.types import Message, Scope
from starlette.websockets import WebSocketDisconnect

from kick.testing.asgi import Running, TestedApp


class AsyncWebSocket:
    """A WebSocket. Use it as `async with client.websocket_connect("/path") as socket`.

    | | |
    |---|---|
    | `await socket.send_text(text)`, `send_bytes`, `send_json` | sends a message |
    | `await socket.receive_text()`, `receive_bytes`, `receive_json` | waits for a message |
    | `async for text in socket:` | the messages until the application closes the socket, as they came |
    | `socket.subprotocol`, `socket.headers` | of the acceptance |

    Raises `starlette.testclient.WebSocketDenialResponse` for a rejected handshake, and
    `starlette.websockets.WebSocketDisconnect`, with `code` and `reason`, when the application has closed the socket.
    """

    def __init__(self, app: TestedApp, scope: Scope) -> None:
        self._app = app
        self._scope = scope
        self.subprotocol: str | None = None
        self.headers: list[tuple[bytes, bytes]] = []

    async def __aenter__(self) -> Self:
        """Connect."""
        self._to_app, self._from_test = anyio.create_memory_object_stream[Message](math.inf)
        self._to_test, self._from_app = anyio.create_memory_object_stream[Message](math.inf)
        self._task = Running(self._run)
        try:
            await self._to_app.send({"type": "websocket.connect"})
            message = await self._next()
            if message["type"] == "websocket.http.response.start":
                raise await self._denial(message)
            self.subprotocol, self.headers = message.get("subprotocol"), [*message.get("headers", ())]
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Disconnect, wait for the handler, and raise its exception."""
        await self.close()
        await self._task.wait()
        await self._end()
        if self._task.error is not None and (kind is None or issubclass(kind, Exception)):
            raise self._task.error

    async def send(self, message: Message) -> None:
        """Send an ASGI message to the application."""
        try:
            await self._to_app.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # its handler has ended

    async def send_text(self, text: str) -> None:
        """Send a text message."""
        await self.send({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self.send({"type": "websocket.receive", "bytes": data})

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON, in a text message."""
        await self.send_text(msgspec.json.encode(value).decode())

    async def receive_text(self) -> str:
        """Wait for a text message."""
        text: str = (await self._next())["text"]
        return text

    async def receive_bytes(self) -> bytes:
        """Wait for a binary message."""
        data: bytes = (await self._next())["bytes"]
        return data

    async def receive_json(self) -> Any:
        """Wait for a message of JSON."""
        message = await self._next()
        return msgspec.json.decode(message.get("text") or message["bytes"])

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield the messages until the application closes the socket."""
        while True:
            try:
                message = await self._next()
            except WebSocketDisconnect:
                return
            yield message["text"] if message.get("text") is not None else message["bytes"]

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Disconnect."""
        await self.send({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def _next(self) -> Message:
        try:
            message = await self._from_app.receive()
        except anyio.EndOfStream:
            await self._task.wait()
            if self._task.error is not None:
                raise self._task.error from None
            raise WebSocketDisconnect(1006, "the handler has ended") from None
        if message["type"] == "websocket.close":
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason") or "")
        return message

    async def _denial(self, start: Message) -> WebSocketDenialResponse:
        body, more = b"", True
        while more:
            message = await self._from_app.receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        return WebSocketDenialResponse(status_code=start["status"], headers=start["headers"], content=body)

    async def _run(self) -> None:
        async with self._to_test, self._from_test:
            await self._app(self._scope, self._from_test.receive, self._to_test.send)

    async def _end(self) -> None:
        await self._task.cancel()
        self._to_app.close()
        self._from_app.close()
