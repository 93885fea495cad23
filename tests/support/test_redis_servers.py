from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster as ClusterClient
from redis.retry import Retry
from redis.sentinel import Sentinel

from tests.support import resp
from tests.support.redis import SLOTS, RedisCluster, RedisSentinel, RedisServer
from tests.support.resp import ReplyError


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


async def test_a_server_answers_a_client(redis_url: str) -> None:
    async with redis.asyncio.from_url(redis_url) as client:
        await client.set("name", "kick")
        assert await client.get("name") == b"kick"


def test_the_url_comes_with_an_empty_server(redis_server: RedisServer, redis_url: str) -> None:
    assert redis_server.url == redis_url
    assert redis_server.command("DBSIZE") == 0


def test_a_killed_server_refuses_connections_and_comes_back_on_its_port(own_server: RedisServer) -> None:
    own_server.command("SET", "name", "kick")
    own_server.kill()
    with pytest.raises(ConnectionRefusedError):
        own_server.command("PING")

    own_server.start()

    assert own_server.command("GET", "name") is None


def test_a_stopped_server_leaves_nothing_on_disk(own_server: RedisServer, tmp_path: Path) -> None:
    own_server.command("SET", "name", "kick")
    own_server.stop()
    assert [path.suffix for path in tmp_path.iterdir()] == [".log"]


def test_a_paused_server_accepts_and_does_not_answer(own_server: RedisServer) -> None:
    own_server.pause()
    impatient = redis.Redis(port=own_server.port, socket_timeout=0.2, retry=Retry(NoBackoff(), retries=0))
    with impatient as client, pytest.raises(redis.TimeoutError):
        client.ping()

    own_server.resume()

    assert own_server.command("PING") == "PONG"


def test_a_paused_server_can_be_stopped(own_server: RedisServer) -> None:
    own_server.pause()
    own_server.stop()
    assert not own_server.running


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, config=["--no-such-setting", "1"])
    with pytest.raises(RuntimeError, match="no-such-setting"):
        server.start()


def test_what_the_server_refuses_is_raised(redis_server: RedisServer) -> None:
    with pytest.raises(ReplyError, match="unknown command"):
        redis_server.command("NONSENSE")


def test_answers_of_every_shape_are_understood(redis_server: RedisServer) -> None:
    script = "return {1, 'two', {'three'}, false, redis.status_reply('fine')}"
    assert redis_server.command("EVAL", script, 0) == [1, "two", ["three"], None, "fine"]


def test_a_cluster_spreads_the_keys_over_its_nodes(redis_cluster: RedisCluster) -> None:
    redis_cluster.flush()
    with ClusterClient.from_url(redis_cluster.url) as client:
        for number in range(60):
            client.set(f"key:{number}", number)
        assert [client.get(f"key:{number}") for number in range(60)] == [b"%d" % number for number in range(60)]

    sizes = [node.command("DBSIZE") for node in redis_cluster.nodes]
    assert all(sizes)
    assert sum(int(str(size)) for size in sizes) == 60

    redis_cluster.flush()
    assert [node.command("DBSIZE") for node in redis_cluster.nodes] == [0, 0, 0]


def test_a_cluster_serves_every_slot(redis_cluster: RedisCluster) -> None:
    states = [resp.fields(node.command("CLUSTER", "INFO")) for node in redis_cluster.nodes]
    assert {state["cluster_slots_ok"] for state in states} == {str(SLOTS)}


@pytest.mark.long
def test_a_sentinel_promotes_the_replica_of_a_primary_that_died(redis_sentinel: RedisSentinel) -> None:
    lost, heir = redis_sentinel.primary, redis_sentinel.replica
    client: redis.Redis = Sentinel(redis_sentinel.sentinels).master_for(redis_sentinel.service)  # type: ignore[no-untyped-call]
    with client:
        client.set("name", "kick")
        client.wait(1, 5000)

        redis_sentinel.fail_over()

        assert redis_sentinel.primary is heir
        assert not lost.running
        assert client.get("name") == b"kick"

    redis_sentinel.heal()

    assert redis_sentinel.replica is lost
    assert lost.info("replication")["role"] == "slave"
    assert lost.command("GET", "name") == "kick"


@pytest.mark.long
def test_a_sentinel_can_promote_again_after_healing(redis_sentinel: RedisSentinel) -> None:
    heir = redis_sentinel.replica
    redis_sentinel.fail_over()
    assert redis_sentinel.primary is heir
    redis_sentinel.heal()
