"""Names of projects."""

from __future__ import annotations

import keyword
import re
import sys
from typing import Final

from kick.cli.errors import bad_name

LONGEST: Final = 32
"""Characters. Longer names would make lines of the project too long."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*")
_PACKAGES: Final = """
    anyio argon2 argon2_cffi cffi click deprecated dotenv h11 hatchling hiredis httpcore2 httptools httpx2 idna
    iniconfig jinja2 kick kick_framework librt limits markupsafe msgspec mypy mypy_extensions packaging pathspec
    pip pluggy pycparser pygments pytest python_dotenv python_multipart redis ruff starlette tests truststore
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
    if not name:
        raise bad_name(name, "it is empty")
    if _NAME.fullmatch(name) is None:
        raise bad_name(name, "it must also be the name of a package")
    if len(name) > LONGEST:
        raise bad_name(name, f"it is longer than {LONGEST} characters")
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise bad_name(name, f"{package} is a keyword of Python")
    if package in sys.stdlib_module_names:
        raise bad_name(name, f"Python's standard library has a module {package!r}, which it would hide")
    if package in _TAKEN:
        raise bad_name(name, f"it would hide the package {package!r}, which the project needs")
    return package


def taken_by_packages(name: str) -> bool:
    """Return true if a module of this name would hide a package that a project imports.

    >>> taken_by_packages("click"), taken_by_packages("notes")
    (True, False)
    """
    return name in _TAKEN
