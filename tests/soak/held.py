"""What a process holds, as the kernel and the application say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import httpx2


@dataclass(frozen=True)
class Held:
    """Memory in KiB, and counts. `proportional` is the PSS, 0 where the kernel does not tell it."""

    resident: int
    proportional: int
    descriptors: int
    threads: int
    tasks: int
    objects: int
    blocks: int

    def has_returned(self, before: Held) -> bool:
        """Whether there are no more descriptors and tasks than before."""
        return self.descriptors <= before.descriptors and self.tasks <= before.tasks

    def __str__(self) -> str:
        proportional = f", PSS {self.proportional:,} KiB" if self.proportional else ""
        return (
            f"RSS {self.resident:,} KiB{proportional}, {self.descriptors} descriptors, {self.threads} threads, "
            f"{self.tasks} tasks, {self.objects:,} objects, {self.blocks:,} blocks"
        )


async def held(pid: int, address: str) -> Held:
    """Ask for everything over a connection of its own, which counts each time."""
    async with httpx2.AsyncClient(base_url=address, timeout=30.0) as client:
        counts = (await client.get("/held")).raise_for_status().json()
    folder = Path(f"/proc/{pid}")
    status = (folder / "status").read_text()
    return Held(
        resident=_number("VmRSS", status),
        proportional=_proportional(folder),
        descriptors=len(list((folder / "fd").iterdir())),
        threads=_number("Threads", status),
        tasks=counts["tasks"],
        objects=counts["objects"],
        blocks=counts["blocks"],
    )


def resident(pid: int) -> int:
    """KiB of memory that a process holds."""
    return _number("VmRSS", Path(f"/proc/{pid}/status").read_text())


def _proportional(folder: Path) -> int:
    try:
        return _number("Pss", (folder / "smaps_rollup").read_text())
    except OSError:
        return 0


def _number(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0
