"""Real Redis servers on loopback ports: one alone, a cluster, a primary with its replica and a sentinel.

Each is a context manager: what it started is ended when the block is left, whatever happened in it.

    with RedisServer(tmp_path) as server:
        redis.from_url(server.url)
        server.kill()      # as in a power cut
        server.start()     # the same port again, empty
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Self

from tests.support import resp
from tests.support.ports import HOST, free_port
from tests.support.programs import program
from tests.support.resp import Reply, ReplyError
from tests.support.waiting import wait_until

BUS = 10_000
"""How far above its port a cluster node talks to the others; Redis's own default."""

SLOTS = 16_384


class RedisServer:
    """One `redis-server` process that keeps nothing on disk.

    `config` holds further arguments of `redis-server`, `binary` is another server than the one installed. The port is
    chosen once: after `stop()` or `kill()`, `start()` serves on it again.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Sequence[str] = (),
        port: int | None = None,
        binary: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.config = tuple(config)
        self.port = port or free_port()
        self._program = program("redis") if binary is None else str(binary)
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server wrote, over all its starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def command(self, *words: str | int) -> Reply:
        """Send a command past every client library; for set-up and for looking behind the scenes."""
        return resp.command(self.port, *words)

    def info(self, section: str) -> dict[str, str]:
        """The answer to INFO, as a dictionary."""
        return resp.fields(self.command("INFO", section))

    def flush(self) -> None:
        """Forget all data and all scripts."""
        self.command("FLUSHALL")
        self.command("SCRIPT", "FLUSH")

    def start(self, *more: str) -> None:
        """Start the process and return when it answers. `more` are arguments for this start only."""
        if self.running:
            raise RuntimeError(f"the Redis server on port {self.port} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._arguments(), *more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )
        try:
            wait_until(self._answers, f"Redis on port {self.port}")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the process in an orderly way. Does nothing when it has ended already."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once: clients see the connection break."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the process: it accepts connections and answers nothing, until `resume()`."""
        self._running_process().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running_process().send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self.directory / f"{self.port}.log"

    def _arguments(self) -> list[str]:
        alone = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.directory)]
        nothing_on_disk = ["--save", "", "--appendonly", "no", "--dbfilename", f"{self.port}.rdb"]
        return [self._program, *alone, *nothing_on_disk, *self.config]

    def _running_process(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the Redis server on port {self.port} does not run\n{self.log}")
        return self._process

    def _answers(self) -> bool:
        self._running_process()
        try:
            return self.command("PING") == "PONG"
        except ReplyError as error:  # LOADING: it reads what is on the disk
            if str(error).startswith("LOADING"):
                return False
            raise

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=60)


class RedisCluster:
    """Three primaries that share the slots, without replicas: one that dies takes the cluster down.

    With `replica=True` the first of them has a replica (`.replica`), which takes its place when it dies. With
    `partial=True` the others go on when one dies.
    """

    def __init__(
        self, directory: Path, *, replica: bool = False, partial: bool = False, config: Sequence[str] = ()
    ) -> None:
        # Only where a node is meant to be missed: a busy machine makes others seem dead after two seconds.
        node_timeout = "2000" if replica or partial else "60000"
        config = (*config, "--cluster-enabled", "yes", "--cluster-node-timeout", node_timeout)
        config += ("--repl-diskless-sync-delay", "0")
        config += ("--cluster-require-full-coverage", "no" if partial else "yes")
        ports = [free_port(companion=BUS) for _ in range(4 if replica else 3)]
        servers = [RedisServer(directory / str(port), config=config, port=port) for port in ports]
        self.nodes = servers[:3]
        self.replica = servers[3] if replica else None
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """The first node; a client finds the others from there."""
        return self.nodes[0].url

    def flush(self) -> None:
        for node in self.nodes:
            node.flush()

    def wait_until_complete(self) -> None:
        """Return when every node that runs knows who has which slot."""
        wait_until(lambda: all(map(self._complete, self._running)), "the Redis cluster", timeout=30)

    def covers_all_slots(self) -> bool:
        """Whether each node that runs knows a living primary for every slot."""
        states = [resp.fields(node.command("CLUSTER", "INFO")) for node in self._running]
        return all(state["cluster_slots_ok"] == str(SLOTS) for state in states)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self._all:
                stack.enter_context(node)
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def _all(self) -> list[RedisServer]:
        return self.nodes if self.replica is None else [*self.nodes, self.replica]

    @property
    def _running(self) -> list[RedisServer]:
        return [node for node in self._all if node.running]

    def _join(self) -> None:
        first, *others = self._all
        for epoch, (node, slots) in enumerate(zip(self.nodes, _shares(len(self.nodes)), strict=True), start=1):
            node.command("CLUSTER", "ADDSLOTS", *slots)
            node.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        for node in others:
            first.command("CLUSTER", "MEET", HOST, node.port)
        self.wait_until_complete()
        if (replica := self.replica) is not None:
            replica.command("CLUSTER", "REPLICATE", str(first.command("CLUSTER", "MYID")))
            wait_until(lambda: is_in_sync(replica), "the replica")

    def _complete(self, node: RedisServer) -> bool:
        state = resp.fields(node.command("CLUSTER", "INFO"))
        return state["cluster_state"] == "ok" and state["cluster_known_nodes"] == str(len(self._all))


