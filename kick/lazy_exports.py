"""Names that a package hands on: each is imported when it is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def hand_on(package: str, homes: Mapping[str, tuple[str, ...]]) -> None:
    """Let a package have names of other modules, without importing these; `homes` has the names of each module.

    What an application does not use is not loaded. Type checkers do not see through this: they are shown the imports
    themselves, under `if TYPE_CHECKING`. A module below the package that is called like one of the names does not take
    its place, as it would not after an import of the name.

    >>> import kick.http.middleware.cors
    >>> kick.http.middleware.cors
    <function cors at ...>
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    class Package(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name not in home_of:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            value = getattr(import_module(home_of[name]), name)
            setattr(self, name, value)
            return value

        def __setattr__(self, name: str, value: Any) -> None:
            if not (isinstance(value, ModuleType) and name in home_of):
                super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return sorted({*vars(self), *home_of})

    sys.modules[package].__class__ = Package
