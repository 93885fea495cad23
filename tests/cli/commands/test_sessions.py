import asyncio
import json
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kick.cli.commands import sessions as cli
from kick.cli.program import program
from kick.session.data.reserved import CLIENT_FIELD as CLIENT
from kick.session.data.values import encode
from kick.session.ids import fingerprint, generate_id, key_of
from kick.session.stores.base import Change, Record
from kick.session.stores.sqlite import SQLiteStore
from kick.session.stores.url import open_store
from tests.cli.support import APP, kick
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

AGENT = "Mozilla/5.0 (X11; Linux x86_64)"


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store that processes share."""
    if request.param != "sqlite":
        return str(request.getfixturevalue(f"{request.param}_url"))
    return sqlite_url(tmp_path / "sessions.db")


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["sessions", *arguments])


def log_in(url: str, principal: str, *, agent: str = AGENT) -> str:
    """Store a session as a login does; its key."""
    client = encode(CLIENT, {"ip": "192.0.2.1", "user_agent": agent})
    (key,) = create(url, Change(set={CLIENT: client}, principal=principal), max_age=3600.0)
    return key


def create(store: object, *changes: Change, max_age: float) -> list[str]:
    """Store sessions, all at once; their keys."""
    keys = [key_of(generate_id()) for _ in changes]

    async def run() -> None:
        opened = open_store(store)
        calls = [opened.create(key, change, max_age=max_age) for key, change in zip(keys, changes, strict=True)]
        await asyncio.gather(*calls)
        await opened.aclose()

    asyncio.run(run())
    return keys


def is_alive(url: str, key: str) -> bool:
    async def load() -> object:
        store = open_store(url)
        found = await store.load(key)
        await store.aclose()
        return found

    return isinstance(asyncio.run(load()), Record)


# list


def test_the_sessions_of_a_principal_are_listed(url: str) -> None:
    keys = [log_in(url, "ann"), log_in(url, "ann")]
    log_in(url, "bob")
    result = run("list", "ann", "--store", url)
    assert result.exit_code == 0, result.output
    heading, *rows, _, note = result.output.strip().splitlines()
    assert heading.split() == ["session", "created", "last", "seen", "expires", "ip", "client"]
    assert {row.split()[0] for row in rows} == {fingerprint(key) for key in keys}
    now = datetime.now().astimezone()
    for row in rows:
        _, created, seen, expires, ip, agent = re.split(r"  +", row.strip())
        assert abs(datetime.fromisoformat(created).astimezone() - now) < timedelta(minutes=2)
        assert seen >= created
        assert abs(datetime.fromisoformat(expires).astimezone() - now - timedelta(hours=1)) < timedelta(minutes=2)
        assert (ip, agent) == ("192.0.2.1", AGENT)
    assert note.strip() == f"2 sessions in {cli.shown_url(url)}"


def test_json_is_for_programs(url: str) -> None:
    older = log_in(url, "ann")
    newer = log_in(url, "ann", agent="curl/8")
    first, second = json.loads(run("list", "ann", "--json", "--store", url).stdout)
    assert [first["fingerprint"], second["fingerprint"]] == [fingerprint(newer), fingerprint(older)]
    assert first["client"] == {"ip": "192.0.2.1", "user_agent": "curl/8"}
    lives = datetime.fromisoformat(first["expires_at"]) - datetime.fromisoformat(first["created_at"])
    assert lives == timedelta(hours=1)
    assert first.keys() == {"fingerprint", "created_at", "last_seen_at", "expires_at", "client"}


def test_somebody_without_sessions_has_none(url: str) -> None:
    log_in(url, "bob")
    assert run("list", "ann", "--store", url).output.strip() == f"no sessions of ann in {cli.shown_url(url)}"
    assert run("list", "ann", "--json", "--store", url).output == "[]\n"


def test_what_a_client_calls_itself_does_nothing_to_the_terminal(url: str) -> None:
    log_in(url, "ann", agent="\x1b]0;owned\x07\x1b[2J\r" + "long " * 40)
    output = run("list", "ann", "--store", url).output
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", output)
    assert "?]0;owned??[2J?long long" in output
    assert max(map(len, output.splitlines())) < 160


# revoke


def test_revoke_ends_all_sessions_of_a_principal_and_no_other(url: str) -> None:
    keys = [log_in(url, "ann"), log_in(url, "ann")]
    other = log_in(url, "bob")
    result = run("revoke", "ann", "--yes", "--store", url)
    assert result.exit_code == 0
    assert result.output.strip() == f"ended  2 sessions of ann in {cli.shown_url(url)}"
    assert [is_alive(url, key) for key in (*keys, other)] == [False, False, True]
    assert run("revoke", "ann", "--store", url).output.strip() == f"ended  0 sessions of ann in {cli.shown_url(url)}"


@pytest.mark.parametrize("answer", ["y", "n"])
def test_in_a_terminal_it_asks(url: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = log_in(url, "ann")
    monkeypatch.setattr(cli.terminal, "is_interactive", lambda: True)
    result = CliRunner().invoke(program, ["sessions", "revoke", "ann", "--store", url], input=f"{answer}\n")
    assert f"End 1 session of ann in {cli.shown_url(url)}? [y/N]" in result.output
    assert result.exit_code == (0 if answer == "y" else 1)
    assert ("No session was ended." in result.output) is (answer == "n")
    assert is_alive(url, key) is (answer == "n")


def test_with_yes_and_with_nothing_to_end_it_does_not_ask(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(url, "bob")
    monkeypatch.setattr(cli.terminal, "is_interactive", lambda: True)
    ended = run("revoke", "bob", "--yes", "--store", url).output.strip()
    assert ended == f"ended  1 session of bob in {cli.shown_url(url)}"
    assert run("revoke", "ann", "--store", url).output.strip() == f"ended  0 sessions of ann in {cli.shown_url(url)}"


# purge


def test_purge_frees_what_has_expired(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "sessions.db")
    long = log_in(url, "ann")
    an_hour_ago = SQLiteStore(tmp_path / "sessions.db", clock=lambda: time.time() - 3600)  # frees none of them itself
    create(an_hour_ago, *[Change()] * 3, max_age=60.0)
    assert run("purge", "--store", url).output.strip() == f"freed  3 expired records in {cli.shown_url(url)}"
    assert run("purge", "--store", url).output.strip() == f"freed  0 expired records in {cli.shown_url(url)}"
    assert is_alive(url, long)


def test_purge_frees_what_has_expired_in_postgresql(postgres_server: PostgresServer, postgres_url: str) -> None:
    live, table = log_in(postgres_url, "ann"), postgres_url.rpartition("=")[2]
    postgres_server.run(
        f"INSERT INTO {table} (key, fields, names, created, issued, seen, expires, due) "  # noqa: S608
        "SELECT 'k' || n, '{}', '{}', 1, 1, 1, 1, 1 FROM generate_series(1, 600) AS g(n)"
    )
    freed = [run("purge", "--store", postgres_url).output.split()[:2] for _ in range(2)]
    assert freed == [["freed", "600"], ["freed", "0"]]
    assert is_alive(postgres_url, live)


def test_purge_frees_lapsed_entries_of_the_index_in_redis(redis_server: RedisServer, redis_url: str) -> None:
    log_in(redis_url, "ann")
    (index,) = [str(name) for name in as_list(redis_server.command("KEYS", "kick:principal:*"))]
    redis_server.command("ZADD", index, 1000, "lapsed {abcd}:key")
    assert run("purge", "--store", redis_url).output.strip() == f"freed  1 expired record in {redis_url}"
    assert redis_server.command("ZCARD", index) == 1


def as_list(reply: object) -> list[object]:
    assert isinstance(reply, list)
    return reply


# Which store


def test_the_store_is_the_one_in_the_environment(url: str, tmp_path: Path) -> None:
    key = log_in(url, "ann")
    listed = kick("sessions", "list", "ann", cwd=tmp_path, SESSION_STORE=url)
    assert listed.returncode == 0, listed.stderr
    assert fingerprint(key) in listed.stdout
    (tmp_path / ".env").write_text(f"SESSION_STORE={url}\n")
    assert fingerprint(key) in kick("sessions", "list", "ann", "--json", cwd=tmp_path).stdout
    ended = kick("sessions", "revoke", "ann", cwd=tmp_path)
    assert ended.stdout.strip() == f"ended  1 session of ann in {cli.shown_url(url)}"
    assert ended.stderr == ""


@pytest.mark.long
def test_else_it_is_that_of_the_application(project: Path, url: str) -> None:
    source = APP.replace('os.environ.get("SESSION_STORE")', repr(url))
    (project / "app.py").unlink()
    (project / "shop.py").write_text(source)
    (project / "pyproject.toml").write_text('[tool.kick]\napp = "shop:app"\n')
    log_in(url, "ann")
    ended = kick("sessions", "revoke", "ann", cwd=project)
    said = r"ended  1 session of ann in the (SQLite|Postgres|Redis)Store of shop:app"
    assert re.fullmatch(said, ended.stdout.strip())


def test_what_is_named_comes_first(project: Path, tmp_path: Path) -> None:
    named, other = (sqlite_url(tmp_path / f"{name}.db") for name in ("named", "other"))
    key = log_in(named, "ann")
    listed = kick("sessions", "list", "ann", "--store", named, cwd=project, SESSION_STORE=other)
    assert fingerprint(key) in listed.stdout


# What can be wrong


def refused(result: Result) -> str:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


COMMANDS: list[tuple[str, ...]] = [("list", "ann"), ("revoke", "ann", "--yes"), ("purge",)]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_a_server_that_is_not_there_is_named_without_its_password(arguments: tuple[str, ...]) -> None:
    port = free_port()
    said = refused(run(*arguments, "--store", f"redis://ann:open-sesame@127.0.0.1:{port}/0"))
    assert "error  session-store-failed" in said
    assert f"redis://127.0.0.1:{port}/0 cannot be used: no connection to" in said
    assert "open-sesame" not in said


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_a_file_that_is_not_there_is_not_made(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "sesions.db"
    assert f"There is no file {path}" in refused(run(*arguments, "--store", sqlite_url(path)))
    assert not path.exists()


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n" * 100)
    assert "error  session-store-failed" in refused(run("list", "ann", "--store", sqlite_url(path)))


@pytest.mark.parametrize("url", ["memory://", "memory://?max_sessions=5"])
def test_sessions_in_memory_cannot_be_seen_from_here(url: str) -> None:
    assert "error  session-store-in-process" in refused(run("list", "ann", "--store", url))


@pytest.mark.parametrize("url", ["sessions.db", "mysql://ann:open-sesame@localhost/sessions", "://"])
def test_a_url_that_nobody_knows_is_refused(url: str) -> None:
    said = refused(run("list", "ann", "--store", url))
    assert "error  session-store-url" in said
    assert "redis+cluster://" in said
    assert "--store sqlite:///sessions.db" in said
    assert "open-sesame" not in said


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite://sessions.db", "session-option"),
        ("redis://localhost?colour=red", "redis-url"),
        ("postgresql://localhost?colour=red", "postgres-url"),
    ],
)
def test_a_url_that_is_not_right_is_refused(url: str, code: str) -> None:
    assert f"error  {code}" in refused(run("list", "ann", "--store", url))


def test_without_any_store_it_says_how_to_name_one(tmp_path: Path) -> None:
    run = kick("sessions", "list", "ann", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "error  session-store-missing" in run.stderr
    assert "kick sessions purge --store sqlite:///sessions.db" in run.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda source: source, "session-store-in-process"),
        (lambda source: "from kick import bootstrap\napp = bootstrap([])\n", "session-store-none"),
        (lambda source: source.replace('os.environ.get("SESSION_STORE")', "BasicStore()"), "session-store-no-index"),
        (lambda source: "raise OSError('no database')", "target-import"),
    ],
    ids=["in memory", "no sessions", "a store without an index", "an application that fails"],
)
def test_an_application_whose_store_is_of_no_use_is_named(
    project: Path, change: Callable[[str], str], code: str
) -> None:
    store = """
