"""The journey of a login through the files of kick, as somebody who follows it with a debugger sees it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from types import FrameType
from typing import Any

import kick
from kick import Controller, Get, Module, Post, RequestContext, bootstrap
from kick.middleware import cookie_parser, security_headers
from kick.session import session
from kick.session.stores.redis import RedisStore

KICK = str(Path(kick.__file__).parent)
MOST_FILES = 26
MOST_CHANGES = 117
"""It takes 116. A step that is worth a file of its own may be added; a layer that only passes on costs more."""


@Controller("/")
class LoginController:
    @Post("/login")
    async def login(self, ctx: RequestContext) -> Any:
        await ctx.session.regenerate()
        ctx.session["user"] = 1
        return ctx.json({"ok": True})

    @Get("/json")
    async def json(self) -> dict[str, int]:
        return {"a": 1}


class Journey:
    """The files of kick that run, and which of them call which."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        """The file after each call, return, and resumption after a wait."""
        self.calls: set[tuple[str, str]] = set()

    @property
    def changes(self) -> list[str]:
        """The steps that lead to another file than the one before."""
        return [after for before, after in zip(["", *self.steps], self.steps, strict=False) if after != before][1:]

    @property
    def files(self) -> set[str]:
        return set(self.steps)

    def note(self, frame: FrameType | None, event: str, _: Any) -> None:
        """Note what `sys.setprofile` tells."""
        if event not in ("call", "return") or frame is None or not frame.f_code.co_filename.startswith(KICK):
            return
        caller = file_of(frame.f_back)
        here = file_of(frame) if event == "call" else caller
        if here is not None:
            self.steps.append(here)
        if event == "call" and here is not None and caller is not None and here != caller:
            self.calls.add((caller, here))


def file_of(frame: FrameType | None) -> str | None:
    """The file of kick in which a frame is, or the nearest of those that called it."""
    while frame is not None and not frame.f_code.co_filename.startswith(KICK):
        frame = frame.f_back
    return None if frame is None else frame.f_code.co_filename.removeprefix(KICK)


@contextmanager
def journey() -> Iterator[Journey]:
    noted = Journey()
    sys.setprofile(noted.note)
    try:
        yield noted
    finally:
        sys.setprofile(None)


async def request(app: Any, method: str, path: str, cookie: bytes) -> dict[bytes, bytes]:
    """Send a request, and return the headers of the response."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), *([(b"cookie", cookie)] if cookie else [])]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
    await app({**scope, "scheme": "http", "query_string": b"", "http_version": "1.1"}, receive, send)
    assert sent[0]["status"] == 200
    return dict(sent[0]["headers"])


async def test_a_login_leads_through_few_files_and_seldom_back_and_forth(redis_url: str) -> None:
    # With such a time limit, no timer of the store comes in between.
    store = RedisStore(redis_url, timeout=3600)
    layers = [
        security_headers(enabled=False),
        cookie_parser(),
        session("s" * 40, store=store, save_uninitialized=False),
    ]
    app = bootstrap([Module("journey", controllers=[LoginController])], layers)
    cookie = b""
    for _ in range(3):  # what happens only once is over then
        cookie = (await request(app, "POST", "/login", cookie))[b"set-cookie"].partition(b";")[0]
        await request(app, "GET", "/json", b"")
    with journey() as plain:
        await request(app, "GET", "/json", b"")
    with journey() as login:
        await request(app, "POST", "/login", cookie)
    await store.aclose()
    assert (len(plain.files), len(plain.changes)) == (4, 6)
    assert len(login.files) <= MOST_FILES, sorted(login.files)
    assert 0 < len(login.changes) <= MOST_CHANGES, "\n".join(login.changes)
    assert len(login.calls) > len(login.files)
    called: dict[str, set[str]] = {}
    for caller, callee in login.calls:
        called.setdefault(caller, set()).add(callee)
    TopologicalSorter(called).prepare()  # raises an error if a file calls one that has called it, directly or not
