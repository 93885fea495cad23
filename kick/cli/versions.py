"""The versions of what an application stands on."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Final

_SHOWN: Final = {
    "kick": "kick-framework",
    **{name: name for name in ("starlette", "msgspec", "anyio", "uvicorn", "uvloop", "httptools")},
    **{name: name for name in ("redis", "watchfiles")},
}
_A_ROW: Final = 4


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


def version_rows() -> list[list[str]]:
    """Return the versions in rows that fit into most terminals."""
    named = [f"{name} {version}" for name, version in versions().items()]
    few = [named[at : at + _A_ROW] for at in range(0, len(named), _A_ROW)]
    return [["" if at else "versions", ", ".join(each)] for at, each in enumerate(few)]
