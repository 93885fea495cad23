"""The table of a store, which is looked at once and created if that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from kick.environment import in_production
from kick.errors import KickError
from kick.session.stores.postgres import schema
from kick.session.stores.postgres.errors import (
    TableUnusable,
    Trouble,
    missing_rights,
    read_only,
    setup_error,
    sqlstate_of,
)
from kick.session.stores.postgres.pool import Parameters
from kick.session.stores.postgres.rows import Row
from kick.session.stores.postgres.statements import Query
from kick.session.stores.server_clock import ServerClock

Run: TypeAlias = Callable[[Query, Parameters], Awaitable[list[Row]]]

_NO_TABLE: Final = ("42P01", "3F000")
_MADE_MEANWHILE: Final = ("23505", "42P07", "42710")
"""SQLSTATEs of what another process has created in the same moment."""


class TableSetup:
    """State of the table, as far as it is known."""

    def __init__(self, table: str, clock: ServerClock, *, migrates: bool | None, unlogged: bool) -> None:
        self.is_done = False
        """True when the table has been seen, and is as it has to be."""
        self._table: Final = table
        self._quoted: Final = schema.quoted(table)
        self._creation: Final = schema.creation(table, unlogged=unlogged)
        self._clock = clock
        self._migrates = migrates
        self._under_way: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    async def ensure(self, run: Run) -> None:
        """See that the table is there, once for all who ask at the same time. Raises `TableUnusable`."""
        loop = asyncio.get_running_loop()
        task = self._under_way.get(loop)
        if task is None:
            task = self._under_way[loop] = loop.create_task(self._ensure(run))
            task.add_done_callback(lambda done: self._ended(loop, done))
        await asyncio.shield(task)

    async def complain(self, run: Run) -> None:
        """Do the same, and raise a `KickError` for a table that cannot be used."""
        try:
            await self.ensure(run)
        except TableUnusable as error:
            raise setup_error(error) from None

    async def check_rights(self, run: Run) -> None:
        """Raise a `KickError` for a role that may not do with the table what sessions need."""
        rows = await run(schema.RIGHTS, {"table": self._quoted})
        if rows:
            raise missing_rights(self._table, [right for (right,) in rows])

    async def review(self, run: Run) -> list[KickError]:
        """Return what endangers a promise, and raise what is to prevent the start."""
        await self.complain(run)
        await self.check_rights(run)
        _, _, _, is_standby, _ = (await run(schema.CHECK, {"table": self._quoted}))[0]
        return [read_only(self._table)] if is_standby else []

    async def migrate(self, run: Run) -> bool:
        """Create the table; `False` when there was nothing to do. Raises `TableUnusable`."""
        trouble = await self._look(run)
        if trouble is None:
            return False
        if trouble.trouble is not Trouble.MISSING:
            raise trouble
        await self._create(run)
        return True

    def heard(self, error: Exception) -> None:
        """Take note of an error: where there is no table any more, the next one who comes looks again."""
        if sqlstate_of(error) in _NO_TABLE:
            self.is_done = False

    async def _ensure(self, run: Run) -> None:
        trouble = await self._look(run)
        if trouble is not None and trouble.trouble is Trouble.MISSING and self._may_create():
            await self._create(run)
        elif trouble is not None:
            raise trouble
        self.is_done = True

    async def _look(self, run: Run) -> TableUnusable | None:
        asked_at = self._clock.asked()
        comment, is_there, encoding, _, now = (await run(schema.CHECK, {"table": self._quoted}))[0]
        self._clock.answered(now, asked_at)
        return schema.trouble_of(self._table, comment=comment, is_there=is_there, encoding=encoding)

    async def _create(self, run: Run) -> None:
        try:
            await run(self._creation, {})
        except Exception as error:
            if sqlstate_of(error) not in _MADE_MEANWHILE:
                raise
        if (trouble := await self._look(run)) is not None:
            raise trouble

    def _may_create(self) -> bool:
        return not in_production() if self._migrates is None else self._migrates

    def _ended(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
        self._under_way.pop(loop, None)
        if not task.cancelled():
            task.exception()  # whoever waited has heard of it
