"""The mutants of a module, and how one is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kick.session.races import ask_latest
from kick.session.stores.base import Superseded
from tools.mutation.mutants import Mutant, marked, mutants_of
from tools.mutation.plugin import apply

SOURCE = '''
class Rules:
    def decide(self, age, live):
        """Not mutated."""
        if live and age < 5:
            self.ended = True
        return not live
'''


def mutants(folder: Path, source: str) -> list[Mutant]:
    path = folder / "rules.py"
    path.write_text(source)
    return list(mutants_of(path, "rules"))


def test_each_rule_is_changed_one_at_a_time(tmp_path: Path) -> None:
    changes = [(mutant.line, mutant.before, mutant.after) for mutant in mutants(tmp_path, SOURCE)]
    assert sorted(changes) == [
        (5, "age < 5", "age <= 5"),
        (5, "age < 5", "age >= 5"),
        (5, "live and age < 5", "live or age < 5"),
        (6, "True", "False"),
        (6, "self.ended = True", "pass"),
        (7, "not live", "live"),
        (7, "return not live", "return None"),
    ]


def test_each_mutant_is_another_program(tmp_path: Path) -> None:
    codes = {mutant.code for mutant in mutants(tmp_path, SOURCE)}
    assert len(codes) == 7
    assert {mutant.name.partition(":")[0] for mutant in mutants(tmp_path, SOURCE)} == {"rules Rules.decide"}


def test_two_changes_with_the_same_texts_have_different_names(tmp_path: Path) -> None:
    source = SOURCE + "        return not live\n"
    names = [mutant.name for mutant in mutants(tmp_path, source) if mutant.after == "live"]
    assert names == ["rules Rules.decide: not live -> live", "rules Rules.decide: not live -> live (2)"]


@pytest.mark.parametrize(("age", "lines"), [(4, [5, 6, 7]), (5, [5, 7])])
def test_marks_tell_which_lines_are_run(tmp_path: Path, age: int, lines: list[int]) -> None:
    path = tmp_path / "rules.py"
    path.write_text(SOURCE)
    seen: list[int] = []
    namespace: dict[str, Any] = {"mark": seen.append}
    exec(marked(path, "mark"), namespace)
    assert namespace["Rules"]().decide(age, True) is False
    assert seen[1:] == lines  # after the docstring


async def test_a_mutant_takes_the_place_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(key: str) -> Superseded | str:
        return f"the answer for {key}"

    module = Path(__file__).parents[1] / "kick" / "session" / "races.py"
    mutant = next(each for each in mutants_of(module, "session.races") if each.before == "return (key, answer)")
    monkeypatch.setattr(ask_latest, "__code__", ask_latest.__code__)  # given back at the end
    assert await ask_latest("a", ask) == ("a", "the answer for a")
    apply(mutant.file, mutant.code)
    assert await ask_latest("a", ask) is None
