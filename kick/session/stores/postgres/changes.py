"""Creating and changing a row, over the connections of the store or over one of the application."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kick.session.stores.base import (
    CHANGED,
    GONE,
    KEEP,
    NOT_A_COUNTER,
    TAKEN,
    Change,
    CommitResult,
    Committed,
    Record,
    Refused,
    Superseded,
)
from kick.session.stores.postgres.pool import Parameters
from kick.session.stores.postgres.rows import Row, json_of, name_of, text_of, texts_of
from kick.session.stores.postgres.statements import Query, Statements

Run: TypeAlias = Callable[[Query, Parameters], Awaitable[list[Row]]]
Load: TypeAlias = Callable[[str], Awaitable[Record | Superseded | None]]

_COUNTER: Final = re.compile(rb"-?(0|[1-9][0-9]{0,18})")


async def create(
    run: Run, statements: Statements, key: str, change: Change, *, max_age: float, most: float | None
) -> Committed | Literal[Refused.TAKEN]:
    """Do what `AtomicStore.create` does. Raises `ValueError` when what is set cannot be counted on."""
    fields: dict[str, bytes] = {}
    counters = change.apply_to(fields)
    if counters is None:
        names = ", ".join(map(repr, change.increment))
        raise ValueError(f"{names}: a counter has to start from, and come to, a whole number of 64 bits")
    texts = texts_of(fields)
    parameters = {
        "key": key,
        "set": json_of(texts),
        "names": list(texts),
        "max_age": float(max_age),
        "most": None if most is None else float(most),
        "principal": principal_of(change),
    }
    rows = await run(statements.create, parameters)
    return Committed(rows[0][0], counters) if rows else TAKEN


async def commit(
    run: Run, load: Load, statements: Statements, key: str, change: Change, *, max_age: float
) -> CommitResult:
    """Do what `AtomicStore.commit` does: one statement, and another where the change was not made."""
    query = statements.count if change.increment else statements.commit
    parameters = _commit_parameters(key, change, max_age)
    while True:
        rows = await run(query, parameters)
        if rows:
            return Committed(rows[0][0], _counters(rows[0][1]))
        entry = await load(key)
        if not isinstance(entry, Record):
            return GONE if entry is None else entry
        if not change.fits(entry.fields):
            return CHANGED
        if not _can_count(change, entry.fields):
            return NOT_A_COUNTER
        # Another request has changed the session between the two statements.


def job_of(key: str, change: Change, max_age: float) -> dict[str, Any]:
    """Return a change as `Statements.commit_many` takes it."""
    texts = texts_of(change.set)
    job: dict[str, Any] = {
        "key": key,
        "set": texts,
        "names": list(texts),
        "delete": [text_of(name) for name in change.delete],
        "max_age": max_age,
    }
    if change.principal is not KEEP:
        job["gives"] = True
        job["principal"] = principal_of(change)
    return job


def principal_of(change: Change) -> str | None:
    """Return the principal that a change gives, as it is stored."""
    return None if change.principal is KEEP or change.principal is None else text_of(change.principal)


def _commit_parameters(key: str, change: Change, max_age: float) -> dict[str, Any]:
    texts = texts_of(change.set)
    parameters: dict[str, Any] = {
        "key": key,
        "set": json_of(texts),
        "names": list(texts),
        "delete": [text_of(name) for name in change.delete],
        "max_age": float(max_age),
        "gives": change.principal is not KEEP,
        "principal": principal_of(change),
        "expect": json_of(texts_of({name: raw for name, raw in change.expect.items() if raw is not None})),
        "absent": [text_of(name) for name, raw in change.expect.items() if raw is None],
    }
    if change.increment:
        counters = parameters["counters"] = [text_of(name) for name in change.increment]
        parameters["names"] = list(dict.fromkeys([*texts, *counters]))
        parameters["steps"] = [str(step) for step in change.increment.values()]
    return parameters


def _counters(text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    return {name_of(name): int(value) for name, value in msgspec.json.decode(text, type=dict[str, str]).items()}


def _can_count(change: Change, fields: Mapping[str, bytes]) -> bool:
    """Return true if the statement counts on top of these fields, as they are after what the change sets."""
    after = {**{name: raw for name, raw in fields.items() if name not in change.delete}, **change.set}
    return all(_COUNTER.fullmatch(after.get(name, b"0")) for name in change.increment) and (
        change.apply_to(dict(fields)) is not None
    )
