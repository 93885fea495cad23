"""Python's garbage collector, as a server that serves for weeks wants it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

OBJECTS: Final = 10_000
"""New objects between two looks for garbage. Python's own number, 700 or 2,000, is for programs that do one thing at a
time: requests that wait for a store or a database hold more than that, and each look goes through them for nothing.
"""

_AT_FIRST: Final = gc.get_threshold()


def settled(ready: Callable[[], None]) -> Callable[[], None]:
    """Return a function to call after the start: it configures the garbage collector and calls `ready`.

    What there is by then mostly stays, and is not looked through again (`gc.freeze`). An application that has
    chosen thresholds of its own, or switched the collector off, is left alone.
    """

    def settle() -> None:
        if gc.isenabled() and gc.get_threshold() == _AT_FIRST:
            gc.collect()
            gc.freeze()
            gc.set_threshold(max(OBJECTS, _AT_FIRST[0]), *_AT_FIRST[1:])
        ready()

    return settle
