"""The private names of other packages: kick uses none. What it uses that is undocumented is listed in one module."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from kick.cli.server import http_protocol
from tests.support.imports import Source, read_package

ROOT = Path(__file__).parents[1]

DOCUMENTED = {"_exit", "_fields", "_asdict", "_replace", "_make"}
"""Names with an underscore that Python documents: of `os` and of named tuples."""

OF_KICK = {"_csp_nonce"}
"""What kick puts into a Starlette `State`, which holds whatever it is given."""

BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}
MADE_BY_PYTHON = {"_abc_impl"}


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return read_package(ROOT / "kick")


def test_no_attribute_or_import_is_private_to_another_package(sources: list[Source]) -> None:
    # A private name that kick itself defines nowhere belongs to somebody else.
    own = {name for source in sources for node in ast.walk(source.tree) for name in _defined(node)}
    assert [each for source in sources for each in foreign_names(source, own | DOCUMENTED | OF_KICK)] == []


@pytest.mark.slow
def test_no_class_shares_a_private_name_with_a_base_of_another_package(sources: list[Source]) -> None:
    # Neither used nor hidden by accident: `self._form` in a subclass of Starlette's `Request` is Starlette's.
    found = [f"{each.__module__}.{each.__qualname__}: {names}" for each in _classes(sources) if (names := shared(each))]
    assert found == []


def test_only_listed_modules_subclass_what_uvicorn_does_not_document(sources: list[Source]) -> None:
    modules = {source.name for source in sources for node in source.imports if _is_from(node, "uvicorn.")}
    assert modules == {"kick/cli/server/http_protocol.py", "kick/cli/server/websocket_limits.py"}
    assert "`websocket_limits`" in (http_protocol.__doc__ or "")
    assert "tests/cli/server/test_uvicorn_contract.py" in (http_protocol.__doc__ or "")
    assert (ROOT / "tests/cli/server/test_uvicorn_contract.py").exists()


# The checks see what they look for


@pytest.mark.parametrize(
    "code",
    [
        "request._form",
        "upload._in_memory = True",
        "del response._headers",
        "getattr(request, '_form', None)",
        "setattr(upload, '_in_memory', True)",
        "hasattr(self.transport, '_sock')",
        "vars(request)['_form']",
        "request.__dict__['_form']",
        "operator.attrgetter('_form')(request)",
        "from starlette._utils import is_async_callable",
        "import starlette._utils",
        "from uvicorn.server import _private",
    ],
)
def test_a_private_name_is_found(code: str) -> None:
    source = Source("kick/example.py", "kick.example", code, ast.parse(code))
    assert foreign_names(source, DOCUMENTED) != []


def test_a_private_name_of_a_base_is_found() -> None:
    class Reads(Response):
        def text(self) -> Any:
            return self._headers

    class Hides(Request):
        _form = None

    class Overrides(Request):
        async def _get_form(self) -> Any:  # type: ignore[override]
            return None

    class Fine(Response):
        def __init__(self) -> None:
            super().__init__()
            self._of_its_own = 1

    assert [shared(each) for each in (Reads, Hides, Overrides, Fine)] == [{"_headers"}, {"_form"}, {"_get_form"}, set()]


# What the checks are made of


def foreign_names(source: Source, own: set[str]) -> list[str]:
    """The private names in a module that are not in `own`: as attributes, as strings that name one, as imports."""
    names = [
        f"{source.name}:{node.lineno}: {name}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute | ast.Call | ast.Subscript)
        for name in _used(node)
        if _is_private(name) and name not in own
    ]
    return names + [
        f"{source.name}:{node.lineno}: {ast.unparse(node)}"
        for node in source.imports
        if any(_is_private(part) for part in _imported(node))
    ]


def shared(each: type) -> set[str]:
    """The private names that a class uses or defines, and that one of its bases from another package defines."""
    bases = [base for base in each.__mro__ if _is_foreign(base)]
    return {name for base in bases for name in _own_names(base) & _own_names(each)}


@cache
def _own_names(each: type) -> frozenset[str]:
    """The private names that a class defines, and those that its methods use of `self` and `cls`."""
    names = set(vars(each))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
    except (OSError, TypeError, SyntaxError):  # it is written in C, or was made at run time
        tree = ast.Module([], [])
    names |= {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    }
    mangled = f"_{each.__name__.lstrip('_')}__"
    return frozenset(each for each in names - MADE_BY_PYTHON if _is_private(each) and not each.startswith(mangled))


def _is_foreign(base: type) -> bool:
    top = base.__module__.partition(".")[0]
    return top not in ("kick", "tests", "builtins", "abc", "typing", "enum")


def _classes(sources: list[Source]) -> Iterator[type]:
    """The classes of kick that have a base from another package, those that functions make included."""
    runnable = [each for each in sources if "/templates/" not in each.name and not each.name.endswith("__main__.py")]
    for module in (importlib.import_module(source.module) for source in runnable):
        yield from (
            each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__
        )
    protocol = http_protocol.http_protocol()
    yield from (each for each in protocol.__mro__ if each.__module__.startswith("kick."))


def _used(node: ast.Attribute | ast.Call | ast.Subscript) -> Iterator[str]:
    match node:
        case ast.Attribute(attr=name):
            yield name
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in BY_NAME:
            yield from _texts(*node.args)
        case ast.Subscript(value=ast.Attribute(attr="__dict__") | ast.Call(func=ast.Name(id="vars"))):
            yield from _texts(node.slice)


def _texts(*nodes: ast.expr) -> Iterator[str]:
    return (each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str))


def _is_from(node: ast.Import | ast.ImportFrom, package: str) -> bool:
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
    return any(each.startswith(package) for each in modules)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _defined(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
            yield name
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case _:
            return


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The parts of the modules and names of other packages that are imported."""
    if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("kick")):
        return
    for each in node.names:
        yield from f"{getattr(node, 'module', None) or ''}.{each.name}".split(".")
