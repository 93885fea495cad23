"""Sessions on the primary that Sentinel names."""

import pytest

from kick.session.store import AtomicStore
from kick.session.stores.redis import RedisStore
from kick.testing.store_contract import MakeStore, StoreContract
from tests.support.redis import RedisSentinel


def url_of(servers: RedisSentinel) -> str:
    hosts = ",".join(f"{host}:{port}" for host, port in servers.sentinels)
    return f"redis+sentinel://{hosts}/{servers.service}/0"


class TestRedisSentinel(StoreContract):
    short = 0.3

    @pytest.fixture
    def make_store(self, redis_sentinel: RedisSentinel) -> MakeStore:
        redis_sentinel.flush()
        self.url = url_of(redis_sentinel)

        async def make() -> AtomicStore:
            return RedisStore(self.url)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        return RedisStore(self.url)
