"""`SessionMiddleware`: the same sessions in any ASGI application: Starlette, FastAPI, Litestar, your own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import anyio
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.exceptions import PROBLEM_JSON
from kick.session.asgi.request_session import RequestSession, replace_session
from kick.session.errors import SessionUnavailable
from kick.session.headers import RawHeaders, finish_headers
from kick.session.manager import SessionManager
from kick.session.session import Session
from kick.session.state import SessionState
from kick.signing import Secret

SESSION_ENDED: Final = 4401
"""The code of a WebSocket that is closed because its session has ended."""

ENDED: Final = "The session has ended."


class SessionMiddleware:
    """Pure ASGI middleware that puts a session into `scope["session"]`, where `request.session` finds it.

    Arguments:
        app: the application inside.
        secret: signs the cookie.
        options: those of `kick.session.session`.

    For an application of Starlette or FastAPI: `app.add_middleware(SessionMiddleware, secret=secret)`; code that was
    written for Starlette's own sessions runs as it is: `request.session` is a `dict`, and a `Session` with all its
    verbs. `Sessions(middleware.manager)` finds those of a user.

    What an application puts into `scope["session"]` in place of the session becomes its data, as with the
    `set_session()` of Litestar; `clear_session()` destroys the session.

    A WebSocket gets the session as it is at the handshake. Nothing is saved by itself there: `await session.save()`
    writes what has changed, and answers `False` when the session has ended meanwhile. The acceptance carries the
    cookie, if there is one to send; after it no id can be drawn, and a session that is not stored by then takes no
    writes.
    """

    def __init__(self, app: ASGIApp, secret: Secret | None = None, **options: Any) -> None:
        self.app = app
        self.manager = SessionManager.configured(secret, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            try:
                await self.manager.start()
                await self.app(scope, receive, send)
            finally:
                await self.manager.store.aclose()
        elif self._is_inside(scope.get("session")) or not self.manager.is_within(scope["path"]):
            await self.app(scope, receive, send)
        else:
            # Not the whole scope, which leads back to the session: only the garbage collector would free the two.
            state = await self.manager.open(
                {name: scope[name] for name in ("client", "headers", "method") if name in scope}
            )
            # The scope of what is around keeps its own session.
            await serve_with_session(self.manager, state, self.app, dict(scope), receive, send)

    def _is_inside(self, around: object) -> bool:
        """Return whether the session around has the cookie of this middleware, which then has nothing to do."""
        return isinstance(around, Session) and around.cookie_name == self.manager.options.cookie.name


async def serve_with_session(
    manager: SessionManager, state: SessionState, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let an application answer with an open session in its scope; close the session when the response begins."""
    scope["session"] = RequestSession(state, manager.operations)
    connection = _Handshake if scope["type"] == "websocket" else _Exchange
    await connection(manager, state, send, scope).run(app, scope, receive)


class _Connection:
    """One connection and its session."""

    def __init__(self, manager: SessionManager, state: SessionState, send: Send, scope: Scope) -> None:
        self._manager = manager
        self._state = state
        self._send = send
        self._scheme: str = scope.get("scheme", "http")
        self._session: Session[Any] = scope["session"]
        self._started = False

    def finish(self, headers: RawHeaders, *, accessed: bool, cookies: tuple[bytes, ...]) -> None:
        """Add the session's headers to those of a response."""
        cookies = self._manager.options.cookie.for_scheme(cookies, self._scheme)
        finish_headers(headers, accessed=accessed, cookies=cookies)


