"""A file system that refuses."""

import builtins
import io
import os
from collections.abc import Callable
from typing import Any

import pytest

Refuse = Callable[[str, str, int], None]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Let the system refuse to look at (`stat`) or to `open` files of a name."""

    def refuse(call: str, name: str, code: int) -> None:
        owners: list[Any] = [os] if call == "stat" else [builtins, io]
        original = getattr(owners[0], call)

        def refusing(path: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(path, str | os.PathLike) and os.fspath(path).endswith(name):
                raise OSError(code, os.strerror(code), os.fspath(path))
            return original(path, *arguments, **options)

        for owner in owners:
            monkeypatch.setattr(owner, call, refusing)

    return refuse
