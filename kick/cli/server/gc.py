"""Configuration of Python's garbage collector for a long-running server."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

OBJECTS: Final = 10_000
"""The number of new objects that starts a collection. Python's default is 700 or 2,000. Requests that wait for a
store or a database hold more objects than that, so most collections would find nothing.
"""

_AT_FIRST: Final = gc.get_threshold()


def settled(ready: Callable[[], None]) -> Callable[[], None]:
    """Return a function to call after the start: it configures the garbage collector and calls `ready`.

    Objects that exist after the start usually stay, so the collector ignores them from then on (`gc.freeze`). Nothing
    is configured if the application has set its own thresholds or disabled the collector.
    """

    def settle() -> None:
        if gc.isenabled() and gc.get_threshold() == _AT_FIRST:
            gc.collect()
            gc.freeze()
            gc.set_threshold(max(OBJECTS, _AT_FIRST[0]), *_AT_FIRST[1:])
        ready()

    return settle
