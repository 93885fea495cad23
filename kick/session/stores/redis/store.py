"""Sessions in Redis or Valkey: on one server, behind Sentinel, or over a Cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal

from redis.exceptions import RedisError, ResponseError

from kick.clock import CLOCK
from kick.errors import KickError
from kick.session.stores.base import (
    CHANGED,
    GONE,
    KEEP,
    NOT_A_COUNTER,
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
from kick.session.stores.redis.applications import Applications
from kick.session.stores.redis.change_words import counters_of, expected_words, pairs, step_words
from kick.session.stores.redis.client.commands import Command, Script
from kick.session.stores.redis.client.connect import Client, is_cluster, opener_of
from kick.session.stores.redis.client.errors import bad_redis_option
from kick.session.stores.redis.client.node import Limits
from kick.session.stores.redis.client.protocol import pack, pack_command
from kick.session.stores.redis.clock import RedisClock
from kick.session.stores.redis.errors import evicting_redis, explain, legacy_in_cluster, unknown_eviction
from kick.session.stores.redis.eviction import evicting_policy
from kick.session.stores.redis.express import ExpressMigration
from kick.session.stores.redis.principals import Call, Entry, Principals, Run
from kick.session.stores.redis.purge import Purge
from kick.session.stores.redis.records import (
    FACTS,
    LEADS_NOWHERE,
    LEADS_TO,
    SHOWN,
    entry_of,
    milliseconds,
    record_of,
    superseded_of,
)
from kick.session.stores.redis.scripts import (
    COMMIT,
    COMMIT_IF,
    CREATE,
    DESTROY,
    LOAD,
    LOAD_SHOWN,
    MOVE,
    TOUCH,
    moved_script,
)
from kick.session.stores.redis.server_info import ServerInfo, server_info_of
from kick.session.stores.server_options import UrlOptions, limits_of

logger: Final = logging.getLogger("kick.session")

OWN_OPTIONS: Final = frozenset({"prefix", "legacy_prefix", "max_connections", "require_noeviction"})
"""Options in a URL that are the store's; all others belong to redis-py."""


