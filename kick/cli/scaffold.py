"""Writing a project from templates, completely or not at all."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Final

from kick.cli.env_file import ENV_FILE, replace_private
from kick.errors import KickError

_MARKER: Final = re.compile(r"\{\{ (\w+) \}\}")
_PART: Final = re.compile(r"^\{\{ if (\w+) \}\}\n(.*?)^\{\{ end \}\}\n", re.MULTILINE | re.DOTALL)
_DOT: Final = "dot-"
"""Replaces the leading dot in the names of templates, because git and the build would use files with a dot."""
_TEMPLATE: Final = ".template"
"""Suffix of templates that are invalid before they are filled in, so that tools ignore them."""
_PACKAGE: Final = "__package__"
"""The folder of a template that is named after the package."""
_OTHERS: Final = (".html", ".css", ".js", ".svg")
"""Files that are copied unchanged, because braces have another meaning in them."""


def render(layers: Sequence[str], values: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a project by path, with these values filled in.

    `layers` are folders of templates. A file of a later one replaces that of an earlier one.
    Raises `KeyError` for a marker without a value.
    """
    found: dict[str, Traversable] = {}
    for layer in layers:
        root = files("kick.cli") / "templates" / layer
        found.update((path.replace(_PACKAGE, values["package"]), file) for path, file in _walk(root, ""))
    texts = {path: found[path].read_text(encoding="utf-8") for path in sorted(found)}
    return {path: text if path.endswith(_OTHERS) else fill(text, values) for path, text in texts.items()}


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the markers of a text, and remove the parts whose value is empty.

    >>> fill("# {{ name }}", {"name": "my-app"})
    '# my-app'
    >>> fill("always\\n{{ if redis }}\\nsometimes\\n{{ end }}\\n", {"redis": ""})
    'always\\n'
    """
    kept = _PART.sub(lambda match: match[2] if values[match[1]] else "", text)
    return _MARKER.sub(lambda match: values[match[1]], kept)


def check_folder(folder: Path) -> None:
    """Raise `project-folder` if the folder exists and is not empty."""
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        what = "a folder that is not empty" if folder.is_dir() else "a file"
        raise KickError(
            "project-folder",
            cause=f"{folder.name} exists already: it is {what}.",
            fix=f"Use another name, or move it away: `mv {folder.name} {folder.name}.old`.",
        )


def write_project(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Write these files into a new folder, in one step; `.env` can be read by its owner only.

    Raises `KickError`: `project-folder`. If an error occurs, nothing is left behind.
    """
    check_folder(folder)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        for path, text in contents.items():
            target = beside / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                target.write_bytes(text)
            elif target.name == ENV_FILE:
                replace_private(target, text)
            else:
                target.write_text(text, encoding="utf-8", newline="\n")
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _walk(root: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in root.iterdir():
        name = entry.name.removesuffix(_TEMPLATE)
        if name.startswith(_DOT):
            name = f".{name.removeprefix(_DOT)}"
        path = str(PurePosixPath(prefix, name))
        if entry.is_dir():
            yield from _walk(entry, path)
        else:
            yield path, entry
