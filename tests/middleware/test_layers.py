"""The classes behind `session()`, `csrf()` and the like: one scheme of names, one base class."""

from __future__ import annotations

from typing import Any

import pytest

import kick.auth
import kick.middleware
from kick import Middleware

ARGUMENTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "cors": ([], {"allow_origins": ["https://a.example"]}),
    "rate_limit": (["9/minute"], {}),
    "session": (["a secret of at least thirty-two bytes"], {"save_uninitialized": False}),
}
FACTORIES = [name for name in vars(kick.middleware)["__all__"] if name.islower()]


@pytest.mark.parametrize("name", [*FACTORIES, "authentication"])
def test_a_function_returns_a_layer_of_its_name(name: str) -> None:
    arguments, options = ARGUMENTS.get(name, ([], {}))
    layer = getattr(kick.auth if name == "authentication" else kick.middleware, name)(*arguments, **options)
    assert type(layer).__name__ == name.replace("_", " ").title().replace(" ", "") + "Layer"
    assert isinstance(layer, Middleware)
    assert type(layer).__module__.startswith(("kick.middleware.", "kick.auth."))
