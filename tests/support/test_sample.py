from types import SimpleNamespace
from typing import Any

from tests.support.sample import Sample


class Item:
    def __init__(self, name: str) -> None:
        self.nodeid = name


def sampled(size: int, *names: str) -> tuple[list[str], list[str]]:
    """The names of the tests that are run, and of those of which pytest is told that they are not."""
    items: list[Any] = [Item(name) for name in names]
    left_out: list[Any] = []
    config: Any = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items)))
    Sample(size).pytest_collection_modifyitems(config, items)
    return [item.nodeid for item in items], [item.nodeid for item in left_out]


def test_each_test_keeps_some_of_its_sets_of_parameters_and_its_place() -> None:
    names = ["a.py::x[1]", "a.py::y[1]", "a.py::x[2]", "a.py::z", "a.py::x[3[4]]", "b.py::x[1]", "a.py::y[2]"]
    assert sampled(2, *names) == ([*names[:2], *names[3:]], ["a.py::x[2]"])
    assert sampled(1, *names)[0] == ["a.py::x[1]", "a.py::y[1]", "a.py::z", "b.py::x[1]"]
    assert sampled(3, *names) == (names, [])
