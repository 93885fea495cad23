"""Clients of a store: one for each event loop and each process."""

import asyncio
import os

import pytest

from kick.session.stores.loop_clients import LoopClients


class Client:
    """Takes the place of one with connections."""


@pytest.fixture
def abandoned() -> list[Client]:
    return []


@pytest.fixture
def clients(abandoned: list[Client]) -> LoopClients[Client]:
    return LoopClients(Client, abandoned.append)


async def here(clients: LoopClients[Client]) -> Client:
    client = clients[asyncio.get_running_loop()]
    assert clients.here() is client
    return client


async def test_one_event_loop_has_one(clients: LoopClients[Client]) -> None:
    assert clients.here() is None
    client = await here(clients)
    assert clients.here() is client
    assert clients.take() is client
    assert clients.here() is None
    assert clients.take() is None
    assert await here(clients) is not client


def test_those_of_closed_event_loops_are_abandoned(clients: LoopClients[Client], abandoned: list[Client]) -> None:
    with asyncio.Runner() as one, asyncio.Runner() as two:
        first, second = (runner.run(here(clients)) for runner in (one, two))
        assert first is not second
        assert one.run(here(clients)) is first
        assert clients.here() is None  # no event loop runs
    assert abandoned == []
    assert asyncio.run(here(clients)) not in (first, second)
    assert set(abandoned) == {first, second}


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is there on POSIX systems only")
def test_those_of_a_parent_process_are_left_alone(clients: LoopClients[Client], abandoned: list[Client]) -> None:
    first = asyncio.run(here(clients))  # its event loop is closed: in the same process it would be abandoned
    child = os.fork()
    if child == 0:
        try:
            second = asyncio.run(here(clients))
            os._exit(0 if second is not first and not abandoned else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asyncio.run(here(clients))
    assert abandoned == [first]