class BasicStore:
    async def get(self, sid): ...
    async def set(self, sid, data, max_age): ...
    async def destroy(self, sid): ...
"""
    (project / "app.py").write_text(store + change((project / "app.py").read_text()))
    run = kick("sessions", "list", "ann", cwd=project)
    assert run.returncode == 1
    assert f"error  {code}" in run.stderr
    assert "Traceback" not in run.stderr


def test_trace_shows_what_a_store_has_raised() -> None:
    said = run("list", "ann", "--trace", "--store", f"redis://127.0.0.1:{free_port()}/0")
    assert "Traceback (most recent call last)" in said.stderr
    assert "redis.exceptions.ConnectionError" in said.stderr


class TestMigrate:
    def test_creates_the_table_of_a_postgresql_store_once(self, postgres_url: str) -> None:
        shown = postgres_url.partition("?")[0].replace("kick@", "")
        table = postgres_url.rpartition("=")[2]
        assert run("migrate", "--store", postgres_url).output == f"  created  the table {table} in {shown}\n"
        assert "nothing to do: it is there" in run("migrate", "--store", postgres_url).output

    def test_other_stores_need_none(self, tmp_path: Path) -> None:
        store = sqlite_url(tmp_path / "sessions.db")
        log_in(store, "ann")
        assert run("migrate", "--store", store).output.strip() == f"nothing to do: {store} has no table"

    def test_a_table_of_something_else_is_left_alone(self, postgres_server: PostgresServer, postgres_url: str) -> None:
        postgres_server.run(f"CREATE TABLE {postgres_url.rpartition('=')[2]} (n int)")
        assert "it is not a table of sessions" in refused(run("migrate", "--store", postgres_url))
