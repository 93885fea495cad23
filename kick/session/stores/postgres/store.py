"""`PostgresStore`: what each operation of a store is in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from datetime import timedelta
from time import monotonic
from typing import Any, Final, Literal, NamedTuple

from kick.errors import KickError
from kick.session.stores.base import (
    GONE,
    REMEMBERED,
    TAKEN,
    Change,
    CommitResult,
    Committed,
    MoveResult,
    Record,
    Refused,
    Superseded,
)
from kick.session.stores.loop_clients import LoopClients
from kick.session.stores.postgres import changes, schema
from kick.session.stores.postgres.batches import Client
from kick.session.stores.postgres.errors import bad_postgres_option, explain, sqlstate_of
from kick.session.stores.postgres.pool import Open, Parameters
from kick.session.stores.postgres.rows import Row, entry_of, text_of
from kick.session.stores.postgres.setup import TableSetup
from kick.session.stores.postgres.statements import APPLICATION, PURGE_AT_ONCE, Query, Statements
from kick.session.stores.postgres.transaction import Transaction
from kick.session.stores.server_clock import ServerClock
from kick.session.stores.server_options import UrlOptions, limits_of

SWEEP_EVERY: Final = 60.0
"""Seconds between the sweeps that writing brings along."""

OWN_OPTIONS: Final = frozenset({"table", "max_connections", "migrate", "unlogged"})
"""Options in a URL that are the store's; all others are libpq's."""

_READ_ONLY: Final = "25006"
_NO_RIGHT: Final = "42501"


class ServerInfo(NamedTuple):
    """The version of a server, and its clock, in seconds since 1970."""

    version: tuple[int, ...]
    now: float


class PostgresStore:
    """An `AtomicStore` in PostgreSQL 13 or later.

        PostgresStore("postgresql://user:password@host/db")
        PostgresStore("postgresql:///db?host=/run/postgresql")                      a Unix socket
        PostgresStore("postgresql://one,two/db?target_session_attrs=read-write")    the one that takes changes
        PostgresStore("postgresql://host/db?sslmode=verify-full&sslrootcert=system")
        PostgresStore("postgresql://?service=shop")                                 pg_service.conf
        PostgresStore(create_async_engine("postgresql+psycopg://..."))              as an engine of SQLAlchemy connects
        PostgresStore(psycopg_pool.AsyncConnectionPool(...))                        a pool of psycopg or asyncpg

    Arguments:
        client: a URL, whose meaning is libpq's, SQLAlchemy's `AsyncEngine`, or a `psycopg_pool.AsyncConnectionPool` or
            `asyncpg.Pool`. With an engine, the store has connections of its own, made as the engine makes them. A pool
            lends them and is never closed. Give it none whose connections handlers hold while they use the session.
        table: the name of the table, small letters, with a schema in front or not. In a URL, `?table=shop_sessions`.
        migrate: create the table if it is missing. Unless it is said, so in development and tests, and not in
            production, where `kick sessions migrate` does. In a URL, `?migrate=yes`.
        unlogged: create it as an UNLOGGED table, of which PostgreSQL writes no log: commits cost less, a crash of the
            server empties it, and a standby has none of it. In a URL, `?unlogged=yes`.
        timeout: how long to wait for a connection, and again for an answer: a `timedelta` or seconds.
        max_connections: the most connections of each process. In a URL, `?max_connections=4` comes first.

    A load is one statement and a commit is one, for all requests that want it at the same time: their keys and changes
    travel together. A batch waits for no lock. A session that another transaction has locked is committed by a
    statement of its own, within the time limit. Time is the time of the server, and expired rows are removed a few
    hundred at a time, by whoever writes.

    What goes wrong with PostgreSQL is raised as an exception of the driver, `PostgresTimeout` or `TableUnusable`. A
    load whose connection broke is sent once more; a change never is. After an outage or a fail-over the next operation
    connects anew. What was answered is on the disk of the server as PostgreSQL's `synchronous_commit` says.

    Connects to nothing before it is used. Raises `KickError`: `postgres-url`, `postgres-option` or `postgres-client`.

    >>> store = PostgresStore("postgresql://localhost/shop", timeout=0.5)
    >>> PostgresStore("postgresql://localhost?tabel=shop")
    Traceback (most recent call last):
    kick.errors.KickError: [postgres-url] 'postgresql://localhost?tabel=shop' is no address of PostgreSQL: ...
    """

    keeps_time: Final = True
    follows_clock: Final = True

    def __init__(
        self,
        client: object,
        *,
        table: str = schema.TABLE,
        migrate: bool | None = None,
        unlogged: bool = False,
        timeout: timedelta | float = 1.0,
        max_connections: int = 8,
    ) -> None:
        self.timeout: Final = limits_of(timeout, max_connections)
        options = UrlOptions(client if isinstance(client, str) else "", OWN_OPTIONS, bad_postgres_option)
        self.table: Final = options.text("table", table)
        self._most = options.number("max_connections", max_connections)
        self._statements = Statements(schema.quoted(self.table))
        self._open = _opener_of(options.address if isinstance(client, str) else client, self.timeout)
        self._clients = LoopClients(self._new_client, _abandon)
        self._clock = ServerClock(self._ask_for_time)
        self.now: Final = self._clock.now
        """Returns the time of the server, in seconds, to a few milliseconds: see `ServerClock`."""
        self._setup = TableSetup(
            self.table,
            self._clock,
            migrates=options.switch("migrate", migrate),
            unlogged=options.switch("unlogged", unlogged),
        )
        self._sweep_at = 0.0

    async def load(self, key: str) -> Record | Superseded | None:
        """See `AtomicStore.load`."""
        client = self._clients[asyncio.get_running_loop()]
        if not self._setup.is_done:
            await self._setup.ensure(self._single)
        try:
            return await client.loads.add(key)
        except Exception as error:
            self._setup.heard(error)
            raise

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """See `AtomicStore.create`. Raises `ValueError` when what is set cannot be counted on."""

        def run(query: Query, parameters: Parameters) -> Awaitable[list[Row]]:
            return self._run(query, parameters, about=key)

        made = await changes.create(run, self._statements, key, change, max_age=max_age, most=absolute_max_age)
        self._sweep_now_and_then()
        return made

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """See `AtomicStore.commit`."""
        if not change.increment and not change.expect:
            expires = await self._commit_with_others(key, change, max_age)
            if expires is not None:
                return Committed(expires)

        def run(query: Query, parameters: Parameters) -> Awaitable[list[Row]]:
            return self._run(query, parameters, about=key)

        result = await changes.commit(run, self.load, self._statements, key, change, max_age=max_age)
        self._sweep_now_and_then()
        return result

    async def touch(self, key: str, *, max_age: float) -> bool:
        """See `AtomicStore.touch`."""
        rows = await self._run(self._statements.touch, {"key": key, "max_age": float(max_age)}, about=key)
        self._sweep_now_and_then()
        return bool(rows)

    async def move(
        self,
        key: str,
        new_key: str,
        *,
        max_age: float,
        grace: float,
        keep: Collection[str] | None = None,
        successor: bytes | None = None,
        absolute_max_age: float | None = None,
    ) -> MoveResult:
        """See `AtomicStore.move`."""
        parameters: dict[str, Any] = {
            "key": key,
            "new_key": new_key,
            "max_age": float(max_age),
            "grace": float(grace),
            "successor": successor,
            "most": _seconds(absolute_max_age),
        }
        query = self._statements.move
        if keep is not None:
            query = self._statements.move_part
            parameters["keep"] = [text_of(name) for name in keep]
        while True:
            rows = await self._run(query, parameters, about=key)
            if rows:
                return Committed(rows[0][0])
            entry, taken = await asyncio.gather(self.load(key), self.load(new_key))
            if not isinstance(entry, Record):
                return GONE if entry is None else entry
            if taken is not None:
                return TAKEN

    async def destroy(self, key: str) -> bool | Superseded:
        """See `AtomicStore.destroy`."""
        if await self._run(self._statements.destroy, {"key": key}, about=key):
            return True
        entry = await self.load(key)
        return entry if isinstance(entry, Superseded) else False

    async def find(self, principal: str) -> list[tuple[str, Record]]:
        """See `AtomicStore.find`."""
        rows = await self._run(self._statements.find, {"principal": text_of(principal)})
        return [(row[0], entry) for row in rows if isinstance(entry := entry_of(row), Record)]

    async def revoke(self, principal: str, *, keep: str | None = None) -> int:
        """See `AtomicStore.revoke`."""
        ended = 0
        while True:
            rows = await self._run(self._statements.revoke, {"principal": text_of(principal), "keep": keep})
            seen, gone = rows[0]
            ended += int(gone)
            if seen == gone:
                return ended

    async def purge(self) -> int:
        """See `AtomicStore.purge`. It takes as many statements as it needs: other writes get in between."""
        freed = 0
        while True:
            due, gone = (await self._run(self._statements.purge, {}))[0]
            freed += int(gone)
            if due < PURGE_AT_ONCE:
                return freed

    async def recognize(self, secrets: frozenset[str], *, remember: bool = True) -> list[frozenset[str]]:
        """See `AtomicStore`. Raises `KickError` for a table that cannot be used, or not by this role."""
        await self._setup.complain(self._single)
        if remember:
            await self._remember(" ".join(sorted(secrets)))
        rows = await self._run(self._statements.applications, {})
        return [frozenset(bytes(names).decode().split()) for (names,) in rows]

    async def review(self) -> list[KickError]:
        """See `AtomicStore`. Raises `KickError` for a table that cannot be used, or not by this role."""
        return await self._setup.review(self._single)

    async def migrate(self) -> bool:
        """Create the table, or bring it up to date; `False` when there was nothing to do.

        Raises `TableUnusable` for a table of something else, or of a newer kick.
        """
        return await self._setup.migrate(self._single)

    def transaction(self, connection: Any) -> Transaction:
        """Return what `commit_with()` stores a session by.

        Raises `KickError`: `postgres-connection` or `postgres-transaction`.
        """
        return Transaction(connection, self._statements, self._prepared)

    async def server_info(self) -> ServerInfo:
        """Return the version of the server and its clock."""
        ((number,),) = await self._single(self._statements.server, {})
        ((now,),) = await self._single(self._statements.clock, {})
        return ServerInfo((int(number) // 10_000, int(number) % 10_000), now)

    def explain(self, error: Exception) -> str | None:
        """See `AtomicStore`."""
        return explain(error)

    async def aclose(self) -> None:
        """Close the connections of this event loop, after what was begun. The next operation opens new ones."""
        client = self._clients.take()
        if client is not None:
            await client.pool.close()

    # Statements

    async def _prepared(self) -> None:
        if not self._setup.is_done:
            await self._setup.ensure(self._single)

    def _single(self, query: Query, parameters: Parameters) -> Awaitable[list[Row]]:
        """Run a statement, whatever is known about the table."""
        return self._clients[asyncio.get_running_loop()].singles.add(query, parameters)

    async def _run(self, query: Query, parameters: Parameters, *, about: str | None = None) -> list[Row]:
        """Run a statement about one session, or about several."""
        client = self._clients[asyncio.get_running_loop()]
        if not self._setup.is_done:
            await self._setup.ensure(self._single)
        try:
            return await client.singles.add(query, parameters, key=about)
        except Exception as error:
            self._setup.heard(error)
            raise

    async def _commit_with_others(self, key: str, change: Change, max_age: float) -> float | None:
        """Commit in a batch; the time at which the session expires, or `None` if it was left out."""
        client = self._clients[asyncio.get_running_loop()]
        if not self._setup.is_done:
            await self._setup.ensure(self._single)
        try:
            expires = await client.commits.add(key, changes.job_of(key, change, max_age))
        except Exception as error:
            self._setup.heard(error)
            raise
        self._sweep_now_and_then()
        return expires

    async def _remember(self, names: str) -> None:
        parameters = {"key": f"{APPLICATION}{names}"[:1000], "secrets": names.encode(), "most": REMEMBERED}
        try:
            await self._run(self._statements.remember, parameters)
        except Exception as error:
            if sqlstate_of(error) == _NO_RIGHT:
                await self._setup.check_rights(self._single)
            if sqlstate_of(error) != _READ_ONLY:  # of which `review` warns
                raise

    def _sweep_now_and_then(self) -> None:
        """Free some of what has expired, if the last time is a while ago or left something over. Nobody waits."""
        now = monotonic()
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_EVERY
        self._clients[asyncio.get_running_loop()].singles.add(self._statements.purge, {}).add_done_callback(self._swept)

    def _swept(self, answer: asyncio.Future[list[Row]]) -> None:
        if not answer.cancelled() and answer.exception() is None and answer.result()[0][0] == PURGE_AT_ONCE:
            self._sweep_at = 0.0

    def _ask_for_time(self) -> None:
        client = self._clients.here()
        if client is None:
            return
        asked_at = self._clock.asked()

        def take(answer: asyncio.Future[list[Row]]) -> None:
            if not answer.cancelled() and answer.exception() is None:
                self._clock.answered(answer.result()[0][0], asked_at)

        client.singles.add(self._statements.clock, {}).add_done_callback(take)

    def _new_client(self) -> Client:
        return Client(self._open, self._statements, limit=self.timeout, most=self._most)


def _abandon(client: Client) -> None:
    client.pool.abandon()


def _opener_of(client: object, seconds: float) -> Open:
    if isinstance(client, str):
        from kick.session.stores.postgres.psycopg_connection import Address

        return Address(client, limit=seconds).connect
    from kick.session.stores.postgres.borrowed import Borrowed, lender_of

    lender = lender_of(client)

    async def lend() -> Borrowed:
        return Borrowed(lender)

    return lend


def _seconds(age: float | None) -> float | None:
    return None if age is None else float(age)
