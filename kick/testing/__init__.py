"""Test support: `TestClient`, `travel()`, `freeze()`, and `kick.testing.store_contract` for session stores.

The names are imported on first use: the client needs `httpx2`, the contract needs pytest.
"""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.testing.async_client import AsyncTestClient as AsyncTestClient
    from kick.testing.async_socket import AsyncWebSocket as AsyncWebSocket
    from kick.testing.background import BackgroundCall as BackgroundCall
    from kick.testing.background import BackgroundCalls as BackgroundCalls
    from kick.testing.client import ClientSessions as ClientSessions
    from kick.testing.client import TestClient as TestClient
    from kick.testing.response_validation import ResponseMismatch as ResponseMismatch
    from kick.testing.sse import ReceivedEvent as ReceivedEvent
    from kick.testing.time_travel import TimeTravel as TimeTravel
    from kick.testing.time_travel import freeze as freeze
    from kick.testing.time_travel import travel as travel
else:
    __all__ = lazy_exports(
        __name__,
        {
            "kick.testing.async_client": ("AsyncTestClient",),
            "kick.testing.async_socket": ("AsyncWebSocket",),
            "kick.testing.background": ("BackgroundCall", "BackgroundCalls"),
            "kick.testing.client": ("ClientSessions", "TestClient"),
            "kick.testing.response_validation": ("ResponseMismatch",),
            "kick.testing.sse": ("ReceivedEvent",),
            "kick.testing.time_travel": ("TimeTravel", "freeze", "travel"),
        },
    )
