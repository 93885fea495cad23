"""Which environment the program runs in."""

from __future__ import annotations

import os


def in_production() -> bool:
    """Whether `KICK_ENV` says `production`; anything else is development.

    >>> in_production()
    False
    """
    return os.environ.get("KICK_ENV", "").strip().lower() == "production"
