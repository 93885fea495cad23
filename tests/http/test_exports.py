"""The public face of the HTTP side."""

import doctest
import importlib
import inspect
from collections.abc import Iterator
from typing import Annotated, Any, get_origin

import pytest

PACKAGES = ("kick", "kick.http", "kick.middleware")


def exported() -> Iterator[Any]:
    for package in map(importlib.import_module, PACKAGES):
        for name in package.__all__:
            value = getattr(package, name)
            if getattr(value, "__module__", "").startswith(("kick.http", "kick.app", "kick.module", "kick.errors")):
                yield pytest.param(value, id=f"{package.__name__}.{name}")


@pytest.mark.parametrize("value", [*exported()])
def test_every_public_name_has_an_example(value: Any) -> None:
    if get_origin(value) is Annotated:  # an alias such as `Header[...]`: its marker explains it
        value = type(value.__metadata__[0])
    if isinstance(value, type) or inspect.isroutine(value):
        assert doctest.DocTestParser().get_examples(value.__doc__ or ""), value
    else:
        assert doctest.DocTestParser().get_examples(type(value).__doc__ or ""), value
