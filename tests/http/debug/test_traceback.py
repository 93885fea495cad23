"""What an exception tells."""

import linecache
from pathlib import Path
from typing import Any

from kick.http.debug.traceback import failures, folded, owners, readable_trace
from tests.http.support import app_of, ask


def caught(act: Any) -> BaseException:
    try:
        act()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def test_the_code_that_ran_is_marked_to_the_column() -> None:
    def act() -> Any:
        return len("é") + {"a": 1}["b"]

    (failure,) = failures(caught(act))
    frame = failure.frames[-1]
    text = dict(frame.lines)[frame.line]
    assert frame.span is not None
    assert text[slice(*frame.span)] == '{"a": 1}["b"]'
    assert (frame.file, frame.owner) == ("tests/http/debug/test_traceback.py", "")
    assert frame.function == "test_the_code_that_ran_is_marked_to_the_column.act"


def test_causes_contexts_and_groups_are_told_once_each() -> None:
    def act() -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second")  # noqa: B904
        except ValueError as error:
            raise ExceptionGroup("both", [TypeError("one"), error]) from error

    told = [(each.relation, each.name) for each in failures(caught(act))]
    assert told == [
        ("", "ExceptionGroup"),
        ("one of the group", "TypeError"),
        ("one of the group", "ValueError"),
        ("raised while handling", "KeyError"),
    ]


def test_what_was_suppressed_is_not_told() -> None:
    def act() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second") from None

    assert [each.name for each in failures(caught(act))] == ["ValueError"]


def test_exceptions_in_a_circle_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert len(failures(one)) == 2


def test_a_deep_recursion_is_cut_in_the_middle() -> None:
    def deeper() -> None:
        deeper()

    (failure,) = failures(caught(deeper))
    assert len(failure.frames) == 60
    assert failure.left_out > 100
    assert any("steps left out" in line for line in readable_trace(caught(deeper)))


def test_an_exception_that_cannot_be_shown_is_shown() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise LookupError("no text")

    def act() -> None:
        raise Broken

    (failure,) = failures(caught(act))
    assert failure.message == "(its `__str__` raised LookupError)"
    assert readable_trace(ValueError("lone \ud800"))[0] == "ValueError: lone ?"
    assert len(readable_trace(ValueError("x" * 10**6))[0]) < 5000
    assert readable_trace(ValueError("a\x1b[31m\x9bb\r\nc")) == ["ValueError: a\\x1b[31m\\x9bb\\x0d", "  c"]


def test_code_without_a_file_is_told_without_its_lines() -> None:
    linecache.clearcache()
    (failure,) = failures(caught(lambda: exec("1 / 0", {})))
    assert (failure.frames[-1].file, failure.frames[-1].lines) == ("<string>", ())


async def test_the_steps_of_others_are_folded() -> None:
    from kick import Controller, Get
    from kick.http.pipeline import logger

    errors: list[Any] = []

    @Controller()
    class Failing:
        @Get("/")
        async def fail(self) -> Any:
            raise LookupError("here")

    class Keeping:
        def filter(self, record: Any) -> bool:
            errors.append(record.exc_info[1])
            return False

    keeping: Any = Keeping()
    logger.addFilter(keeping)
    try:
        await ask(app_of(Failing), "/")
    finally:
        logger.removeFilter(keeping)
    (failure,) = failures(errors[0])
    runs = [*folded(failure.frames)]
    assert [is_shown for is_shown, _ in runs] == [False, True]
    assert owners(runs[0][1]).endswith("in kick")
    assert runs[1][1][0].code == 'raise LookupError("here")'
    assert str(Path.cwd()) not in "\n".join(readable_trace(errors[0]))
