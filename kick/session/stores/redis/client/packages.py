"""The packages of the extra `[redis]`, imported before anything that needs them."""

from kick.errors import missing_extra

try:
    import hiredis  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import redis  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise missing_extra("RedisStore", error.name or "redis", "redis") from None
