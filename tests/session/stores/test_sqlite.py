"""What is special about the SQLite store: the file, the thread, the lock, the batches."""

import asyncio
import json
import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kick.session.stores.base import GONE, Change, Committed, Record, Superseded
from kick.session.stores.sqlite import DatabaseLocked, DatabaseUnusable, SQLiteStore, file
from kick.session.stores.sqlite.rows import SCHEMA
from kick.testing.store_contract import fields_of, new_key
from tests.session.harness import Browser, Site, setting
from tests.support.waiting import wait_until

THREAD = "kick-sessions-sqlite"
LONG = 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path)
    yield store
    await store.aclose()


def threads() -> set[threading.Thread]:
    """The threads of stores; one of an earlier test may still end."""
    return {thread for thread in threading.enumerate() if thread.name == THREAD}


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])


def files_beside(path: Path) -> list[Path]:
    return sorted(path.parent.iterdir())


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def read(path: Path) -> bytes:
    return path.read_bytes()


def change_file(path: Path, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, parameters)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the write lock."""
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN IMMEDIATE')"
    command = [sys.executable, "-c", f"{script}; print(flush=True); input()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.write("\n")
            process.stdin.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is run, in order."""
    seen: list[str] = []

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            seen.append(sql)
            return super().execute(sql, *args)

    connect = sqlite3.connect
    monkeypatch.setattr(file.sqlite3, "connect", lambda *args, **options: connect(*args, factory=Connection, **options))
    return seen


# the file


async def test_the_file_is_for_its_owner_only_and_so_are_its_companions(store: SQLiteStore, path: Path) -> None:
    await store.create(new_key(), Change(), max_age=LONG)
    files = files_beside(path)
    assert [each.name for each in files] == ["sessions.db", "sessions.db-shm", "sessions.db-wal"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in files] == [0o600] * 3


async def test_nothing_is_touched_before_the_first_use(path: Path) -> None:
    before = threads()
    await SQLiteStore(path).aclose()
    assert files_beside(path) == []
    assert threads() <= before


async def test_sessions_survive_a_restart(store: SQLiteStore, path: Path) -> None:
    key, old = new_key(), new_key()
    await store.create(key, Change(set={"a": b"1"}, principal="ann"), max_age=LONG, absolute_max_age=2 * LONG)
    await store.create(old, Change(), max_age=LONG)
    await store.move(old, new_key(old), max_age=LONG, grace=LONG, successor=b"sealed")
    record = await store.load(key)
    await store.aclose()
    again = SQLiteStore(str(path))
    assert await again.load(key) == record
    assert await again.load(old) == Superseded(b"sealed")
    assert await again.find("ann") == [(key, record)]
    await again.aclose()


async def test_a_closed_file_is_one_file(store: SQLiteStore, path: Path) -> None:
    await store.create(new_key(), Change(), max_age=LONG)
    await store.aclose()
    assert files_beside(path) == [path]


async def test_a_relative_path_means_the_folder_of_that_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("sessions.db")
    monkeypatch.chdir("/")
    assert store.path == tmp_path / "sessions.db"
    assert await store.load(new_key()) is None
    await store.aclose()
    assert store.path.exists()


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_database_in_memory_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"MemoryStore\(\)"):
        SQLiteStore(path)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "missing" / "sessions.db")
    with pytest.raises(FileNotFoundError, match="folder of the session database") as caught:
        await store.load(new_key())
    assert caught.value.filename == str(tmp_path / "missing")
    (tmp_path / "missing").mkdir()
    assert await store.load(new_key()) is None
    await store.aclose()


async def test_a_file_that_is_no_database_is_named_and_left_alone(store: SQLiteStore, path: Path) -> None:
    write(path, b"dear diary, " * 1000)
    for operation in (store.load(new_key()), store.touch(new_key(), max_age=1)):
        with pytest.raises(DatabaseUnusable, match=rf"{path} cannot be used: file is not a database"):
            await operation
    assert read(path) == b"dear diary, " * 1000
    assert issubclass(DatabaseUnusable, OSError)


async def test_the_database_of_something_else_is_left_alone(store: SQLiteStore, path: Path) -> None:
    change_file(path, "CREATE TABLE users (name TEXT)")
    before = read(path)
    with pytest.raises(DatabaseUnusable, match="use another file for the sessions"):
        await store.load(new_key())
    assert read(path) == before


