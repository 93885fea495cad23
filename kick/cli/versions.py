"""The versions of what an application stands on."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Final

_SHOWN: Final = {
    "kick": "kick-framework",
    **{name: name for name in ("starlette", "msgspec", "anyio", "uvicorn", "uvloop", "httptools", "redis", "granian")},
    "hypercorn": "hypercorn",
}


def versions() -> dict[str, str]:
    """Python, kick and the packages beside it that are installed, by name.

    >>> list(versions())[:3]
    ['python', 'kick', 'starlette']
    """
    found = {"python": f"{platform.python_version()}"}
    for name, distribution in _SHOWN.items():
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found
