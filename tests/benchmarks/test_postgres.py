"""The PostgreSQL of the benchmark."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from benchmarks import postgres, servers
from benchmarks.servers import POSTGRES_ROLE, DidNotStartError
from kick.session.stores.url import open_store
from tests.support.ports import free_port
from tests.support.programs import program


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A port that nobody has, on cores that every machine has."""
    port = free_port()
    for module in (postgres, servers):
        monkeypatch.setattr(module, "POSTGRES_PORT", port)
    monkeypatch.setattr(postgres, "LOAD_CORE", "0")
    return port


@pytest.mark.postgres
def test_it_holds_sessions_and_waits_for_the_disk(port: int, tmp_path: Path) -> None:
    program("postgres")  # or the test is left out
    with postgres.postgres(tmp_path) as process:
        assert asyncio.run(entry_of(servers.store_url("postgres", tmp_path))) is None
        with psycopg.connect(f"postgresql://{POSTGRES_ROLE}@127.0.0.1:{port}/postgres") as connection:
            settings = connection.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
            assert settings.fetchone() == ("on", "on")
        assert process.cpu_seconds() >= 0
    assert not Path(f"/proc/{process.pid}").exists()
    assert list(tmp_path.glob("output-*"))


async def entry_of(url: str) -> object:
    """What a new store has of a session."""
    store = open_store(url, timeout=30)
    try:
        return await store.load("ab:cd")
    finally:
        await store.aclose()


def test_a_machine_without_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "ELSEWHERE", f"{tmp_path}/postgres")
    with pytest.raises(DidNotStartError, match="not installed"), postgres.postgres(tmp_path):
        pass


def test_a_process_that_has_ended_takes_no_time(tmp_path: Path) -> None:
    never = 1 << 22  # one more than the highest number that Linux gives
    assert servers.Process(never + 1, tmp_path).cpu_seconds() == 0
