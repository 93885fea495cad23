"""The rooms of the package: folders with their modules, the levels of the imports between them, and circles.

`python -m tests.support.layout` prints them.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.imports import Graph, Source, find_cycle, import_graph, read_package

ROOT = Path(__file__).parents[2]
QUESTIONS = ("What", "Whether", "How", "Why", "Who")


def rooms(sources: Iterable[Source]) -> dict[str, list[str]]:
    """The folders and the modules in each, without `__init__`.

    >>> rooms(read_package(ROOT / "kick" / "di"))["di"][:2]
    ['check', 'container']
    """
    found: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        folder, _, name = source.name.rpartition("/")
        modules = found[folder]
        if not source.is_package:
            modules.append(name.removesuffix(".py"))
    return dict(found)


def siblings(graph: Graph, folder: str) -> dict[str, dict[str, list[str]]]:
    """The children of a folder, modules and folders, and the imports between them.

    >>> siblings({"a/b/c.py": frozenset({"a/d.py"}), "a/d.py": frozenset()}, "a")
    {'b': {'d': ['a/b/c.py -> a/d.py']}, 'd': {}}
    """
    children: dict[str, dict[str, list[str]]] = {}
    for file, targets in graph.items():
        child = _child(file, folder)
        if child is None:
            continue
        imports = children.setdefault(child, {})
        for target in sorted(targets):
            other = _child(target, folder)
            if other not in (None, child):
                imports.setdefault(str(other), []).append(f"{file} -> {target}")
    return children


def sibling_circles(graph: Graph) -> dict[str, list[str]]:
    """The folders whose children import one another in a circle, with the circle."""
    folders = {str(parent) for file in graph for parent in Path(file).parents if str(parent) != "."}
    found = {folder: find_cycle(_plain(siblings(graph, folder))) for folder in sorted(folders)}
    return {folder: cycle for folder, cycle in found.items() if cycle}


def levels(graph: Graph, folder: str) -> list[list[str]]:
    """The children of a folder by level, lowest first: each imports from levels below it only.

    >>> levels({"a/b.py": frozenset({"a/c.py"}), "a/c.py": frozenset()}, "a")
    [['c'], ['b']]
    """
    sorter = TopologicalSorter(_plain(siblings(graph, folder)))
    sorter.prepare()
    found: list[list[str]] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append(ready)
        sorter.done(*ready)
    return found


def questions(sources: Iterable[Source]) -> list[str]:
    """The docstrings that begin as a question does: `file:line`."""
    return [
        f"{source.name}:{node.lineno}"
        for source in sources
        for node, text in _docstrings(source.tree)
        if text.split(maxsplit=1)[:1] and text.split(maxsplit=1)[0] in QUESTIONS
    ]


def _docstrings(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """The texts that stand as statements: docstrings, those of attributes among them."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield node, text


def _child(file: str, folder: str) -> str | None:
    if not file.startswith(f"{folder}/"):
        return None
    child = file.removeprefix(f"{folder}/").partition("/")[0].removesuffix(".py")
    return None if child == "__init__" else child


def _plain(children: Mapping[str, Mapping[str, object]]) -> Graph:
    return {child: frozenset(others) for child, others in children.items()}


def main() -> None:
    """Print rooms, levels and circles."""
    sources = read_package(ROOT / "kick")
    graph = import_graph(sources)
    circles = sibling_circles(graph)
    for folder, modules in sorted(rooms(sources).items()):
        print(f"{folder}/  {len(modules)} modules")
        if folder in circles:
            print(f"    CIRCLE {' -> '.join(circles[folder])}")
            continue
        for number, level in enumerate(levels(graph, folder)):
            print(f"    {number:2} {'  '.join(level)}")
    print(f"circles of files: {' -> '.join(find_cycle(graph)) or 'none'}")
    print(f"circles of siblings: {', '.join(circles) or 'none'}")
    print(f"docstrings that begin with {', '.join(QUESTIONS)}: {len(questions(sources))}")


if __name__ == "__main__":
    main()
