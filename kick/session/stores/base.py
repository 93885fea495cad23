"""Protocols of session stores.

There are two protocols. `SessionStore` is small; a class for it takes a dozen lines: `get`, `set`, `destroy` and,
optionally, `touch`. `AtomicStore` is the protocol of the built-in stores. Each of its operations is atomic, even if
several clients write at the same time.

A store never receives a session id. It receives a key, made from the SHA-256 of the id (`kick.session.ids`), so nobody
who can read the store can log in with its contents. It never receives Python objects either: values are bytes, each
key encoded separately (`kick.session.data.values`). So two requests can change different keys of one session without
undoing each other's changes.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec


class Keep(enum.Enum):
    """The value of `Change.principal` that leaves the principal of the record unchanged."""

    PRINCIPAL = "principal"


KEEP: Final = Keep.PRINCIPAL


REMEMBERED: Final = 30 * 86_400.0
"""Seconds after which a store forgets an application that has not started again."""


_LEAST_COUNTER: Final = -(1 << 63)
_MOST_COUNTER: Final = (1 << 63) - 1


class Record(msgspec.Struct, frozen=True):
    """A session as a store returns it. It is never changed; a commit creates a new one.

    Times are Unix times in seconds, by the clock of the store.
    """

    fields: Mapping[str, bytes]
    """The encoded value of each key; keys that start with `$` are kick's own."""
    created_at: float
    issued_at: float
    """The time at which the current id was generated."""
    seen_at: float
    """The last create, commit, touch or move."""
    expires_at: float
    deadline: float | None = None
    """The time at which the session ends even if it is used; `None` for no limit."""
    principal: str | None = None

    def __repr__(self) -> str:  # without the values, because it may be logged
        return f"<Record {sorted(self.fields)} until {self.expires_at:.0f}>"