class _Handshake(_Connection):
    """The opening of a WebSocket, whose acceptance is the last message that can carry a cookie."""

    def __init__(self, manager: SessionManager, state: SessionState, send: Send, scope: Scope) -> None:
        super().__init__(manager, state, send, scope)
        self._closed = False
        self._ended = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._message: asyncio.Future[Message] | None = None
        self._unwatch: Callable[[], None] | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        try:
            await app(scope, self.receive, self.send)
        except SessionUnavailable as error:
            if self._started:
                raise
            await self._refuse(error, "websocket.http.response" in scope.get("extensions", {}))
        finally:
            if self._unwatch is not None:
                self._unwatch()
            if self._message is not None:
                self._message.cancel()
            if self._closing is not None:
                await asyncio.wait([self._closing])

    async def receive(self) -> Message:
        """Receive a message; a disconnect, with the code 4401, as soon as the session has ended."""
        if self._unwatch is None:
            return await self._receive()
        if self._message is None:  # one that was waited for and cancelled is still to come
            self._message = asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            both: list[asyncio.Future[Any]] = [self._message, ended]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if not self._message.done():
            await self._close()
            return {"type": "websocket.disconnect", "code": SESSION_ENDED, "reason": ENDED}
        message, self._message = self._message, None
        return message.result()

    def _session_ended(self) -> None:
        self._ended.set()
        self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": SESSION_ENDED, "reason": ENDED})

    async def send(self, message: Message) -> None:
        self._started = True
        if self._closed:
            return
        if message["type"] == "websocket.close":
            self._closed = True
        if message["type"] == "websocket.accept":
            headers = list(message.get("headers", ()))
            self.finish(headers, accessed=False, cookies=self._manager.cookies_of(self._state))
            message = {**message, "headers": headers}
            self._state.accepted()
            await self._send(message)
            self._unwatch = self._session.on_end(self._session_ended)
            return
        await self._send(message)

    async def _refuse(self, error: SessionUnavailable, with_a_response: bool) -> None:
        """Send a 503, or what the server makes of a socket that is closed before it was accepted, which is a 403."""
        if not with_a_response:
            await self._send({"type": "websocket.close", "code": 1013})
            return
        head, body = _problem(error)
        await self._send({"type": "websocket.http.response.start", "status": error.status, "headers": head})
        await self._send({"type": "websocket.http.response.body", "body": body})


class _Exchange(_Connection):
    """One request and its response, on whose first message the session is closed."""

    def __init__(self, manager: SessionManager, state: SessionState, send: Send, scope: Scope) -> None:
        super().__init__(manager, state, send, scope)
        self._scope = scope
        self._refused = False
        self._streaming: anyio.CancelScope | None = None
        self._unwatch: Callable[[], None] | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        self._streaming = streaming = anyio.CancelScope()
        try:
            with streaming:
                await app(scope, receive, self.send)
        except SessionUnavailable as error:
            if self._started:
                raise
            await self._refuse(error)
        except Exception:
            if not self._started:
                await self._save_cookie()
            raise
        finally:
            if self._unwatch is not None:
                self._unwatch()
        if streaming.cancelled_caught:  # an event stream whose session has ended
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(self, message: Message) -> None:
        if self._refused:
            return
        if message["type"] == "http.response.start" and not self._started:
            try:
                if self._scope.get("session") is not self._session:
                    await replace_session(self._scope, self._session, is_kept=message["status"] < 500)
                closing = self._manager.close(self._state, message["status"])
                cookies = () if closing is None else await closing
            except SessionUnavailable as error:
                await self._refuse(error)
                return
            except Exception:
                await self._save_cookie()
                raise
            self._started = True
            headers = list(message.get("headers", ()))
            self.finish(headers, accessed=self._state.accessed, cookies=cookies)
            message = {**message, "headers": headers}
            if self._streaming is not None and any(_is_event_stream(*header) for header in headers):
                self._unwatch = self._session.on_end(self._streaming.cancel)
        elif self._unwatch is not None and not message.get("more_body"):
            self._unwatch()  # the stream is complete: what runs after it is not ended
        await self._send(message)

    async def _refuse(self, error: SessionUnavailable) -> None:
        """Send the 503 in place of the application's response."""
        self._started = self._refused = True
        headers, body = _problem(error)
        self.finish(headers, accessed=True, cookies=self._manager.cookies_of(self._state))
        await self._send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _save_cookie(self) -> None:
        """Send a 500 of our own when the session has a new id and the application fails: the old id is dead."""
        closing = self._manager.close(self._state, 500)
        cookies = () if closing is None else await closing
        if cookies:
            self._started = self._refused = True
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"21")]
            self.finish(headers, accessed=True, cookies=cookies)
            await self._send({"type": "http.response.start", "status": 500, "headers": headers})
            await self._send({"type": "http.response.body", "body": b"Internal Server Error"})


def _is_event_stream(name: bytes, value: bytes) -> bool:
    return name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")


def _problem(error: SessionUnavailable) -> tuple[RawHeaders, bytes]:
    """Return the headers and the body of the response to an error."""
    body = msgspec.json.encode(error.problem())
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", b"%d" % len(body))]
    return headers + [(name.encode(), value.encode()) for name, value in error.headers.items()], body
