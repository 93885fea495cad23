"""What a `RedisStore` can be made from."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff

from kick.session.stores.redis import RedisStore
from kick.session.stores.redis.client import connection
from kick.testing.store_contract.base import record_of, started
from tests.support.certificates import certify
from tests.support.ports import free_port
from tests.support.redis import RedisCluster, RedisServer
from tests.support.setup_errors import raises_code

SECRET = "open-sesame"


async def works(store: RedisStore) -> None:
    key = await started(store, {"a": b"1"}, principal="ann")
    assert (await record_of(store, key)).fields == {"a": b"1"}
    assert await store.revoke("ann") == 1
    await store.aclose()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://localhost", "scheme"),
        ("localhost:6379", "scheme"),
        ("", "scheme"),
        ("redis", "scheme"),
        ("redis+:", "scheme"),
        ("redis+mesh://localhost", "scheme"),
        ("redis+://localhost", "scheme"),
        ("unix+cluster:///run/redis.sock", "host and port"),
        ("redis://localhost:port/0", "(?i)port"),
        ("redis://localhost?socket_timeout=soon", "socket_timeout"),
        ("redis://localhost?colour=red", "colour"),
        ("redis://localhost?max_connections=0", "max_connections must be"),
        ("redis://localhost?max_connections=-1", "max_connections must be"),
        ("redis+cluster://localhost?max_connections=many", "max_connections must be"),
        ("redis://localhost?max_connections=", "max_connections must be"),
        ("redis+sentinel://localhost:26379", "name the service"),
        ("redis+sentinel://localhost:26379/", "name the service"),
        ("redis+sentinel://localhost/service/first", "number of a database"),
        ("redis+sentinel:///service/0", "host and port"),
        ("redis+sentinel://one:26379,:1/service", "host and port"),
        ("redis+cluster://localhost:6379/1", "no database but 0"),
        ("redis+cluster://", "host and port"),
        ("redis+cluster://one:x,two", "(?i)port"),
        ("redis+cluster://one,[::1", "(?i)ipv6|host"),
        ("redis+sentinel://one,::1]:2/service", "(?i)ipv6|host|port"),
        ("redis+sentinel://[one]/service", "(?i)IPv4 or IPv6|address|host"),
        ("redis://[::1", "(?i)ipv6"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_with_the_forms_that_do(url: str, problem: str) -> None:
    with raises_code("redis-url", match=problem) as refused:
        RedisStore(url)
    assert "redis+sentinel://host:26379,host2:26379/service/0" in refused.value.fix


@pytest.mark.parametrize("scheme", ["http", "redis+mesh", "redis+cluster"])
@pytest.mark.parametrize("hosts", ["localhost", "one,[::1", "[one", "one,::1]"])
def test_a_refused_url_does_not_show_its_password(scheme: str, hosts: str) -> None:
    with raises_code("redis-url") as refused:
        RedisStore(f"{scheme}://user:{SECRET}@{hosts}/7")
    assert SECRET not in str(refused.value)
    assert SECRET not in refused.value.cause


@pytest.mark.parametrize("client", [redis.Redis(), None, 6379, b"redis://localhost", object()])
def test_what_is_no_client_of_redis_asyncio_is_refused(client: object) -> None:
    with raises_code("redis-client", match=type(client).__qualname__):
        RedisStore(client)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": float("nan")}, {"max_connections": 0}])
def test_limits_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RedisStore("redis://localhost", **options)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://localhost",
        "redis://user:p%40ss@[::1]:7000/3?socket_timeout=2",
        "rediss://localhost:6380/0?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=1",
        "redis+sentinel://one,two:1,[::1]:2/service",
        "rediss+sentinel://user:password@one/service/2?sentinel_password=other",
        "redis+sentinel://user:p%40ss@[::1],[::2]:2,three/service/2?sentinel_password=other",
        "redis+cluster://one:1,two:2",
        "redis+cluster://one:1,[::1],[fe80::2]:2",
        "rediss+cluster://user:password@one",
    ],
)
def test_a_url_of_a_known_form_connects_to_nothing_yet(url: str) -> None:
    RedisStore(url)


async def test_a_client_lends_its_settings_and_not_its_connections(redis_url: str) -> None:
    client = redis.asyncio.Redis.from_url(
        redis_url, decode_responses=True, protocol=3, max_connections=1, retry=Retry(NoBackoff(), 0)
    )
    async with client.client() as only:  # has the one connection of the client's pool
        await only.set("mine", "1")
        await works(RedisStore(client, timeout=30))
        assert await only.get("mine") == "1"
    await client.aclose()


class Rotating(redis.CredentialProvider):
    """Asked anew for each connection."""

    def __init__(self, *passwords: str) -> None:
        self.passwords = iter(passwords)

    def get_credentials(self) -> tuple[str, str]:
        return "shop", next(self.passwords)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that knows the user `shop`, and nobody without a password."""
    with RedisServer(tmp_path) as server:
        server.command("ACL", "SETUSER", "shop", "on", ">päss", "~kick:*", "+@all", "-client", "-select")
        server.command("ACL", "SETUSER", "default", "resetpass", ">for all")
        yield server


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"username": "shop", "password": "päss"},
        {"password": "for all"},
        {"credential_provider": redis.UsernamePasswordCredentialProvider("shop", "päss")},
        {"credential_provider": redis.UsernamePasswordCredentialProvider(password="for all")},
    ],
    ids=["user", "password", "provider", "provider of a password"],
)
async def test_a_server_is_told_who_comes(guarded: RedisServer, options: dict[str, Any], protocol: int) -> None:
    await works(RedisStore(redis.asyncio.Redis(port=guarded.port, protocol=protocol, **options), timeout=30))


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("options", [{}, {"password": "wrong"}, {"username": "shop", "password": "for all"}])
async def test_a_server_that_does_not_know_who_comes_is_not_asked_twice(
    guarded: RedisServer, options: dict[str, Any], protocol: int
) -> None:
    pauses: list[int] = []

    class Noting(NoBackoff):
        def compute(self, failures: int) -> float:
            pauses.append(failures)
            return 0

    again = Retry(Noting(), 5)
    store = RedisStore(redis.asyncio.Redis(port=guarded.port, protocol=protocol, retry=again, **options), timeout=30)
    with pytest.raises(redis.AuthenticationError):
        await store.load("key")
    await store.aclose()
    assert pauses == []


