"""A store's connections in one event loop, with the batches that they run."""

from __future__ import annotations

import asyncio
from typing import Final

from kick.session.stores.postgres.batches import Commits, Loads, Singles
from kick.session.stores.postgres.pool import Open, Pool
from kick.session.stores.postgres.statements import Statements


class Client:
    """Connections, batches and single statements of one event loop."""

    def __init__(self, open_connection: Open, statements: Statements, *, limit: float, most: int) -> None:
        self.pool: Final = Pool(open_connection, limit=limit, most=most)
        self.loads: Final = Loads(self.pool, statements)
        self.commits: Final = Commits(self.pool, statements)
        self.singles: Final = Singles(self.pool)
        self.preparing: asyncio.Task[None] | None = None
        """The look at the table, for which all requests wait that come meanwhile."""
