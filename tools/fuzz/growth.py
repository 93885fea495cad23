"""Growth: processor time for 64 KiB beside that for 1 KiB, for inputs that repeat one piece."""

from __future__ import annotations

import gc
import time
from typing import Final

from tools.fuzz.targets import Target

SHORT: Final = 1 << 10
LONG: Final = 64 << 10
MOST_GROWTH: Final = 80.0
"""64 would be linear; the rest is for noise."""

_ATTEMPTS: Final = 8


async def growth_of(target: Target) -> tuple[float, bytes]:
    """Return the largest ratio over all pieces, and the piece."""
    ratios = [(await _ratio(target, piece), piece) for piece in target.pieces]
    return max(ratios)


async def _ratio(target: Target, piece: bytes) -> float:
    """Return the ratio for inputs that repeat a piece: the smallest of several attempts."""
    best = float("inf")
    for _ in range(_ATTEMPTS):
        short = await _seconds(target, _filled(target, piece, SHORT), times=8)
        long = await _seconds(target, _filled(target, piece, LONG), times=1)
        best = min(best, long / short)
        if best <= MOST_GROWTH:
            break
    return best


def _filled(target: Target, piece: bytes, size: int) -> bytes:
    return target.before + piece * max(1, size // len(piece)) + target.after


async def _seconds(target: Target, data: bytes, *, times: int) -> float:
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            began = time.process_time()
            for _ in range(times):
                await target.run(data)
            best = min(best, (time.process_time() - began) / times)
    finally:
        gc.enable()
    return max(best, 1e-6)
