"""The clock that every part of kick reads: `time()`, `monotonic()` and `now()`, which tests can move.

`kick.testing.travel` and `freeze` move it. Nothing of Python is patched, so timers, `sleep()` and the clocks of other
libraries go on as they are. An application that reads it for its own deadlines can be tested the same way:

    from kick import clock

    if clock.now() > invitation.expires_at:
        raise Gone("The invitation has expired.")

A process has one clock, because stores are made before the applications that use them, and may belong to several.
"""

from __future__ import annotations

import time as machine
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple


def exact(time: float) -> float:
    """Return a time as a multiple of 1/1024 s, with which sums and differences are exact.

    So a session of an hour has expired an hour later, and not a rounding error after it.

    >>> exact(1_800_000_000.2501)
    1800000000.25
    """
    return round(time * 1024) / 1024


_EPOCH: Final = exact(machine.time() - machine.monotonic())
"""The Unix time at which the monotonic clock began, for a clock that is stopped."""


class Move(NamedTuple):
    """A difference between the clock and that of the machine.

    >>> Move(90.0).applied_to(1_000.0), Move(0.0, frozen_at=5.0).applied_to(1_000.0)
    (1090.0, 5.0)
    """

    shift: float
    """Seconds by which the clock is ahead; for a stopped clock, at the moment when it was stopped."""
    frozen_at: float | None = None
    """The Unix time of a stopped clock, in seconds; `None` for a clock that runs."""

    def applied_to(self, time: float) -> float:
        """Return the Unix time that the clock shows when another clock, such as that of a server, shows `time`."""
        return time + self.shift if self.frozen_at is None else self.frozen_at


class Clock:
    """A clock that can be moved: `time()` and `monotonic()` in seconds.

    While it is not moved, they are the functions of the standard library, so reading it costs no more than reading
    those. Keep the clock and not its functions, which `set()` replaces.

    >>> clock = Clock()
    >>> clock.set(Move(0.0, frozen_at=1_800_000_000.0))
    >>> clock.time()
    1800000000.0
    >>> clock.set(None)
    >>> clock.time is machine.time
    True
    """

    __slots__ = ("monotonic", "moved", "time")

    time: Callable[[], float]
    """The Unix time."""
    monotonic: Callable[[], float]
    """A time that only `set()` can turn back."""
    moved: Move | None
    """The difference to the machine, for clocks of servers; `None` if there is none."""

    def __init__(self) -> None:
        self.set(None)

    def set(self, moved: Move | None) -> None:
        """Move the clock, or let it show the time of the machine again."""
        self.moved = moved
        if moved is None:
            self.time, self.monotonic = machine.time, machine.monotonic
        elif moved.frozen_at is None:
            shift = moved.shift
            self.time = lambda: machine.time() + shift
            self.monotonic = lambda: machine.monotonic() + shift
        else:
            at = moved.frozen_at
            monotonic = at - _EPOCH
            self.time, self.monotonic = lambda: at, lambda: monotonic


CLOCK: Final = Clock()

_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""A day more or less, and they would have no local time in some time zones."""
"""The clock of this process."""


def time() -> float:
    """Return the Unix time in seconds, like `time.time()`.

    >>> abs(time() - machine.time()) < 60
    True
    """
    return CLOCK.time()


def monotonic() -> float:
    """Return seconds for measuring intervals, like `time.monotonic()`.

    >>> monotonic() <= monotonic()
    True
    """
    return CLOCK.monotonic()


def now() -> datetime:
    """Return the time in UTC, like `datetime.now(UTC)`.

    >>> now().tzinfo
    datetime.timezone.utc
    """
    return datetime.fromtimestamp(CLOCK.time(), UTC)


def moment(seconds: float) -> datetime:
    """Return a Unix time as a `datetime` in UTC; a time out of its range becomes the first or last day.

    >>> moment(1767225600.5).isoformat(), moment(1e300).year, moment(-1e300).year
    ('2026-01-01T00:00:00.500000+00:00', 9999, 1)
    """
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC)


def following(given: Callable[[], float]) -> Callable[[], float]:
    """Return a clock of somebody else's that moves whenever the clock of this process is moved.

    >>> following(lambda: 1_000.0)()
    1000.0
    """

    def read() -> float:
        moved = CLOCK.moved
        return given() if moved is None else moved.applied_to(given())

    return read
