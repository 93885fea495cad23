"""Services whose hints are text until somebody evaluates them, for the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import InitVar, dataclass, field
from typing import Annotated, NamedTuple

import msgspec

from kick.di import Service


@Service()
class Clock: ...


@Service()
class Calendar:
    def __init__(self, clock: Clock, zone: Annotated[str, "zone"] = "UTC") -> None:
        self.clock = clock
        self.zone = zone


@Service()
@dataclass
class Diary:
    calendar: Calendar
    clock: InitVar[Clock]
    pages: list[int] = field(default_factory=lambda: [1])

    def __post_init__(self, clock: Clock) -> None:
        self.given = clock


class Planner(msgspec.Struct):
    calendar: Calendar
    pages: int = 12


class Entry(NamedTuple):
    clock: Clock
    page: int = 1


async def greeting(clock: Clock) -> AsyncIterator[str]:
    yield f"hello from {type(clock).__name__}"
