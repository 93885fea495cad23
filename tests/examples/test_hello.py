"""`examples/hello.py`, as the README shows it."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.described import described_by
from tests.support.serving import ROOT, ServeProcess


@pytest.fixture
def client(serve_process: ServeProcess, tmp_path: Path) -> Iterator[httpx2.Client]:
    environment = {"SESSION_SECRET": "a secret of at least thirty-two bytes"}
    with (
        serve_process("hello:app", cwd=ROOT / "examples", env=environment, log=tmp_path / "server.log") as server,
        httpx2.Client(base_url=server.url) as client,
    ):
        described = described_by("hello:app", cwd=ROOT / "examples", env=environment)
        client.event_hooks = {"response": [described.hook]}
        yield client
        assert described.checked


def test_it_greets_knows_counts_and_forgets(client: httpx2.Client) -> None:
    assert client.get("/auth/me").status_code == 401
    assert client.post("/auth/login", json={"name": "Ada"}).json() == {"message": "Hello, Ada!"}
    assert client.get("/auth/me").json() == {"name": "Ada", "visits": 1}
    assert client.get("/auth/me").json() == {"name": "Ada", "visits": 2}
    assert client.post("/auth/logout").status_code == 204
    assert client.get("/auth/me").status_code == 401


def test_a_login_without_a_name_is_told_what_is_missing(client: httpx2.Client) -> None:
    answer = client.post("/auth/login", json={})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"location": "/body/name", "message": "This field is required", "code": "missing"}
    ]
