from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import PostgresServer


@pytest.fixture
def own_server(postgres_data: Path) -> Iterator[PostgresServer]:
    with PostgresServer(postgres_data) as server:
        yield server


def test_a_server_answers_over_tcp_and_over_its_socket(postgres_server: PostgresServer) -> None:
    for url in (postgres_server.url, postgres_server.socket_url):
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_ended_refuses_connections_and_comes_back_with_its_data(
    own_server: PostgresServer, end: str
) -> None:
    own_server.run("CREATE TABLE kept (n int)")
    own_server.run("INSERT INTO kept VALUES (%s)", 7)
    own_server.run("CHECKPOINT")
    getattr(own_server, end)()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        own_server.run("SELECT 1")

    own_server.start()

    assert own_server.run("SELECT n FROM kept") == [(7,)]


def test_a_paused_server_does_not_answer_and_can_be_stopped(own_server: PostgresServer) -> None:
    own_server.pause()
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(own_server.url, connect_timeout=2)
    own_server.resume()
    assert own_server.run("SELECT 1") == [(1,)]

    own_server.pause()
    own_server.stop()

    assert not own_server.running


def test_nothing_is_left_of_a_server(postgres_data: Path) -> None:
    with PostgresServer(postgres_data) as server:
        folder = server.folder
        assert folder.exists()
    assert not folder.exists()


def test_a_server_that_does_not_start_says_why(postgres_data: Path) -> None:
    server = PostgresServer(postgres_data, config=["-c", "no_such_setting=1"])
    with pytest.raises(RuntimeError, match="no_such_setting"), server:
        pass
