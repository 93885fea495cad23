from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import tiers
from tests.support.serving import ROOT
from tests.support.tiers import ABOVE_STORES, FILES, LONG_VARIANTS, SLOW, TESTS, VARIANTS

SIGNALS = TESTS / "cli/server/test_signals.py"
QUICK = "not process and not long and not nightly"


def config(expression: str, *arguments: str) -> Any:
    return SimpleNamespace(
        option=SimpleNamespace(markexpr=expression), args=arguments, invocation_params=SimpleNamespace(dir=ROOT)
    )


def test_files_whose_tests_are_all_left_out_are_not_imported() -> None:
    assert tiers.pytest_ignore_collect(SIGNALS, config(QUICK, "tests"))
    assert not tiers.pytest_ignore_collect(TESTS / "test_app.py", config(QUICK, "tests"))
    assert not tiers.pytest_ignore_collect(SIGNALS.parent, config(QUICK, "tests"))


@pytest.mark.parametrize("expression", ["", "not nightly", "long and not nightly", "not long or process", "not (long)"])
def test_files_of_which_tests_may_be_wanted_are(expression: str) -> None:
    assert not tiers.pytest_ignore_collect(SIGNALS, config(expression, "tests"))


@pytest.mark.parametrize("argument", ["tests/cli/server/test_signals.py", f"{SIGNALS}::TestTheFirstSignal"])
def test_a_file_that_is_named_is_collected(argument: str) -> None:
    assert not tiers.pytest_ignore_collect(SIGNALS, config(QUICK, argument))


def test_repetitions_of_a_contract_are_not_collected_where_nightly_tests_are_left_out() -> None:
    def collected(expression: str, name: str) -> Any:
        collector: Any = SimpleNamespace(config=config(expression, "tests"), path=SIGNALS)
        return tiers.pytest_pycollect_makeitem(collector, name)

    assert collected(QUICK, "TestValkey") == []
    assert collected(QUICK, "TestRedisStore") is None
    assert collected("nightly", "TestValkey") is None


def test_every_file_with_tiers_is_there() -> None:
    paths = [path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*")]
    beginnings = (*FILES, *ABOVE_STORES)
    assert [each for each in beginnings if not any(path.startswith(each) for path in paths)] == []


def test_every_repetition_of_a_contract_is_there() -> None:
    texts = [path.read_text() for path in Path(TESTS, "session").rglob("test_*.py")]
    assert [name for name in VARIANTS if not any(f"class {name}(" in text for text in texts)] == []


def test_every_slow_test_and_every_one_with_long_variants_is_there() -> None:
    texts = [path.read_text() for path in TESTS.rglob("test_*.py")]
    assert [name for name in (*SLOW, *LONG_VARIANTS) if not any(f"def {name}(" in text for text in texts)] == []
