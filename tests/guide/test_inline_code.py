"""Calls in inline code, in sentences and tables of all pages: each keyword is one that the function takes."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from kick import App, RequestContext
from kick.testing import TestClient
from tests.support.serving import ROOT
from tests.test_site import PUBLIC as PACKAGES

PAGES: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/README.md"), ROOT / "README.md"]
)
OBJECTS: Final = {"ctx": RequestContext, "app": App, "client": TestClient}
_FENCED: Final = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_INLINE: Final = re.compile(r"`([^`]+)`")


def public() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for package in map(importlib.import_module, PACKAGES):
        found |= {name: getattr(package, name) for name in package.__all__}
    return found


PUBLIC: Final = public()


def calls_in(text: str) -> Iterator[ast.Call]:
    """The calls in inline code that is Python; the code of a block is run by other tests."""
    for code in _INLINE.findall(_FENCED.sub("", text)):
        try:
            tree = ast.parse(code.strip().removeprefix("@").replace("\\|", "|"))
        except SyntaxError:
            continue
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def wrong_keywords(text: str) -> list[str]:
    """The keywords that a function of kick does not take, each with its call."""
    found: list[str] = []
    for call in calls_in(text):
        called = function_of(call.func)
        if called is None:
            continue
        parameters = inspect.signature(called).parameters
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            continue
        found += [
            f"{ast.unparse(call)}: {each.arg}" for each in call.keywords if each.arg and each.arg not in parameters
        ]
    return found


def function_of(func: ast.expr) -> Any:
    """The function of kick that is called, or `None` for one of somebody else."""
    match func:
        case ast.Name(id=name):
            found = PUBLIC.get(name)
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in OBJECTS:
            found = getattr(OBJECTS[owner], name, None)
        case _:
            return None
    return found if callable(found) else None


@pytest.mark.parametrize("page", PAGES)
def test_each_keyword_exists(page: str) -> None:
    assert wrong_keywords((ROOT / page).read_text()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('`rate_limit(..., storage="redis://...")`', "storage"),
        ("| `@Get(state=201)` |", "state"),
        ("`ctx.json(data, code=1)`", "code"),
    ],
)
def test_a_wrong_keyword_is_found(text: str, said: str) -> None:
    assert [each.rpartition(": ")[2] for each in wrong_keywords(text)] == [said]


def test_calls_of_others_and_blocks_are_left_alone() -> None:
    assert (
        wrong_keywords("`run(storage=1)` and `rate_limit(store=None)`\n```python\nrate_limit(storage=1)\n```\n") == []
    )
