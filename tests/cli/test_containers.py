"""What the Dockerfile and the compose file of a project say, done by hand: see `container`."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.cli.container import Container
from tests.cli.projects import ADA, make
from tests.cli.support import Browser
from tests.support.ports import HOST, free_port
from tests.support.postgres import PostgresServer


@pytest.mark.nightly
def test_the_steps_of_the_dockerfile_make_what_serves_and_keeps_its_data(tmp_path: Path, installed: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    container = Container(make(tmp_path, "api", "sqlite"), root, installed=installed)
    assert "pyproject.toml" in container.files
    assert ".env" not in container.files
    port = free_port()
    browser = Browser(f"http://{HOST}:{port}")
    for status in (201, 409):  # the second time, the account is there already
        assert not container.is_healthy(port)
        with container.up(port) as process:
            process.wait_for("kick serves api_sqlite.main:app")
            assert container.is_healthy(port)
            assert browser.post("/auth/register", ADA).status == status
            assert browser.get("/auth/me").json["email"] == ADA["email"]
            process.process.terminate()
            assert process.end() == 0
    assert {path.name for path in (root / "data").glob("*.db")} == {"notes.db", "sessions.db"}


@pytest.fixture
def database(postgres_data: Path) -> Iterator[PostgresServer]:
    """A server as the image makes it of `POSTGRES_PASSWORD`; it does not run."""
    with PostgresServer(postgres_data) as server:
        server.run("CREATE ROLE postgres LOGIN SUPERUSER PASSWORD 'postgres'")
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all postgres {HOST}/32 scram-sha-256\n{rules.read_text()}")
        server.stop()
        yield server


@pytest.fixture
def container(tmp_path: Path, installed: Path, database: PostgresServer) -> Container:
    root = tmp_path / "root"
    root.mkdir()
    return Container(make(tmp_path, "api", "postgres"), root, installed=installed, ports={"postgres": database.port})


@pytest.mark.nightly
def test_the_services_of_the_compose_file_work_together(container: Container, database: PostgresServer) -> None:
    assert container.waits_for["postgres"] == "service_healthy"
    assert not container.is_healthy_service("postgres")
    database.start()
    assert container.is_healthy_service("postgres")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:other@{HOST}:{database.port}/postgres")
    port = free_port()
    browser = Browser(f"http://{HOST}:{port}")
    for turn in range(2):  # the second time, the table is there already
        with container.up(port) as process:
            process.wait_for("kick serves api_postgres.main:app")
            assert container.is_healthy(port)
            if turn == 0:
                assert browser.post("/auth/register", ADA).status == 201
            assert browser.get("/auth/me").json["email"] == ADA["email"]
            process.process.terminate()
            assert process.end() == 0
    assert database.run("SELECT count(*) FROM api_postgres_sessions WHERE principal IS NOT NULL") == [(1,)]


@pytest.mark.nightly  # the command is tested in `commands/test_sessions.py`
def test_where_the_table_is_not_made_at_the_start_it_is_made_before(
    container: Container, database: PostgresServer
) -> None:
    database.start()
    url = container.variables["SESSION_STORE"]
    container.told["SESSION_STORE"] = url.replace("&migrate=yes", "")
    port = free_port()
    with container.up(port) as process:
        process.wait_for("postgres-table-missing")
        process.wait_for("kick sessions migrate")
        assert process.end() != 0
    container.run("kick", "sessions", "migrate")
    with container.up(port) as process:
        process.wait_for("kick serves api_postgres.main:app")
        assert Browser(f"http://{HOST}:{port}").post("/auth/register", ADA).status == 201
        process.process.terminate()
        assert process.end() == 0
