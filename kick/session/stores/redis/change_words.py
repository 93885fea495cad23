"""A change of a session as the words that the scripts take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kick.session.stores.base import Change

MAX_COUNTER: Final = 2**63 - 1


def pairs(fields: Mapping[str, bytes]) -> list[bytes]:
    """Return names and values alternately.

    >>> pairs({"a": b"1", "b": b"2"})
    [b'a', b'1', b'b', b'2']
    """
    return [word for name, value in fields.items() for word in (name.encode(), value)]


def expected_words(fields: Mapping[str, bytes | None]) -> Iterator[bytes]:
    """Return the arguments of `expect.lua`.

    >>> list(expected_words({"a": b"1", "b": None}))
    [b'2', b'a', b'=', b'1', b'b', b'-', b'']
    """
    yield b"%d" % len(fields)
    for name, raw in fields.items():
        yield from (name.encode(), b"-", b"") if raw is None else (name.encode(), b"=", raw)


def step_words(change: Change) -> list[bytes]:
    """Return names and increments alternately. Redis increments by 64 bits at most; larger numbers are split.

    >>> step_words(Change(increment={"n": 2, "m": -1}))
    [b'n', b'2', b'm', b'-1']
    """
    words: list[bytes] = []
    for name, by in change.increment.items():
        rest = max(-2 * MAX_COUNTER - 2, min(by, 2 * MAX_COUNTER + 2))
        while True:
            step = max(-MAX_COUNTER - 1, min(rest, MAX_COUNTER))
            words += (name.encode(), b"%d" % step)
            rest -= step
            if not rest:
                break
    return words


def counters_of(change: Change, counted: Sequence[bytes]) -> dict[str, int]:
    """Return the counters of a change by their names, from what the increments of `step_words` returned.

    >>> counters_of(Change(increment={"n": 2}), [b"5"])
    {'n': 5}
    """
    values = dict(zip(step_words(change)[::2], counted, strict=True))
    return {name: int(values[name.encode()]) for name in change.increment}
