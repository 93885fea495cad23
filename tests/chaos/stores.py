"""The stores under chaos, each with the faults that it can have."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests.chaos.replicated import ClusterFaults, PostgresPair, SentinelFaults
from tests.support.ports import HOST
from tests.support.postgres import PostgresServer, make_data
from tests.support.proxy import Proxy
from tests.support.redis import RedisCluster, RedisSentinel, RedisServer

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
"""Redis writes each command to the disk before it answers."""

DISK = 64 << 20
"""Bytes of the disk that fills up."""


def _nothing() -> None:
    """There is nothing to repair."""


@dataclass(frozen=True)
class Fault:
    """What makes a store fail, and what heals it. `repair` makes it ready to fail once more."""

    begin: Callable[[], None]
    heal: Callable[[], None]
    repair: Callable[[], None] = _nothing


@dataclass
class Store:
    """A store: its URL, and its faults by name."""

    url: str
    faults: dict[str, Fault] = field(default_factory=dict)


@contextmanager
def redis(folder: Path) -> Iterator[Store]:
    """One Redis."""
    with RedisServer(folder, config=DURABLE) as server:
        yield Store(f"{server.url}?prefix=chaos:", _faults(server))


@contextmanager
def redis_proxy(folder: Path) -> Iterator[Store]:
    """One Redis behind connections that break and are slow."""
    with RedisServer(folder, config=DURABLE) as server, Proxy(server.port) as proxy:
        yield Store(f"redis://{HOST}:{proxy.port}/0?prefix=chaos:", _faults_between(proxy))


@contextmanager
def sentinel(folder: Path) -> Iterator[Store]:
    """A primary, its replica and a sentinel."""
    with RedisSentinel(folder) as servers:
        hosts = ",".join(f"{host}:{port}" for host, port in servers.sentinels)
        faults = SentinelFaults(servers)
        url = f"redis+sentinel://{hosts}/{servers.service}/0"
        yield Store(url, {"fail-over": Fault(faults.kill_the_primary, faults.wait_for_the_heir, servers.heal)})


@contextmanager
def cluster(folder: Path) -> Iterator[Store]:
    """Three primaries, one of them with a replica."""
    with RedisCluster(folder, replica=True, partial=True, config=DURABLE) as servers:
        hosts = ",".join(f"{HOST}:{node.port}" for node in servers.nodes)
        faults = ClusterFaults(servers)
        yield Store(
            f"redis+cluster://{hosts}",
            {
                "node lost for a while": Fault(faults.kill_a_node, faults.start_it_again),
                "fail-over": Fault(faults.kill_the_primary, faults.wait_for_the_heir, faults.start_the_lost_one),
            },
        )


@contextmanager
def postgres(folder: Path) -> Iterator[Store]:
    """PostgreSQL with its usual durability."""
    with PostgresServer(_template(folder), config=()) as server:
        yield Store(server.store_url(), _faults(server))


@contextmanager
def postgres_proxy(folder: Path) -> Iterator[Store]:
    """PostgreSQL behind connections that break and are slow."""
    with PostgresServer(_template(folder), config=()) as server, Proxy(server.port) as proxy:
        yield Store(server.store_url().replace(f":{server.port}/", f":{proxy.port}/"), _faults_between(proxy))


@contextmanager
def standby(folder: Path) -> Iterator[Store]:
    """PostgreSQL with a synchronous standby."""
    with PostgresPair(_template(folder)) as pair:
        yield Store(pair.url, {"promoted": Fault(pair.kill_the_primary, pair.promote_the_standby)})


@contextmanager
def sqlite(folder: Path) -> Iterator[Store]:
    """SQLite. Its disk fills up where one may be mounted; else it fails only with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if not _mount(folder):
            click.echo("sqlite: no disk of its own may be mounted, so none fills up")
            yield Store(f"sqlite:///{folder / 'sessions.db'}")
            return
        stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        filler = folder / "filler"
        yield Store(f"sqlite:///{folder / 'sessions.db'}", {"disk full": Fault(lambda: _fill(filler), filler.unlink)})


def _mount(folder: Path) -> bool:
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    try:
        return subprocess.run(["mount", *options], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2


def _template(folder: Path) -> Path:
    template = folder / "template"
    template.mkdir(parents=True, exist_ok=True)
    make_data(template)
    return template


def _faults(server: RedisServer | PostgresServer) -> dict[str, Fault]:
    return {"killed": Fault(server.kill, server.start), "paused": Fault(server.pause, server.resume)}


def _faults_between(proxy: Proxy) -> dict[str, Fault]:
    return {
        "cut": Fault(proxy.cut, _nothing),
        "delayed": Fault(lambda: proxy.delay(0.3), proxy.release),
        "held": Fault(proxy.hold, proxy.release),
    }


STORES = {
    "redis": redis,
    "redis-proxy": redis_proxy,
    "sentinel": sentinel,
    "cluster": cluster,
    "postgres": postgres,
    "postgres-proxy": postgres_proxy,
    "standby": standby,
    "sqlite": sqlite,
}
