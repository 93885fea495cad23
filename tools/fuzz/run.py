"""One fuzzing run of one parser."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import dataclass, field
from typing import Final

from tools.fuzz.mutations import Mutations
from tools.fuzz.targets import Target

MOST_FAILURES: Final = 5
"""A run ends after so many: they are usually one fault."""


@dataclass(frozen=True)
class Failure:
    """An input that a parser did not take well."""

    target: str
    reason: str
    data: bytes

    @property
    def name(self) -> str:
        """A name for its file."""
        return f"{self.target}-{hashlib.sha256(self.data).hexdigest()[:12]}"


@dataclass
class Result:
    """The figures of a run; `seconds` is processor time."""

    inputs: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)


async def fuzz(target: Target, inputs: int, seed: int) -> Result:
    """Feed a parser with its corpus, then with mutations of it."""
    # A generator that can be seeded, not one for secrets: a run has to be repeatable.
    mutations = Mutations(random.Random(seed), target.seeds, target.tokens)  # noqa: S311
    result = Result()
    corpus = iter(target.seeds)
    began = time.process_time()
    while result.inputs < inputs and len(result.failures) < MOST_FAILURES:
        data = next(corpus, None)
        if data is None:
            data = mutations.next()
        result.inputs += 1
        try:
            await target.run(data)
        except Exception as error:  # noqa: BLE001  # this is what it looks for
            result.failures.append(Failure(target.name, f"{type(error).__name__}: {error}", data))
    result.seconds = time.process_time() - began
    return result