async def test_a_provider_of_credentials_is_asked_for_each_connection(guarded: RedisServer) -> None:
    provider = Rotating("wrong", "päss", "wrong")
    store = RedisStore(redis.asyncio.Redis(port=guarded.port, credential_provider=provider), timeout=30)
    with pytest.raises(redis.AuthenticationError):
        await store.load("key")
    assert await store.load("key") is None
    await store.aclose()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_connection_has_the_name_and_the_database_of_the_client(
    redis_server: RedisServer, protocol: int
) -> None:
    store = RedisStore(
        redis.asyncio.Redis(port=redis_server.port, db=4, client_name="shop", protocol=protocol), timeout=30
    )
    await started(store)
    listed = [line for line in str(redis_server.command("CLIENT", "LIST")).splitlines() if "name=shop" in line]
    assert len(listed) == 1
    assert "db=4" in listed[0]
    assert f"resp={protocol}" in listed[0] or "resp=" not in listed[0]
    await store.aclose()


async def test_opening_is_tried_again_as_the_client_says(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        server.stop()
        pauses: list[int] = []

        class Returning(NoBackoff):
            def compute(self, failures: int) -> float:
                pauses.append(failures)
                if failures == 3:
                    server.start()
                return 0

        client = redis.asyncio.Redis(port=server.port, retry=Retry(Returning(), 5))
        store = RedisStore(client, timeout=30)
        assert await store.load("key") is None
        assert pauses == [1, 2, 3]
        await store.aclose()


PATIENT = Retry(ConstantBackoff(600), 5)


async def test_tries_end_with_the_time_limit(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        server.stop()
        again: dict[str, Any] = {"socket_timeout": 0.1, "socket_connect_timeout": 0.1, "retry": PATIENT}
        store = RedisStore(redis.asyncio.Redis(port=server.port, **again), timeout=30)
        with pytest.raises(redis.ConnectionError, match=str(server.port)):
            await store.load("key")
        await store.aclose()


@pytest.mark.parametrize("where", ["url", "argument", "client", "blocking pool", "cluster"])
async def test_connections_to_a_node_are_no_more_than_a_url_or_a_client_allows(
    redis_server: RedisServer, redis_cluster: RedisCluster, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SLOW_AFTER", -1.0)  # a connection with any command in flight counts as slow
    port = redis_cluster.nodes[0].port if where == "cluster" else redis_server.port
    server = redis_cluster.nodes[0] if where == "cluster" else redis_server
    name: Any = {"client_name": f"most-{where.partition(' ')[0]}"}
    pool: Any = redis.asyncio.BlockingConnectionPool(port=port, max_connections=2, **name)
    stores: dict[str, Callable[[], RedisStore]] = {
        "url": lambda: RedisStore(
            f"redis://127.0.0.1:{port}?client_name=most-url&max_connections=2", max_connections=5, timeout=30
        ),
        "argument": lambda: RedisStore(redis.asyncio.Redis(port=port, **name), max_connections=2, timeout=30),
        "client": lambda: RedisStore(redis.asyncio.Redis(port=port, max_connections=2, **name), timeout=30),
        "blocking pool": lambda: RedisStore(redis.asyncio.Redis(connection_pool=pool), timeout=30),
        "cluster": lambda: RedisStore(
            redis.asyncio.RedisCluster(host="127.0.0.1", port=port, max_connections=2, **name), prefix="", timeout=30
        ),
    }
    store, opened = stores[where](), 0
    for _ in range(20):
        await asyncio.gather(*(store.load(f"{n}") for n in range(200)))
        listed = str(server.command("CLIENT", "LIST")).count(f"name=most-{where.partition(' ')[0]} ")
        opened = max(opened, listed)
    assert 1 <= opened <= 2
    await store.aclose()


async def test_the_database_of_a_url_is_the_one_that_is_used(redis_server: RedisServer, redis_url: str) -> None:
    store = RedisStore(redis_url.removesuffix("/0") + "/3", timeout=30)
    await started(store)
    await store.aclose()
    assert "db3" in redis_server.info("keyspace")
    assert "db0" not in redis_server.info("keyspace")


async def test_a_server_is_reached_by_a_unix_socket(tmp_path: Path) -> None:
    socket = tmp_path / "redis.sock"
    with RedisServer(tmp_path, config=("--unixsocket", str(socket))):
        await works(RedisStore(f"unix://{socket}", timeout=30))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine, with its key beside it in `key.pem`."""
    certificate = tmp_path / "certificate.pem"
    certify(certificate, tmp_path / "key.pem")
    return certificate


async def test_a_server_is_reached_by_tls(tmp_path: Path, certificate: Path) -> None:
    port, key = free_port(), certificate.with_name("key.pem")
    paths = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    with RedisServer(tmp_path, config=("--tls-port", str(port), "--tls-auth-clients", "no", *paths)):
        await works(RedisStore(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}", timeout=30))
        with pytest.raises(redis.ConnectionError, match=r"(?i)certificate"):
            await works(RedisStore(f"rediss://127.0.0.1:{port}"))
