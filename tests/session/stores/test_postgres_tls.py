"""PostgreSQL over TLS: the certificate is verified as the URL says, and nothing is sent to a server without one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kick.session.stores.postgres import PostgresStore
from tests.session.harness import Browser, Site, setting
from tests.support.certificates import certify
from tests.support.ports import HOST
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

ENCRYPTED = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'kick sessions'"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return tmp_path / "server.crt"


@pytest.fixture
def server(postgres_data: Path, certificate: Path) -> Iterator[PostgresServer]:
    """One that lets the role `shop` in over TLS only."""
    with PostgresServer(postgres_data) as server:
        data = server.folder / "data"
        certify(data / "server.crt", data / "server.key")
        certificate.write_bytes((data / "server.crt").read_bytes())
        rules = data / "pg_hba.conf"
        lines = (f"hostssl all shop {HOST}/32 trust", f"host all shop {HOST}/32 reject")
        rules.write_text("\n".join([*lines, rules.read_text()]))
        server.give(data)
        server.run("CREATE ROLE shop LOGIN SUPERUSER")
        server.run("ALTER SYSTEM SET ssl = on")
        server.run("SELECT pg_reload_conf()")
        wait_until(lambda: server.run("SHOW ssl") == [("on",)], "the setting")
        yield server


def store_of(server: PostgresServer, tls: str) -> PostgresStore:
    return PostgresStore(f"{server.url.replace('kick@', 'shop@')}?{tls}&table={server.new_table()}", timeout=5)


async def test_sessions_are_kept_over_a_verified_connection(server: PostgresServer, certificate: Path) -> None:
    store = store_of(server, f"sslmode=verify-full&sslrootcert={certificate}")
    browser = Browser(Site(store))
    assert (await browser.visit(setting(a=1))).status == 200
    assert await browser.data() == {"a": 1}
    assert set(server.run(ENCRYPTED)) == {(True,)}
    await store.aclose()


async def test_a_certificate_that_cannot_be_verified_is_a_503(
    server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certify(tmp_path / "other.crt", tmp_path / "other.key")
    store = store_of(server, f"sslmode=verify-full&sslrootcert={tmp_path}/other.crt")
    answer = await Browser(Site(store)).visit(setting(a=1))
    assert (answer.status, answer.all("retry-after"), answer.cookies) == (503, ["1"], [])
    assert "certificate verify failed" in caplog.text
    assert server.run(ENCRYPTED) == []
    await store.aclose()


async def test_a_server_that_wants_tls_refuses_a_connection_without(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_of(server, "sslmode=disable")
    answer = await Browser(Site(store)).visit(setting(a=1))
    assert answer.status == 503
    assert b"refuses the connection" in answer.body
    assert "pg_hba.conf rejects connection" in caplog.text
    await store.aclose()
