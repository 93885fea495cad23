"""`Turns`: requests of one process that change one value of a session wait for each other."""

from __future__ import annotations

import asyncio

from kick.session.races import Turns


async def a_while() -> None:
    """Let every other task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_each_waits_until_the_one_before_is_done() -> None:
    turns, order = Turns(3600), list[str]()

    async def use(name: str) -> None:
        async with turns.of("a session"):
            order.append(f"{name} begins")
            await a_while()
            order.append(f"{name} ends")

    tasks = [asyncio.create_task(use(name)) for name in "ab"]
    for _ in range(10):
        await a_while()
    assert order == ["a begins", "a ends", "b begins", "b ends"]
    await asyncio.gather(*tasks)


async def test_one_that_no_longer_waits_does_not_end_the_turn_of_another() -> None:
    turns = Turns(0)
    async with turns.of("a session"), turns.of("a session"):
        pass  # without a turn: nothing else would let it go on
    async with turns.of("a session"):
        pass
