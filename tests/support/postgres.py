"""Real PostgreSQL servers on loopback ports, each with a data directory of its own.

Each is a context manager: what it started is ended when the block is left, whatever happened in it.

    with PostgresServer() as server:
        psycopg.connect(server.url)
        server.kill()      # as in a power cut
        server.start()     # the same port again, with what it had written

PostgreSQL refuses to run as root. Where the tests do, it runs as the user `postgres`, in a folder that is this user's.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.support.ports import HOST, free_port
from tests.support.programs import program
from tests.support.waiting import wait_until

ROLE = "kick"

FAST = ("-c", "fsync=off", "-c", "full_page_writes=off")
"""For whoever does not test what a crash of the machine leaves."""

_SMALL = ("-c", "shared_buffers=16MB", "-c", "max_connections=200", "-c", "jit=off", "-c", "max_wal_size=256MB")

_numbers = itertools.count()


def make_data(folder: Path) -> None:
    """Write a data directory that servers can be started from, as `folder`/data."""
    initdb = _binary("initdb")  # the first that is asked for: without PostgreSQL, its user is missing, too
    folder.chmod(0o755)
    with _own_folder() as own:
        arguments = ["-D", str(own / "data"), "--no-sync", "-A", "trust", "-U", ROLE, "-E", "UTF8", "--locale=C"]
        made = subprocess.run(_as_user([initdb, *arguments], own), capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"initdb failed\n{made.stdout}{made.stderr}")
        shutil.copytree(own / "data", folder / "data")


class PostgresServer:
    """One server, started from the data directory that `make_data` has written.

    `config` holds further arguments of `postgres`. The port is chosen once: after `stop()` or `kill()`, `start()`
    serves on it again. A `folder` that is given is made, and removed afterwards.
    """

    def __init__(
        self,
        template: Path,
        *,
        config: Sequence[str] = FAST,
        port: int | None = None,
        folder: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        self.config = tuple(config)
        self._template = template / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted_folder = folder
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it keeps its data, its socket and its log."""
        assert self._folder is not None, "the server has not been started"
        return self._folder

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@{HOST}:{self.port}/postgres"

    @property
    def socket_url(self) -> str:
        """The URL of the Unix socket."""
        return f"postgresql://{ROLE}@/postgres?host={self.folder}&port={self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server wrote, over all its starts."""
        return (self.folder / "log").read_text(errors="replace")

    def new_table(self) -> str:
        """A name that no table has yet."""
        return f"sessions_{os.getpid()}_{next(_numbers)}"

    def store_url(self, **options: str) -> str:
        """The URL of an empty store."""
        options.setdefault("table", self.new_table())
        return f"{self.url}?{'&'.join(f'{name}={value}' for name, value in options.items())}"

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement; for set-up and for looking behind the scenes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    @contextmanager
    def locking(self, table: str, key: str) -> Iterator[psycopg.Connection[Any]]:
        """Hold the lock of a row in a transaction, which is rolled back at the end of the block."""
        with psycopg.connect(self.url) as connection:
            assert connection.execute(f"SELECT 1 FROM {table} WHERE key = %s FOR UPDATE".encode(), [key]).fetchone()  # noqa: S608
            yield connection
            connection.rollback()

    def start(self, *more: str) -> None:
        """Start the process and return when it answers. `more` are arguments for this start only."""
        if self.running:
            raise RuntimeError(f"the PostgreSQL server on port {self.port} runs already")
        if self._folder is None:
            self._folder = self._wanted_folder or _new_folder()
            self._folder.mkdir(exist_ok=True)
            self._fill(self._folder / "data")
            _give_away(self._folder)
        place = ["-D", f"{self.folder}/data", "-p", str(self.port), "-k", str(self.folder)]
        command = [_binary("postgres"), *place, "-c", f"listen_addresses={HOST}", *_SMALL, *self.config, *more]
        wait_until(lambda: self._starts(_as_user(command, self.folder)), f"PostgreSQL on port {self.port}", timeout=60)

    def stop(self) -> None:
        """End the process in an orderly way; connections are told. Does nothing when it has ended already."""
        self._end(signal.SIGINT)

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        assert self._process is not None
        self._process.wait(timeout=60)

    def give(self, folder: Path) -> None:
        """Let the server own a folder, which is made if it is missing, with what is in it."""
        folder.mkdir(exist_ok=True)
        _give_away(folder)

    def kill(self) -> None:
        """End all processes of the server at once: clients see their connections break."""
        process = self._process
        if process is not None:
            process.send_signal(signal.SIGSTOP)  # it would start new ones
            for pid in (*self._children(), process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(timeout=60)
            self._process = None

    def pause(self) -> None:
        """Freeze it: it accepts connections and answers nothing, until `resume()`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)  # first: it would start new ones
        for pid in self._children():
            with suppress(ProcessLookupError):  # it has ended in this moment
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        for pid in (*self._children(), self._process.pid):
            with suppress(ProcessLookupError):  # it has ended in this moment
                os.kill(pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _fill(self, data: Path) -> None:
        shutil.copytree(self._template, data)

    def _starts(self, command: list[str]) -> bool:
        """Start it if it does not run, which a killed one's last child may prevent; true when it answers."""
        if not self.running:
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            if not self.running and "pre-existing shared memory" not in self.log:
                raise RuntimeError(f"PostgreSQL on port {self.port} does not start\n{self.log}") from None
            return False
        return True

    def _children(self) -> list[int]:
        """The processes of connections and helpers, each of them in a process group of its own."""
        assert self._process is not None
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in found.read_text().split()]

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self.resume()
            process.send_signal(how)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None