def check_times(created: float, issued: float, seen: float, expires: float, deadline: float | None) -> None:
    """Check the times of a stored row, which may be damaged. Raises `ValueError` or `TypeError` if one is no number.

    >>> check_times(1.0, 1.0, 2.0, 60.0, None)
    >>> check_times(1.0, 1.0, 2.0, float("nan"), None)
    Traceback (most recent call last):
    ValueError: a time is not a number
    """
    if not isfinite(0.0 + created + issued + seen + expires + (deadline or 0.0)):
        raise ValueError("a time is not a number")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An atomic change of a record: first deletions, then values, then increments.

    With `expect`, it is applied only to a record whose fields are as expected: compare and set.

    >>> Change(set={"theme": b'"dark"'}, delete=["cart"]).set
    {'theme': b'"dark"'}
    """

    set: Mapping[str, bytes] = {}
    delete: Collection[str] = ()
    increment: Mapping[str, int] = {}
    """Numbers to add to the current values in the store; a missing key starts at 0."""
    principal: str | Keep | None = KEEP
    expect: Mapping[str, bytes | None] = {}
    """The encoded values that these keys must have in the store; `None` for a key that must be missing."""

    def __repr__(self) -> str:  # without the values, as of a record
        return f"<Change sets {sorted(self.set)}, deletes {sorted(self.delete)}, increments {sorted(self.increment)}>"

    def fits(self, fields: Mapping[str, bytes]) -> bool:
        """Return true if the fields of a record are as expected.

        >>> Change(expect={"n": b"1", "gone": None}).fits({"n": b"1"}), Change(expect={"n": b"1"}).fits({})
        (True, False)
        """
        return all(fields.get(name) == raw for name, raw in self.expect.items())

    def apply_to(self, fields: dict[str, bytes]) -> dict[str, int] | None:
        """Change `fields` in place; return the counters after it, or `None` if a field to increment is not a counter.

        For stores that hold the fields of a record as a dict.

        >>> fields = {"n": b"41", "old": b"1"}
        >>> Change(set={"new": b"2"}, delete=["old"], increment={"n": 1}).apply_to(fields), fields
        ({'n': 42}, {'n': b'42', 'new': b'2'})
        """
        for name in self.delete:
            fields.pop(name, None)
        fields.update(self.set)
        counters: dict[str, int] = {}
        if not self.increment:
            return counters
        for name, by in self.increment.items():
            try:
                held = msgspec.json.decode(fields.get(name, b"0"), type=int)
            except msgspec.DecodeError:
                return None
            value = held + by
            if not (_LEAST_COUNTER <= held <= _MOST_COUNTER and _LEAST_COUNTER <= value <= _MOST_COUNTER):
                return None
            counters[name] = value
            fields[name] = str(value).encode()
        return counters


class Committed(msgspec.Struct, frozen=True):
    """The result of a change that is now in the store."""

    expires_at: float
    counters: Mapping[str, int] = {}
    """The value of each incremented key after the change."""


class Superseded(msgspec.Struct, frozen=True):
    """The result for a key whose session has moved to another key.

    `successor` is the argument of `move`, which the store does not interpret. After a `rotate()` it is the encrypted
    new id, which only the holder of the old id can decrypt. After a `regenerate()` it is the new key, so that a logout
    that arrives with the old id ends the session.
    """

    successor: bytes | None = None


class Refused(enum.Enum):
    """Reasons why a store changed nothing."""

    GONE = "gone"
    """The record was destroyed, has expired, or never existed."""
    TAKEN = "taken"
    """The new key is in use already."""
    CHANGED = "changed"
    """A field of the record has another value than the change expects."""
    NOT_A_COUNTER = "not a counter"
    """The value of a key to increment is not a whole number of 64 bits."""


GONE: Final = Refused.GONE
TAKEN: Final = Refused.TAKEN
CHANGED: Final = Refused.CHANGED
NOT_A_COUNTER: Final = Refused.NOT_A_COUNTER

CommitResult: TypeAlias = Committed | Superseded | Literal[Refused.GONE, Refused.CHANGED, Refused.NOT_A_COUNTER]
MoveResult: TypeAlias = Committed | Superseded | Literal[Refused.GONE, Refused.TAKEN]


class AtomicStore(Protocol):
    """A store in which every operation is atomic, and which never revives an ended session.

    The rules, which `kick.testing.store_contract` tests for every built-in store:

    * A key is *live* from `create` or `move` until it is destroyed, moved away or expired. Only a live key is
      ever written; no operation makes a key live again except `create` and `move`, and those never take a key
      that is live or superseded.
    * `max_age` and `absolute_max_age` are seconds from now by the clock of the store. A record expires at
      `min(now + max_age, deadline)`. The deadline is set by `create` and carried along by
      `move`, which may set a new one.
    * An expired record is treated as missing, even if it has not been removed yet.
    * A key that was moved away stays superseded for `grace` seconds. After that, it is treated as never used.
    * An operation that fails raises. It has then changed nothing, or everything.

    Some attributes are optional. `keeps_time = True` means that the store has a time limit of its own; for any other
    store, the session manager applies one. `now()` is the clock of the store, if it is not that of the machine.
    `follows_clock = True` means that this clock moves with `kick.clock`, which tests can move. `explain(error)`
    describes the state of a store that raised in a few words for clients, such as "is full"; `None` means that the
    store did not answer.

    A store that migrates sessions from another framework has `adopt(session_id, key, *, max_age, absolute_max_age)`,
    which is called if `load(key)` found nothing and returns the same types, and `disown(session_id)`, which ends the
    session in the other framework before `destroy(key)` ends it here. Only these two receive a session id, because the
    other framework stores sessions by id.

    Two more are called when an application starts. `recognize(secrets, *, remember)` receives the fingerprints of the
    application's secrets as a `frozenset[str]`, stores this set for `REMEMBERED` seconds if `remember` is true, and
    returns all stored sets, so that an application detects others in the same place. `review()` returns a `KickError`
    for each property of the server that endangers a guarantee. It raises the error if the application must not start.
    """

    async def load(self, key: str) -> Record | Superseded | None:
        """Return the record of `key`; `None` when there is none."""
        ...

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """Create a record from `change`. It never overwrites: a key that is in use is `TAKEN`.

        Raises `ValueError` if the change increments a key and also sets it to a value that is not a counter.
        """
        ...

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """Apply `change` to a live record. The record expires `max_age` from now, even if that is earlier than before.

        An empty change only sets the expiry. If the record does not match `change.expect`, nothing changes, not even
        the expiry, and the result is `CHANGED`.
        """
        ...

    async def touch(self, key: str, *, max_age: float) -> bool:
        """Let a live record expire no sooner than `max_age` from now; `False` when there is none.

        It never shortens the lifetime, never exceeds the deadline, and creates nothing.
        """
        ...

    async def move(
        self,
        key: str,
        new_key: str,
        *,
        max_age: float,
        grace: float,
        keep: Collection[str] | None = None,
        successor: bytes | None = None,
        absolute_max_age: float | None = None,
    ) -> MoveResult:
        """Move the current record of `key` to `new_key`, and end `key`.

        The deadline stays the same, unless `absolute_max_age` sets a new one in seconds from now, as a login does.

        With `keep=None`, all fields and the principal move. Otherwise `keep` names the fields that move, and the
        principal does not. `key` returns `Superseded(successor)` for `grace` seconds; with a grace of 0, it is missing
        at once. Of several moves of one key, one succeeds. A move onto the key itself is `TAKEN`.
        """
        ...

    async def destroy(self, key: str) -> bool | Superseded:
        """End the record; `False` when there was none. A superseded key stays superseded."""
        ...

    async def find(self, principal: str) -> Sequence[tuple[str, Record]]:
        """Return the live sessions of a principal, as pairs of key and record, in no particular order.

        Of the values of a record, only that of `$client` is asked for. A store may leave out the others.
        """
        ...

    async def revoke(self, principal: str, *, keep: str | None = None) -> int:
        """End all sessions of a principal except that with the key `keep`; return their number.

        If a parallel request assigns a session to this principal, either this session is ended too, or the assignment
        happens after the whole revocation.
        """
        ...

    async def purge(self) -> int:
        """Remove expired records; return approximately how many. Nothing visible changes."""
        ...

    async def aclose(self) -> None:
        """Close connections, threads and files. The sessions stay, and the store may be used again."""
        ...


@runtime_checkable
class SessionStore(Protocol):
    """The protocol of a custom store: three coroutine methods, and optionally `touch`.

    `sid` is 43 characters of `A-Z a-z 0-9 - _`, the SHA-256 of the session id. `data` is a dict of JSON
    values, which must be returned unchanged; keys that start with `$` are kick's own. `max_age` is in seconds; an
    expired record must no longer be returned.

    On top of it, kick gives the guarantees of an `AtomicStore` within one process. Between processes, two requests that
    commit at the same moment can lose one of the two changes, or revive a session that is destroyed at that moment.
    `touch(sid, max_age)` is called if the class has it.

    >>> class DictStore:
    ...     def __init__(self) -> None:
    ...         self.rows: dict[str, dict[str, Any]] = {}
    ...     async def get(self, sid: str) -> dict[str, Any] | None:
    ...         return self.rows.get(sid)
    ...     async def set(self, sid: str, data: dict[str, Any], max_age: float) -> None:
    ...         self.rows[sid] = data
    ...     async def destroy(self, sid: str) -> None:
    ...         self.rows.pop(sid, None)
    >>> isinstance(DictStore(), SessionStore)
    True
    """

    async def get(self, sid: str) -> dict[str, Any] | None:
        """Return the data of a session; `None` when there is none or it has expired."""
        ...

    async def set(self, sid: str, data: dict[str, Any], max_age: float) -> None:
        """Store the data of a session for `max_age` seconds, and replace earlier data."""
        ...

    async def destroy(self, sid: str) -> None:
        """Remove a session; nothing happens when there is none."""
        ...
