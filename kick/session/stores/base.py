"""Protocols of session stores.

Two protocols. `SessionStore` is the small one that anybody can write in a dozen lines: `get`, `set`,
`destroy` and, optionally, `touch`. `AtomicStore` is the rich one that the built-in stores speak: each of its
operations happens as a whole or not at all, whoever else is writing at the same moment.

A store never sees a session id. It sees a key, made from the SHA-256 of the id (`kick.session.ids`), so that
whoever can read the store cannot log in with what they find. It never sees Python objects either: values are
bytes, encoded one key at a time (`kick.session.data.values`), which is what lets two requests change different keys of
one session without undoing each other.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec


class Keep(enum.Enum):
    """The principal of a `Change` that leaves the record's principal as it is."""

    PRINCIPAL = "principal"


KEEP: Final = Keep.PRINCIPAL


REMEMBERED: Final = 30 * 86_400.0
"""Seconds for which a store knows an application that does not start again."""


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
    """The time at which the session ends in any case; `None` for no such time."""
    principal: str | None = None

    def __repr__(self) -> str:  # without the values: it may be logged
        return f"<Record {sorted(self.fields)} until {self.expires_at:.0f}>"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a record, made as a whole or not at all: first deletions, then values, then increments.

    With `expect`, it is applied only to a record whose fields are as expected: compare and set.

    >>> Change(set={"theme": b'"dark"'}, delete=["cart"]).set
    {'theme': b'"dark"'}
    """

    set: Mapping[str, bytes] = {}
    delete: Collection[str] = ()
    increment: Mapping[str, int] = {}
    """Added to what the store has at that moment; a key that is not there counts from 0."""
    principal: str | Keep | None = KEEP
    expect: Mapping[str, bytes | None] = {}
    """The encoded value that each of these keys must have in the store; `None` for a key that must not be there."""

    def __repr__(self) -> str:  # without the values, as of a record
        return f"<Change sets {sorted(self.set)}, deletes {sorted(self.delete)}, increments {sorted(self.increment)}>"

    def fits(self, fields: Mapping[str, bytes]) -> bool:
        """Return true if the fields of a record are as expected.

        >>> Change(expect={"n": b"1", "gone": None}).fits({"n": b"1"}), Change(expect={"n": b"1"}).fits({})
        (True, False)
        """
        return all(fields.get(name) == raw for name, raw in self.expect.items())

    def apply_to(self, fields: dict[str, bytes]) -> dict[str, int] | None:
        """Change `fields` in place; the counters after it, or `None` when one of them is no counter.

        For stores that have the fields of a record at hand as a dict.

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
    """The answer to a change that is now in the store."""

    expires_at: float
    counters: Mapping[str, int] = {}
    """The value of each incremented key after the change."""


class Superseded(msgspec.Struct, frozen=True):
    """The answer for a key whose session has moved to another key.

    `successor` is what `move` was given, and means nothing to the store: after a `rotate()` the sealed new id,
    which only the holder of the old one can open; after a `regenerate()` the new key, so that a logout that
    was on its way finds what it has to end.
    """

    successor: bytes | None = None


class Refused(enum.Enum):
    """Reasons why a store did nothing."""

    GONE = "gone"
    """The record was destroyed, has expired or never was."""
    TAKEN = "taken"
    """The new key is in use already."""
    CHANGED = "changed"
    """A field of the record is not as the change expects it."""
    NOT_A_COUNTER = "not a counter"
    """A key to increment holds something that is not a whole number of 64 bits."""


GONE: Final = Refused.GONE
TAKEN: Final = Refused.TAKEN
CHANGED: Final = Refused.CHANGED
NOT_A_COUNTER: Final = Refused.NOT_A_COUNTER

CommitResult: TypeAlias = Committed | Superseded | Literal[Refused.GONE, Refused.CHANGED, Refused.NOT_A_COUNTER]
MoveResult: TypeAlias = Committed | Superseded | Literal[Refused.GONE, Refused.TAKEN]


