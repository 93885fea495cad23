import pytest

from kick.cli.generate.list_editor import Addition, add_to_list
from tests.support.setup_errors import raises_code

BOOKS = Addition("bootstrap", "modules", 0, "shop.books", "Books")
IMPORT = "from kick import bootstrap\n"
IMPORTED = f"{IMPORT}\nfrom shop.books import Books\n"


def edited(source: str, *, width: int = 88) -> str:
    local = lambda module: module.partition(".")[0] == "shop"  # noqa: E731
    return add_to_list(source.encode(), "app.py", BOOKS, width=width, local=local).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("app = bootstrap([])", "app = bootstrap([Books])"),
        ("app = bootstrap([A])", "app = bootstrap([A, Books])"),
        ("app = bootstrap(modules=[A, B], middleware=[])", "app = bootstrap(modules=[A, B, Books], middleware=[])"),
        ("app = kick.bootstrap([A,])", "app = kick.bootstrap([A, Books])"),
        ("app = bootstrap([*more, A])", "app = bootstrap([*more, A, Books])"),
        ("ALL: list[Module] = [A]\napp = bootstrap(ALL)", "ALL: list[Module] = [A, Books]\napp = bootstrap(ALL)"),
        (
            "app = bootstrap([\n    A,  # the first\n    # between\n    B,  # the last\n    # the end\n])",
            "app = bootstrap([\n    A,  # the first\n    # between\n    B,  # the last\n    # the end\n    Books,\n])",
        ),
        (
            "app = bootstrap([\n    A,\n    B  # no comma\n])",
            "app = bootstrap([\n    A,\n    B,  # no comma\n    Books,\n])",
        ),
        (
            "def make():\n  return bootstrap(\n    modules=[\n      A,\n    ],\n  )",
            "def make():\n  return bootstrap(\n    modules=[\n      A,\n      Books,\n    ],\n  )",
        ),
        ("app = bootstrap([\n    # none yet\n])", "app = bootstrap([\n    # none yet\n    Books,\n])"),
    ],
)
def test_an_entry_is_added_and_all_else_stays(before: str, after: str) -> None:
    assert edited(f"{IMPORT}\n{before}\n") == f"{IMPORTED}\n{after}\n"


def test_a_line_that_becomes_too_long_is_one_entry_a_line() -> None:
    source = f"{IMPORT}\ndef make():\n    return bootstrap(modules=[Aaaaa, Bbbbb], prefix='/x')\n"
    want = "    return bootstrap(modules=[\n        Aaaaa,\n        Bbbbb,\n        Books,\n    ], prefix='/x')\n"
    assert edited(source, width=60) == f"{IMPORTED}\ndef make():\n{want}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "import os\n\nfrom kick import bootstrap\n\nfrom shop.apples import Apples\nfrom shop.cats import Cats\n",
            "import os\n\nfrom kick import bootstrap\n\nfrom shop.apples import Apples\n"
            "from shop.books import Books\nfrom shop.cats import Cats\n",
        ),
        (
            "from kick import bootstrap\n\n# ours\nfrom shop.cats import Cats\n",
            "from kick import bootstrap\n\nfrom shop.books import Books\n# ours\nfrom shop.cats import Cats\n",
        ),
        (
            '"""Docstring."""\n\nfrom __future__ import annotations\n\nimport kick as bootstrap\n',
            '"""Docstring."""\n\nfrom __future__ import annotations\n\nimport kick as bootstrap\n\n'
            "from shop.books import Books\n",
        ),
    ],
)
def test_the_import_stands_where_isort_would_have_it(before: str, after: str) -> None:
    tail = "\napp = bootstrap([{}])\n"
    assert edited(before + tail.format("")) == after + tail.format("Books")


def test_the_line_breaks_of_windows_stay() -> None:
    source = f"{IMPORT}\napp = bootstrap([\n    A,\n])\n".replace("\n", "\r\n")
    after = edited(source)
    assert after.count("\n") == after.count("\r\n") == source.count("\r\n") + 3


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("app = 1", "calls bootstrap() 0 times"),
        ("a = bootstrap([])\nb = bootstrap([])", "calls bootstrap() 2 times"),
        ("app = bootstrap(modules())", "not written as a list"),
        ("app = bootstrap(**options)", "not written as a list"),
        ("app = bootstrap(ALL)", "assigns ALL 0 times"),
        ("ALL = [A]\nALL += [B]\napp = bootstrap(ALL)", "assigns ALL 2 times"),
        ("Books = 1\napp = bootstrap([])", "has a Books already"),
        ("from a import Books\napp = bootstrap([])", "has a Books already"),
        ("from a import B as Books\napp = bootstrap([])", "has a Books already"),
    ],
)
def test_what_no_program_should_edit_is_refused_with_what_to_add(source: str, problem: str) -> None:
    with raises_code("generate-list") as raised:
        edited(source)
    assert problem in raised.value.cause
    assert "`from shop.books import Books` and `Books`" in raised.value.fix


def test_what_is_no_python_is_named() -> None:
    with raises_code("generate-syntax", match=r"app\.py has to be edited"):
        edited("app = (")
