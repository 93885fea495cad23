"""Which environment the program runs in, and what its terminal can show."""

from __future__ import annotations

import os
from typing import IO, Any


def in_production() -> bool:
    """Whether `KICK_ENV` says `production`; anything else is development.

    >>> in_production()
    False
    """
    return os.environ.get("KICK_ENV", "").strip().lower() == "production"


def in_development() -> bool:
    """Whether `KICK_ENV` says `development`, as `kick dev` has it: what is for nobody else's eyes may be shown.

    An environment that was not named is not development: it may well be a server that somebody forgot to set up.

    >>> in_development()
    False
    """
    return os.environ.get("KICK_ENV", "").strip().lower() == "development"


def colors() -> bool | None:
    """Return `False` with `NO_COLOR` and `True` with `FORCE_COLOR`.

    `None` leaves it to the stream: colours in a terminal, none in a pipe. See no-color.org and force-color.org.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return None


def colorful(stream: IO[Any]) -> bool:
    """Whether to write colours to a stream."""
    wanted = colors()
    return stream.isatty() if wanted is None else wanted
