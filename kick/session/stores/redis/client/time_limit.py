"""A time limit that ignores delays of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

CHECKS: Final = 8
"""Checks the clock within a time limit."""


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Raise `TimeoutError` if the block takes longer than `seconds`.

    A delay of the event loop uses up at most an eighth of the limit, so answers that arrived meanwhile are read before
    the limit is over. With `asyncio.timeout()`, a process that was blocked would cancel operations that succeeded.
    """
    loop = asyncio.get_running_loop()
    pause, checks = seconds / CHECKS, 0
    timer: asyncio.TimerHandle

    def check() -> None:
        nonlocal checks, timer
        checks += 1
        if checks < CHECKS:
            timer = loop.call_later(pause, check)
        else:
            limit.reschedule(loop.time())

    timer = loop.call_later(pause, check)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    finally:
        timer.cancel()
