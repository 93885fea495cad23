"""A guard of `ast.parse` for Python 3.11.0 to 3.11.7, where a garbage collection can break it.

All calls share one count of the depth of their tree there (https://github.com/python/cpython/issues/106905). If the
collector runs inside of a call, and a finalizer or another thread parses something, the call ends with "SystemError:
AST constructor recursion depth mismatch". Printing a traceback parses its lines, so an exception that asyncio logs when
it deletes a task is enough. pytest parses outside of tests, where the error ends the whole run.
"""

import ast
import sys
from threading import RLock
from typing import Any

import pytest

from kick.assembly import collector_paused

IS_BROKEN = sys.version_info < (3, 11, 8)


class ParserGuard:
    """A plugin of pytest that lets one thread parse at a time, and pauses the collector meanwhile."""

    def __init__(self) -> None:
        self._parse = ast.parse
        self._lock = RLock()

    def parse(self, *arguments: Any, **options: Any) -> Any:
        with self._lock, collector_paused():
            return self._parse(*arguments, **options)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Replace `ast.parse`: pytest and the standard library take it from the module at each call."""
        ast.parse = self.parse

    def pytest_unconfigure(self) -> None:
        ast.parse = self._parse
