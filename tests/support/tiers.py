"""The tiers of the tests: which of them a test is in, if it does not say so by a mark of its own.

The fixtures of a test tell what it needs (`FIXTURES`), and so do the stores that it is parametrized by (`STORES`). What
a whole file or folder is in stands in `FILES`. CONTRIBUTING.md says which command runs which tier.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

FIXTURES = {
    "redis_server": "redis",
    "redis_url": "redis",
    "redis_cluster": "redis",
    "redis_sentinel": "redis",
    "redis_site": "redis",
    "postgres_data": "postgres",
    "serve": "process",
    "serve_process": "process",
    "serves": "process",
}

STORES = {"redis": "redis", "cluster": "redis", "sentinel": "redis", "postgres": "postgres"}

VARIANTS = frozenset(
    {
        "TestRedis62",
        "TestRedisStoreWithAMovedClock",
        "TestRedisStoreWithResp3",
        "TestSQLiteStoreByTheClock",
        "TestValkey",
    }
)
"""Classes that run the contract of a store again in another set-up: their repetitions are long."""

REPETITIONS = frozenset(
    {
        "test_any_sequence_of_operations_ends_as_in_a_plain_dict",
        "test_thousands_of_interleaved_operations_lose_and_revive_nothing",
    }
)

FILES = {
    "cli/commands/test_generate.py": ("project", "long"),
    "benchmarks/test_growth.py": ("slow",),
    "cli/test_production_checks.py": ("process",),
    "cli/test_containers.py": ("project", "long"),
    "cli/server/test_gc.py": ("process",),
    "cli/commands/test_completion.py": ("process",),
    "cli/server/test_write_coalescing.py": ("process",),
    "cli/commands/test_dev.py": ("process",),
    "cli/commands/test_doctor.py": ("process",),
    "cli/test_errors.py": ("process", "long"),
    "cli/commands/test_info.py": ("process",),
    "cli/server/test_live_reload.py": ("process", "browser", "long"),
    "cli/server/test_listening.py": ("process",),
    "cli/server/test_logs.py": ("process",),
    "cli/commands/test_new.py": ("process",),
    "cli/test_program.py": ("process",),
    "cli/test_project_templates.py": ("project", "long"),
    "cli/test_recording.py": ("process",),
    "cli/commands/test_openapi.py": ("process",),
    "cli/commands/test_routes.py": ("process",),
    "cli/server/test_uvicorn_server.py": ("process",),
    "cli/commands/test_sessions.py": ("process",),
    "cli/commands/test_shell.py": ("process",),
    "cli/server/test_signals.py": ("process",),
    "cli/commands/test_start.py": ("process",),
    "cli/generate/test_errors.py": ("process", "slow"),
    "cli/server/test_request_timeouts.py": ("process",),
    "cli/server/test_request_heads.py": ("process",),
    "examples": ("process",),
    "examples/test_auth_page.py": ("browser", "long"),
    "http/request/test_upload_memory.py": ("process", "long"),
    "http/routing/test_scale.py": ("long",),
    "http/validation/test_cost_of_invalid_input.py": ("slow",),
    "http/validation/test_cost_of_invalid_models.py": ("slow",),
    "http/validation/test_errors.py": ("slow",),
    "http/validation/test_hash_collisions.py": ("slow",),
    "middleware/test_csrf_browser.py": ("browser", "long"),
    "openapi/page/test_browser.py": ("browser", "long"),
    "session/stores/test_memory.py": ("slow",),
    "session/stores/test_postgres": ("postgres",),
    "session/stores/test_postgres_pgbouncer.py": ("long",),
    "session/stores/test_postgres_failover.py": ("chaos", "nightly"),
    "session/stores/test_postgres_full_disk.py": ("chaos", "long"),
    "session/stores/test_postgres_tls.py": ("process",),
    "session/stores/test_postgres_trouble.py": ("chaos", "long"),
    "session/stores/test_redis": ("redis",),
    "session/stores/test_redis_cluster.py": ("long",),
    "session/stores/test_redis_express.py": ("process", "long"),
    "session/stores/test_redis_sentinel.py": ("chaos", "long"),
    "session/test_arrivals.py": ("long",),
    "session/test_cost.py": ("slow",),
    "session/test_crashes.py": ("process", "redis", "chaos", "long"),
    "session/test_store_contract.py": ("process",),
    "session/test_failover.py": ("process", "redis", "chaos", "long"),
    "session/test_interleavings.py": ("long",),
    "session/test_model.py": ("slow",),
    "session/test_modify_races.py": ("process",),
    "session/test_processes.py": ("process", "long"),
    "session/test_races.py": ("process", "long", "exhaustive"),
    "support/test_browser.py": ("browser",),
    "support/test_leftovers.py": ("process", "long"),
    "support/test_postgres_servers.py": ("postgres",),
    "support/test_programs.py": ("process",),
    "support/test_redis_servers.py": ("redis",),
    "support/test_serving.py": ("process",),
    "support/test_starts.py": ("process",),
    "test_versions.py": ("process",),
}
"""Beginning of a path below `tests`: the tiers of the tests there."""


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark each test with its tiers. It is a hook of pytest, which `tests/conftest.py` imports."""
    for item in items:
        for tier in sorted(set(_tiers_of(item))):
            item.add_marker(tier)


def _tiers_of(item: pytest.Item) -> Iterator[str]:
    if not isinstance(item, pytest.Function):
        return
    yield from _tiers_of_file(item.path)
    if item.originalname in REPETITIONS and item.cls is not None and item.cls.__name__ in VARIANTS:
        yield "long"
    yield from (FIXTURES[name] for name in item.fixturenames if name in FIXTURES)
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    yield from (STORES[value] for value in parameters if isinstance(value, str) and value in STORES)


@cache
def _tiers_of_file(file: Path) -> tuple[str, ...]:
    if not file.is_relative_to(TESTS):
        return ()
    path = file.relative_to(TESTS).as_posix()
    return tuple(tier for beginning, tiers in FILES.items() if path.startswith(beginning) for tier in tiers)
