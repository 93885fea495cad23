"""The ways to find out about a name: `help()`, `dir()`, and the types of its annotations."""

import importlib
import inspect
import pydoc
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kick.di.hints import signature_of

ROOT = Path(__file__).parents[1]


def _packages() -> list[str]:
    """The packages and modules that export names."""
    files = sorted((ROOT / "kick").rglob("__init__.py"))
    packages = [".".join(file.parent.relative_to(ROOT).parts) for file in files]
    return [name for name in packages if hasattr(importlib.import_module(name), "__all__")]


PACKAGES = _packages()


def _exports() -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if id(value) not in seen:
                seen.add(id(value))
                yield f"{package}.{name}", value


def _functions(value: Any) -> Iterator[Any]:
    """The function, or the public methods and properties of the class, those of bases in kick included."""
    if inspect.isroutine(value):
        yield value
    if not isinstance(value, type):
        return
    for name, member in inspect.getmembers_static(value):
        if not name.startswith("_") or name in ("__init__", "__call__", "__aenter__", "__aexit__"):
            for function in (member, *(getattr(member, each, None) for each in ("__func__", "fget", "fset", "func"))):
                if isinstance(function, types.FunctionType) and function.__module__.startswith("kick"):
                    yield function


EXPORTS = dict(_exports())


def test_the_packages_that_users_import_from_are_among_them() -> None:
    wanted = {"kick", "kick.http", "kick.session", "kick.middleware", "kick.auth", "kick.testing", "kick.telemetry"}
    assert wanted <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_shows_every_export(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("name", EXPORTS)
def test_help_renders(name: str) -> None:
    text = pydoc.plain(pydoc.render_doc(EXPORTS[name]))
    assert text.startswith("Python Library Documentation")
    assert len(text.splitlines()) >= 3


@pytest.mark.parametrize("name", [name for name, value in EXPORTS.items() if callable(value)])
def test_annotations_are_there_at_run_time(name: str) -> None:
    value = EXPORTS[name]
    for annotated in (*([value] if isinstance(value, type) else []), *_functions(value)):
        hints = typing.get_type_hints(annotated, include_extras=True)
        assert not any(isinstance(hint, str | typing.ForwardRef) for hint in hints.values()), annotated


@pytest.mark.parametrize("name", [name for name, value in EXPORTS.items() if isinstance(value, type)])
def test_classes_show_their_signature(name: str) -> None:
    assert str(signature_of(EXPORTS[name])).startswith("(")


def test_help_of_a_module_names_its_exports() -> None:
    for package in PACKAGES:
        text = pydoc.plain(pydoc.render_doc(sys.modules[package]))
        assert str(importlib.import_module(package).__doc__).splitlines()[0] in text


OPTIONAL = (
    *("argon2", "backports", "hiredis", "httptools", "jinja2", "libcst", "limits", "multipart", "opentelemetry"),
    *("prometheus_client", "pydantic", "python_multipart", "redis", "uvloop", "watchfiles", "websockets"),
)
"""What the extras bring. The testing tools and the Redis store say which one they need when they are imported."""


@pytest.mark.process
@pytest.mark.parametrize("package", sorted({*PACKAGES} - {"kick.testing", "kick.session.stores.redis"}))
def test_every_export_is_there_without_any_extra(package: str) -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r})); from {package} import *"
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)
