"""Sessions in Redis or Valkey: on one server, behind Sentinel, or over a Cluster."""

from kick.session.stores.redis.client.errors import BadConnectionSettings, BadRedisClient, BadRedisURL
from kick.session.stores.redis.errors import LegacyInCluster
from kick.session.stores.redis.store import RedisStore

__all__ = ["BadConnectionSettings", "BadRedisClient", "BadRedisURL", "LegacyInCluster", "RedisStore"]
