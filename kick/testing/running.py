"""`Running`: a coroutine that goes on while a test does something else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio


class Running:
    """A call that runs in a task of the current event loop, of asyncio or trio.

    It is no child of the task that starts it: a fixture may start it in one task and end it in another.
    """

    def __init__(self, call: Callable[[], Awaitable[None]]) -> None:
        self._call = call
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self.error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            from trio.lowlevel import spawn_system_task

            spawn_system_task(self._run)
        else:
            self._task = loop.create_task(self._run())  # kept, because the loop only has a weak reference

    @property
    def is_done(self) -> bool:
        """True if the call has ended."""
        return self._done.is_set()

    async def wait(self) -> None:
        """Wait for the end of the call. Its exception is in `error`."""
        await self._done.wait()

    async def cancel(self) -> None:
        """Cancel the call, and wait for its end."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._done.wait()

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._call()
        except BaseException as error:  # noqa: BLE001  # the test gets it
            self.error = error
        finally:
            self._done.set()
