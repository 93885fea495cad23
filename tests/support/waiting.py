"""Waiting for another process: asking again until it answers, with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

PAUSE = 0.02

Result = TypeVar("Result")


def wait_until(condition: Callable[[], object], what: str, *, timeout: float = 60.0) -> None:
    """Return as soon as `condition()` is true; raise `TimeoutError` when it is not within `timeout` seconds.

    An `OSError` of the condition (nobody listens yet, a connection was reset) counts as not yet.
    """
    deadline = time.monotonic() + timeout
    while not _holds(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} seconds")
        time.sleep(PAUSE)


async def eventually(
    attempt: Callable[[], Awaitable[Result]], *failures: type[Exception], timeout: float = 60.0
) -> Result:
    """Return the result of the first attempt that raises none of `failures`: for time limits that a test keeps short.

    Raise what the last attempt raised when none succeeds within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return await attempt()
        except failures:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE)


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except OSError:
        return False
