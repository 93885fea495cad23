"""A session store that times its operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final

OPERATIONS: Final = ("load", "create", "commit", "touch", "move", "destroy", "find", "revoke", "purge")

Observe = Callable[[str, float], None]
"""Called with the name of an operation and its duration in seconds, also after a failure."""


class TimedStore:
    """A wrapper around an `AtomicStore` that times its operations.

    >>> import asyncio
    >>> from kick.session import MemoryStore
    >>> seen = []
    >>> store = TimedStore(MemoryStore(), lambda operation, seconds: seen.append(operation))
    >>> asyncio.run(store.load("{abcd}:none")), seen, store.in_process
    (None, ['load'], True)
    """

    def __init__(self, store: Any, observe: Observe) -> None:
        self._store = store
        for name in OPERATIONS:
            setattr(self, name, _timed(name, getattr(store, name), observe))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _timed(name: str, operation: Callable[..., Awaitable[Any]], observe: Observe) -> Callable[..., Awaitable[Any]]:
    async def timed(*args: Any, **options: Any) -> Any:
        began = perf_counter()
        try:
            return await operation(*args, **options)
        finally:
            observe(name, perf_counter() - began)

    return timed