class PgBouncer:
    """A pooler in front of a server, in transaction mode: each transaction may have another of its connections."""

    def __init__(self, server: PostgresServer, *, connections: int = 3) -> None:
        self.port = free_port()
        self._server = server
        self._connections = connections
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@{HOST}:{self.port}/postgres"

    def __enter__(self) -> Self:
        folder = self._server.folder
        settings = folder / f"pgbouncer-{self.port}.ini"
        settings.write_text(
            f"[pgbouncer]\nlisten_addr = {HOST}\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            f"default_pool_size = {self._connections}\nmax_client_conn = 200\n"
            f"[databases]\npostgres = host={HOST} port={self._server.port} user={ROLE}\n"
        )
        _give_away(folder)
        command = _as_user([program("pgbouncer"), str(settings)], folder)
        with (folder / "pgbouncer.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(self._answers, f"PgBouncer on port {self.port}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"PgBouncer does not start\n{(self._server.folder / 'pgbouncer.log').read_text()}")
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


class Standby(PostgresServer):
    """A copy of a server that follows it, and takes no changes until `promote()`."""

    def __init__(self, primary: PostgresServer, *, port: int | None = None) -> None:
        super().__init__(primary.folder, config=primary.config, port=port)
        self._primary = primary

    def promote(self) -> None:
        """Become the server that takes changes."""
        self.run("SELECT pg_promote()")

    def _fill(self, data: Path) -> None:
        command = [_binary("pg_basebackup"), "-D", str(data), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        place = ["-h", HOST, "-p", str(self._primary.port), "-U", ROLE]
        folder = data.parent
        copied = subprocess.run(_as_user([*command, *place], folder), capture_output=True, text=True)
        if copied.returncode:
            raise RuntimeError(f"pg_basebackup failed\n{copied.stderr}")


def _binary(name: str) -> str:
    """The path of a program of the server's package, which stands beside `postgres` and not on the path."""
    return str(Path(program("postgres")).resolve().with_name(name))


def _user() -> pwd.struct_passwd | None:
    """The user that servers run as, if it is another one."""
    return pwd.getpwnam("postgres") if os.getuid() == 0 else None


def _as_user(command: list[str], folder: Path) -> list[str]:
    user = _user()
    if user is None:
        return command
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, "env", f"--chdir={folder}", *command]


def _new_folder() -> Path:
    # Not below that of the run, which only root may enter. Paths of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="kick-postgres-", dir="/tmp"))
    _give_away(folder)
    return folder


@contextmanager
def _own_folder() -> Iterator[Path]:
    folder = _new_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give_away(folder: Path) -> None:
    user = _user()
    if user is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
