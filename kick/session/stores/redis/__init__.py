"""Sessions in Redis or Valkey: on one server, behind Sentinel, or over a Cluster."""

from kick.session.stores.redis.client.errors import bad_connection_settings, bad_redis_client, bad_redis_url
from kick.session.stores.redis.errors import legacy_in_cluster
from kick.session.stores.redis.store import RedisStore

__all__ = ["RedisStore", "bad_connection_settings", "bad_redis_client", "bad_redis_url", "legacy_in_cluster"]
