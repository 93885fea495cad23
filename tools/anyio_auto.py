"""A plugin of pytest: `anyio_mode = "auto"` for versions of anyio whose own plugin does not know it yet."""

from __future__ import annotations

import inspect
from contextlib import suppress

import pytest

with suppress(ImportError):  # the plugin of a newer anyio imports it, too; in a test, its import starts `ldconfig`
    import trio  # noqa: F401


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the setting known."""
    parser.addini("anyio_mode", "whether async tests need a mark", default="strict")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Mark each async test."""
    if not name.startswith("test"):
        return  # not even looked at: a proxy, such as `flask.session`, raises an error outside of a request
    inner = getattr(getattr(obj, "hypothesis", None), "inner_test", obj)
    if inspect.iscoroutinefunction(inner):
        pytest.mark.anyio(obj)
        pytest.mark.usefixtures("anyio_backend")(obj)
