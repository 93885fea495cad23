"""Mutations: new inputs from known ones."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

MOST_BYTES: Final = 4096
"""Longer inputs are cut: most faults need few bytes, and growth is measured apart."""

_MOST_CHANGES: Final = 4


class Mutations:
    """Endless mutations of some seeds. `tokens` are what the grammar is made of.

    >>> mutations = Mutations(Random(1), [b"a=1"], [b";"])
    >>> all(isinstance(mutations.next(), bytes) for _ in range(100))
    True
    """

    def __init__(self, random: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> None:
        self._random = random
        self._seeds = [each or b"\x00" for each in seeds]
        self._tokens = tokens
        self._changes = (self._flip, self._put, self._cut, self._repeat, self._splice, self._noise)

    def next(self) -> bytes:
        """Return another input."""
        data = bytearray(self._random.choice(self._seeds))
        for _ in range(self._random.randint(1, _MOST_CHANGES)):
            self._random.choice(self._changes)(data)
        return bytes(data[:MOST_BYTES])

    def _place(self, data: bytearray) -> int:
        return self._random.randint(0, len(data))

    def _range(self, data: bytearray) -> tuple[int, int]:
        begin = self._place(data)
        return begin, min(len(data), begin + self._random.randint(1, 16))

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _put(self, data: bytearray) -> None:
        place = self._place(data)
        data[place:place] = self._random.choice(self._tokens)

    def _cut(self, data: bytearray) -> None:
        begin, end = self._range(data)
        del data[begin:end]

    def _repeat(self, data: bytearray) -> None:
        begin, end = self._range(data)
        data[end:end] = data[begin:end] * self._random.choice((1, 1, 1, 2, 8, 64))

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self._seeds)
        place, cut = self._place(data), self._random.randint(0, len(other))
        data[place:] = other[cut:]

    def _noise(self, data: bytearray) -> None:
        place = self._place(data)
        data[place:place] = self._random.randbytes(self._random.randint(1, 4))