class RedisStore:
    """An `AtomicStore` in Redis 6.2 or later, or Valkey.

        RedisStore("redis://localhost:6379/0")
        RedisStore("rediss://user:password@host:6380/0")                           TLS
        RedisStore("redis+sentinel://host:26379,host2:26379/service/0")            the primary, wherever it is
        RedisStore("redis+cluster://host:6379,host2:6379")
        RedisStore(redis.asyncio.Redis(...), prefix="shop:")                       a client's settings
        RedisStore("redis://localhost:6379/0?legacy_prefix=sess:")                 options in the URL

    Arguments:
        client: a URL, or a client of redis.asyncio: `Redis`, `RedisCluster`, or the result of `Sentinel.master_for`.
            Only the settings of a client are used: the store opens its own connections.
        prefix: the prefix of all its keys in Redis. `?prefix=shop:` in a URL overrides it.
        legacy_prefix: the prefix of the sessions that express-session has stored here through connect-redis (by default
            `"sess:"`); in a URL, `?legacy_prefix=sess:`. The first request with such a session migrates it, with its
            remaining lifetime. Not in a Cluster.
        timeout: the time limit for a connection, and again for an answer: a `timedelta` or seconds.
        require_noeviction: do not start the application if Redis removes keys when it is short of memory, or does not
            report this. Otherwise this is a warning. In a URL, `?require_noeviction=yes`.
        max_connections: the largest number of connections to each node. Commands share one; more are opened only while
            Redis is slow. `?max_connections=4` in a URL overrides it; the limit of a client's pool is not exceeded.

    A load is one command, a change is one script. A session of a principal needs another command when it is assigned,
    when it moves, and once per `max_age`. Concurrent requests share round trips. Time is the time of the Redis server,
    and Redis itself removes expired sessions.

    A failure of Redis is raised as an exception of redis-py. A load whose connection broke is sent once more. A change
    is never sent again, because it is unknown whether Redis made it. After an outage or a fail-over, the next command
    opens a new connection.

    Redis replicates asynchronously. A fail-over loses the last changes, which the old primary has confirmed but not
    replicated yet. A session whose destroy or revocation is lost exists again. Earlier and later changes are kept. The
    options `min-replicas-to-write` and `min-replicas-max-lag` of Redis limit the loss if a primary is cut off from its
    replicas.

    Redis must not evict keys (`maxmemory-policy noeviction`, or enough memory). An evicted session logs a user out, and
    with an evicted index, a revocation does not find all sessions. `review()`, which an application calls at its start,
    detects this. Then every commit and touch of a session of a principal adds it to the index again, with two more
    commands.

    Connects to nothing before it is used. Raises `KickError`: `redis-url`, `redis-client`, `redis-connection` or
    `redis-legacy-cluster`.

    >>> store = RedisStore("redis://localhost:6379/0", timeout=0.5)
    >>> RedisStore("http://localhost")
    Traceback (most recent call last):
    kick.errors.KickError: [redis-url] 'http://localhost' leads to no Redis: ...
    """

    keeps_time: Final = True
    follows_clock: Final = True

    def __init__(
        self,
        client: object,
        *,
        prefix: str = "kick:",
        legacy_prefix: str | None = None,
        require_noeviction: bool = False,
        timeout: timedelta | float = 1.0,
        max_connections: int = 8,
    ) -> None:
        self.timeout = limits_of(timeout, max_connections)
        url = client if isinstance(client, str) else ""
        options = UrlOptions(url, OWN_OPTIONS, partial(bad_redis_option, url))
        client = options.address or client
        self.prefix = options.text("prefix", prefix)
        self._prefix = self.prefix.encode()
        self._open = opener_of(client, Limits(self.timeout, options.number("max_connections", max_connections)))
        self._legacy = _legacy(
            client, options.text("legacy_prefix", legacy_prefix), self._prefix, self._submit, self._run
        )
        self._clients = LoopClients(self._new_client, _abandon)
        self._clock = RedisClock(self._ask_for_time)
        self._principals = Principals(self._prefix, self._submit, self._run)
        self._purge = Purge(self._principals.pattern)
        self._applications = Applications(self._prefix, self._submit)
        self._must_not_evict = options.switch("require_noeviction", require_noeviction)
        self._evicts = False
        self.now: Final = self._clock.now
        """Returns the time of the Redis server, in seconds, to a few milliseconds: see `RedisClock`."""

    async def load(self, key: str) -> Record | Superseded | None:
        """See `AtomicStore.load`."""
        name = self._prefix + key.encode()
        payload = b"*2\r\n$7\r\nHGETALL\r\n$%d\r\n%b\r\n" % (len(name), name)
        try:
            if CLOCK.moved is not None:
                return record_of(await self._run(LOAD, [name], []))
            return record_of(await self._submit(name, payload, repeatable=True))
        except Exception as error:
            if not _is_unreadable(error):
                raise
            return None

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """See `AtomicStore.create`.

        Raises `ValueError` if a value to increment is not a counter. If the sessions of its principal are revoked at
        the same time, the result is `TAKEN`.
        """
        fields: dict[str, bytes] = {}
        counters = change.apply_to(fields)
        if counters is None:
            names = ", ".join(map(repr, change.increment))
            raise ValueError(f"{names}: a counter must start and end with a whole number of 64 bits")
        name, age = self._prefix + key.encode(), milliseconds(max_age)
        deadline = b"-" if absolute_max_age is None else milliseconds(absolute_max_age)
        arguments = [age, deadline, b"%d" % (2 * len(fields)), *pairs(fields)]
        if change.principal is KEEP or change.principal is None:
            answer = await self._run(CREATE, [name], arguments)
        else:
            answer = await self._give(change.principal, key.encode(), age, CREATE, [name], arguments)
        return TAKEN if answer[0] == b"taken" else Committed(int(answer[1]) / 1000, counters)

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """See `AtomicStore.commit`."""
        name, age = self._prefix + key.encode(), milliseconds(max_age)
        steps = step_words(change) if change.increment else []
        counts = b"%d" % (2 * len(change.set)), b"%d" % len(change.delete), b"%d" % len(steps)
        arguments = [age, *counts, *pairs(change.set)]
        if change.delete:
            arguments += [each.encode() for each in change.delete]
        arguments += steps
        script = COMMIT
        if change.expect:
            script, arguments = COMMIT_IF, [*expected_words(change.expect), *arguments]
        if change.principal is KEEP:
            answer = await self._run(script, [name], arguments)
            while answer[0] == b"index":
                entry = await self._keep_entry(answer, key.encode(), age)
                if entry is None:
                    return GONE
                answer = await self._run(script, [name], [*arguments, b"keep", entry.name, entry.until])
        elif change.principal is None:
            answer = await self._run(script, [name], [*arguments, b"leave"])
        else:
            answer = await self._give(change.principal, key.encode(), age, script, [name], [*arguments, b"give"])
        match answer[0]:
            case b"ok":
                if answer[3]:
                    self._forget(key.encode(), answer[3])
                if self._evicts:
                    await self._enter_again(name, key.encode(), age)
                return Committed(int(answer[1]) / 1000, counters_of(change, answer[2]) if steps else {})
            case b"moved":
                return superseded_of(answer[1])
            case b"changed":
                return CHANGED
            case b"not a counter":
                return NOT_A_COUNTER
            case _:
                return GONE

    async def touch(self, key: str, *, max_age: float) -> bool:
        """See `AtomicStore.touch`."""
        name, age = self._prefix + key.encode(), milliseconds(max_age)
        answer = await self._run(TOUCH, [name], [age])
        while answer[0] == b"index":
            entry = await self._keep_entry(answer, key.encode(), age)
            if entry is None:
                return False
            answer = await self._run(TOUCH, [name], [age, entry.name, entry.until])
        if self._evicts and answer[0] == b"ok":
            await self._enter_again(name, key.encode(), age)
        return bool(answer[0] == b"ok")

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
        old, new, age = key.encode(), new_key.encode(), milliseconds(max_age)
        names = [self._prefix + old, self._prefix + new]
        deadline = b"" if absolute_max_age is None else milliseconds(absolute_max_age)
        mark = LEADS_NOWHERE if successor is None else LEADS_TO + successor
        arguments = [age, milliseconds(grace), mark, deadline]
        arguments += [b"all"] if keep is None else [b"%d" % len(keep), *(name.encode() for name in keep)]
        answer = await self._run(MOVE, names, arguments)
        while answer[0] == b"index":
            _, former, principal, expires = answer
            member = b"%b %b" % (former, old)
            entry = await self._principals.enter(principal, new, max_age=age, expires=expires, instead_of=member)
            if entry is None:
                await self._principals.end(principal, member)
                return GONE
            keys = [*names, self._principals.forbids(new, entry.name)]
            answer = await self._run(MOVE, keys, [*arguments, former, entry.name, entry.until])
        match answer[0]:
            case b"ok":
                if answer[2]:
                    self._forget(old, answer[2])
                return Committed(int(answer[1]) / 1000)
            case b"moved":
                return superseded_of(answer[1])
            case b"taken":
                return TAKEN
            case _:
                return GONE

    async def destroy(self, key: str) -> bool | Superseded:
        """See `AtomicStore.destroy`."""
        answer = await self._run(DESTROY, [self._prefix + key.encode()], [])
        if answer[0] == b"moved":
            return superseded_of(answer[1])
        if answer[0] == b"gone":
            return False
        if answer[1] != b"-":
            self._forget(key.encode(), answer[1:])
        return True

    async def adopt(
        self, session_id: str, key: str, *, max_age: float, absolute_max_age: float | None = None
    ) -> Record | Superseded | None:
        """Migrate the session of an id from express-session if there is a `legacy_prefix`; return as `load(key)`.

        The session keeps its remaining lifetime, at most until the deadline; `max_age` is for a session that Express
        would have kept for ever. Its data is the record without `cookie`. An unreadable record is ignored, and a value
        that cannot be stored is left out, each with a line in the log.
        """
        if self._legacy is None:
            return None
        await self._legacy.move(session_id, key, max_age=max_age, absolute_max_age=absolute_max_age)
        return await self.load(key)

    async def disown(self, session_id: str) -> None:
        """Remove the session of an id from express-session: a logout here is a logout there too."""
        if self._legacy is not None:
            await self._legacy.remove(session_id)

    async def find(self, principal: str) -> list[tuple[str, Record]]:
        """See `AtomicStore.find`."""
        keys = [key.decode() for key in await self._principals.keys_of(principal.encode())]
        records = await asyncio.gather(*(self._load_shown(key) for key in keys))
        return [
            (key, record)
            for key, record in zip(keys, records, strict=True)
            if isinstance(record, Record) and record.principal == principal
        ]

    async def _load_shown(self, key: str) -> Record | Superseded | None:
        """Load what a list of devices shows: all values of many sessions would hold up other requests."""
        name = self._prefix + key.encode()
        try:
            if CLOCK.moved is None:
                values = await self._submit(name, pack(b"HMGET", name, *SHOWN), repeatable=True)
            else:
                values = await self._run(LOAD_SHOWN, [name], [])
            return record_of({field: value for field, value in zip(SHOWN, values, strict=True) if value is not None})
        except Exception as error:
            if not _is_unreadable(error):
                raise
            return None

    async def revoke(self, principal: str, *, keep: str | None = None) -> int:
        """See `AtomicStore.revoke`."""
        whose = principal.encode()
        members = await self._principals.set_aside(whose, b"" if keep is None else keep.encode())
        ended = await asyncio.gather(*(self._principals.end(whose, member) for member in members))
        await self._principals.done(whose, members)
        return sum(ended)

    async def purge(self) -> int:
        """Remove expired entries of the index; return their number. Redis itself removes expired sessions."""
        return await self._purge.run(await self._clients[asyncio.get_running_loop()].nodes())

    async def recognize(self, secrets: frozenset[str], *, remember: bool = True) -> list[frozenset[str]]:
        """See `AtomicStore`."""
        return await self._applications.recognize(secrets, remember=remember)

    async def review(self) -> list[KickError]:
        """Return a warning if Redis removes keys when it is short of memory.

        With `require_noeviction`, raises it as an error, or `redis-eviction-unknown`.
        """
        try:
            policy = await evicting_policy(await self._clients[asyncio.get_running_loop()].nodes())
        except RedisError as error:
            if self._must_not_evict:
                raise unknown_eviction(error) from error
            if isinstance(error, ResponseError):  # the server runs, but this user has no permission
                logger.info("Redis does not report whether it evicts keys: %s", error)
                return []
            raise
        self._evicts = policy is not None
        if policy is None:
            return []
        if self._must_not_evict:
            raise evicting_redis(policy)
        return [evicting_redis(policy)]

    async def server_info(self) -> ServerInfo:
        """Ask the server, in a Cluster one of the nodes, for its version and its clock."""
        key = b"kick"  # in a Cluster the node of any key may answer
        info = await self._submit(key, pack(b"INFO", b"server"), repeatable=True)
        time = await self._submit(key, pack(b"TIME"), repeatable=True)
        return server_info_of(info, time)

    def explain(self, error: Exception) -> str | None:
        """See `AtomicStore`."""
        return explain(error)

    async def aclose(self) -> None:
        """Wait for pending answers, and close the connections of this event loop."""
        client = self._clients.take()
        if client is not None:
            await client.aclose()

    # Principals

    async def _give(
        self, principal: str, key: bytes, age: bytes, script: Script, names: list[bytes], arguments: list[bytes]
    ) -> Any:
        """Run a script that assigns a session to a principal, after adding it to the index."""
        whose = principal.encode()
        expires = b"0"
        while True:
            entry = await self._principals.enter(whose, key, max_age=age, expires=expires)
            assert entry is not None  # noqa: S101  # it takes the place of none that could be set aside
            keys = [*names, self._principals.forbids(key, entry.name)]
            answer = await self._run(script, keys, [*arguments, entry.name, entry.until, whose])
            if answer[0] != b"index":
                return answer
            expires = answer[3]

    async def _keep_entry(self, answer: Sequence[bytes], key: bytes, age: bytes) -> Entry | None:
        """Prolong the entry in the index to the lifetime of the session; `None` if the session had to be ended."""
        _, name, principal, expires = answer
        entry = await self._principals.keep(principal, key, name, max_age=age, expires=expires)
        if entry is None:
            await self._principals.end(principal, b"%b %b" % (name, key))
        return entry

    async def _enter_again(self, name: bytes, key: bytes, age: bytes) -> None:
        """Add a session to the index again, from which Redis may have evicted it. The change itself is done."""
        try:
            found = entry_of(await self._submit(name, pack(b"HGET", name, FACTS), repeatable=True))
            if found is not None:
                entry, principal, expires = found
                await self._keep_entry((b"", entry, principal, expires), key, age)
        except RedisError as error:
            logger.warning("the index of sessions could not be renewed, the next write tries again: %s", error)

    def _forget(self, key: bytes, former: Sequence[bytes]) -> None:
        """Remove an unused entry from the index, without waiting: if it stays, it does no harm."""
        index, payload = self._principals.remove(former[1], key, former[0])
        answer = self._submit(index, payload)
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())

    # Commands

    def _run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Awaitable[Any]:
        if CLOCK.moved is not None:
            script = moved_script(script, CLOCK.moved)
        payload = pack_command((*script.words, b"%d" % len(keys), *keys, *arguments))
        return self._submit(keys[0], payload, script)

    def _submit(
        self, key: bytes, payload: bytes, script: Script | None = None, repeatable: bool = False
    ) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._clients[loop].submit(Command(key, payload, answer, script, repeatable))
        return answer

    def _ask_for_time(self) -> None:
        client = self._clients.here()
        if client is not None:
            self._clock.ask(client, asyncio.get_running_loop())

    def _new_client(self) -> Client:
        client = self._open()
        self._clock.ask(client, asyncio.get_running_loop())
        return client


def _is_unreadable(error: Exception) -> bool:
    """Return true, and log it, if a key holds no session of kick. It counts as missing."""
    is_so = isinstance(error, ValueError | IndexError | OverflowError) or str(error).startswith("WRONGTYPE")
    if is_so:
        logger.warning("a stored session cannot be read and is ignored: %s", error)
    return is_so


def _abandon(client: Client) -> None:
    """Do nothing: its connections were closed with their event loop."""


def _legacy(client: object, legacy_prefix: str | None, prefix: bytes, call: Call, run: Run) -> ExpressMigration | None:
    if legacy_prefix is None:
        return None
    if is_cluster(client):
        raise legacy_in_cluster(legacy_prefix)
    return ExpressMigration(legacy_prefix, prefix, call, run)