class AtomicStore(Protocol):
    """A store in which every operation is atomic and which never revives what has ended.

    The rules, each of them shown by `kick.testing.store_contract` over every built-in store:

    * A key is *live* from `create` or `move` until it is destroyed, moved away or expired. Only a live key is
      ever written; no operation makes a key live again except `create` and `move`, and those never take a key
      that is live or superseded.
    * `max_age` and `absolute_max_age` are seconds from now by the clock of the store. A record expires at
      `min(now + max_age, deadline)`. The deadline is set by `create` and carried along by
      `move`, which may set a new one.
    * A record that has expired is not there, even if it has not been removed yet.
    * A key that was moved away stays superseded for `grace` seconds, then it is as if it had never been.
    * An operation that cannot be carried out raises, and has changed nothing or everything.

    Some attributes are optional. `keeps_time = True` says that the store gives up by itself after a second or so; any
    other is given up by the engine. `now()` is the store's clock, where it is not that of the machine.
    `follows_clock = True` says that the clock moves with `kick.clock`, as tests move it. A store that
    takes sessions over from another framework has `adopt(session_id, key, *, max_age, absolute_max_age)`, which is
    asked when `load(key)` found nothing and answers likewise, and `disown(session_id)`, which ends the session there
    before `destroy(key)` ends it here. They alone are told an id: that is what the other framework finds it by.
    `explain(error)` says in a few words that clients may read how it stands with a store that raised: "is full"; `None`
    for one that does not answer.

    Two more are called when an application starts. `recognize(secrets, *, remember)` is given the fingerprints of the
    application's secrets as a `frozenset[str]`, keeps this set for `REMEMBERED` seconds if it is to, and returns all
    the sets that it has: so an application hears of others in the same place. `review()` returns a `KickError` for
    each thing about the server that endangers a promise, and raises one that is to stop the start.
    """

    async def load(self, key: str) -> Record | Superseded | None:
        """Return the record of `key`; `None` when there is none."""
        ...

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """Make a new record of what `change` sets. Never overwrites: a key that is in use is `TAKEN`.

        Raises `ValueError` for a change that increments what it has set to something else than a counter.
        """
        ...

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """Apply `change` to a live record and let it expire `max_age` from now, sooner than before or later.

        An empty change renews the life and changes nothing else. A record that is not as `change.expect` says stays
        as it is, its life included, and the answer is `CHANGED`.
        """
        ...

    async def touch(self, key: str, *, max_age: float) -> bool:
        """Let a live record expire no sooner than `max_age` from now; `False` when there is none.

        Never shortens a life, never passes the deadline, creates nothing.
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
        """Carry the record of `key`, as it is at this moment, over to `new_key`, and end `key`.

        The deadline is carried along; `absolute_max_age` sets a new one, so many seconds from now: for a login.

        `keep` names the fields that go along (`None`: all of them and the principal; otherwise the principal
        stays behind too). `key` answers `Superseded(successor)` for `grace` seconds; a grace of 0 leaves no trace. Of
        several moves of one key, one wins; a move onto the key itself is `TAKEN`.
        """
        ...

    async def destroy(self, key: str) -> bool | Superseded:
        """End the record; `False` when there was none. A superseded key stays superseded."""
        ...

    async def find(self, principal: str) -> Sequence[tuple[str, Record]]:
        """Return the live sessions of a principal, as pairs of key and record, in no particular order."""
        ...

    async def revoke(self, principal: str, *, keep: str | None = None) -> int:
        """End all sessions of a principal but the one with the key `keep`; how many were ended.

        A session that a parallel request is giving to this principal is ended too, or is given
        after the revocation as a whole: none slips through half-way.
        """
        ...

    async def purge(self) -> int:
        """Free what has expired; about how many records. Nothing visible changes."""
        ...

    async def aclose(self) -> None:
        """Close connections, threads and files. The sessions stay, and the store may be used again."""
        ...


@runtime_checkable
class SessionStore(Protocol):
    """The store that anyone can write: three coroutine methods, and a fourth if it is cheap.

    `sid` is 43 characters of `A-Z a-z 0-9 - _`, the SHA-256 of the session id. `data` is a dict of what JSON can
    hold, to be given back as it is; keys that start with `$` are kick's own. `max_age` is in seconds; an
    expired record must no longer be returned.

    kick keeps the promises of an `AtomicStore` on top of it as well as can be done: within one process, fully;
    between processes, two requests that commit in the same instant can lose one of the two changes, or bring
    back a session that was destroyed in that instant. `touch(sid, max_age)` is used when the class has it.

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
        """Store the data of a session for `max_age` seconds, in place of what was there."""
        ...

    async def destroy(self, sid: str) -> None:
        """Remove a session; nothing happens when there is none."""
        ...
