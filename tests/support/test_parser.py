"""The guard of `ast.parse`."""

import ast
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.parser import IS_BROKEN, ParserGuard

TEXT = "f(a, [b, (c, d)], g(h(i(j))))"


class Cycle:
    """An object that only the collector deletes. It parses then, and leaves another one to the next collection."""

    def __init__(self, left: int = 20) -> None:
        self.itself = self
        self.left = left

    def __del__(self) -> None:
        compile("a.b.c(d)[e] + f", "", "exec", ast.PyCF_ONLY_AST)
        if self.left:
            Cycle(self.left - 1)


@pytest.fixture(autouse=True)
def eager_collector() -> Iterator[None]:
    """Look at new objects at almost each allocation, and never at old ones."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1_000_000, 1_000_000)
    yield
    gc.set_threshold(*before)


def parse_at_depth(depth: int, parse: Callable[[str], Any]) -> Any:
    """Parse from a stack of this depth: the finalizer has to count from another one."""
    return parse_at_depth(depth - 1, parse) if depth else parse(TEXT)


def parse_with_finalizers(parse: Callable[[str], Any]) -> None:
    for depth in range(50):
        gc.disable()  # what a collection finds in use, the next one does not look at
        Cycle()
        gc.enable()
        parse_at_depth(depth, parse)


@pytest.mark.skipif(not IS_BROKEN, reason="for Python 3.11.0 to 3.11.7")
def test_the_parser_of_old_patch_releases_of_3_11_breaks_without_the_guard() -> None:
    with pytest.raises(SystemError, match="AST constructor recursion depth mismatch"):
        parse_with_finalizers(lambda text: compile(text, "", "exec", ast.PyCF_ONLY_AST))


def test_a_finalizer_may_parse() -> None:
    parse_with_finalizers(ast.parse)


def test_threads_may_parse_at_the_same_time() -> None:
    """None of them switches the collector on while another one parses: one finalizer follows another by itself."""
    errors = []

    def parse() -> None:
        try:
            for depth in range(50):
                parse_at_depth(depth, ast.parse)
        except SystemError as error:
            errors.append(error)

    gc.disable()
    Cycle(left=2000)
    gc.enable()
    threads = [threading.Thread(target=parse) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []


def test_the_collector_is_as_it_was() -> None:
    guard = ParserGuard()
    assert ast.dump(guard.parse(TEXT, mode="eval")) == ast.dump(ast.parse(TEXT, mode="eval"))
    assert gc.isenabled()
    gc.disable()
    try:
        guard.parse(TEXT)
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(SyntaxError):
        guard.parse("(")
    assert gc.isenabled()
