"""Records before and after an operation, for stores that compute them in Python."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec.structs import replace

from kick.session.stores.base import CHANGED, KEEP, NOT_A_COUNTER, Change, Record, Refused


def expiry(now: float, max_age: float, deadline: float | None) -> float:
    """Return the time at which a record expires.

    >>> expiry(1000.0, 60.0, None), expiry(1000.0, 60.0, 1030.0)
    (1060.0, 1030.0)
    """
    expires_at = now + max_age
    return expires_at if deadline is None or expires_at < deadline else deadline


def created(
    change: Change, *, now: float, max_age: float, absolute_max_age: float | None
) -> tuple[Record, Mapping[str, int]]:
    """Return the record that `create` makes, and its counters. Raises `ValueError` if a value cannot be incremented."""
    fields: dict[str, bytes] = {}
    counters = change.apply_to(fields)
    if counters is None:
        raise ValueError(
            f"set to something that is not a counter of 64 bits, and incremented: {sorted(change.increment)}"
        )
    deadline = None if absolute_max_age is None else now + absolute_max_age
    record = Record(
        fields=fields,
        created_at=now,
        issued_at=now,
        seen_at=now,
        expires_at=expiry(now, max_age, deadline),
        deadline=deadline,
        principal=None if change.principal is KEEP else change.principal,
    )
    return record, counters


def committed(
    record: Record, change: Change, *, now: float, max_age: float
) -> tuple[Record, Mapping[str, int]] | Literal[Refused.CHANGED, Refused.NOT_A_COUNTER]:
    """Return a record after a commit, and its counters; or the reason why nothing is committed."""
    if not change.fits(record.fields):
        return CHANGED
    fields = dict(record.fields)
    counters = change.apply_to(fields)
    if counters is None:
        return NOT_A_COUNTER
    expires_at = expiry(now, max_age, record.deadline)
    principal = record.principal if change.principal is KEEP else change.principal
    return replace(record, fields=fields, seen_at=now, expires_at=expires_at, principal=principal), counters


def touched(record: Record, *, now: float, max_age: float) -> Record:
    """Return a record after a touch, which shortens no life."""
    expires_at = max(record.expires_at, expiry(now, max_age, record.deadline))
    return replace(record, seen_at=now, expires_at=expires_at)


def moved(
    record: Record, *, now: float, max_age: float, keep: Collection[str] | None, absolute_max_age: float | None
) -> Record:
    """Return a record after a move."""
    deadline = record.deadline if absolute_max_age is None else now + absolute_max_age
    expires_at = expiry(now, max_age, deadline)
    after = replace(record, issued_at=now, seen_at=now, expires_at=expires_at, deadline=deadline)
    if keep is None:
        return after
    fields = {name: value for name, value in record.fields.items() if name in keep}
    return replace(after, fields=fields, principal=None)
