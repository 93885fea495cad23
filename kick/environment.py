"""Which environment the program runs in."""

from __future__ import annotations

import os


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
