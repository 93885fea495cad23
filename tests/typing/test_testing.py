"""Types of `kick.testing`, as type checkers see them."""

from typing import assert_type

from httpx2 import Response

from kick import App, bootstrap
from kick.session import SessionInfo
from kick.testing import AsyncTestClient, AsyncWebSocket, ReceivedEvent, TestClient, TimeTravel, travel


async def count(app: App, least: int = 0) -> int:
    return max(least, len(app.routes))


def test_a_client_keeps_the_types_of_what_it_returns() -> None:
    client = TestClient(bootstrap([]))
    assert_type(client.get("/"), Response)
    assert_type(client.run(count), int)
    assert_type(client.another(), TestClient)
    with travel(client, hours=1) as time:
        assert_type(time, TimeTravel)


async def test_an_asynchronous_client_does_so_too() -> None:
    client = AsyncTestClient(bootstrap([]))
    assert_type(await client.get("/"), Response)
    assert_type(await client.run(count, least=3), int)
    assert_type(client.page_of(None), AsyncTestClient)
    assert_type(client.websocket_connect("/"), AsyncWebSocket)


def not_run(client: TestClient) -> None:
    for event in client.sse("/events"):
        assert_type(event, ReceivedEvent)
    assert_type(client.sessions.of(7), list[SessionInfo])
