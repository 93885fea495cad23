"""The format of a session in Redis. `lua/session.lua` uses the same format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

from kick.session.data.reserved import CLIENT_FIELD
from kick.session.stores.base import Record, Superseded

FACTS: Final = b"\xff"
"""The field for kick's own data. Its name is not UTF-8, so it cannot be the name of a user's field."""

SHOWN: Final = (FACTS, CLIENT_FIELD.encode())
"""The fields from which a list of devices is made."""

LEADS_TO: Final = b">"
"""The first byte of the mark at a key whose session moved to a known successor, which follows it."""

LEADS_NOWHERE: Final = b"!"
"""The mark at a key whose session moved away without one."""

NOTHING: Final = b"-"
"""The placeholder for a missing value."""

_MARKS: Final = LEADS_TO + LEADS_NOWHERE
_PLUS: Final = ord("+")

MOST_MILLISECONDS: Final = 1 << 52
"""The largest age: more than a hundred thousand years, and still exact as a number in Lua."""


@lru_cache(maxsize=64)
def milliseconds(seconds: float) -> bytes:
    """Return seconds in the form of scripts: whole milliseconds, in digits.

    >>> milliseconds(1.5), milliseconds(0.0001), milliseconds(float("inf"))
    (b'1500', b'1', b'4503599627370496')
    """
    if seconds <= 0:
        return b"0"
    return b"%d" % (max(1, round(seconds * 1000)) if seconds * 1000 < MOST_MILLISECONDS else MOST_MILLISECONDS)


def record_of(answer: Sequence[bytes] | Mapping[bytes, bytes]) -> Record | Superseded | None:
    """Return the record in an answer to HGETALL; `None` for a hash that is not a session.

    >>> facts = b"1000 +0 +1500 +59000 - - - "
    >>> record_of([b"name", b'"ann"', FACTS, facts])
    <Record ['name'] until 60>
    >>> record_of([FACTS, b">sealed"])
    Superseded(successor=b'sealed')
    >>> record_of([]) is None
    True
    """
    if isinstance(answer, list):
        values = iter(answer)
        pairs = dict(zip(values, values, strict=True))
    else:
        pairs = dict(cast(Mapping[bytes, bytes], answer))  # RESP3 has maps
    facts = pairs.pop(FACTS, None)
    if facts is None:
        return None
    if facts[0] in _MARKS:
        return superseded_of(facts)
    created, issued, seen, expires, deadline, _, entry, principal = facts.split(b" ", 7)
    began = int(created)
    zero = began if issued[0] == _PLUS else 0  # as all times of a record; earlier ones count from 1970
    return Record(
        {name.decode(): value for name, value in pairs.items()},
        began / 1000,
        (zero + int(issued)) / 1000,
        (zero + int(seen)) / 1000,
        (zero + int(expires)) / 1000,
        None if deadline == NOTHING else (zero + int(deadline)) / 1000,
        None if entry == NOTHING else principal.decode(),
    )


def entry_of(facts: bytes | None) -> tuple[bytes, bytes, bytes] | None:
    """Return the entry of a session in the index, its principal, and when it expires in milliseconds.

    >>> entry_of(b"1000 +0 +1500 +59000 - +9 name ann"), entry_of(b"1000 +0 +1500 +59000 - - - "), entry_of(b"!")
    ((b'name', b'ann', b'60000'), None, None)
    """
    if facts is None or facts[0] in _MARKS:
        return None
    created, _, _, expires, _, _, entry, principal = facts.split(b" ", 7)
    if entry == NOTHING:
        return None
    zero = int(created) if expires[0] == _PLUS else 0
    return entry, principal, b"%d" % (zero + int(expires))


def superseded_of(mark: bytes) -> Superseded:
    """Return the successor from the mark at a key whose session moved.

    >>> superseded_of(b">sealed"), superseded_of(b"!")
    (Superseded(successor=b'sealed'), Superseded(successor=None))
    """
    return Superseded(mark[1:] if mark[:1] == LEADS_TO else None)
