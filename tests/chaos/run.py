"""One run of chaos over one store."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random

from tests.chaos.client import Client, Tally
from tests.chaos.stores import STORES, Store
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

RECOVERY = 2.0
"""Seconds after which requests succeed again when the store is back."""

ACTS = 200.0
"""Acts a second of all clients together at most: with more, the process of the clients is what they wait for."""

LEAST_PAUSE = 0.01
"""Seconds between two acts of a client, however few there are."""


@dataclass
class Report:
    """The figures of a run."""

    store: str
    seconds: float
    clients: int
    tally: Tally
    faults: dict[str, int] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    tracebacks: int = 0
    most_recovery: float = RECOVERY

    @property
    def problems(self) -> list[str]:
        """Everything that must not be."""
        slow = [
            f"requests failed for {each:.1f} s after the store was back"
            for each in self.recoveries
            if each > self.most_recovery
        ]
        traces = [f"{self.tracebacks} tracebacks in the log"] if self.tracebacks else []
        return [*self.tally.faults, *slow, *traces]

    def __str__(self) -> str:
        answered = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.tally.answered.items()))
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        slowest = max(self.recoveries, default=0.0)
        return (
            f"{self.store}: {self.seconds:.0f} s, {self.clients} clients; faults: {faults or 'none'}\n"
            f"  answered {sum(self.tally.answered.values()):,}: {answered}\n"
            f"  503 {self.tally.unavailable:,}, no response {self.tally.lost:,}, slowest recovery {slowest:.2f} s\n"
            f"  wrong {len(self.problems)}"
        )


async def run(
    name: str,
    folder: Path,
    *,
    seconds: float,
    clients: int,
    every: float,
    seed: int,
    most_recovery: float = RECOVERY,
) -> Report:
    """Let clients act while faults follow each other, one in `every` seconds."""
    with STORES[name](folder / name) as store:
        port = free_port()
        log = folder / f"{name}.log"
        server = await _start(store, port, log)
        tally = Tally()
        report = Report(name, seconds, clients, tally, most_recovery=most_recovery)
        address = f"http://{HOST}:{port}"
        try:
            await asyncio.to_thread(_answering, port)
            stopped = asyncio.Event()
            pause = max(LEAST_PAUSE, clients / ACTS)
            browsers = [Client(f"c{number}", address, tally, seed + number, pause=pause) for number in range(clients)]
            acting = [asyncio.create_task(browser.run(stopped)) for browser in browsers]
            await _fail(store, server, port, report, seconds, every, Random(seed))
            stopped.set()
            await asyncio.gather(*acting)
            for browser in browsers:
                await browser.finish()
        finally:
            server.send_signal(signal.SIGTERM)
            await server.wait()
        report.tracebacks = log.read_text(errors="replace").count("Traceback (most recent call last)")
        return report


async def _start(store: Store, port: int, log: Path) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "kick.cli", "start", "tests.chaos.application:app", "--workers", "2"]
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            "--force",  # plain http on the loopback
            "--port",
            str(port),
            cwd=ROOT,
            env={**os.environ, "KICK_ENV": "test", "CHAOS_STORE": store.url},
            stdout=output,
            stderr=output,
        )


async def _fail(
    store: Store,
    server: asyncio.subprocess.Process,
    port: int,
    report: Report,
    seconds: float,
    every: float,
    random: Random,
) -> None:
    kinds = ["worker killed", *store.faults]
    end = time.monotonic() + seconds
    left: list[str] = []
    while time.monotonic() + every < end:
        await asyncio.sleep(every / 2)
        left = left or random.sample(kinds, len(kinds))  # each of them, before one comes again
        name = left.pop()
        report.faults[name] = report.faults.get(name, 0) + 1
        if name == "worker killed":
            workers = _children(server.pid)
            if workers:
                os.kill(random.choice(workers), signal.SIGKILL)
            await asyncio.sleep(every / 2)
            continue
        fault = store.faults[name]
        await asyncio.to_thread(fault.begin)
        await asyncio.sleep(every / 4)
        await asyncio.to_thread(fault.heal)
        began = time.monotonic()
        await asyncio.to_thread(_answering, port)
        report.recoveries.append(time.monotonic() - began)
        await asyncio.to_thread(fault.repair)
        await asyncio.sleep(every / 4)
    await asyncio.sleep(max(0.0, end - time.monotonic()))


def _answering(port: int) -> None:
    """Wait until a session can be written: in a thread, which does not wait for the other clients."""
    while True:
        connection = HTTPConnection(HOST, port, timeout=5.0)
        try:
            connection.request("POST", "/login/probe", headers={"Sec-Fetch-Site": "same-origin"})
            if connection.getresponse().status < 300:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)


def _children(parent: int) -> list[int]:
    try:
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return []
    return [int(each) for each in found]
