"""Waiting for another process: asking again until it answers, with a deadline."""

import time
from collections.abc import Callable

PAUSE = 0.02


def wait_until(condition: Callable[[], object], what: str, *, timeout: float = 60.0) -> None:
    """Return as soon as `condition()` is true; raise `TimeoutError` when it is not within `timeout` seconds.

    An `OSError` of the condition (nobody listens yet, a connection was reset) counts as not yet.
    """
    deadline = time.monotonic() + timeout
    while not _holds(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} seconds")
        time.sleep(PAUSE)


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except OSError:
        return False
