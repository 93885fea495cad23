"""The pytest plugin of kick: fixtures for an application and its clients.

It is active where `kick-framework[testing]` is installed; `-p no:kick` switches it off. Of a `conftest.py` a fixture of
the same name comes first. Nothing is imported before a test asks for it.

| fixture | value |
|---|---|
| `app` | the application of `[tool.kick] app` in pyproject.toml, or of `kick_app` in the options of pytest |
| `client` | a `TestClient`; the application has started |
| `async_client` | an `AsyncTestClient`; the application has started in the loop of the test |
| `client_options` | the options of both clients, for a `conftest.py` to override: `{"validate": True}` |
| `login` | logs the `client` in, and returns it: `login(user.id, roles=["admin"])` |
| `travel` | lets time pass for the `app`: `with travel(hours=25):` |

Each test has its own sessions, in memory. `kick_session_store` in the options of pytest names another store: a URL, of
which each test uses a part of its own, or `application` for the store that the application has.

`@pytest.mark.kick(raise_exceptions=False)` passes options to the clients of a test, and
`@pytest.mark.kick_login(7, roles=["admin"])` logs the `client` in.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kick.testing.async_client import AsyncTestClient
    from kick.testing.client import TestClient
    from kick.testing.time_travel import TimeTravel

_IN_MEMORY = "memory://"
_OF_APPLICATION = "application"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for the ini file."""
    parser.addini("kick_app", "the application of the fixture `app`: package.module:app, or a function that returns it")
    parser.addini("kick_session_store", "the session store of tests: a URL, or `application`", default=_IN_MEMORY)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and name the environment, which an application reads when it is imported."""
    config.addinivalue_line("markers", "kick(**options): options of the clients of kick in a test")
    config.addinivalue_line("markers", "kick_login(user_id, roles=(), **data): log the client in")
    os.environ.setdefault("KICK_ENV", "test")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the application of an `async_client` live in the task of the test, whatever plugin runs the test."""
    if "async_client" not in getattr(item, "fixturenames", ()):
        return
    function: Any = getattr(item, "obj", None)

    @functools.wraps(function)
    async def with_application(*args: Any, **funcargs: Any) -> Any:
        async with item.funcargs["async_client"]:  # type: ignore[attr-defined]
            return await function(*args, **funcargs)

    import inspect

    if inspect.iscoroutinefunction(function):
        item.obj = with_application  # type: ignore[attr-defined]


@pytest.fixture
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Any]:
    """Return the application, with the sessions of this test."""
    from kick.testing.project import load_app, own_store

    loaded = load_app(request.config.getini("kick_app"), request.config.rootpath)
    with ExitStack() as stack:
        chosen = request.config.getini("kick_session_store")
        if chosen != _OF_APPLICATION:
            stack.enter_context(own_store(loaded, chosen, tmp_path_factory.getbasetemp()))
        yield loaded


@pytest.fixture
def client_options() -> dict[str, Any]:
    """Return the options of all clients. A `conftest.py` may have others, such as `{"validate": True}`."""
    return {}


@pytest.fixture
def client(app: Any, client_options: dict[str, Any], request: pytest.FixtureRequest) -> Generator[TestClient]:
    """Return a client of the application, which has started."""
    from kick.testing.client import TestClient

    with TestClient(app, **client_options | _options(request)) as client:
        for mark in request.node.iter_markers("kick_login"):
            client.login(*mark.args, **mark.kwargs)
        yield client


@pytest.fixture
def async_client(app: Any, client_options: dict[str, Any], request: pytest.FixtureRequest) -> AsyncTestClient:
    """Return a client on the event loop of the test. The application starts with the test."""
    from kick.testing.async_client import AsyncTestClient

    return AsyncTestClient(app, **client_options | _options(request))


@pytest.fixture
def login(client: TestClient) -> Callable[..., TestClient]:
    """Return a function that logs the client in, and returns it: `login(user.id, roles=["admin"])`."""

    def log_in(user_id: Any, *, roles: Collection[str] = (), **data: Any) -> TestClient:
        client.login(user_id, roles=roles, **data)
        return client

    return log_in


@pytest.fixture
def travel(app: Any) -> Callable[..., AbstractContextManager[TimeTravel]]:
    """Return `kick.testing.travel()` for the application of the test."""
    from kick.testing.time_travel import travel

    return functools.partial(travel, app)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options of the marks; the nearest mark counts most."""
    marks = reversed([*request.node.iter_markers("kick")])
    return {name: value for mark in marks for name, value in mark.kwargs.items()}