class RedisSentinel:
    """A primary, its replica, and one sentinel whose word is enough.

    The roles change hands: ask for `primary` and `replica` each time.

        with RedisSentinel(tmp_path) as servers:
            redis.sentinel.Sentinel(servers.sentinels).master_for(servers.service)
            servers.fail_over()    # kills the primary; the replica is the primary when this returns
            servers.heal()         # the one that was killed is back, as the replica
    """

    service = "kick"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        config = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
        self.servers = [RedisServer(directory / name, config=config) for name in ("one", "two")]
        self._sentinel_port = free_port()
        self._stack = ExitStack()

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        """Where the sentinels listen, as client libraries want it."""
        return [(HOST, self._sentinel_port)]

    @property
    def primary(self) -> RedisServer:
        """The server that the sentinel names as the primary."""
        reply = resp.command(self._sentinel_port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        assert isinstance(reply, list)
        return next(server for server in self.servers if str(server.port) == reply[1])

    @property
    def replica(self) -> RedisServer:
        primary = self.primary
        return next(server for server in self.servers if server is not primary)

    def flush(self) -> None:
        self.primary.flush()

    def fail_over(self) -> None:
        """Kill the primary and return when the replica has taken its place."""
        lost, heir = self.primary, self.replica
        lost.kill()
        self.wait_for(heir)

    def wait_for(self, heir: RedisServer) -> None:
        """Return when this server is the primary, and the sentinel says so."""
        wait_until(lambda: self._is_settled(heir), "the fail-over", timeout=60)

    def heal(self) -> None:
        """Start what was killed, as a replica, and return when the sentinel would promote it."""
        primary, replica = self.primary, self.replica
        if not replica.running:
            replica.start("--replicaof", HOST, str(primary.port))
        wait_until(self._can_fail_over, "the sentinel's replica", timeout=60)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in self._start():
                stack.callback(server.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _start(self) -> Iterator[RedisServer]:
        primary, replica = self.servers
        primary.start()
        yield primary
        replica.start("--replicaof", HOST, str(primary.port))
        yield replica
        wait_until(lambda: is_in_sync(replica), "the replica")
        sentinel = _Sentinel(self._directory / "sentinel", port=self._sentinel_port)
        sentinel.watch(self.service, primary)
        sentinel.start()
        yield sentinel
        wait_until(self._can_fail_over, "the sentinel's replica", timeout=60)

    def _is_settled(self, heir: RedisServer) -> bool:
        # The sentinel names the heir before it has let go of the one that died, and clients refuse that state.
        state = resp.pairs(resp.command(self._sentinel_port, "SENTINEL", "MASTER", self.service))
        return state["flags"] == "master" and state["port"] == str(heir.port) and is_primary(heir)

    def _can_fail_over(self) -> bool:
        replicas = resp.command(self._sentinel_port, "SENTINEL", "REPLICAS", self.service)
        assert isinstance(replicas, list)
        known = [resp.pairs(replica) for replica in replicas]
        return any(each["flags"] == "slave" and each["master-link-status"] == "ok" for each in known)


class _Sentinel(RedisServer):
    """A `redis-server` that watches others. It keeps what it learns in its settings file."""

    def watch(self, service: str, primary: RedisServer) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            f"bind {HOST}\n"
            f"port {self.port}\n"
            f"dir {self.directory}\n"
            f"sentinel monitor {service} {HOST} {primary.port} 1\n"
            f"sentinel down-after-milliseconds {service} 1000\n"
            f"sentinel failover-timeout {service} 2000\n"
        )

    @property
    def _settings(self) -> Path:
        return self.directory / "sentinel.conf"

    def _arguments(self) -> list[str]:
        return [self._program, str(self._settings), "--sentinel"]


def kill_when_replicated(primary: RedisServer, replica: RedisServer) -> None:
    """Kill a primary after its replica has received everything that was answered: writes wait meanwhile."""
    primary.command("CLIENT", "PAUSE", 60_000, "WRITE")
    offset = int(primary.info("replication")["master_repl_offset"])
    wait_until(lambda: int(replica.info("replication")["slave_repl_offset"]) >= offset, "the replica")
    primary.kill()


def _shares(count: int) -> Iterator[range]:
    bounds = [SLOTS * part // count for part in range(count + 1)]
    return (range(*pair) for pair in pairwise(bounds))


def is_primary(server: RedisServer) -> bool:
    return server.info("replication")["role"] == "master"


def is_in_sync(server: RedisServer) -> bool:
    return server.info("replication").get("master_link_status") == "up"