@pytest.mark.parametrize("statement", range(6))
async def test_a_file_that_another_process_begins_in_this_moment_is_shared_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    executed: list[str] = []
    plain = sqlite3.connect

    def begin_file() -> None:
        """Do what another process does to a new file."""
        with closing(plain(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            for each in ("BEGIN IMMEDIATE", *SCHEMA, "COMMIT"):
                connection.execute(each)

    class Interrupted(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if len(executed) == statement and not self.in_transaction:
                begin_file()
            executed.append(sql)
            return super().execute(sql, *parameters)

    monkeypatch.setattr(
        sqlite3, "connect", lambda *arguments, **options: plain(*arguments, **options, factory=Interrupted)
    )
    store, key = SQLiteStore(path), new_key()
    await store.create(key, Change(set={"a": b"1"}), max_age=LONG)
    assert len(executed) > statement
    assert await fields_of(store, key) == {"a": b"1"}
    await store.aclose()


async def test_a_schema_from_the_future_is_refused(store: SQLiteStore, path: Path) -> None:
    await store.load(new_key())
    await store.aclose()
    change_file(path, "PRAGMA user_version = 2")
    with pytest.raises(DatabaseUnusable, match="version 2"):
        await store.load(new_key())


async def test_a_store_recovers_as_soon_as_its_file_does(store: SQLiteStore, path: Path) -> None:
    write(path, b"not a database, not yet " * 100)
    results = await asyncio.gather(*(store.load(new_key()) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [DatabaseUnusable] * 5
    write(path, b"")
    assert await store.load(new_key()) is None


class TestTheFileIsGone:
    """Removed or replaced by a deploy script, while processes have it open."""

    @pytest.fixture(autouse=True)
    def looks_always(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file, "LOOK_EVERY", 0.0)

    @staticmethod
    def remove(path: Path) -> None:
        path.unlink()

    @staticmethod
    def remove_all(path: Path) -> None:
        for each in files_beside(path):
            each.unlink()

    @staticmethod
    def move(path: Path) -> None:
        path.rename(path.with_name("former.db"))

    @staticmethod
    def replace(path: Path) -> None:
        """By an empty database of another process, with its companions."""
        TestTheFileIsGone.remove_all(path)
        script = "import asyncio, sys; from kick.session.stores.sqlite import SQLiteStore as S; s = S(sys.argv[1])"
        run = "async def main(): await s.load('{abcd}:x'); await s.aclose()\nasyncio.run(main())"
        subprocess.run([sys.executable, "-c", f"{script}\n{run}", str(path)], check=True, env=os.environ)

    @staticmethod
    def remove_folder(path: Path) -> None:
        shutil.rmtree(path.parent)
        path.parent.mkdir()

    @pytest.mark.parametrize(
        "way",
        ["remove", "remove_all", "move", pytest.param("replace", marks=pytest.mark.process), "remove_folder"],
    )
    async def test_everybody_goes_on_in_the_new_file(
        self, store: SQLiteStore, path: Path, way: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = new_key()
        await store.create(old, Change(set={"a": b"1"}), max_age=LONG)
        getattr(self, way)(path)
        other = SQLiteStore(path)
        key = new_key()
        await other.create(key, Change(set={"a": b"2"}, principal="ann"), max_age=LONG)
        assert await fields_of(store, key) == {"a": b"2"}
        assert await store.load(old) is None
        assert await store.revoke("ann") == 1
        assert await other.load(key) is None
        await store.create(old, Change(set={"a": b"3"}), max_age=LONG)
        assert await fields_of(other, old) == {"a": b"3"}
        await other.aclose()
        lines = [record.getMessage() for record in caplog.records if record.name == "kick.session"]
        assert len(lines) == 1
        assert str(path) in lines[0]
        assert "removed or replaced" in lines[0]

    async def test_one_process_alone_begins_a_new_file(self, store: SQLiteStore, path: Path) -> None:
        await store.create(new_key(), Change(set={"a": b"1"}), max_age=LONG)
        self.remove_all(path)
        key = new_key()
        await store.create(key, Change(set={"a": b"2"}), max_age=LONG)
        assert rows(path) == 1
        await store.aclose()
        assert await fields_of(store, key) == {"a": b"2"}

    async def test_without_its_folder_it_says_so_and_recovers(self, store: SQLiteStore, path: Path) -> None:
        await store.create(new_key(), Change(set={"a": b"1"}), max_age=LONG)
        shutil.rmtree(path.parent)
        with pytest.raises(FileNotFoundError, match="the folder of the session database does not exist"):
            await store.load(new_key())
        path.parent.mkdir()
        key = new_key()
        await store.create(key, Change(set={"a": b"2"}), max_age=LONG)
        assert await fields_of(store, key) == {"a": b"2"}

    async def test_a_folder_that_goes_before_the_sweep_does_not_end_the_thread(
        self, store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = file.SessionFile.write

        def written_and_removed(self: file.SessionFile, jobs: Any) -> None:
            write(self, jobs)
            shutil.rmtree(path.parent, ignore_errors=True)

        with monkeypatch.context() as patch:
            patch.setattr(file.SessionFile, "write", written_and_removed)
            await store.create(new_key(), Change(set={"a": b"1"}), max_age=LONG)
        async with asyncio.timeout(60):
            with pytest.raises(FileNotFoundError, match="the folder of the session database does not exist"):
                await store.load(new_key())
            path.parent.mkdir()
            assert await store.load(new_key()) is None

    async def test_it_is_noticed_now_and_then(
        self, store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = 1000.0
        monkeypatch.setattr(file, "LOOK_EVERY", 0.1)
        monkeypatch.setattr(file.time, "monotonic", lambda: clock)
        key = new_key()
        await store.create(key, Change(set={"a": b"1"}), max_age=LONG)
        await store.load(key)
        self.remove_all(path)
        assert await fields_of(store, key) == {"a": b"1"}
        clock += 0.11
        assert await store.load(key) is None

    async def test_a_file_that_stays_is_opened_once(
        self, store: SQLiteStore, statements: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            await store.create(new_key(), Change(set={"a": b"1"}), max_age=LONG)
        assert sum("synchronous" in each for each in statements) == 1
        assert caplog.records == []


@pytest.mark.parametrize(
    ("pragma", "state"),
    [("max_page_count = 1", "is full"), ("query_only = 1", "takes no changes"), ("no_such_pragma", None)],
)
async def test_a_store_that_cannot_write_says_why(
    store: SQLiteStore, path: Path, pragma: str, state: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    await store.create(key, Change(set={"a": b"1"}), max_age=LONG)
    await store.aclose()
    connect = sqlite3.connect

    def connected(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.execute(f"PRAGMA {pragma}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connected)
    answer = await Browser(Site(store)).visit(setting(a="x" * 100_000))
    if state is None:
        assert answer.status == 200
    else:
        assert answer.status == 503
        assert json.loads(answer.body)["detail"] == f"The session store {state}."
    assert await fields_of(store, key) == {"a": b"1"}


async def test_a_record_that_cannot_be_read_counts_as_missing_and_is_logged(
    store: SQLiteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, sound = new_key(), new_key()
    for each in (key, sound):
        await store.create(each, Change(set={"a": b"1"}, principal="ann"), max_age=LONG)
    change_file(path, "UPDATE sessions SET fields = ? WHERE key = ?", b"\xc1junk", key)
    with caplog.at_level(logging.WARNING, "kick.session"):
        assert await store.load(key) is None
    (line,) = caplog.records
    assert line.name == "kick.session"
    assert key[7:15] in line.getMessage()
    assert key not in line.getMessage()
    assert await fields_of(store, sound) == {"a": b"1"}
    assert [found for found, _ in await store.find("ann")] == [sound]
    assert await store.commit(key, Change(set={"b": b"2"}), max_age=LONG) is GONE
    assert isinstance(await store.create(key, Change(set={"b": b"2"}), max_age=LONG), Committed)
    assert await fields_of(store, key) == {"b": b"2"}


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
async def test_durable_waits_for_the_disk(path: Path, statements: list[str], durable: bool, level: int) -> None:
    store = SQLiteStore(path, durable=durable)
    await store.load(new_key())
    await store.aclose()
    assert f"PRAGMA synchronous = {['OFF', 'NORMAL', 'FULL'][level]}" in statements
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# batches


async def test_what_is_asked_in_one_turn_is_one_query_and_one_transaction(
    store: SQLiteStore, statements: list[str]
) -> None:
    keys = [new_key() for _ in range(100)]
    await asyncio.gather(*(store.create(key, Change(set={"a": b"1"}), max_age=LONG) for key in keys))
    await store.load(new_key())  # answered after the sweep that follows a first write
    statements.clear()
    await asyncio.gather(*(store.load(key) for key in keys))
    assert len(statements) == 1
    statements.clear()
    await asyncio.gather(*(store.commit(key, Change(set={"a": b"2"}), max_age=LONG) for key in keys))
    assert statements[0] == "BEGIN IMMEDIATE"
    assert statements[-1] == "COMMIT"
    assert len(statements) == 6  # a query, and as 100 rows are no power of 2, three statements that update
    assert await asyncio.gather(*(fields_of(store, key) for key in keys)) == [{"a": b"2"}] * 100


async def test_a_batch_sees_its_own_writes(store: SQLiteStore) -> None:
    old, new = new_key(), new_key()
    created, committed, moved, touched, committed_again, revoked = await asyncio.gather(
        store.create(old, Change(set={"a": b"1"}), max_age=LONG, absolute_max_age=2 * LONG),
        store.commit(old, Change(set={"b": b"2"}, increment={"n": 1}), max_age=LONG),
        store.move(old, new, max_age=LONG, grace=LONG, successor=b"sealed"),
        store.touch(new, max_age=LONG),
        store.commit(new, Change(set={"c": b"3"}, increment={"n": 1}, principal="ann"), max_age=LONG),
        store.revoke("ann", keep=new),
    )
    assert isinstance(created, Committed)
    assert isinstance(committed, Committed)
    assert isinstance(moved, Committed)
    assert touched is True
    assert isinstance(committed_again, Committed)
    assert (committed_again.counters, revoked) == ({"n": 2}, 0)
    record = await store.load(new)
    assert isinstance(record, Record)
    assert dict(record.fields) == {"a": b"1", "b": b"2", "c": b"3", "n": b"2"}
    assert record.created_at == record.issued_at == record.seen_at == record.expires_at - LONG
    assert record.deadline == record.created_at + 2 * LONG
    assert await store.load(old) == Superseded(b"sealed")


async def test_a_batch_revokes_what_it_has_created(store: SQLiteStore) -> None:
    keys = [new_key() for _ in range(3)]
    creates = [store.create(key, Change(principal="ann"), max_age=LONG) for key in keys]
    *created, revoked, late = await asyncio.gather(
        *creates, store.revoke("ann"), store.commit(keys[0], Change(set={"a": b"1"}), max_age=LONG)
    )
    assert all(isinstance(result, Committed) for result in created)
    assert (revoked, late) == (3, GONE)
    assert [await store.load(key) for key in keys] == [None] * 3


async def test_one_query_asks_for_a_bounded_number_of_keys(store: SQLiteStore, statements: list[str]) -> None:
    await store.load(new_key())
    statements.clear()
    await asyncio.gather(*(store.load(new_key()) for _ in range(1000)))
    assert [statement.count("?") for statement in statements] == [256, 256, 256, 256]


async def test_a_write_that_fails_spoils_no_other_of_its_batch(store: SQLiteStore) -> None:
    keys = [new_key() for _ in range(10)]
    changes = [Change(set={"a": b"1"}, principal="\ud800" if number == 4 else "ann") for number in range(10)]
    changes[6] = Change(set={"n": b"{}"}, increment={"n": 1})
    creates = [store.create(key, change, max_age=LONG) for key, change in zip(keys, changes, strict=True)]
    results = await asyncio.gather(*creates, return_exceptions=True)
    bad = [number for number, result in enumerate(results) if not isinstance(result, Committed)]
    assert bad == [4, 6]
    assert isinstance(results[4], UnicodeEncodeError)
    assert isinstance(results[6], ValueError)
    assert {key for key, _ in await store.find("ann")} == {key for n, key in enumerate(keys) if n not in bad}
    assert await store.load(keys[4]) is None


async def test_a_waiter_that_is_cancelled_spoils_no_other_of_its_batch(store: SQLiteStore) -> None:
    keys = [new_key() for _ in range(10)]
    creates = [asyncio.ensure_future(store.create(key, Change(), max_age=LONG)) for key in keys]
    await asyncio.sleep(0)
    creates[3].cancel()
    results = await asyncio.gather(*creates, return_exceptions=True)
    assert [isinstance(result, Committed) for result in results] == [number != 3 for number in range(10)]


@pytest.mark.process
async def test_what_nobody_waits_for_any_more_is_not_done_after_a_lock(store: SQLiteStore, path: Path) -> None:
    key = new_key()
    await store.create(key, Change(), max_age=LONG)
    with locked(path), pytest.raises(TimeoutError):
        await asyncio.wait_for(store.commit(key, Change(set={"late": b"1"}), max_age=LONG), 0.1)
    await store.commit(key, Change(set={"a": b"1"}), max_age=LONG)
    assert await fields_of(store, key) == {"a": b"1"}


async def test_a_commit_leaves_the_indexes_alone_and_the_sweep_finds_the_row_all_the_same(path: Path) -> None:
    now = 1_800_000_000.0
    store, key = SQLiteStore(path, clock=lambda: now), new_key()
    await store.create(key, Change(), max_age=60)
    for _ in range(3):
        now += 50
        await store.commit(key, Change(set={"a": b"1"}), max_age=60)
        assert await store.purge() == 0
    now += 59
    assert await store.purge() == 0
    assert await fields_of(store, key) == {"a": b"1"}
    await store.commit(key, Change(), max_age=5)
    now += 5
    assert await store.purge() == 1
    assert rows(path) == 0
    await store.aclose()


async def test_purge_says_how_many_it_freed(path: Path) -> None:
    now = 1_800_000_000.0
    store = SQLiteStore(path, clock=lambda: now)
    await asyncio.gather(*(store.create(new_key(), Change(), max_age=60) for _ in range(700)))
    await asyncio.gather(*(store.create(new_key(), Change(), max_age=61) for _ in range(300)))
    now += 60
    assert await store.purge() == 700
    assert await store.purge() == 0
    assert rows(path) == 300
    await store.aclose()


async def test_writing_frees_what_has_expired_a_bounded_number_at_a_time(path: Path) -> None:
    now = 1_800_000_000.0
    store = SQLiteStore(path, clock=lambda: now)
    await asyncio.gather(*(store.create(new_key(), Change(), max_age=60) for _ in range(600)))
    await store.aclose()
    store, left = SQLiteStore(path, clock=lambda: now + 61), []
    for _ in range(4):
        await store.create(new_key(), Change(), max_age=LONG)
        await store.load(new_key())  # answered after the sweep that follows the write
        left.append(rows(path))
    assert left == [345, 90, 3, 4]
    await store.aclose()


# the lock of another process


@pytest.mark.process
async def test_the_loop_and_the_readers_go_on_while_another_process_holds_the_lock(path: Path) -> None:
    store = SQLiteStore(path, busy_timeout=60)
    key = new_key()
    await store.create(key, Change(set={"a": b"1"}), max_age=LONG)
    with locked(path):
        writing = asyncio.ensure_future(store.commit(key, Change(set={"a": b"2"}), max_age=LONG))
        for _ in range(20):
            assert await fields_of(store, key) == {"a": b"1"}
            await asyncio.sleep(0.001)
        assert not writing.done()
    assert isinstance(await writing, Committed)
    assert await fields_of(store, key) == {"a": b"2"}
    await store.aclose()


@pytest.mark.parametrize("busy_timeout", [0.1, timedelta(milliseconds=100)])
@pytest.mark.process
async def test_a_lock_that_is_held_too_long_raises_and_changes_nothing(
    path: Path, busy_timeout: timedelta | float
) -> None:
    store, key = SQLiteStore(path, busy_timeout=busy_timeout), new_key()
    await store.create(key, Change(set={"a": b"1"}), max_age=LONG)
    with locked(path):
        commits = [store.commit(key, Change(set={"a": b"2"}), max_age=LONG) for _ in range(5)]
        results = await asyncio.gather(*commits, return_exceptions=True)
        assert [type(result) for result in results] == [DatabaseLocked] * 5
        assert isinstance(results[0], TimeoutError)
        assert str(path) in str(results[0])
    assert await fields_of(store, key) == {"a": b"1"}
    assert isinstance(await store.commit(key, Change(set={"a": b"3"}), max_age=LONG), Committed)
    await store.aclose()


# threads, loops, forks


def test_one_store_serves_one_loop_after_another(path: Path) -> None:
    store, key = SQLiteStore(path), new_key()
    asyncio.run(store.create(key, Change(increment={"n": 0}), max_age=LONG))
    for turn in range(1, 4):
        result = asyncio.run(store.commit(key, Change(increment={"n": 1}), max_age=LONG))
        assert isinstance(result, Committed)
        assert result.counters == {"n": turn}
    asyncio.run(store.aclose())


def test_one_store_serves_two_loops_at_once(path: Path) -> None:
    store, key = SQLiteStore(path), new_key()
    asyncio.run(store.create(key, Change(), max_age=LONG))

    async def count() -> None:
        for _ in range(50):
            await asyncio.gather(*(store.commit(key, Change(increment={"n": 1}), max_age=LONG) for _ in range(4)))

    loops = [threading.Thread(target=asyncio.run, args=(count(),)) for _ in range(2)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    assert asyncio.run(fields_of(store, key)) == {"n": b"400"}
    asyncio.run(store.aclose())


def test_a_loop_that_ends_without_waiting_does_no_harm(path: Path) -> None:
    store, key = SQLiteStore(path), new_key()

    async def leave() -> None:
        asyncio.ensure_future(store.create(key, Change(), max_age=LONG))  # noqa: RUF006
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert asyncio.run(store.load(new_key())) is None
    asyncio.run(store.aclose())


@pytest.mark.process
def test_a_loop_that_was_closed_with_work_under_way_does_no_harm(path: Path) -> None:
    store, key = SQLiteStore(path), new_key()
    asyncio.run(store.create(key, Change(), max_age=LONG))
    with locked(path):
        loop = asyncio.new_event_loop()
        left_alone = loop.create_task(store.commit(key, Change(set={"a": b"1"}), max_age=LONG))
        loop.run_until_complete(asyncio.sleep(0.01))
        assert not left_alone.done()
        loop.close()
    assert asyncio.run(asyncio.wait_for(store.touch(key, max_age=LONG), 10)) is True
    assert asyncio.run(fields_of(store, key)) == {"a": b"1"}
    asyncio.run(store.aclose())


async def test_closing_ends_the_thread_after_what_was_begun(store: SQLiteStore) -> None:
    before, key = threads(), new_key()
    creating = asyncio.ensure_future(store.create(key, Change(), max_age=LONG))
    await asyncio.sleep(0)
    await store.aclose()
    assert isinstance(await creating, Committed)
    wait_until(lambda: threads() <= before, "the end of the thread")


async def test_a_store_that_nobody_holds_any_more_ends_its_thread(path: Path) -> None:
    before = threads()
    store = SQLiteStore(path)
    await store.load(new_key())
    assert len(threads() - before) == 1
    del store
    wait_until(lambda: threads() <= before, "the end of the thread")


@pytest.mark.process
def test_an_open_store_does_not_keep_the_interpreter_from_exiting(path: Path) -> None:
    script = (
        "import asyncio, sys; from kick.session.stores.sqlite import SQLiteStore; "
        "store = SQLiteStore(sys.argv[1]); asyncio.run(store.load('key'))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, str(path)], timeout=120, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is there on POSIX systems only")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.process
def test_parent_and_child_of_a_fork_go_on_by_themselves(path: Path) -> None:
    store, key = SQLiteStore(path), new_key()
    asyncio.run(store.create(key, Change(), max_age=LONG))

    async def count(name: str) -> bool:
        for _ in range(100):
            await store.commit(key, Change(set={name: b"1"}, increment={"n": 1}), max_age=LONG)
        record = await store.load(key)
        await store.aclose()
        return isinstance(record, Record)

    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(count("child")) else 1)
    assert asyncio.run(count("parent"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert asyncio.run(fields_of(store, key)) == {"child": b"1", "parent": b"1", "n": b"200"}
    asyncio.run(store.aclose())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is there on POSIX systems only")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.process
def test_no_connection_lives_through_a_fork(path: Path) -> None:
    store = SQLiteStore(path)
    asyncio.run(store.load(new_key()))
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("open files are counted in /proc, which is there on Linux only")
    child = os.fork()
    if child == 0:
        names = [str(each.readlink()) for each in descriptors.iterdir() if each.exists()]
        os._exit(any(name.startswith(str(path)) for name in names))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asyncio.run(store.aclose())
