"""Section 4 of the contract: the commit comes before the first byte, and nothing comes after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kick import BadRequest, Controller, Get, HTTPError, Module, NotFound, RequestContext, bootstrap
from kick.session import MemoryStore, SessionClosed
from tests.session.harness import Browser, Site, setting


class GatedStore(MemoryStore):
    """Commits when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.go = asyncio.Event()

    async def commit(self, *args: Any, **options: Any) -> Any:
        self.reached.set()
        await self.go.wait()
        return await super().commit(*args, **options)


class BrokenStore(MemoryStore):
    """Fails at what it is told to fail at."""

    broken: frozenset[str] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        if name in object.__getattribute__(self, "broken"):

            async def fail(*_: Any, **__: Any) -> Any:
                raise ConnectionError("the store is down: redis://user:password@host")

            return fail
        return object.__getattribute__(self, name)


async def test_nothing_is_sent_before_the_commit_has_finished() -> None:
    store = GatedStore()
    site = Site(store)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    sent: list[Any] = []
    visit = {"act": setting(a=2), "status": 200, "wants_context": False, "value": None, "error": None}
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"cookie", f"kick.sid={browser.cookie}".encode())],
        "visit": visit,
    }

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    task = asyncio.ensure_future(site.app(scope, receive, send))
    await store.reached.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert sent == []
    store.go.set()
    await task
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("broken", ["create", "commit"])
async def test_a_failed_commit_is_a_503_and_sends_no_cookie(broken: str) -> None:
    store = BrokenStore()
    browser = Browser(Site(store))
    if broken == "commit":
        await browser.visit(setting(a=1))
    store.broken = frozenset({broken})
    answer = await browser.visit(setting(a=2))
    assert answer.status == 503
    assert answer.all("retry-after") == ["1"]
    assert answer.all("content-type") == ["application/problem+json"]
    assert answer.cookies == []
    assert b"password" not in answer.body


@pytest.mark.parametrize("status", [500, 503, 599])
async def test_a_response_of_500_or_above_is_not_saved(browser: Browser, status: int) -> None:
    await browser.visit(setting(a=1))
    answer = await browser.visit(setting(a=2), status=status)
    assert answer.status == status
    assert await browser.data() == {"a": 1}


async def test_a_crash_of_the_handler_saves_nothing_and_begins_no_session(site: Site) -> None:
    def crash(session: Any) -> None:
        session.data["a"] = 1
        raise RuntimeError("a mistake")

    answer = await Browser(site).visit(crash)
    assert answer.status == 500
    assert answer.cookies == []
    assert site.events == []


async def test_what_was_saved_explicitly_stays_saved_when_the_handler_crashes(browser: Browser) -> None:
    async def crash(session: Any) -> None:
        session.data["a"] = 1
        await session.save()
        session.data["b"] = 2
        raise RuntimeError("a mistake")

    answer = await browser.visit(crash)
    assert answer.status == 500
    assert answer.session_cookie, "the session is there, so its cookie is too"
    assert await browser.data() == {"a": 1}


@pytest.mark.parametrize("error", [BadRequest("no"), HTTPError(404, "no"), HTTPError(499, "no")])
async def test_an_exception_that_becomes_a_4xx_saves(browser: Browser, error: HTTPError) -> None:
    def act(session: Any) -> None:
        session.data["attempts"] = 1
        raise error

    answer = await browser.visit(act)
    assert answer.status == error.status
    assert await browser.data() == {"attempts": 1}


@Controller("")
class Tried:
    @Get("/")
    async def page(self, ctx: RequestContext) -> Any:
        ctx.session["tries"] = 1
        raise NotFound("no")


async def test_an_exception_that_becomes_a_4xx_saves_wherever_the_session_stands() -> None:
    """Attached to a module, the session sees the exception before there is a response."""
    site = Site()
    site.app = bootstrap([Module("tried", controllers=[Tried], middleware=[site.layer])])
    answer = await Browser(site).visit()
    assert answer.status == 404
    assert answer.session_cookie
    assert len(site.store) == 1


@pytest.mark.parametrize("helper", ["redirect", "no_content"])
async def test_responses_without_a_body_carry_the_cookie_too(browser: Browser, helper: str) -> None:
    def act(ctx: RequestContext) -> Any:
        ctx.session.data["a"] = 1
        return ctx.redirect("/elsewhere") if helper == "redirect" else ctx.no_content()

    assert (await browser.visit(act, wants_context=True)).session_cookie


async def test_writes_after_the_response_has_started_are_refused_at_once(browser: Browser) -> None:
    await browser.visit(setting(cart=[1], address={"city": "Turin"}))
    refused: list[str] = []

    def act(ctx: RequestContext) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            session = ctx.session
            assert dict(session.data) == {"cart": [1], "address": {"city": "Turin"}, "late": 0}
            for write in (
                lambda: session.data.__setitem__("a", 1),
                lambda: session.data.pop("cart"),
                lambda: session.data.clear(),
                lambda: session.data["cart"].append(2),
                lambda: session.data["cart"].__setitem__(0, 2),
                lambda: session.data["address"].update(city="Rome"),
                lambda: setattr(session, "data", {}),
                lambda: setattr(session, "principal", 7),
                lambda: session.flash.__setitem__("a", 1),
            ):
                with pytest.raises(SessionClosed):
                    write()
                refused.append("sync")
            for verb in (session.save, session.regenerate, session.destroy, session.rotate):
                with pytest.raises(SessionClosed):
                    await verb()
                refused.append("async")
            with pytest.raises(SessionClosed):
                await session.increment("n")
            yield b"done"

        ctx.session.data["late"] = 0
        return ctx.stream(chunks())

    answer = await browser.visit(act, wants_context=True)
    assert answer.body == b"done"
    assert len(refused) == 13
    assert await browser.data() == {"cart": [1], "address": {"city": "Turin"}, "late": 0}


async def test_a_write_while_the_commit_is_on_its_way_is_refused() -> None:
    store = GatedStore()
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    tasks: list[asyncio.Task[None]] = []

    async def act(session: Any) -> None:
        async def write() -> None:
            await store.reached.wait()
            with pytest.raises(SessionClosed):
                session.data["b"] = 1
            store.go.set()

        session.data["a"] = 2
        tasks.append(asyncio.ensure_future(write()))

    await browser.visit(act)
    await tasks[0]
    assert await browser.data() == {"a": 2}


async def test_a_store_error_inside_of_regenerate_changes_nothing_about_the_request() -> None:
    store = BrokenStore()
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    before = browser.cookie

    async def act(session: Any) -> Any:
        session_id = session.id
        store.broken = frozenset({"move"})
        with pytest.raises(HTTPError):
            await session.regenerate()
        store.broken = frozenset()
        return session.id == session_id, dict(session.data)

    answer = await browser.visit(act)
    assert answer.value == (True, {"a": 1})
    assert answer.cookies == []
    assert browser.cookie == before
    assert await browser.data() == {"a": 1}


async def test_a_request_that_is_cancelled_commits_nothing(browser: Browser) -> None:
    await browser.visit(setting(a=1))
    began = asyncio.Event()

    async def act(session: Any) -> None:
        session.data["a"] = 2
        began.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(browser.twin().visit(act))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await browser.data() == {"a": 1}
