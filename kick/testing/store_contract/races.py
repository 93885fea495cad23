"""Races of many clients on a few sessions, to find lost or revived sessions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from kick.session.stores.base import AtomicStore, Change, Committed, Record
from kick.testing.store_contract.base import LONG, StoreCase, fields_of, keys_found, new_key

SESSIONS: Final = 4
"""The number of sessions that the clients use at a time."""

OPERATIONS: Final = ("commit",) * 30 + ("load",) * 8 + ("touch",) * 4 + ("move",) * 6 + ("destroy", "revoke")


class Findings(msgspec.Struct):
    """The result of a race. A correct store leaves everything but `operations` at zero."""

    operations: int = 0
    lost_updates: int = 0
    """Acknowledged changes that are missing afterwards, or counter values that were returned twice."""
    resurrections: int = 0
    """Sessions that were found after a client had been told of their end."""
    double_sessions: int = 0
    """Sessions with two live keys, or that moved twice from one key."""


class _Session(msgspec.Struct):
    """A session with all its keys, as the clients know it."""

    name: str
    keys: list[str]
    counted: set[int] = msgspec.field(default_factory=lambda: set[int]())
    written: dict[str, bytes] = msgspec.field(default_factory=lambda: dict[str, bytes]())
    ended: bool = False


class _Race:
    def __init__(self, stores: Sequence[AtomicStore]) -> None:
        self.stores = stores
        self.findings = Findings()
        self.sessions: list[_Session] = []
        self.current: list[_Session] = []
        self.over: set[str] = set()  # keys that a client was told have ended
        self.moves: Counter[str] = Counter()

    async def start(self) -> _Session:
        key = new_key()
        session = _Session(name=f"the one that began as {key}", keys=[key])
        self.sessions.append(session)
        await self.stores[0].create(key, Change(principal=session.name), max_age=LONG)
        return session

    async def run_client(self, number: int, seed: int, turns: int) -> None:
        random = Random(f"{seed}/{number}")  # noqa: S311  # a schedule that can be repeated
        store = self.stores[number % len(self.stores)]
        for turn in range(turns):
            place = random.randrange(SESSIONS)
            session = self.current[place]
            key = session.keys[-1] if random.random() < 0.7 else random.choice(session.keys)
            was_over = session.ended or key in self.over
            alive = await self.operate(random.choice(OPERATIONS), store, session, key, f"{number}", b"%d" % turn)
            self.findings.operations += 1
            self.findings.resurrections += was_over and alive
            if session.ended and self.current[place] is session:
                self.current[place] = await self.start()

    async def operate(
        self, operation: str, store: AtomicStore, session: _Session, key: str, client: str, value: bytes
    ) -> bool:
        """Run an operation, and return true if it found the session under `key`."""
        match operation:
            case "commit":
                return await self.commit(store, session, key, client, value)
            case "move":
                return await self.move(store, session, key)
            case "destroy":
                destroyed = await store.destroy(key)
                self.over.add(key)
                session.ended |= destroyed is True
                return destroyed is True
            case "revoke":
                revoked = await store.revoke(session.name)
                session.ended = True
                self.findings.double_sessions += revoked > 1
                return False
            case "touch":
                return await store.touch(key, max_age=LONG)
            case _:
                return isinstance(await store.load(key), Record)

    async def commit(self, store: AtomicStore, session: _Session, key: str, client: str, value: bytes) -> bool:
        result = await store.commit(key, Change(set={client: value}, increment={"n": 1}), max_age=LONG)
        if not isinstance(result, Committed):
            return False
        self.findings.lost_updates += result.counters["n"] in session.counted
        session.counted.add(result.counters["n"])
        session.written[client] = value
        return True

    async def move(self, store: AtomicStore, session: _Session, key: str) -> bool:
        new = new_key(key)
        result = await store.move(key, new, max_age=LONG, grace=LONG)
        self.over.add(key)
        if not isinstance(result, Committed):
            return False
        self.moves[key] += 1
        session.keys.append(new)
        return True

    async def take_stock(self) -> Findings:
        """Compare the final state with the results that the clients received."""
        store, findings = self.stores[0], self.findings
        findings.double_sessions += sum(moves > 1 for moves in self.moves.values())
        for session in self.sessions:
            live = [fields for key in session.keys if (fields := await fields_of(store, key)) is not None]
            findings.double_sessions += len(live) > 1 or len(await keys_found(store, session.name)) > 1
            if session.ended:
                findings.resurrections += len(live) > 0
            elif not live:
                findings.lost_updates += 1
            else:
                findings.lost_updates += len(session.counted) - int(live[0].pop("n", b"0"))
                findings.lost_updates += live[0] != session.written
        return findings


async def race(stores: Sequence[AtomicStore], *, clients: int = 24, turns: int = 150, seed: int = 1) -> Findings:
    """Run `clients` over `stores`, each with `turns` random operations on a few shared sessions."""
    running = _Race(stores)
    running.current = [await running.start() for _ in range(SESSIONS)]
    await asyncio.gather(*(running.run_client(number, seed, turns) for number in range(clients)))
    return await running.take_stock()


class RaceCases(StoreCase):
    """Tests that races lose no change and revive no session."""

    async def test_thousands_of_interleaved_operations_lose_and_revive_nothing(
        self, store: AtomicStore, other: AtomicStore
    ) -> None:
        for seed in range(3):
            findings = await race([store, other], seed=seed)
            assert findings == Findings(operations=24 * 150)
