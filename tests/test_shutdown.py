"""That an application is about to stop reaches all who wait for it, from wherever it is said."""

from __future__ import annotations

import signal
import threading

import anyio
import pytest

from kick.shutdown import Shutdown

pytestmark = pytest.mark.anyio


async def test_all_who_wait_are_told() -> None:
    shutdown = Shutdown()
    told: list[int] = []

    async def wait(number: int) -> None:
        await shutdown.wait()
        told.append(number)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
            assert told == []
            shutdown.begin()
    assert sorted(told) == [0, 1, 2]


async def test_who_comes_after_it_has_begun_does_not_wait() -> None:
    shutdown = Shutdown()
    shutdown.begin()
    shutdown.begin()
    with anyio.fail_after(60):
        await shutdown.wait()
        with shutdown.cancelling() as scope:
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_it_may_begin_in_a_thread() -> None:
    shutdown = Shutdown()
    thread = threading.Thread(target=shutdown.begin)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shutdown.wait)
            await anyio.wait_all_tasks_blocked()
            thread.start()
    thread.join()
    assert shutdown.is_set


async def test_it_may_begin_in_a_signal_handler() -> None:
    shutdown = Shutdown()
    before = signal.signal(signal.SIGUSR1, lambda number, frame: shutdown.begin())
    try:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(shutdown.wait)
                await anyio.wait_all_tasks_blocked()
                signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert shutdown.is_set


async def test_what_ended_before_is_not_cancelled_and_is_forgotten() -> None:
    shutdown = Shutdown()
    with shutdown.cancelling() as scope:
        await anyio.lowlevel.checkpoint()
    shutdown.begin()
    await anyio.lowlevel.checkpoint()
    assert not scope.cancel_called
    assert shutdown._calls == set()


async def test_an_application_that_starts_again_is_not_about_to_stop() -> None:
    shutdown = Shutdown()
    shutdown.begin()
    shutdown.reset()
    with anyio.move_on_after(0) as scope:
        await shutdown.wait()
    assert scope.cancelled_caught
