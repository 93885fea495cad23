"""Sessions in Redis or Valkey: on one server, behind Sentinel, or over a Cluster."""

from kick.session.stores.redis.errors import BadRedisClient, BadRedisURL, LegacyInCluster
from kick.session.stores.redis.store import RedisStore

__all__ = ["BadRedisClient", "BadRedisURL", "LegacyInCluster", "RedisStore"]
