"""Testing applications: `TestClient`. `kick.testing.store_contract` tests session stores.

Nothing is imported before it is asked for: the client needs `httpx2`, the contract pytest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kick.testing.client import TestClient

__all__ = ["TestClient"]


def __getattr__(name: str) -> Any:
    if name == "TestClient":
        from kick.testing.client import TestClient

        return TestClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
