"""Checks of set-up errors by their code."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import kick
from kick.errors import KickError

_KICK = Path(kick.__file__).parent


def raises_code(code: str, *, match: str | None = None) -> pytest.RaisesExc[KickError]:
    """Expect a `KickError` with a code."""
    return pytest.raises(KickError, match=match, check=lambda error: error.code == code)


def codes_in(*paths: str) -> list[str]:
    """Return the code of each `KickError(...)` in the source of kick, or of files and folders within it.

    Fails for a code that is not written as a literal, since nobody could search for it.

    >>> codes_in("errors.py")
    ['missing-extra']
    """
    files = [file for path in paths or [""] for file in (sorted((_KICK / path).rglob("*.py")) or [_KICK / path])]
    return [code for file in files for code in _codes(file)]


@cache
def _codes(file: Path) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    codes = []
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == "KickError":
            assert call.args, f"{file}:{call.lineno}"
            assert isinstance(call.args[0], ast.Constant), f"{file}:{call.lineno}"
            codes.append(str(call.args[0].value))
    return codes
