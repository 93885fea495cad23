"""`SessionMiddleware`: the same sessions in any ASGI application: Starlette, FastAPI, Litestar, your own."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.exceptions import PROBLEM_JSON
from kick.session.asgi.dict_session import RequestSession, replace_session
from kick.session.asgi.foreign_connections import WatchedResponse, WatchedSocket, is_stream
from kick.session.errors import SessionUnavailable
from kick.session.headers import RawHeaders, finish_headers
from kick.session.manager import SessionManager
from kick.session.session import Session
from kick.session.state import SessionState
from kick.signing import Secret


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
    scope["session"] = session = RequestSession(state, manager.operations)
    connection = _Handshake if scope["type"] == "websocket" else _Exchange
    await connection(manager, state, session, send, scope).run(app, scope, receive)


class _Connection:
    """One connection, and the session that is closed with it."""

    _started = False

    def __init__(
        self, manager: SessionManager, state: SessionState, session: Session[Any], send: Send, scope: Scope
    ) -> None:
        super().__init__(session, send)  # type: ignore[call-arg]  # of the class beside it
        self._manager = manager
        self._state = state
        self._scope = scope


class _Handshake(_Connection, WatchedSocket):
    """A WebSocket. Its acceptance is the last message that can carry a cookie."""

    async def serve(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await super().serve(app, scope)
            await self._take_over()
        except SessionUnavailable as error:
            if self._started:
                raise
            await self._refuse(error, "websocket.http.response" in scope.get("extensions", {}))

    async def receive(self) -> Message:
        await self._take_over()
        return await super().receive()

    async def _take_over(self) -> None:
        """Save what the application has put into the scope in place of the session: it has no `save()`."""
        value = self._scope.get("session")
        if value is not self._session and not isinstance(value, Session):
            await replace_session(self._scope, self._session, is_kept=True)
            if not self._state.is_sealed:
                await self._session.save()

    async def send(self, message: Message) -> None:
        await self._take_over()
        self._started = True
        if message["type"] == "websocket.accept":
            headers = list(message.get("headers", ()))
            _finish(self._state, headers, accessed=False, cookies=self._manager.cookies_of(self._state))
            message = {**message, "headers": headers}
            self._state.accepted()
        await super().send(message)

    async def _refuse(self, error: SessionUnavailable, with_a_response: bool) -> None:
        """Send a 503. If the server cannot do this for a WebSocket, close it, which is a 403 for the client."""
        if not with_a_response:
            await self._send({"type": "websocket.close", "code": 1013})
            return
        head, body = _problem(error)
        await self._send({"type": "websocket.http.response.start", "status": error.status, "headers": head})
        await self._send({"type": "websocket.http.response.body", "body": body})


class _Exchange(_Connection, WatchedResponse):
    """One request and its response. The session is closed with the first message of the response."""

    _refused = False

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        try:
            await super().run(app, scope, receive)
        except SessionUnavailable as error:
            if self._started:
                raise
            await self._refuse(error)
        except Exception:
            if not self._started:
                await self._save_cookie()
            raise

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
            later = self._state.cookie_came and message["status"] == 200 and is_stream(headers)
            _finish(self._state, headers, accessed=self._state.accessed or later, cookies=cookies)
            message = {**message, "headers": headers}
        await super().send(message)

    async def _refuse(self, error: SessionUnavailable) -> None:
        """Send a 503 instead of the application's response."""
        self._started = self._refused = True
        headers, body = _problem(error)
        _finish(self._state, headers, accessed=True, cookies=self._manager.cookies_of(self._state))
        await self._send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _save_cookie(self) -> None:
        """Send a 500 with the cookie if the application fails after the session has got a new id."""
        closing = self._manager.close(self._state, 500)
        cookies = closing if isinstance(closing, tuple) else await closing
        if cookies:
            self._started = self._refused = True
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"21")]
            _finish(self._state, headers, accessed=True, cookies=cookies)
            await self._send({"type": "http.response.start", "status": 500, "headers": headers})
            await self._send({"type": "http.response.body", "body": b"Internal Server Error"})


def _finish(state: SessionState, headers: RawHeaders, *, accessed: bool, cookies: tuple[bytes, ...]) -> None:
    """Add the session's headers to those of a response."""
    finish_headers(headers, accessed=accessed, cookies=cookies, private=accessed and state.principal is not None)


def _problem(error: SessionUnavailable) -> tuple[RawHeaders, bytes]:
    """Return the headers and the body of the response to an error."""
    body = msgspec.json.encode(error.problem())
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", b"%d" % len(body))]
    return headers + [(name.encode(), value.encode()) for name, value in error.headers.items()], body
