"""Compares a store with a plain dict, over random sequences of operations and of time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, TypeAlias

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kick.session.stores.base import (
    CHANGED,
    GONE,
    KEEP,
    NOT_A_COUNTER,
    TAKEN,
    AtomicStore,
    Change,
    Committed,
    Keep,
    Record,
    Superseded,
)
from kick.testing.store_contract.base import MakeStore, StoreCase

KEYS: Final = tuple(f"{{abcd}}:{letter * 43}" for letter in "ABCDE")
NAMES: Final = ("a", "b", "n", "$own")
PRINCIPALS: Final = ("ann", "bob")

Advance: TypeAlias = Callable[[float], Awaitable[None]]

keys: Final = st.sampled_from(KEYS)
ages: Final = st.sampled_from([1, 10, 100, 1000])
values: Final = st.sampled_from([b"1", b"-5", b'"text"', b"9223372036854775807"])
principals: Final[st.SearchStrategy[str | Keep | None]] = st.sampled_from([KEEP, None, *PRINCIPALS])
changes: Final = st.builds(
    Change,
    set=st.dictionaries(st.sampled_from(NAMES), values, max_size=3),
    delete=st.lists(st.sampled_from(NAMES), max_size=2),
    increment=st.dictionaries(st.sampled_from(NAMES), st.integers(-3, 3), max_size=2),
    principal=principals,
    expect=st.just({}) | st.dictionaries(st.sampled_from(NAMES), st.none() | values, max_size=2),
)
creations: Final = st.builds(
    Change,
    set=st.dictionaries(st.sampled_from(NAMES[:2]), values),
    increment=st.dictionaries(st.sampled_from(NAMES[2:]), st.integers(-3, 3)),
    principal=principals,
)


class _Kept(msgspec.Struct):
    """A session of the model. `successor` is set after a move. Times are seconds since the start."""

    fields: dict[str, bytes]
    created_at: float
    issued_at: float
    seen_at: float
    expires_at: float
    deadline: float | None
    principal: str | None
    moved_to: Superseded | None = None


Compared: TypeAlias = _Kept | Superseded | None


class StoreMachine(RuleBasedStateMachine):
    """A state machine whose rules apply one operation to the store and to the dict, and compare the results.

    If the store has its own clock, nothing expires, and times are not compared. If the clock can be moved but keeps
    running, time passes in steps of a thousand seconds, and times are compared in thousands.
    """

    make_store: MakeStore
    advance: Advance
    controls_time: bool
    moves_time: bool

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store: AtomicStore = self.run(self.make_store())
        self.kept: dict[str, _Kept] = {}
        self.now = 0.0
        self.run(self.store.create(KEYS[0], Change(), max_age=1))
        self.start: float = self.run(self.store.load(KEYS[0])).created_at
        self.run(self.store.destroy(KEYS[0]))

    def run(self, operation: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await operation

        return self.runner.run(wait())

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self.runner.close()

    def live(self, key: str) -> _Kept | None:
        kept = self.kept.get(key)
        return kept if kept is not None and kept.expires_at > self.now else None

    def session(self, key: str) -> _Kept | None:
        kept = self.live(key)
        return None if kept is None or kept.moved_to is not None else kept

    def refusal(self, key: str) -> Any:
        """Return the expected result of a write to a key without a session."""
        kept = self.live(key)
        return GONE if kept is None else kept.moved_to

    def expiry(self, max_age: float, deadline: float | None) -> float:
        return min(self.now + max_age, self.now + max_age if deadline is None else deadline)

    def age(self, drawn: float) -> float:
        return drawn if self.controls_time else 1000 * drawn

    def agree(self, committed: Any, kept: _Kept, counters: dict[str, int]) -> None:
        assert isinstance(committed, Committed)
        assert dict(committed.counters) == counters
        if self.controls_time:
            assert committed.expires_at - self.start == kept.expires_at
        elif self.moves_time:
            assert round(committed.expires_at - self.start, -3) == kept.expires_at

    @rule(key=keys, change=creations, max_age=ages, absolute_max_age=st.none() | ages)
    def create(self, key: str, change: Change, max_age: float, absolute_max_age: float | None) -> None:
        max_age, absolute_max_age = self.age(max_age), absolute_max_age and self.age(absolute_max_age)
        created = self.run(self.store.create(key, change, max_age=max_age, absolute_max_age=absolute_max_age))
        if self.live(key) is not None:
            assert created is TAKEN
            return
        deadline = None if absolute_max_age is None else self.now + absolute_max_age
        fields, counters = _applied(change, {}) or ({}, {})
        principal = None if isinstance(change.principal, Keep) else change.principal
        expires_at = self.expiry(max_age, deadline)
        self.kept[key] = _Kept(fields, self.now, self.now, self.now, expires_at, deadline, principal)
        self.agree(created, self.kept[key], counters)

    @rule(key=keys, change=changes, max_age=ages)
    def commit(self, key: str, change: Change, max_age: float) -> None:
        max_age = self.age(max_age)
        committed = self.run(self.store.commit(key, change, max_age=max_age))
        kept = self.session(key)
        if kept is None:
            assert committed == self.refusal(key)
            return
        if any(kept.fields.get(name) != raw for name, raw in change.expect.items()):
            assert committed is CHANGED
            return
        applied = _applied(change, kept.fields)
        if applied is None:
            assert committed is NOT_A_COUNTER
            return
        kept.fields, counters = applied
        kept.seen_at, kept.expires_at = self.now, self.expiry(max_age, kept.deadline)
        if not isinstance(change.principal, Keep):
            kept.principal = change.principal
        self.agree(committed, kept, counters)

    @rule(key=keys, max_age=ages)
    def touch(self, key: str, max_age: float) -> None:
        max_age = self.age(max_age)
        kept = self.session(key)
        assert self.run(self.store.touch(key, max_age=max_age)) is (kept is not None)
        if kept is not None:
            kept.seen_at = self.now
            kept.expires_at = max(kept.expires_at, self.expiry(max_age, kept.deadline))

    @rule(
        key=keys,
        new_key=keys,
        max_age=ages,
        grace=st.just(0) | ages,
        keep=st.none() | st.sets(st.sampled_from(NAMES)),
        successor=st.none() | st.just(b"sealed"),
        absolute_max_age=st.none() | ages,
    )
    def move(
        self,
        key: str,
        new_key: str,
        max_age: float,
        grace: float,
        keep: Collection[str] | None,
        successor: bytes | None,
        absolute_max_age: float | None,
    ) -> None:
        max_age, grace = self.age(max_age), self.age(grace)
        new_deadline = None if absolute_max_age is None else self.age(absolute_max_age)
        options: dict[str, Any] = {"keep": keep, "successor": successor, "absolute_max_age": new_deadline}
        moved = self.run(self.store.move(key, new_key, max_age=max_age, grace=grace, **options))
        kept = self.session(key)
        if kept is None:
            assert moved == self.refusal(key)
        elif self.live(new_key) is not None:
            assert moved is TAKEN
        else:
            self.kept[new_key] = after = msgspec.structs.replace(kept, fields=dict(kept.fields))
            after.issued_at = after.seen_at = self.now
            if new_deadline is not None:
                after.deadline = self.now + new_deadline
            after.expires_at = self.expiry(max_age, after.deadline)
            if keep is not None:
                after.fields = {name: kept.fields[name] for name in kept.fields.keys() & set(keep)}
                after.principal = None
            kept.moved_to, kept.expires_at = Superseded(successor), self.now + grace
            self.agree(moved, after, {})

    @rule(key=keys)
    def destroy(self, key: str) -> None:
        destroyed = self.run(self.store.destroy(key))
        if self.session(key) is None:
            refusal = self.refusal(key)
            assert destroyed == (False if refusal is GONE else refusal)
        else:
            assert destroyed is True
            del self.kept[key]

    @rule(principal=st.sampled_from(PRINCIPALS), spared=st.none() | keys)
    def revoke(self, principal: str, spared: str | None) -> None:
        doomed = [key for key in self.found(principal) if key != spared]
        assert self.run(self.store.revoke(principal, keep=spared)) == len(doomed)
        for key in doomed:
            del self.kept[key]

    @rule()
    def purge(self) -> None:
        assert self.run(self.store.purge()) >= 0

    @rule(seconds=st.sampled_from([1, 9, 10, 99, 500]))
    def let_time_pass(self, seconds: float) -> None:
        if self.controls_time:
            self.run(type(self).advance(seconds))
            self.now += seconds
        elif self.moves_time:
            self.run(type(self).advance(1000 * seconds))
            self.now += 1000 * seconds

    def found(self, principal: str) -> list[str]:
        return [key for key in KEYS if (kept := self.session(key)) is not None and kept.principal == principal]

    @invariant()
    def store_and_dict_hold_the_same(self) -> None:
        entries, found = self.run(self.look())
        for key in KEYS:
            kept = self.live(key)
            expected = kept if kept is None or kept.moved_to is None else kept.moved_to
            assert self.seen(entries[key]) == self.untimed(expected)
        for principal in PRINCIPALS:
            assert sorted(found[principal]) == self.found(principal)
            for key, record in found[principal].items():
                assert self.seen(record) == self.untimed(self.live(key))

    async def look(self) -> tuple[dict[str, Record | Superseded | None], dict[str, dict[str, Record]]]:
        """Return all visible data, by key and by principal."""
        entries = await asyncio.gather(*map(self.store.load, KEYS))
        found = await asyncio.gather(*map(self.store.find, PRINCIPALS))
        return dict(zip(KEYS, entries, strict=True)), dict(zip(PRINCIPALS, map(dict, found), strict=True))

    def seen(self, entry: Record | Superseded | None) -> Compared:
        """Convert an entry of the store to the form of the model."""
        if not isinstance(entry, Record):
            return entry
        kept = _Kept(
            fields=dict(entry.fields),
            created_at=entry.created_at - self.start,
            issued_at=entry.issued_at - self.start,
            seen_at=entry.seen_at - self.start,
            expires_at=entry.expires_at - self.start,
            deadline=None if entry.deadline is None else entry.deadline - self.start,
            principal=entry.principal,
        )
        return self.untimed(kept)

    def untimed(self, kept: Compared) -> Compared:
        """Remove the times if they are not compared."""
        if self.controls_time or not isinstance(kept, _Kept):
            return kept
        names = ("created_at", "issued_at", "seen_at", "expires_at", "deadline")
        times = {name: time for name in names if (time := getattr(kept, name)) is not None}
        rough = {name: round(time, -3) if self.moves_time else 0 for name, time in times.items()}
        return msgspec.structs.replace(kept, **rough)


def _applied(change: Change, fields: dict[str, bytes]) -> tuple[dict[str, bytes], dict[str, int]] | None:
    """Return the fields and counters after a change, computed without the code under test."""
    after = {name: value for name, value in fields.items() if name not in change.delete} | dict(change.set)
    counters: dict[str, int] = {}
    for name, by in change.increment.items():
        before = after.get(name, b"0")
        if not before.removeprefix(b"-").isdigit() or not -(2**63) <= int(before) + by < 2**63:
            return None
        counters[name] = int(before) + by
        after[name] = b"%d" % counters[name]
    return after, counters


class ModelCases(StoreCase):
    """The contract as a program with a dict and a manual clock."""

    def test_any_sequence_of_operations_ends_as_in_a_plain_dict(self, make_store: MakeStore) -> None:
        hooks: dict[str, Any] = {
            "make_store": staticmethod(make_store),
            "advance": staticmethod(self.advance),
            "controls_time": self.controls_time,
            "moves_time": self.moves_time,
        }
        machine = type("Machine", (StoreMachine,), hooks)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                database=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
