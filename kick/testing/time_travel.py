"""`travel()` and `freeze()`: move the clock of kick in a test."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from kick.clock import CLOCK, Move, exact, now
from kick.errors import KickError
from kick.testing.application import session_layers


class TimeTravel:
    """The time in a block of `travel()` or `freeze()`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def now(self) -> datetime:
        """The time by the clock of kick, in UTC."""
        return now()

    def move(
        self,
        by: timedelta | float = 0,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Move the clock on by a time: a `timedelta` or seconds, and the named units in addition.

        A frozen clock then shows the later time. Raises `ValueError` for a time below 0.
        """
        first = by if isinstance(by, timedelta) else timedelta(seconds=by)
        step = (first + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)).total_seconds()
        if step < 0:
            raise ValueError(f"time goes forward only, not by {step} seconds; freeze() takes any time")
        moved = CLOCK.moved or Move(0.0)
        at = None if moved.frozen_at is None else moved.frozen_at + step
        CLOCK.set(Move(moved.shift + step, at))
        _wake(self._client)


@contextmanager
def travel(
    client: Any,
    by: timedelta | float = 0,
    *,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
) -> Generator[TimeTravel]:
    """Let time pass for an application without waiting.

        with travel(client, hours=25):
            assert client.get("/me").status_code == 401

    Sessions and their cookies, the cookies of the client, `@Authenticated(max_age=...)`, `rate_limit()` and
    `LoginLimit` expire as they would, in memory, in a file and on a server. The access log has the moved time. Code of
    the application is moved if it reads `kick.clock`. Timers and `sleep()` do not move, nor does a storage of `limits`
    that was passed to `rate_limit()`. After the block the clock shows the time of the machine again; what has expired
    in the block stays expired.

    Arguments:
        client: a client, or the application.
        by: a `timedelta` or seconds.
        days: days, which are added to it.
        hours: hours, which are added to it.
        minutes: minutes, which are added to it.
        seconds: seconds, which are added to it.

    The result moves the clock further: `time.move(minutes=5)`. Blocks can be nested, in `freeze()` too.

    Raises `ValueError` for a time below 0, and `KickError`: `test-clock` for a session store whose clock cannot be
    moved.

    >>> from kick import bootstrap, clock
    >>> before = clock.now()
    >>> with travel(bootstrap([]), hours=25) as time:
    ...     time.move(hours=1)
    ...     round((clock.now() - before).total_seconds() / 3600)
    26
    """
    with _moved(client) as time:
        time.move(by, days=days, hours=hours, minutes=minutes, seconds=seconds)
        yield time


@contextmanager
def freeze(client: Any, at: datetime | None = None) -> Generator[TimeTravel]:
    """Let the clock of an application stand still, now or at a given time.

    In `with freeze(client) as time:`, `time.move(seconds=1)` moves it. Everything else is as for `travel()`.

    Arguments:
        client: a client, or the application.
        at: a time with a time zone; it may be in the past.

    Raises `ValueError` for a time without a time zone, and `KickError`: `test-clock`.

    >>> from datetime import UTC
    >>> from kick import bootstrap, clock
    >>> with freeze(bootstrap([]), datetime(2026, 12, 24, 18, tzinfo=UTC)):
    ...     clock.now().isoformat()
    '2026-12-24T18:00:00+00:00'
    """
    if at is not None and at.tzinfo is None:
        raise ValueError(f"freeze() needs a time with a time zone, such as datetime(..., tzinfo=UTC), not {at!r}")
    with _moved(client) as time:
        shown = exact(CLOCK.time())
        stands_at = shown if at is None else at.timestamp()
        shift = 0.0 if CLOCK.moved is None else CLOCK.moved.shift
        CLOCK.set(Move(shift + stands_at - shown, stands_at))
        _wake(client)
        yield time


@contextmanager
def _moved(client: Any) -> Generator[TimeTravel]:
    """Set the clock back at the end of a block."""
    for layer in session_layers(client):
        store = layer.manager.store
        if not getattr(store, "follows_clock", False):
            raise _fixed_clock(store)
    before = CLOCK.moved
    try:
        yield TimeTravel(client)
    finally:
        CLOCK.set(before)


def _wake(client: Any) -> None:
    """Check the sessions of open connections now: they are checked by timers, which do not move."""
    for layer in session_layers(client):
        layer.manager.operations.connections.check_all()


def _fixed_clock(store: object) -> KickError:
    """Return the error for a session store that does not follow `kick.clock`."""
    name = type(store).__qualname__
    return KickError(
        "test-clock",
        cause=f"The session store {name} has a clock that cannot be moved, so its sessions would not expire.",
        fix=f"Let {name} read `kick.clock.time()` and have `follows_clock = True`, or test with `MemoryStore()`.",
    )
