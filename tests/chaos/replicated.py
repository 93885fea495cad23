"""Stores of several servers, and how one of them is lost.

Redis replicates after it has answered, so a primary that dies takes along what its replica has not received yet. Here
it receives everything before the primary dies; what is counted is what kick itself could lose. PostgreSQL has a
synchronous standby, which loses nothing by itself.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.support.ports import HOST, free_port
from tests.support.postgres import PostgresServer, Standby
from tests.support.redis import (
    RedisCluster,
    RedisSentinel,
    RedisServer,
    is_in_sync,
    is_primary,
    kill_when_replicated,
)
from tests.support.waiting import wait_until


class SentinelFaults:
    """The primary dies; the sentinel promotes its replica."""

    def __init__(self, servers: RedisSentinel) -> None:
        self._servers = servers
        self._heir = servers.replica

    def kill_the_primary(self) -> None:
        self._heir = self._servers.replica
        kill_when_replicated(self._servers.primary, self._heir)

    def wait_for_the_heir(self) -> None:
        self._servers.wait_for(self._heir)


class ClusterFaults:
    """A node without a replica is gone for a while, or one that has a replica dies."""

    def __init__(self, cluster: RedisCluster) -> None:
        assert cluster.replica is not None
        self._cluster = cluster
        self._pair = (cluster.nodes[0], cluster.replica)
        self._alone = itertools.cycle(cluster.nodes[1:])
        self._lost = cluster.nodes[0]

    def kill_a_node(self) -> None:
        self._lost = next(self._alone)
        self._lost.kill()

    def start_it_again(self) -> None:
        self._lost.start()
        self._cluster.wait_until_complete()

    def kill_the_primary(self) -> None:
        self._lost = next(each for each in self._pair if is_primary(each))
        kill_when_replicated(self._lost, self._heir)

    def wait_for_the_heir(self) -> None:
        wait_until(lambda: is_primary(self._heir) and self._cluster.covers_all_slots(), "the replica's promotion")

    def start_the_lost_one(self) -> None:
        lost = self._lost
        lost.start()
        wait_until(lambda: not is_primary(lost) and is_in_sync(lost), "the new replica")
        self._cluster.wait_until_complete()

    @property
    def _heir(self) -> RedisServer:
        return next(each for each in self._pair if each is not self._lost)


class PostgresPair:
    """A primary and a synchronous standby. When the primary dies, the standby is promoted and gets one of its own."""

    def __init__(self, template: Path) -> None:
        self._primary = PostgresServer(template, config=("-c", "synchronous_standby_names=*"))
        self._standby: Standby | None = None
        self._ports = (self._primary.port, free_port())
        self._table = self._primary.new_table()

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{port}" for port in self._ports)
        return f"postgresql://kick@{hosts}/postgres?target_session_attrs=read-write&table={self._table}"

    def kill_the_primary(self) -> None:
        self._primary.kill()

    def promote_the_standby(self) -> None:
        """Return when there is a new standby too: without one nothing can be committed."""
        assert self._standby is not None
        lost, self._primary = self._primary, self._standby
        self._standby.promote()
        lost.__exit__()
        self._start_a_standby(lost.port)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._end)
            self._primary.start()
            self._start_a_standby(self._ports[1])
            stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _start_a_standby(self, port: int) -> None:
        self._standby = Standby(self._primary, port=port)
        self._standby.start()
        wait_until(self._is_followed, "the standby")

    def _is_followed(self) -> bool:
        return self._primary.run("SELECT sync_state FROM pg_stat_replication") == [("sync",)]

    def _end(self) -> None:
        if self._standby is not None:
            self._standby.__exit__()
        self._primary.__exit__()
