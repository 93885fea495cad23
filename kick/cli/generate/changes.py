"""Changes of several files, applied completely or not at all."""

from __future__ import annotations

import difflib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from kick.cli import terminal
from kick.cli.env_file import replace_file
from kick.errors import KickError


class Edit(NamedTuple):
    """The text of a file before and after a change."""

    path: Path
    before: bytes
    after: bytes


class Changes(NamedTuple):
    """New files by their paths, and edits of existing files."""

    folder: Path
    new: Mapping[Path, str]
    edits: tuple[Edit, ...] = ()

    def check(self) -> None:
        """Raise `generate-file` if a file would be overwritten, or a module and a package would have one name."""
        taken = [path for path in self.new if path.exists() or path.is_symlink()]
        for path in self.new:
            for rival in (path.with_suffix(""), path.parent.with_suffix(".py")):
                if path.name != "__init__.py" and rival.exists() and rival not in taken:
                    taken.append(rival)
        if taken:
            paths = [self._name(path) for path in taken]
            raise KickError(
                "generate-file",
                cause=f"Nothing was written, because these exist already: {', '.join(paths)}.",
                fix=f"Use another name, or move it away: `mv {paths[0]} {paths[0]}.old`.",
            )

    def write(self) -> None:
        """Make all changes. If an error occurs, undo them."""
        self.check()
        made: list[Path] = []
        edited: list[Edit] = []
        try:
            for path, text in self.new.items():
                made += _make_folders(path.parent)
                with path.open("x", encoding="utf-8", newline="\n") as stream:
                    made.append(path)
                    stream.write(_formatted(text, path, self.folder))
            for edit in self.edits:
                _replace(edit.path, edit.after)
                edited.append(edit)
        except BaseException:
            for edit in edited:
                _replace(edit.path, edit.before)
            for path in reversed(made):
                path.rmdir() if path.is_dir() else path.unlink()
            raise

    def shown(self) -> str:
        """Return the new files and a diff of the edits for a terminal."""
        new = [f"  {terminal.green('new')}   {self._name(path)}" for path in self.new]
        edited = [f"  {terminal.yellow('edit')}  {self._name(edit.path)}" for edit in self.edits]
        diffs = [line for edit in self.edits for line in ("", *_diff(edit, self._name(edit.path)))]
        return "\n".join([*new, *edited, *diffs])

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def _diff(edit: Edit, name: str) -> list[str]:
    before, after = (text.decode("utf-8", "replace").splitlines() for text in (edit.before, edit.after))
    lines = difflib.unified_diff(before, after, name, name, lineterm="", n=2)
    return [f"    {_colored(line)}" for line in lines]


def _colored(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return terminal.dim(line)
    if line.startswith("+"):
        return terminal.green(line)
    return terminal.red(line) if line.startswith("-") else line


def _make_folders(folder: Path) -> list[Path]:
    if folder.is_dir():
        return []
    made = _make_folders(folder.parent)
    folder.mkdir()
    return [*made, folder]


def _replace(path: Path, content: bytes) -> None:
    """Replace the content of a file atomically. Its permissions do not change, and a link stays a link."""
    path = path.resolve()
    replace_file(path, content, mode=stat.S_IMODE(path.stat().st_mode))


def _formatted(text: str, path: Path, folder: Path) -> str:
    """Format a text with the ruff of the project, if it is installed."""
    ruff = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if ruff is None:
        return text
    run = subprocess.run(  # noqa: S603  # a fixed program, and no shell
        [ruff, "format", "--stdin-filename", str(path), "-"],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout if run.returncode == 0 else text
