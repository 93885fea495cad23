"""Detection of saved files in a project.

With `watchfiles`, the operating system reports changes in a folder. Without it, or if the system cannot report them,
the folders are scanned five times a second. In both cases a scan finds out which files have changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Final

from kick.cli.server.processes import PAUSE

_SUFFIXES: Final = (".py",)
_NAMES: Final = frozenset({".env"})
_NOT_ENTERED: Final = frozenset({"__pycache__", "node_modules"})

_STEP: Final = 0.02
"""Seconds without a further change after which a save is complete."""
_LONGEST: Final = 0.2
"""Seconds to wait at most while files continue to change."""
_ANYWAY: Final = 1.0
"""Seconds after which the folders are scanned without a report: the system does not report changes on some mounts."""

Stamp = tuple[int, int]


class Watch:
    """The Python files below a folder, and its `.env` files.

    Hidden folders, `node_modules` and virtual environments are skipped.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen, self._folders = _look(folder)

    def changed(self) -> list[Path]:
        """Return the files that were added, removed or changed since the last call, relative and sorted."""
        before = self._seen
        self._seen, self._folders = _look(self._folder)
        names = {name for name in self._seen.keys() | before.keys() if self._seen.get(name) != before.get(name)}
        return sorted(Path(name).relative_to(self._folder) for name in names)

    def looks(self, stopped: Event) -> Iterator[list[Path]]:
        """Yield changed files at once, and nothing at least once a second, until `stopped` is set."""
        while not stopped.is_set():
            folders = self._folders
            for _ in _pauses(folders, stopped):
                yield self.changed()
                if self._folders != folders:
                    break


def _look(folder: Path) -> tuple[dict[str, Stamp], list[str]]:
    """Return the files with their modification stamps, and the folders to watch."""
    files: dict[str, Stamp] = {}
    folders: list[str] = []
    left = [str(folder)]
    while left:
        path = left.pop()
        try:
            entries = list(os.scandir(path))
        except OSError:  # it was removed meanwhile, or cannot be read
            continue
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        folders.append(path)
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith(".") and entry.name not in _NOT_ENTERED:
                        left.append(entry.path)
                elif _is_watched(entry.name):
                    status = entry.stat()
                    files[entry.path] = (status.st_mtime_ns, status.st_size)
            except OSError:
                continue
    return files, sorted(folders)


def _is_watched(name: str) -> bool:
    return name.endswith(_SUFFIXES) or name in _NAMES


def _pauses(folders: Sequence[str], stopped: Event) -> Iterator[None]:
    """Yield when the files may have changed, until `stopped` is set."""
    try:
        yield from _pauses_of_the_system(folders, stopped)
    except (ImportError, OSError, RuntimeError):  # not installed; a folder is gone; too many folders are watched
        while not stopped.wait(PAUSE):
            yield


def _pauses_of_the_system(folders: Sequence[str], stopped: Event) -> Iterator[None]:
    from watchfiles import Change, watch

    def matters(change: Change, path: str) -> bool:
        name = Path(path).name
        return _is_watched(name) or "." not in name  # without a dot, it may be a folder

    looked = 0.0
    for changes in watch(
        *folders,
        watch_filter=matters,
        recursive=False,  # virtual environments would be watched too
        step=round(_STEP * 1000),
        debounce=round(_LONGEST * 1000),
        rust_timeout=round(PAUSE * 1000),
        yield_on_timeout=True,
        stop_event=stopped,
    ):
        if changes or monotonic() > looked + _ANYWAY:  # soon at first: earlier saves are not reported
            looked = monotonic()
            yield
