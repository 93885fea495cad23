"""Threads for handlers: so many at a time, and what becomes of those that nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio import from_thread

from kick import Controller, Get, RequestContext, Response
from kick.concurrency import Threads
from tests.http.support import app_of, ask
from tests.support.waiting import wait_until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What calls wait for; it is opened at the end in any case."""
    event = threading.Event()
    yield event
    event.set()


async def test_no_more_than_so_many_run_at_a_time(gate: threading.Event) -> None:
    threads = Threads(2)
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        gate.wait(60)
        return number

    results: list[int] = []

    async def one(number: int) -> None:
        results.append(await threads.run(lambda: call(number), f"call {number}"))

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(one, number)
        await anyio.to_thread.run_sync(lambda: wait_until(lambda: len(begun) == 2, "two calls"))
        assert threads.running == ["call 0", "call 1"]
        gate.set()
    assert sorted(results) == [0, 1, 2, 3]
    assert threads.running == []


async def test_who_is_cancelled_goes_on_at_once_and_the_call_keeps_its_place_until_it_ends(
    gate: threading.Event,
) -> None:
    threads = Threads(1)
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        gate.wait(60)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, hang, "hang")
        await anyio.to_thread.run_sync(begun.wait)
        tasks.cancel_scope.cancel()
    assert threads.running == ["hang"]
    with anyio.move_on_after(0.05) as scope:
        await threads.run(lambda: None, "next")
    assert scope.cancelled_caught
    assert threads.running == ["hang"]
    gate.set()
    with anyio.fail_after(60):
        assert await threads.run(lambda: "served", "next") == "served"


async def test_a_call_that_is_cancelled_before_it_begins_never_runs_and_leaves_its_place() -> None:
    threads = Threads(1)
    ran: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await threads.run(lambda: ran.append(1), "cancelled")
    assert threads.running == []
    assert await threads.run(lambda: "served", "next") == "served"
    assert ran == []


async def test_what_fails_when_nobody_waits_any_more_is_in_the_log(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    threads = Threads(1)
    begun = threading.Event()

    def fail() -> None:
        begun.set()
        gate.wait(60)
        raise LookupError("too late")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, fail, "NoteController.slow()")
        await anyio.to_thread.run_sync(begun.wait)
        tasks.cancel_scope.cancel()
    gate.set()
    assert await threads.run(lambda: 1, "next") == 1
    assert "NoteController.slow() failed after its request had ended" in caplog.text
    assert "too late" in caplog.text


async def test_an_exception_is_raised_where_it_is_waited_for_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    threads = Threads(1)

    def fail() -> None:
        raise LookupError("in time")

    for _ in range(2):
        with pytest.raises(LookupError, match="in time"):
            await threads.run(fail, "fail")
    assert caplog.records == []


async def test_sync_handlers_have_a_limit_of_their_own_and_may_await_through_anyio(gate: threading.Event) -> None:
    @Controller()
    class Sync:
        @Get("/thread")
        def thread(self) -> str:
            return from_thread.run(self.name)

        async def name(self) -> str:
            return threading.current_thread().name

        @Get("/hang")
        def hang(self) -> None:
            gate.wait(60)

    app = app_of(Sync, threads=2)
    assert app.settings.threads.size == 2
    everyone = anyio.to_thread.current_default_thread_limiter()
    taken = [object() for _ in range(int(everyone.total_tokens))]
    for each in taken:
        everyone.acquire_on_behalf_of_nowait(each)
    try:
        with anyio.fail_after(60):
            assert (await ask(app, "/thread")).json() == threading.current_thread().name
    finally:
        for each in taken:
            everyone.release_on_behalf_of(each)
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(ask, app, "/hang")
        while len(app.settings.threads.running) < 2:
            await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(0.05) as scope:
            await ask(app, "/thread")
        assert scope.cancelled_caught
        gate.set()


@pytest.mark.parametrize("target", ["/stream", "/events", "/background"])
async def test_what_is_slow_in_a_thread_keeps_no_handler_and_no_file_waiting(
    gate: threading.Event, tmp_path: Path, target: str
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a")
    begun = threading.Semaphore(0)

    def wait() -> str:
        begun.release()
        gate.wait(60)
        return "b"

    @Controller()
    class Slow:
        @Get("/stream")
        async def stream(self, ctx: RequestContext) -> Response:
            return ctx.stream(wait() for _ in range(1))

        @Get("/events")
        async def events(self, ctx: RequestContext) -> Response:
            return ctx.sse(wait() for _ in range(1))

        @Get("/background")
        async def background(self, ctx: RequestContext) -> None:
            ctx.background(wait)

        @Get("/thread")
        def thread(self) -> str:
            return "served"

        @Get("/file")
        async def file(self, ctx: RequestContext) -> Response:
            return ctx.send_file(file)

    many = int(anyio.to_thread.current_default_thread_limiter().total_tokens)
    app = app_of(Slow, threads=many)
    async with anyio.create_task_group() as tasks:
        for _ in range(many):
            tasks.start_soon(ask, app, target)
        for _ in range(many):
            await anyio.to_thread.run_sync(partial(begun.acquire, timeout=60), limiter=anyio.CapacityLimiter(1))
        with anyio.fail_after(60):
            assert (await ask(app, "/file")).body == b"a"
            if target != "/background":
                assert (await ask(app, "/thread")).json() == "served"
        gate.set()


def test_an_application_may_be_served_by_several_event_loops_at_once() -> None:
    @Controller()
    class Meeting:
        @Get("/thread")
        def thread(self) -> str:
            barrier.wait(60)
            return "served"

        @Get("/stream")
        async def stream(self, ctx: RequestContext) -> Response:
            return ctx.stream(str(barrier.wait(60) * 0) for _ in range(1))

    barrier = threading.Barrier(2)  # one call of each loop, as each has a limit of one
    app = app_of(Meeting, threads=1)
    served: list[int] = []

    async def ask_all() -> None:
        async def once(target: str) -> None:
            served.append((await ask(app, target)).status)

        for target in ("/thread", "/stream"):
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(once, target)

    loops = [threading.Thread(target=anyio.run, args=(ask_all,), daemon=True) for _ in range(2)]
    for each in loops:
        each.start()
    for each in loops:
        each.join(30)
    assert served == [200] * 20
