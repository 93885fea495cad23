"""The stores under chaos, each with the faults that it can have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.postgres import PostgresServer, make_data
from tests.support.redis import RedisServer


@dataclass
class Store:
    """A store: its URL, and faults by name. A fault makes the store fail; what it returns heals it."""

    url: str
    faults: dict[str, Callable[[], Callable[[], None]]] = field(default_factory=dict)


@contextmanager
def redis(folder: Path) -> Iterator[Store]:
    """Redis that writes each command to the disk before it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    with RedisServer(folder, config=("--appendonly", "yes", "--appendfsync", "always")) as server:
        yield Store(f"{server.url}?prefix=chaos:", _faults(server))


@contextmanager
def postgres(folder: Path) -> Iterator[Store]:
    """PostgreSQL with its usual durability."""
    folder.mkdir(parents=True, exist_ok=True)
    template = folder / "template"
    template.mkdir(exist_ok=True)
    make_data(template)
    with PostgresServer(template, config=()) as server:
        yield Store(server.store_url(), _faults(server))


@contextmanager
def sqlite(folder: Path) -> Iterator[Store]:
    """SQLite: it fails only with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    yield Store(f"sqlite:///{folder / 'sessions.db'}")


def _faults(server: RedisServer | PostgresServer) -> dict[str, Callable[[], Callable[[], None]]]:
    def killed() -> Callable[[], None]:
        server.kill()
        return server.start

    def paused() -> Callable[[], None]:
        server.pause()
        return server.resume

    return {"killed": killed, "paused": paused}


STORES = {"redis": redis, "postgres": postgres, "sqlite": sqlite}
