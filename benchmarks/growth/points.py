"""Points of a line, and how one is timed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

Points: TypeAlias = list[tuple[float, float]]
REPEAT: Final = 5
"""How often each point in process is timed; the least counts, for others on the machine can only add to it."""


async def least(work: Callable[[], Awaitable[float]]) -> float:
    """The least of some timings."""
    return min([await work() for _ in range(REPEAT)])
