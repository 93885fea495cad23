"""Places in a project: its package, and the file that calls `bootstrap()`."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from kick.cli.generate.errors import missing_module_list
from kick.cli.target import Target

Locals: TypeAlias = Callable[[str], bool]
"""A function that returns true if a module, by its full name, belongs to the project."""

WIDTH: Final = 88
"""The line length without a setting of the project: the default of ruff and black."""


class Place(NamedTuple):
    """A project: its folder, the folder for new components, and the prefix of their module names."""

    folder: Path
    root: Path
    prefix: str

    @property
    def is_flat(self) -> bool:
        """True if new components are created beside pyproject.toml instead of in a package."""
        return not self.prefix

    def is_local(self, module: str) -> bool:
        """Return true if a module belongs to the project."""
        return _file_of(module, self.folder) is not None or (self.folder / module.partition(".")[0]).is_dir()


def place_of(target: Target, folder: Path) -> Place:
    """Return the place for new files: the package of the application, if it is in one."""
    package = target.module.rpartition(".")[0]
    root = folder.joinpath(*package.split(".")) if package else folder
    return Place(folder, root, f"{package}." if package else "")


def find_bootstrap(target: Target, folder: Path) -> Path:
    """Return the file that calls `bootstrap()`: the target, or a file of the project that it imports.

    Raises `KickError`: `generate-list` where there is none.
    """
    waiting, seen = [target.module], set[Path]()
    while waiting:
        module = waiting.pop(0)
        path = _file_of(module, folder)
        if path is None or path in seen:
            continue
        seen.add(path)
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return path  # the editor reports the syntax error
        if any(_calls_bootstrap(node) for node in ast.walk(tree)):
            return path
        waiting += _imports(tree, module, is_package=path.name == "__init__.py")
    raise missing_module_list(
        f"neither {target} nor a file that it imports calls bootstrap()", "from ... import ...", "it", "modules"
    )


def line_width(folder: Path) -> int:
    """Return the line length in pyproject.toml, of ruff or black."""
    path = folder / "pyproject.toml"
    if not path.is_file():
        return WIDTH
    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return WIDTH
    for tool in ("ruff", "black"):
        width = tools.get(tool, {}).get("line-length")
        if isinstance(width, int):
            return width
    return WIDTH


def _file_of(module: str, folder: Path) -> Path | None:
    path = folder.joinpath(*module.split("."))
    for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _calls_bootstrap(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    return name == "bootstrap"


def _imports(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")
            kept = above[: len(above) - node.level + is_package] if node.level else []
            base = ".".join([*kept, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
