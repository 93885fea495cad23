"""Sessions over a Redis Cluster of three primaries."""

import pytest

from kick.session.store import AtomicStore
from kick.session.stores.redis import RedisStore
from kick.testing.store_contract import MakeStore, StoreContract
from tests.support.redis import RedisCluster


def url_of(cluster: RedisCluster) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)


class TestRedisCluster(StoreContract):
    short = 0.3

    @pytest.fixture
    def make_store(self, redis_cluster: RedisCluster) -> MakeStore:
        redis_cluster.flush()
        self.url = url_of(redis_cluster)

        async def make() -> AtomicStore:
            return RedisStore(self.url)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        return RedisStore(self.url)
