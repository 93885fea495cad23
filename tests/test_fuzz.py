"""The fuzzer: a short run over every parser, and what it does with a parser that fails."""

from __future__ import annotations

import logging

import pytest

from tools.fuzz.growth import MOST_GROWTH, growth_of
from tools.fuzz.run import MOST_FAILURES, fuzz
from tools.fuzz.targets import CORPUS, Target, targets

NAMES = sorted(path.stem for path in CORPUS.glob("*.txt"))


@pytest.fixture(autouse=True)
def quiet(logging_as_before: None) -> None:
    """Multipart parsers log each malformed body."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


async def test_each_parser_has_a_corpus_and_each_corpus_a_parser() -> None:
    async with targets() as found:
        assert sorted(target.name for target in found) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_the_corpus_is_taken_well(name: str) -> None:
    async with targets() as found:
        target = next(each for each in found if each.name == name)
        assert (await fuzz(target, len(target.seeds), 1)).failures == []


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
async def test_mutations_are_taken_well_and_time_grows_with_their_length(name: str) -> None:
    async with targets() as found:
        target = next(each for each in found if each.name == name)
        assert (await fuzz(target, 500, 20_261_129)).failures == []
        growth, piece = await growth_of(target)
        assert growth <= MOST_GROWTH, piece


async def fails(data: bytes) -> None:
    if b"\x00" in data:
        raise RuntimeError("a fault")


class WithoutCorpus(Target):
    """Its growth is measured for its tokens alone."""

    @property
    def seeds(self) -> list[bytes]:
        return []


async def is_quadratic(data: bytes) -> None:
    for _ in data[::4096]:  # enough to be seen, and soon done
        data.count(b"x")


async def test_an_input_that_raises_is_found_and_the_run_can_be_repeated() -> None:
    target = Target("accept", fails, [b"\x00"])
    first, second = [(await fuzz(target, 10_000, 7)).failures for _ in range(2)]
    assert first == second
    assert len(first) == MOST_FAILURES
    assert all(b"\x00" in each.data and each.reason == "RuntimeError: a fault" for each in first)


async def test_time_that_grows_faster_than_the_length_is_found() -> None:
    growth, _ = await growth_of(WithoutCorpus("accept", is_quadratic, [b"x"]))
    assert growth > 2 * MOST_GROWTH
