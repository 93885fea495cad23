"""Ids of parametrized tests that are the same in every process: workers that run side by side compare them."""

import re

ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def without_address(value: object) -> str:
    """`str(value)` without the address in memory, for `pytest.mark.parametrize(..., ids=without_address)`.

    >>> without_address(object())
    '<object object>'
    """
    return ADDRESS.sub("", str(value))
