"""The option `--sample N`: a test with many sets of parameters runs with N of them, spread over all.

For a run in between (`make check`): what a change breaks is mostly seen with a few of them. `make test` runs with all.
"""

from collections.abc import Sequence
from typing import TypeVar

import pytest

Variant = TypeVar("Variant")


class Sample:
    """A plugin of pytest that leaves out all but `size` sets of parameters of each test."""

    def __init__(self, size: int) -> None:
        self._size = size

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Choose among those that `-m` and `-k` have left."""
        tests: dict[str, list[pytest.Item]] = {}
        for item in items:
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
        chosen = {item for variants in tests.values() for item in spread(variants, self._size)}
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]


def spread(variants: Sequence[Variant], size: int) -> list[Variant]:
    """Return `size` of the variants, the first and the last among them, and all where there are no more.

    >>> spread("abcdefgh", 3), spread("abc", 3), spread("abc", 1)
    (['a', 'e', 'h'], ['a', 'b', 'c'], ['a'])
    """
    if len(variants) <= size:
        return list(variants)
    return [variants[round(number * (len(variants) - 1) / max(1, size - 1))] for number in range(size)]
