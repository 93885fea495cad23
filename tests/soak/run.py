"""One soak: a server, its visitors, and the comparison of what it holds after the warm-up and at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from kick.session.cookie import REMEMBERED
from tests.soak.held import Held, held, resident
from tests.soak.visitors import Tally, Visitor
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

SETTLE = 35.0
"""Seconds without visitors before each look. The sessions of the last ones expire in this time."""

SESSIONS = REMEMBERED + 100
"""Sessions begun before the warm-up: they fill the cache of verified cookies, which is bounded, and not by time."""

BEGINNERS = 4
"""Clients that begin them, side by side."""

ACTS = 20_000

PATIENCE = 60.0
"""Seconds in which descriptors and tasks of the last visitors go away."""


@dataclass
class Report:
    """The figures of a run. `most_growth` is a part of the memory after the warm-up."""

    seconds: float
    visitors: int
    most_growth: float
    tally: Tally
    samples: list[int] = field(default_factory=list)
    tracebacks: int = 0
    before: Held | None = None
    after: Held | None = None

    @property
    def growth(self) -> float:
        """How much the memory grew after the warm-up: by the PSS where there is one, else by the RSS."""
        assert self.before is not None
        assert self.after is not None
        if self.before.proportional:
            return self.after.proportional / self.before.proportional - 1
        return self.after.resident / self.before.resident - 1

    @property
    def problems(self) -> list[str]:
        """Everything that must not be."""
        assert self.before is not None
        assert self.after is not None
        found = list(self.tally.faults)
        if self.growth > self.most_growth:
            found.append(f"memory grew by {self.growth:.2%}, more than {self.most_growth:.0%}")
        for name in ("descriptors", "tasks"):
            before, after = getattr(self.before, name), getattr(self.after, name)
            if after > before:
                found.append(f"{after} {name}, and {before} after the warm-up")
        return found + ([f"{self.tracebacks} tracebacks in the log"] if self.tracebacks else [])

    def __str__(self) -> str:
        done = ", ".join(f"{count:,} {name}" for name, count in sorted(self.tally.done.items()))
        load = f"{min(self.samples):,} to {max(self.samples):,} KiB"
        return (
            f"{self.seconds:.0f} s after the warm-up, {self.visitors} visitors\n"
            f"  {sum(self.tally.done.values()):,} acts: {done}\n"
            f"  after the warm-up: {self.before}\n"
            f"  at the end:        {self.after}\n"
            f"  RSS under load: {load}; growth at rest {self.growth:+.2%}\n"
            f"  wrong {len(self.problems)}"
        )


async def run(
    log: Path,
    *,
    seconds: float,
    warm_up: float = 120.0,
    settle: float = SETTLE,
    patience: float = PATIENCE,
    sessions: int = SESSIONS,
    acts: int = ACTS,
    visitors: int = 40,
    most_growth: float = 0.01,
    seed: int = 1,
    store: str = "memory://",
    target: str = "tests.soak.application:app",
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Let visitors come for `warm_up` and then for `seconds`, and look at the server after each.

    The warm-up lasts until the visitors have done `acts` things at least, so that it warms up on a slow machine too.
    """
    report = Report(seconds, visitors, most_growth, Tally())
    async with _serving(target, store, log) as (server, address):
        await asyncio.gather(*(_begin_sessions(address, sessions // BEGINNERS) for _ in range(BEGINNERS)))
        await _visits(server.pid, address, report, warm_up, seed, acts=acts)
        report.before = await _settled(server.pid, address, settle, patience)
        say(f"after the warm-up: {report.before}")
        report.samples.clear()
        await _visits(server.pid, address, report, seconds, seed + visitors)
        report.after = await _settled(server.pid, address, settle, patience, report.before)
    report.tracebacks = _written(log).count("Traceback (most recent call last)")
    return report


def _written(log: Path) -> str:
    return log.read_text(errors="replace")


@asynccontextmanager
async def _serving(target: str, store: str, log: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    port = free_port()
    command = [sys.executable, "-m", "kick.cli", "start", target, "--force", "--port", str(port)]
    with log.open("wb") as output:
        server = await asyncio.create_subprocess_exec(
            *command,
            "--access-log",
            "off",
            cwd=ROOT,
            env={**os.environ, "KICK_ENV": "test", "SOAK_STORE": store},
            stdout=output,
            stderr=output,
        )
    try:
        address = f"http://{HOST}:{port}"
        await _answering(server, address, log)
        yield server, address
    finally:
        if server.returncode is None:
            server.send_signal(signal.SIGTERM)
        await server.wait()


async def _answering(server: asyncio.subprocess.Process, address: str, log: Path) -> None:
    async with httpx2.AsyncClient(base_url=address, timeout=30.0) as client:
        while True:
            try:
                (await client.get("/held")).raise_for_status()
            except httpx2.TransportError:
                if server.returncode is not None:
                    raise RuntimeError(f"the server did not start\n{_written(log)}") from None
                await asyncio.sleep(0.05)
            else:
                return


async def _begin_sessions(address: str, count: int) -> None:
    async with httpx2.AsyncClient(base_url=address, timeout=120.0) as client:
        for _ in range(count):
            client.cookies.clear()
            for _ in range(2):  # the second request brings the cookie
                (await client.get("/")).raise_for_status()


async def _visits(pid: int, address: str, report: Report, seconds: float, seed: int, *, acts: int = 0) -> None:
    stopped = asyncio.Event()
    acting = [
        asyncio.create_task(Visitor(address, report.tally, seed + number).run(stopped))
        for number in range(report.visitors)
    ]
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 or sum(report.tally.done.values()) < acts:
        await asyncio.sleep(min(max(left, 1.0), 10.0))
        report.samples.append(resident(pid))
    stopped.set()
    await asyncio.gather(*acting)


async def _settled(pid: int, address: str, settle: float, patience: float, before: Held | None = None) -> Held:
    """Return what is held at rest. At the end, the server has longer for descriptors and tasks that are still there."""
    await asyncio.sleep(settle)
    found = await held(pid, address)
    deadline = time.monotonic() + patience
    while before is not None and not found.has_returned(before) and time.monotonic() < deadline:
        await asyncio.sleep(1.0)
        found = await held(pid, address)
    return found
