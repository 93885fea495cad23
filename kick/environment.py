"""The environment of the process, and the colours of its terminal."""

from __future__ import annotations

import os
from typing import IO, Any, Final

_LAX: Final = ("development", "test")


def in_production() -> bool:
    """Return true unless `KICK_ENV` is `development` or `test`, where cookies and secrets may be weaker.

    An environment without a name, or with any other one, is production: it may be a server that somebody forgot to
    configure.

    >>> os.environ["KICK_ENV"], in_production()
    ('test', False)
    """
    return os.environ.get("KICK_ENV", "").strip().lower() not in _LAX


def in_development() -> bool:
    """Return true if `KICK_ENV` is `development`, as under `kick dev`. Then details of errors may be shown.

    >>> in_development()
    False
    """
    return os.environ.get("KICK_ENV", "").strip().lower() == "development"


def colors() -> bool | None:
    """Return `False` with `NO_COLOR` and `True` with `FORCE_COLOR`.

    With neither, return `None`: colours in a terminal, none in a pipe. See no-color.org and force-color.org.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return None


def colorful(stream: IO[Any]) -> bool:
    """Return true if colours may be written to a stream."""
    wanted = colors()
    return stream.isatty() if wanted is None else wanted
