"""Test support: `TestClient`, `travel()`, `freeze()`, and `kick.testing.store_contract` for session stores.

The names are imported on first use: the client needs `httpx2`, the contract needs pytest.
"""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.testing.client import TestClient as TestClient
    from kick.testing.response_validation import ResponseMismatch as ResponseMismatch
    from kick.testing.time_travel import TimeTravel as TimeTravel
    from kick.testing.time_travel import freeze as freeze
    from kick.testing.time_travel import travel as travel
else:
    __all__ = lazy_exports(
        __name__,
        {
            "kick.testing.client": ("TestClient",),
            "kick.testing.response_validation": ("ResponseMismatch",),
            "kick.testing.time_travel": ("TimeTravel", "freeze", "travel"),
        },
    )
