"""A disk that is really full: a 503 with its cause in the log, and recovery without a restart of the application."""

import errno
import os
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from kick.session.stores.postgres import PostgresStore
from tests.session.harness import Answer, Browser, Site, setting
from tests.support.postgres import PostgresServer

LARGE = 6000
"""Characters of a value. PostgreSQL cannot compress it, and a page holds one of them."""


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system in memory, mounted in a new folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Write a file until nothing more fits."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler


async def until(status: int, visit: Callable[[], AsyncIterator[Answer]]) -> Answer:
    """The first answer with a status."""
    deadline = time.monotonic() + 120
    async for answer in visit():
        if answer.status == status:
            return answer
        assert time.monotonic() < deadline
    raise AssertionError


@pytest.fixture
def place() -> Iterator[Path]:
    """A path below which PostgreSQL may have folders."""
    if os.getuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = Path(f"/tmp/kick-full-{os.getpid()}-{secrets.token_hex(4)}")  # noqa: S108
    folder.mkdir(mode=0o755)
    yield folder
    folder.rmdir()


async def test_a_table_without_room_is_a_503_until_there_is_some(
    place: Path, postgres_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(place / "disk", "16m") as disk, PostgresServer(postgres_data) as server:
        server.give(disk / "space")
        server.run(f"CREATE TABLESPACE small LOCATION '{disk}/space'")
        store = PostgresStore(server.store_url(options="-cdefault_tablespace%3Dsmall"), timeout=5)
        site = Site(store)
        browser = Browser(site)
        assert (await browser.visit(setting(a=1))).status == 200
        filler = fill(disk)

        async def new_sessions() -> AsyncIterator[Answer]:
            while True:
                yield await Browser(site).visit(setting(text=secrets.token_urlsafe(LARGE)))

        answer = await until(503, new_sessions)
        assert b"is full" in answer.body
        assert (answer.all("retry-after"), answer.cookies) == (["1"], [])
        assert "No space left on device" in caplog.text
        assert await browser.data() == {"a": 1}
        assert (await browser.visit(lambda ctx: ctx.path, wants_context=True)).status == 200
        filler.unlink()
        assert (await Browser(site).visit(setting(text=secrets.token_urlsafe(LARGE)))).status == 200
        assert (await browser.visit(setting(b=2))).status == 200
        assert await browser.data() == {"a": 1, "b": 2}
        await store.aclose()


async def test_a_server_that_a_full_disk_has_ended_is_used_again_when_it_is_back(
    place: Path, postgres_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(place / "disk", "256m") as disk, PostgresServer(postgres_data, folder=disk / "server") as server:
        store = PostgresStore(server.store_url(), timeout=5)
        site = Site(store)
        browser = Browser(site)
        assert (await browser.visit(setting(a=1))).status == 200
        filler = fill(disk)
        with pytest.raises(psycopg.OperationalError):  # more than the log has room for: the server gives up
            server.run("SELECT pg_logical_emit_message(false, 'kick', repeat('x', 40000000))")
        assert "No space left on device" in server.log
        server.wait()
        answer = await browser.visit(setting(a=2))
        assert (answer.status, answer.all("retry-after"), answer.cookies) == (503, ["1"], [])
        assert "Connection refused" in caplog.text
        filler.unlink()
        server.start()
        assert await browser.data() == {"a": 1}
        assert (await browser.visit(setting(b=2))).status == 200
        assert await browser.data() == {"a": 1, "b": 2}
        await store.aclose()
