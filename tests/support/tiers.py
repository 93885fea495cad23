"""The tiers of the tests: which of them a test is in, if it does not say so by a mark of its own.

The fixtures of a test tell what it needs (`FIXTURES`), and so do the stores that it is parametrized by (`STORES`). What
a whole file or folder is in stands in `FILES`. CONTRIBUTING.md says which command runs which tier.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from kick.cli.project_name import LONGEST

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
"""Classes that run the contract of a store again in another set-up: they are nightly."""

LONG_RUN = "long and not nightly"
"""What `make test-long` runs, in the words of `-m`."""

ABOVE_STORES = ("session/test_", "cli/commands/test_sessions.py")
"""Beginnings of the paths of tests that run over every store, and test what stands above it."""

OTHER_STORES = {
    "postgres": "long",
    "sqlite": "nightly",
    "basic": "nightly",
    "cluster": "nightly",
    "sentinel": "nightly",
}
"""The tiers of such tests over other stores than memory and Redis. Each store has its contract, which is short."""

REPETITIONS = frozenset(
    {
        "test_a_store_has_many_sessions",
        "test_any_sequence_of_operations_ends_as_in_a_plain_dict",
        "test_thousands_of_interleaved_operations_lose_and_revive_nothing",
    }
)
"""Tests of the contract at random: over memory they are short, over the stores of `LONG_REPETITIONS` long."""

LONG_REPETITIONS = frozenset({"TestSQLiteStore"})
"""Classes of stores whose repetitions are long. In every other set-up, a moved clock included, they are nightly."""

NIGHTLY = frozenset(
    {
        "test_a_client_in_typescript_compiles_and_runs",
        "test_async_is_before_the_methods_whose_call_is_awaited",
        "test_nobody_reads_what_another_user_owns",
        "test_the_contract_of_stores_runs",
        "test_the_notes_are_removed_as_the_readme_says",
        "test_the_site_is_built_without_a_warning_and_its_search_finds_pages",
        "test_the_time_to_start_grows_with_the_number_of_controllers_and_not_with_its_square",
        "test_the_tutorial_works_as_it_is_written",
    }
)
"""Tests that take so long that `make test-long` would not end in time with them."""

SLOW = frozenset(
    {
        "test_a_hundred_connections_at_once_keep_their_messages_apart",
        "test_a_save_is_seen_however_an_editor_makes_it",
        "test_a_session_store_that_is_down_is_an_error_page_for_browsers",
        "test_a_site_of_many_networks_has_one_limit",
        "test_beside_a_websocket_that_saves_the_cookie_is_still_sent_once_in_a_tick",
        "test_each_check_has_its_time_and_they_are_asked_together",
        "test_every_folder_and_module_has_its_layer",
        "test_every_mistake_has_its_row",
        "test_every_rest_comes_back_as_it_was_and_leads_to_no_host",
        "test_every_text_comes_back_as_it_was",
        "test_generated_types_accept_what_their_schemas_allow_and_send_it_back",
        "test_handlers_ask_for_it_by_type",
        "test_headers_of_any_kind",
        "test_it_ends_when_the_session_expires",
        "test_nothing_that_is_sent_raises_or_breaks_out_of_a_header",
        "test_passwords_change",
        "test_saves_of_a_websocket_keep_no_other_request_from_prolonging_the_cookie",
        "test_the_application_stops_in_the_middle_of_a_query",
        "test_the_table_has_each_variable_that_the_source_names",
        "test_time_that_grows_faster_than_the_length_is_found",
        "test_what_is_saved_in_a_new_folder_is_seen",
        "test_whatever_came_before_a_header_says_what_it_says_when_it_comes_first",
        "test_whatever_comes_a_line_is_one_printable_line",
        "test_whatever_is_sent_a_redirect_stays_here",
        "test_whatever_is_sent_the_answer_has_one_name_that_is_a_token",
        "test_whatever_is_sent_the_client_is_an_address_and_the_host_a_host",
    }
)
"""Tests of files that are quick otherwise, which compute or wait for half a second or more."""

COSTS = frozenset({"assert_costs_at_most", "assert_awaiting_costs_at_most"})
"""Tests that call these compare processor times, again and again where the machine is busy: they are long."""

LONG_VARIANTS = {
    "test_a_project_and_its_resources_pass_their_tests_on_postgresql": [],
    "test_a_large_upload_does_not_grow_the_server": [
        "/context-134217728-1",
        "/context-134217728-90",
        "/read-134217728-1",
    ],
    "test_a_project_of_your_own_gets_migrations": ["True"],
    "test_a_project_passes_its_own_tests": ["web-sqlalchemy-sqlite"],
    "test_a_short_run_finds_nothing": ["api"],
    "test_a_second_signal_ends_an_import_that_swallows_the_first": ["SIGINT"],
    "test_a_server_has_a_part_for_each_test": ["redis"],
    "test_a_short_and_a_long_name_pass_the_style_checks_too": [f"{'a' * LONGEST}-web", "x-api", "x-minimal"],
    "test_a_signal_during_a_start_that_hangs_closes_what_has_started": ["SIGTERM"],
    "test_a_signal_during_the_import_ends_the_process": ["1-SIGINT", "2-SIGTERM"],
    "test_all_texts_can_be_read": ["True"],
    "test_an_application_that_is_not_there_is_told": ["nothing:app-no module 'nothing'"],
    "test_applications_that_share_a_store_are_a_warning": ["redis"],
    "test_asynchronous_tests_of_every_plugin": ["anyio---", "asyncio, auto---"],
    "test_everything_that_is_generated_passes_the_checks_of_its_project": ["api-sqlalchemy"],
    "test_kick_doctor_finds_nothing_in_a_new_project": ["api-postgres", "web-redis"],
    "test_it_ends_a_start_that_cannot_be_cancelled": ["SIGINT"],
    "test_it_ends_the_process_after_the_requests_have_ended_too": ["SIGTERM"],
    "test_it_ends_the_process_whatever_it_is_busy_with": [
        "SIGINT-/busy/stubborn",
        "SIGTERM-/busy/blocking",
        "SIGTERM-/busy/waiting",
    ],
    "test_it_ends_workers_that_are_busy": ["SIGTERM"],
    "test_it_lets_requests_end_and_closes_the_application": [
        "group-2-SIGINT",
        "process-1-SIGTERM",
        "process-2-SIGTERM",
    ],
    "test_it_says_that_everyone_may_call_the_new_routes": ["arguments0"],
    "test_it_speaks_https": ["1-False", "2-True"],
    "test_its_own_tests_pass": ["auth", "fastapi_sessions", "shop"],
    "test_no_call_of_modify_is_lost": ["memory-10000"],
    "test_nothing_is_left_of_a_run_that_is_ended_from_outside": ["SIGKILL-side by side"],
    "test_only_tests_that_say_so_start_processes": ["in a worker"],
    "test_processes_that_are_left_fail_the_run_and_are_ended": ["alone"],
    "test_the_api_is_used_by_somebody_with_two_devices": ["redis"],
    "test_the_minimal_project_counts": ["redis"],
    "test_the_resource_tracker_of_multiprocessing_is_not_left_behind": ["alone"],
    "test_the_website_is_used_in_a_browser": ["redis"],
    "test_whatever_arrives_last_the_browser_has_what_that_response_said": [
        "memory-options0",
        "redis-options0",
        "postgres-options0",
    ],
}
"""Long tests of which only these variants are long, because the others show nearly the same: those are nightly."""

FILES = {
    "benchmarks/test_growth.py": ("slow",),
    "benchmarks/test_races.py": ("process", "long"),
    "cli/commands/test_completion.py": ("process", "long"),
    "cli/commands/test_dev.py": ("process",),
    "cli/commands/test_doctor.py": ("process",),
    "cli/commands/test_generate.py": ("project", "long"),
    "cli/commands/test_info.py": ("process",),
    "cli/commands/test_new.py": ("process",),
    "cli/commands/test_openapi.py": ("process",),
    "cli/commands/test_routes.py": ("process",),
    "cli/commands/test_sessions.py": ("process",),
    "cli/commands/test_shell.py": ("process",),
    "cli/commands/test_start.py": ("process",),
    "cli/generate/test_errors.py": ("process", "long"),
    "cli/server/test_gc.py": ("process", "long"),
    "cli/server/test_listening.py": ("process", "long"),
    "cli/server/test_live_reload.py": ("process", "browser", "long"),
    "cli/server/test_logs.py": ("process",),
    "cli/server/test_request_heads.py": ("process",),
    "cli/server/test_request_timeouts.py": ("process",),
    "cli/server/test_signals.py": ("process", "long"),
    "cli/server/test_uvicorn_server.py": ("process", "long"),
    "cli/server/test_write_coalescing.py": ("process", "long"),
    "cli/test_containers.py": ("project", "long"),
    "cli/test_errors.py": ("process", "long"),
    "cli/test_production_checks.py": ("process",),
    "cli/test_program.py": ("process",),
    "cli/test_project_templates.py": ("project", "long"),
    "cli/test_recording.py": ("process",),
    "examples": ("process",),
    "examples/test_as_written.py": ("process", "long"),
    "examples/test_auth_api.py": ("process", "long"),
    "examples/test_auth_page.py": ("browser", "long"),
    "examples/test_custom_store.py": ("process", "long"),
    "guide/test_oauth.py": ("slow",),
    "guide/test_testing.py": ("process", "long"),
    "http/request/test_content_codings.py": ("slow",),
    "http/request/test_upload_memory.py": ("process", "long"),
    "http/routing/test_scale.py": ("long",),
    "http/test_conformance.py": ("slow",),
    "http/test_garbage.py": ("slow",),
    "http/validation/test_cost_of_invalid_input.py": ("slow", "long"),
    "http/validation/test_cost_of_invalid_models.py": ("slow",),
    "http/validation/test_errors.py": ("slow",),
    "http/validation/test_hash_collisions.py": ("slow",),
    "middleware/test_csrf_browser.py": ("browser", "long"),
    "openapi/page/test_browser.py": ("browser", "long"),
    "openapi/page/test_workshop.py": ("browser", "long"),
    "session/stores/test_memory.py": ("slow",),
    "session/stores/test_postgres": ("postgres",),
    "session/stores/test_postgres_failover.py": ("chaos", "long"),
    "session/stores/test_postgres_full_disk.py": ("chaos", "long"),
    "session/stores/test_postgres_pgbouncer.py": ("long",),
    "session/stores/test_postgres_tls.py": ("process", "long"),
    "session/stores/test_postgres_trouble.py": ("chaos", "long"),
    "session/stores/test_redis": ("redis",),
    "session/stores/test_redis_cluster.py": ("long",),
    "session/stores/test_redis_express.py": ("process", "long"),
    "session/stores/test_redis_sentinel.py": ("chaos", "long"),
    "session/test_arrivals.py": ("long",),
    "session/test_cost.py": ("slow",),
    "session/test_crashes.py": ("process", "redis", "chaos", "long"),
    "session/test_two_browsers.py": ("long",),
    "session/test_two_cookies.py": ("long",),
    "session/test_failover.py": ("process", "redis", "chaos", "long"),
    "session/test_interleavings.py": ("long",),
    "session/test_model.py": ("slow",),
    "session/test_modify_races.py": ("process",),
    "session/test_processes.py": ("process", "long"),
    "session/test_races.py": ("process", "long", "exhaustive"),
    "session/test_store_contract.py": ("process",),
    "shop/": ("slow",),
    "support/test_browser.py": ("browser", "long"),
    "support/test_leftovers.py": ("process", "long"),
    "support/test_postgres_servers.py": ("postgres", "long"),
    "support/test_programs.py": ("process", "long"),
    "support/test_redis_servers.py": ("redis",),
    "support/test_serving.py": ("process",),
    "support/test_starts.py": ("process", "long"),
    "test_dist.py": ("nightly",),
    "test_private_names.py": ("long",),
    "test_sqlalchemy.py": ("slow",),
    "test_versions.py": ("process",),
    "testing/test_moved_stores.py": ("long",),
}
"""Beginning of a path below `tests`: the tiers of the tests there."""


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark each test with its tiers. It is a hook of pytest, which `tests/conftest.py` imports."""
    for item in items:
        for tier in sorted(set(_tiers_of(item))):
            item.add_marker(tier)
        if _is_left_to_others(item):
            item.add_marker("nightly")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file whose tests are all left out by `-m "not this and not that"`, unless its path was given."""
    if collection_path.suffix != ".py" or collection_path in _given(config):
        return None
    if not _left_out(config.option.markexpr).isdisjoint(_tiers_of_file(collection_path)):
        return True
    return True if config.option.markexpr == LONG_RUN and not _may_have_long_tests(collection_path) else None


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
    """Collect none of `VARIANTS` where nightly tests are left out."""
    is_left_out = name in VARIANTS and "nightly" in _left_out(collector.config.option.markexpr)
    return [] if is_left_out and collector.path not in _given(collector.config) else None


def _may_have_long_tests(file: Path) -> bool:
    """Whether a file is, or names, anything by which a test becomes long: importing the others takes a while.

    >>> [_may_have_long_tests(TESTS / name) for name in ("test_dist.py", "session/test_life.py", "test_app.py")]
    [True, True, False]
    """
    path = _path(file)
    if not path.rpartition("/")[2].startswith("test_"):
        return file.name in ("conftest.py", "__init__.py")
    if "long" in _tiers_of_file(file) or path.startswith(ABOVE_STORES) or path.startswith(("session/", "testing/")):
        return True
    return any(name in file.read_text() for name in ("mark.long", *COSTS))


@cache
def _left_out(expression: str) -> frozenset[str]:
    """Return the tiers that an expression leaves out, if it is nothing but a list of them.

    >>> sorted(_left_out("not long and not nightly"))
    ['long', 'nightly']
    >>> _left_out("long and not nightly"), _left_out("not long or slow")
    (frozenset(), frozenset())
    """
    parts = [part.split() for part in expression.split(" and ")]
    if any(len(part) != 2 or part[0] != "not" for part in parts):
        return frozenset()
    return frozenset(name for _, name in parts)


def _given(config: pytest.Config) -> set[Path]:
    return {(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args}


def _tiers_of(item: pytest.Item) -> Iterator[str]:
    if not isinstance(item, pytest.Function):
        return
    yield from _tiers_of_file(item.path)
    store = "" if item.cls is None else item.cls.__name__
    if store in VARIANTS or item.originalname in NIGHTLY:
        yield "nightly"
    if item.originalname in SLOW:
        yield "slow"
    if item.originalname in REPETITIONS and (store != "TestMemoryStore" or _path(item.path).startswith("testing/")):
        is_long = store in LONG_REPETITIONS and _path(item.path).startswith("session/")
        yield "long" if is_long else "nightly"
    if not COSTS.isdisjoint(item.function.__code__.co_names):
        yield "long"
    yield from (FIXTURES[name] for name in item.fixturenames if name in FIXTURES)
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    texts = {value for value in parameters if isinstance(value, str)}
    yield from (STORES[text] for text in texts & STORES.keys())
    if _path(item.path).startswith(ABOVE_STORES):
        yield from (OTHER_STORES[text] for text in texts & OTHER_STORES.keys())


def _is_left_to_others(item: pytest.Item) -> bool:
    """Return whether a long test is a variant that is not among `LONG_VARIANTS`."""
    if not isinstance(item, pytest.Function) or item.originalname not in LONG_VARIANTS:
        return False
    return item.get_closest_marker("long") is not None and item.callspec.id not in LONG_VARIANTS[item.originalname]


@cache
def _tiers_of_file(file: Path) -> tuple[str, ...]:
    path = _path(file)
    return tuple(tier for beginning, tiers in FILES.items() if path.startswith(beginning) for tier in tiers)


@cache
def _path(file: Path) -> str:
    """Return the path below `tests`, or nothing."""
    return file.relative_to(TESTS).as_posix() if file.is_relative_to(TESTS) else ""
