"""A site with one page that does what a test says, and browsers that visit it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, Response, Session, bootstrap
from kick.http import cookie_parser
from kick.session import session
from kick.session.state import SessionState

SECRET = "a secret of the tests, more than 32 bytes long"

Act = Callable[[Session[Any]], Any]


class Answer(msgspec.Struct):
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    value: Any = None
    """What the act returned."""
    error: BaseException | None = None
    """What it raised."""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def cookies(self) -> list[str]:
        return self.all("set-cookie")

    @property
    def session_cookie(self) -> str | None:
        """The signed value of the one session cookie in the answer."""
        mine = [each for each in self.cookies if each.startswith("kick.sid=")]
        assert len(mine) <= 1, f"more than one session cookie: {mine}"
        return mine[0].partition("=")[2].partition(";")[0] if mine else None


@Controller("")
class Page:
    @Get("/")
    async def page(self, ctx: RequestContext) -> Any:
        visit = ctx.scope["visit"]
        try:
            done = visit["act"](ctx) if visit["wants_context"] else visit["act"](ctx.session)
            visit["value"] = await done if inspect.isawaitable(done) else done
        except BaseException as error:
            visit["error"] = error
            raise
        if isinstance(visit["value"], Response):
            return visit["value"]
        return ctx.json({"done": True}, visit["status"])

    @Post("/")
    async def sent(self, ctx: RequestContext) -> Any:
        return await self.page(ctx)

    @Get("/off", session=False)
    async def off(self) -> dict[str, bool]:
        return {"off": True}

    @Get("/passive", session="passive")
    async def passive(self, ctx: RequestContext) -> Any:
        return await self.page(ctx)

    @Get("/app/inner")
    async def inner(self, ctx: RequestContext) -> Any:
        return await self.page(ctx)

    @Get("/application")
    async def outer(self, ctx: RequestContext) -> Any:
        return await self.page(ctx)


class Site:
    """One application with sessions."""

    def __init__(self, store: object = None, **options: Any) -> None:
        options.setdefault("secret", SECRET)
        options.setdefault("save_uninitialized", False)
        options.setdefault("store_timeout", 30)  # nothing fails on a slow machine
        self.events: list[str] = []
        options.setdefault("on_event", lambda event: self.events.append(event.kind.value))
        self.layer = session(store=store, **options)
        self.app: App = bootstrap([Module("page", controllers=[Page])], [cookie_parser(), self.layer])

    @property
    def store(self) -> Any:
        return self.layer.manager.store

    def showing_writes(self) -> Site:
        """Itself, with the cookie in the answer to every write that is in the store, and not just now and then."""
        operations = self.layer.manager.operations
        committed = operations._committed

        def observed(state: SessionState, *given: Any) -> None:
            committed(state, *given)
            state.confirmed()

        operations._committed = observed  # type: ignore[method-assign]
        return self

    async def request(
        self,
        act: Callable[[Any], Any],
        *,
        cookie: str | None = None,
        path: str = "/",
        status: int = 200,
        wants_context: bool = False,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> Answer:
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        if cookie is not None:
            sent.append((b"cookie", cookie.encode("latin-1")))
        visit: dict[str, Any] = {
            "act": act,
            "status": status,
            "wants_context": wants_context,
            "value": None,
            "error": None,
        }
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": sent,
            "scheme": "http",
            "client": ("192.0.2.1", 1234),
            "visit": visit,
        }
        messages: list[Any] = []

        requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            message = next(requests, None)
            if message is None:
                await asyncio.Event().wait()  # the client stays, and sends no more
            return message

        async def send(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        if isinstance(visit["error"], AssertionError | pytest.fail.Exception):
            raise visit["error"]  # of the act itself: the application has made an error response of it
        return Answer(
            status=messages[0]["status"],
            headers=[(name.decode(), value.decode("latin-1")) for name, value in messages[0]["headers"]],
            body=b"".join(message.get("body", b"") for message in messages[1:]),
            value=visit["value"],
            error=visit["error"],
        )


class Browser:
    """Keeps the session cookie between visits."""

    def __init__(self, site: Site, cookie: str | None = None) -> None:
        self.site = site
        self.cookie = cookie
        """The signed value."""

    def twin(self, site: Site | None = None) -> Browser:
        """A second browser with the same cookie: another tab, or a thief."""
        return Browser(site or self.site, self.cookie)

    async def visit(self, act: Callable[[Any], Any] = lambda _: None, **options: Any) -> Answer:
        sent = None if self.cookie is None else f"kick.sid={self.cookie}"
        answer = await self.site.request(act, cookie=sent, **options)
        set_to = answer.session_cookie
        if set_to is not None:
            self.cookie = set_to or None
        return answer

    async def data(self) -> dict[str, Any]:
        """All that is in the session, as the server sees it."""
        answer = await self.visit(lambda session: dict(session.data))
        assert answer.error is None, answer.error
        return answer.value  # type: ignore[no-any-return]


def setting(**values: Any) -> Act:
    """An act that writes these values."""
    return lambda session: session.data.update(values)


WRITES = ("create", "commit", "touch", "move", "destroy")
"""The operations of a store that change a session."""

OPERATIONS = ("load", *WRITES, "find", "revoke", "purge")
"""All of them."""


def calls_to(store: Any, names: Iterable[str] = OPERATIONS) -> list[str]:
    """The names of the store's operations, as they are called from now on."""
    calls: list[str] = []
    for name in names:
        operation = getattr(store, name)

        def counted(*args: Any, _name: str = name, _operation: Any = operation, **options: Any) -> Any:
            calls.append(_name)
            return _operation(*args, **options)

        setattr(store, name, counted)
    return calls


def later(site: Site, seconds: float) -> None:
    """Let the manager believe that so much time has gone by. Lives in the store stay as they are."""
    operations = site.layer.manager.operations
    now = operations.now
    operations.now = lambda: now() + seconds
