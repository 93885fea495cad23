"""Testing applications: `TestClient`. `kick.testing.store_contract` tests session stores.

Nothing is imported before it is asked for: the client needs `httpx2`, the contract pytest.
"""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.testing.client import TestClient as TestClient
else:
    __all__ = lazy_exports(__name__, {"kick.testing.client": ("TestClient",)})
