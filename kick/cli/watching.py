"""Finding out that a file of a project was saved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SUFFIXES: Final = (".py",)
_NAMES: Final = frozenset({".env"})
_NOT_ENTERED: Final = frozenset({"__pycache__", "node_modules"})

Stamp = tuple[int, int]


class Watch:
    """The Python files below a folder, and its `.env` files: `changed()` are those saved since the last look.

    What hidden folders, `node_modules` and virtual environments hold is not looked at.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = dict(_stamps(folder))

    def changed(self) -> list[Path]:
        """The files that are new, gone or different, relative to the folder and sorted."""
        now = dict(_stamps(self._folder))
        before, self._seen = self._seen, now
        names = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
        return sorted(Path(name).relative_to(self._folder) for name in names)


def _stamps(folder: Path | str) -> Iterator[tuple[str, Stamp]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # it was removed a moment ago, or nobody may read it
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _NOT_ENTERED:
                    yield from _stamps(entry.path)
            elif entry.name.endswith(_SUFFIXES) or entry.name in _NAMES:
                status = entry.stat()
                yield entry.path, (status.st_mtime_ns, status.st_size)
        except OSError:
            continue
