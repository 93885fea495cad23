"""Names of projects."""

from __future__ import annotations

import keyword
import re
import sys
from typing import Final

from kick.cli.errors import bad_name

LONGEST: Final = 32
"""The longest name, in characters. Longer names would make lines of the project too long."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*")
_PACKAGES: Final = """
    anyio argon2 argon2_cffi cffi click deprecated dotenv h11 hatchling hiredis httpcore2 httptools httpx2 idna
    iniconfig jinja2 kick kick_framework librt limits markupsafe msgspec mypy mypy_extensions packaging pathspec
    pip pluggy psycopg pycparser pygments pytest python_dotenv python_multipart redis ruff starlette tests truststore
    typing_extensions uvicorn uvloop wrapt
"""
"""Modules that a project or its tools import. A package of the same name would hide them."""
_TAKEN: Final = frozenset(_PACKAGES.split())


def package_name(name: str) -> str:
    """Return the package name of a project.

    >>> package_name("my-app")
    'my_app'

    Raises `KickError`: `project-name` with what is wrong with the name.
    """
    package = name.replace("-", "_").lower()
    problem = name_problem(name, package, longest=LONGEST)
    if problem is None and keyword.issoftkeyword(package):
        problem = f"{package} is a keyword of Python"
    if problem is not None:
        raise bad_name(name, problem)
    return package


def name_problem(name: str, module: str, *, longest: int, top_level: bool = True) -> str | None:
    """Return the reason why a name cannot be used, or `None`. `module` is the module name that it becomes.

    With `top_level`, it is a top-level module, which must not hide an installed one.

    >>> name_problem("click", "click", longest=9), name_problem("notes", "notes", longest=9)
    ("it would hide the package 'click', which the project needs", None)
    """
    if not name:
        return "it is empty"
    if _NAME.fullmatch(name) is None:
        return "it must also be the name of a class and of a module"
    if len(module) > longest:
        return f"it is longer than {longest} characters"
    if keyword.iskeyword(module):
        return f"{module} is a keyword of Python"
    if top_level and module in sys.stdlib_module_names:
        return f"Python's standard library has a module {module!r}, which it would hide"
    if top_level and module in _TAKEN:
        return f"it would hide the package {module!r}, which the project needs"
    return None
