from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.curl import Curl
from tests.examples.people import Person
from tests.examples.served import served_auth


@pytest.fixture(scope="module")
def auth_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `examples/auth` is served."""
    with served_auth(tmp_path_factory.mktemp("auth")) as url:
        yield url


@pytest.fixture
def ada() -> Person:
    """Somebody who has no account yet."""
    return Person()


@pytest.fixture
def curl(auth_url: str, tmp_path: Path) -> Curl:
    """curl, with a cookie jar of its own; `.another()` for somebody else's."""
    return Curl(auth_url, tmp_path / "jar")
