from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.curl import Curl
from tests.examples.people import Person
from tests.examples.served import AUTH, served_auth
from tests.support.described import Described, described_by


@pytest.fixture(scope="module")
def auth_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `examples/auth` is served."""
    with served_auth(tmp_path_factory.mktemp("auth")) as url:
        yield url


@pytest.fixture
def ada() -> Person:
    """Somebody who has no account yet."""
    return Person()


@pytest.fixture(scope="module")
def auth_described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    """The document of `examples/auth`, with which every answer to curl is compared."""
    folder = str(tmp_path_factory.mktemp("described"))
    return described_by(
        "app:app", cwd=AUTH, env={"AUTH_FOLDER": folder, "SESSION_SECRET": "s" * 32, "SESSION_STORE": ""}
    )


@pytest.fixture
def curl(auth_url: str, auth_described: Described, tmp_path: Path) -> Curl:
    """curl, with a cookie jar of its own; `.another()` for somebody else's."""
    return Curl(auth_url, tmp_path / "jar", auth_described)
