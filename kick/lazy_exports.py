"""Exports of a package that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def lazy_exports(package: str, exports: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Let a package export names of other modules without importing these; return the names, for `__all__`.

    `exports` maps each module to the names it provides. An application does not load what it does not use. Type
    checkers cannot follow this: the package shows them the same imports under `if TYPE_CHECKING`, and a test compares
    the two. A submodule that has the name of an export (`kick.middleware.cors`) does not replace it.

    >>> import kick.middleware.cors
    >>> kick.middleware.cors
    <function cors at ...>
    """
    home_of = {name: home for home, names in exports.items() for name in names}

    class Package(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name not in home_of:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            value = getattr(import_module(home_of[name]), name)
            setattr(self, name, value)
            return value

        def __setattr__(self, name: str, value: Any) -> None:
            # The import system sets a submodule as an attribute of its package. An export of that name stays.
            if not (isinstance(value, ModuleType) and name in home_of):
                super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return sorted({*vars(self), *home_of})

    sys.modules[package].__class__ = Package
    return sorted(home_of)
