"""`SessionMiddleware`: the same sessions in any ASGI application: Starlette, FastAPI, Litestar, your own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import anyio
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.exceptions import PROBLEM_JSON
from kick.session.asgi.dict_session import RequestSession, replace_session
from kick.session.errors import SessionUnavailable
from kick.session.headers import RawHeaders, finish_headers
from kick.session.manager import SessionManager
from kick.session.session import Session
from kick.session.state import SessionState
from kick.signing import Secret

SESSION_ENDED: Final = 4401
"""The close code of a WebSocket whose session has ended."""

ENDED: Final = "The session has ended."


class SessionMiddleware:
    """Pure ASGI middleware that puts a session into `scope["session"]`, where `request.session` finds it.

    Arguments:
        app: the application inside.
        secret: signs the cookie.
        options: those of `kick.session.session`.

    In an application of Starlette or FastAPI: `app.add_middleware(SessionMiddleware, secret=secret)`. Code for the
    sessions of Starlette works unchanged, because `request.session` is a `dict`. It also has all methods of a
    `Session`. `Sessions(middleware.manager)` finds the sessions of a user.

    If an application replaces `scope["session"]`, as `set_session()` of Litestar does, the new value becomes the data
    of the session. `clear_session()` destroys the session.

    A WebSocket gets the session of its handshake. Only a new value in `scope["session"]` is saved automatically, with
    the next message or at the end of the application. Otherwise `await session.save()` writes the changes, and returns
    `False` if the session has ended meanwhile. The cookie can only be sent with the acceptance. After it the session
    gets no new id, and a session that is not stored by then refuses writes.
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
            # Not the whole scope, which refers to the session: a reference cycle would need the garbage collector.
            state = await self.manager.open(
                {name: scope[name] for name in ("client", "headers", "method", "scheme") if name in scope}
            )
            # A copy, because middleware outside may have a session of its own in its scope.
            await serve_with_session(self.manager, state, self.app, dict(scope), receive, send)

    def _is_inside(self, around: object) -> bool:
        """Return true if middleware outside has opened the session with this cookie, so nothing is left to do."""
        return isinstance(around, Session) and around.cookie_name == self.manager.options.cookie.name


async def serve_with_session(
    manager: SessionManager, state: SessionState, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Run an application with an open session in its scope; close the session when the response starts."""
    scope["session"] = RequestSession(state, manager.operations)
    connection = _Handshake if scope["type"] == "websocket" else _Exchange
    await connection(manager, state, send, scope).run(app, scope, receive)


class _Connection:
    """One connection and its session."""

    def __init__(self, manager: SessionManager, state: SessionState, send: Send, scope: Scope) -> None:
        self._manager = manager
        self._state = state
        self._send = send
        self._session: Session[Any] = scope["session"]
        self._started = False

    def finish(self, headers: RawHeaders, *, accessed: bool, cookies: tuple[bytes, ...]) -> None:
        """Add the session's headers to those of a response."""
        private = accessed and self._state.principal is not None
        finish_headers(headers, accessed=accessed, cookies=cookies, private=private)


class _Handshake(_Connection):
    """A WebSocket. Its acceptance is the last message that can carry a cookie."""

    def __init__(self, manager: SessionManager, state: SessionState, send: Send, scope: Scope) -> None:
        super().__init__(manager, state, send, scope)
        self._scope = scope
        self._closed = False
        self._ended = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._message: asyncio.Future[Message] | None = None
        self._unwatch: Callable[[], None] | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        try:
            await app(scope, self.receive, self.send)
            await self._take_over()
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
        """Receive a message. As soon as the session has ended, this is a disconnect with the code 4401."""
        await self._take_over()
        if self._unwatch is None:
            return await self._receive()
        if self._message is None:  # keep the message of a cancelled `receive()`
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

    async def _take_over(self) -> None:
        """Save what the application has put into the scope in place of the session: it has no `save()`."""
        value = self._scope.get("session")
        if value is not self._session and not isinstance(value, Session):
            await replace_session(self._scope, self._session, is_kept=True)
            if not self._state.is_sealed:
                await self._session.save()

    def _session_ended(self) -> None:
        self._ended.set()
        self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": SESSION_ENDED, "reason": ENDED})

    async def send(self, message: Message) -> None:
        await self._take_over()
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
        """Send a 503. If the server cannot do this for a WebSocket, close it, which is a 403 for the client."""
        if not with_a_response:
            await self._send({"type": "websocket.close", "code": 1013})
            return
        head, body = _problem(error)
        await self._send({"type": "websocket.http.response.start", "status": error.status, "headers": head})
        await self._send({"type": "websocket.http.response.body", "body": body})


class _Exchange(_Connection):
    """One request and its response. The session is closed with the first message of the response."""

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
                cookies = closing if isinstance(closing, tuple) else await closing
            except SessionUnavailable as error:
                await self._refuse(error)
                return
            except Exception:
                await self._save_cookie()
                raise
            self._started = True
            headers = list(message.get("headers", ()))
            later = self._state.cookie_came and message["status"] == 200 and _is_stream(headers)
            self.finish(headers, accessed=self._state.accessed or later, cookies=cookies)
            message = {**message, "headers": headers}
            if self._streaming is not None and any(_is_event_stream(*header) for header in headers):
                self._unwatch = self._session.on_end(self._streaming.cancel)
        elif self._unwatch is not None and not message.get("more_body"):
            self._unwatch()  # the stream is complete; code that runs after it is not cancelled
        await self._send(message)

    async def _refuse(self, error: SessionUnavailable) -> None:
        """Send a 503 instead of the application's response."""
        self._started = self._refused = True
        headers, body = _problem(error)
        self.finish(headers, accessed=True, cookies=self._manager.cookies_of(self._state))
        await self._send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _save_cookie(self) -> None:
        """Send a 500 with the cookie if the application fails after the session has got a new id."""
        closing = self._manager.close(self._state, 500)
        cookies = closing if isinstance(closing, tuple) else await closing
        if cookies:
            self._started = self._refused = True
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"21")]
            self.finish(headers, accessed=True, cookies=cookies)
            await self._send({"type": "http.response.start", "status": 500, "headers": headers})
            await self._send({"type": "http.response.body", "body": b"Internal Server Error"})


def _is_stream(headers: RawHeaders) -> bool:
    """Return true if the length of a body is unknown: the session may first be used while it is sent."""
    return all(name.lower() != b"content-length" for name, _ in headers)


def _is_event_stream(name: bytes, value: bytes) -> bool:
    return name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")


def _problem(error: SessionUnavailable) -> tuple[RawHeaders, bytes]:
    """Return the headers and the body of the response to an error."""
    body = msgspec.json.encode(error.problem())
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", b"%d" % len(body))]
    return headers + [(name.encode(), value.encode()) for name, value in error.headers.items()], body
