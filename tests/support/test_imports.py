from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.imports import Graph, find_cycle, import_graph, read_package


def graph_of(directory: Path, files: dict[str, str]) -> Graph:
    for name, text in files.items():
        path = directory / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return import_graph(read_package(directory / "shop"))


@pytest.mark.parametrize(
    "text",
    [
        "import shop.stock.shelf",
        "import os, shop.stock.shelf as shelf",
        "from shop.stock import shelf",
        "from shop.stock.shelf import Shelf as S",
        "from .stock.shelf import Shelf",
        "from .stock import shelf",
        "from . import os, stock\nfrom .stock import shelf",
        "def late():\n    from shop.stock.shelf import Shelf",
        "try:\n    import shop.stock.shelf\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    import os\nelse:\n    import shop.stock.shelf",
    ],
)
def test_an_import_of_any_form_is_found(text: str, tmp_path: Path) -> None:
    graph = graph_of(tmp_path, {"till.py": text, "stock/shelf.py": "class Shelf: ..."})
    assert graph["shop/till.py"] == {"shop/stock/shelf.py"}


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_an_import_for_type_checkers_counts(test: str, tmp_path: Path) -> None:
    graph = graph_of(tmp_path, {"till.py": f"if {test}:\n    from shop import stock", "stock.py": ""})
    assert graph["shop/till.py"] == {"shop/stock.py"}


def test_a_package_that_exports_lazily_is_left_out(tmp_path: Path) -> None:
    lazy = "if TYPE_CHECKING:\n    from shop.till import Till\nelse:\n    __all__ = lazy_exports(__name__, {})"
    graph = graph_of(
        tmp_path, {"__init__.py": lazy, "till.py": "import shop\nfrom shop.shelf import x", "shelf.py": ""}
    )
    assert graph == {"shop/till.py": {"shop/shelf.py"}, "shop/shelf.py": frozenset()}


def test_a_name_that_a_package_hands_on_is_traced_to_its_file(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        {
            "__init__.py": "from shop.stock import Shelf as Rack",
            "stock/__init__.py": """
                def __getattr__(name):
                    from .shelf import Shelf
                    return Shelf
            """,
            "stock/shelf.py": "class Shelf: ...",
            "till.py": "from shop import Rack",
        },
    )
    assert graph["shop/till.py"] == {"shop/stock/shelf.py"}


def test_a_name_of_unknown_origin_counts_as_an_import_of_the_package(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, {"__init__.py": "", "till.py": "from shop import Rack"})
    assert graph["shop/till.py"] == {"shop/__init__.py"}


def test_a_cycle_is_found_however_long(tmp_path: Path) -> None:
    files = {"a.py": "from shop.b import x", "b.py": "def f():\n    from .c import x", "c.py": "import shop.a"}
    cycle = find_cycle(graph_of(tmp_path, files))
    assert set(cycle) == {"shop/a.py", "shop/b.py", "shop/c.py"}
    assert cycle[0] == cycle[-1]


def test_a_package_without_cycles_has_none(tmp_path: Path) -> None:
    assert find_cycle(graph_of(tmp_path, {"a.py": "import shop.b", "b.py": ""})) == []
