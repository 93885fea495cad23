"""Which file of a package imports which, read from the source without running it."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Self

ImportNode = ast.Import | ast.ImportFrom
Graph = Mapping[str, frozenset[str]]
"""A file to the files that it imports; both named from the directory that holds the package."""


@dataclass(frozen=True)
class Source:
    """One Python file: `name` from the directory that holds the package, `module` as it is imported."""

    name: str
    module: str
    text: str
    tree: ast.Module

    @classmethod
    def read(cls, path: Path, top: Path) -> Self:
        name = path.relative_to(top)
        parts = name.parent.parts if name.name == "__init__.py" else name.with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        return cls(name.as_posix(), ".".join(parts), text, ast.parse(text, str(name)))

    @property
    def is_package(self) -> bool:
        return self.name.endswith("__init__.py")

    @property
    def imports(self) -> list[ImportNode]:
        """Every import: those inside functions and those for type checkers too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ImportNode)]

    @property
    def forwards(self) -> bool:
        """Whether it is a package that imports its exports when they are used: it may name modules of any level."""
        return self.is_package and "lazy_exports(" in self.text

    def base(self, node: ast.ImportFrom) -> str:
        """The module that a `from ... import` names, dots at its start resolved."""
        parts = self.module.split(".") if node.level else []
        above = node.level - (1 if self.is_package else 0)
        start = parts[: len(parts) - above]
        return ".".join([*start, node.module] if node.module else start)


def read_package(package: Path) -> list[Source]:
    """All Python files of a package."""
    top = package.parent
    paths = [path for path in sorted(package.rglob("*.py")) if path.is_file()]
    return [Source.read(path, top) for path in paths]


def import_graph(sources: list[Source]) -> Graph:
    """The imports between the files.

    A name that a package's `__init__` hands on counts as imported from the file that it comes from; one whose
    origin the source does not show counts as imported from the `__init__`. Packages that import their exports lazily
    are not part of the graph.
    """
    resolver = _Resolver(sources)
    forwarding = {source.name for source in sources if source.forwards}
    return {
        source.name: frozenset(resolver.targets(source)) - forwarding - {source.name}
        for source in sources
        if source.name not in forwarding
    }


def find_cycle(graph: Graph) -> list[str]:
    """Files that import one another in a circle, the first of them at the end again; empty if there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


class _Resolver:
    def __init__(self, sources: list[Source]) -> None:
        self._sources = {source.module: source for source in sources}

    def targets(self, source: Source) -> Iterator[str]:
        for node in source.imports:
            if isinstance(node, ast.Import):
                yield from self._files(alias.name for alias in node.names)
            else:
                base = source.base(node)
                yield from self._files(self._origin(base, alias.name) for alias in node.names)

    def _files(self, modules: Iterator[str]) -> Iterator[str]:
        return (self._sources[module].name for module in modules if module in self._sources)

    def _origin(self, module: str, name: str) -> str:
        """The module in which `name` is to be found, when it is imported from `module`."""
        if f"{module}.{name}" in self._sources:
            return f"{module}.{name}"
        source = self._sources.get(module)
        if source is None or not source.is_package:
            return module
        for node in ast.walk(source.tree):  # a package may show type checkers the import, and make it when asked
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return self._origin(source.base(node), alias.name)
        return module
