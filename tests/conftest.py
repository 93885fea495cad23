"""The fixtures every test may ask for. What stands behind them is in `tests/support`."""

import asyncio
import compileall
import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.cli.forking import FORKING
from tests.support import programs, serving
from tests.support.browser import SharedBrowser
from tests.support.leftovers import Leftovers, interrupt_on_signals
from tests.support.logs import logging_put_back
from tests.support.parser import IS_BROKEN, ParserGuard
from tests.support.postgres import PostgresServer, make_data
from tests.support.redis import RedisCluster, RedisSentinel, RedisServer
from tests.support.sample import Sample
from tests.support.shared import shared_folder
from tests.support.starts import Starts
from tests.support.tiers import pytest_collection_modifyitems, pytest_ignore_collect, pytest_pycollect_makeitem

__all__ = ["pytest_collection_modifyitems", "pytest_ignore_collect", "pytest_pycollect_makeitem"]

pytest.register_assert_rewrite("kick.testing")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """End what `kick` commands were forked from, before the run looks for what it has left behind."""
    FORKING.stop()


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """What async tests run on. No mark is needed: `async def test_...` is enough."""
    return "asyncio", {"loop_factory": asyncio.SelectorEventLoop}


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for the whole run: `.url`, `.start()`, `.stop()`, `.kill()`. Leave it running."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of the run's Redis, emptied for this test, and started again if the one before left it dead."""
    if not redis_server.running:
        redis_server.start()
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three Redis primaries that share the slots: `.url`, `.nodes`, `.flush()`."""
    with RedisCluster(tmp_path_factory.mktemp("redis-cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinel]:
    """A primary, a replica and a sentinel: `.sentinels`, `.service`, `.fail_over()`, `.heal()`. Leave it healed."""
    with RedisSentinel(tmp_path_factory.mktemp("redis-sentinel")) as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database cluster, from which servers are started: `PostgresServer(postgres_data)`."""
    return shared_folder(tmp_path_factory, "postgres-data", make_data)


@pytest.fixture(scope="session")
def shared_postgres(postgres_data: Path) -> Iterator[PostgresServer]:
    """The PostgreSQL of a whole run; `postgres_server` sees that it runs."""
    with PostgresServer(postgres_data) as server:
        yield server


@pytest.fixture
def postgres_server(shared_postgres: PostgresServer) -> PostgresServer:
    """The PostgreSQL of the run, started again if the test before left it dead. Each test takes tables of its own."""
    if not shared_postgres.running:
        shared_postgres.start()
    return shared_postgres


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty store in the PostgreSQL of the run."""
    return postgres_server.store_url()


@pytest.fixture(scope="session")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedBrowser]:
    """The Chromium of a whole run; `browser` sees that it runs."""
    with SharedBrowser(lambda: tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(shared_browser: SharedBrowser) -> Chrome:
    """Chromium that knows nothing yet. `tests.support.browser.open_browser` for a second one."""
    return shared_browser.as_new()


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """For tests that configure logging: afterwards it is as it was."""
    with logging_put_back():
        yield


@pytest.fixture
def serve() -> serving.Serve:
    """`with serve(app) as url:` serves an application from a thread."""
    return serving.serve


@pytest.fixture
def serve_process() -> serving.ServeProcess:
    """`with serve_process("module:app", cwd=...) as server:` serves one from a process that can be killed."""
    return serving.serve_process


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sample", type=int, metavar="N", help="run each test with N of its sets of parameters at most")


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all tests are collected: they stay
    os.environ["PIP_COMPILE"] = "0"  # most of what the tests install is never imported
    interrupt_on_signals()
    config.pluginmanager.register(Starts(), "starts")
    if config.getoption("sample", None):
        config.pluginmanager.register(Sample(config.option.sample), "sample")
    if IS_BROKEN:
        config.pluginmanager.register(ParserGuard(), "parser guard")
    if hasattr(config, "workerinput"):
        return  # a worker of pytest-xdist: what follows is done once for the whole run
    config.pluginmanager.register(Leftovers(config), "leftovers")
    # Tests start hundreds of processes. Where PYTHONDONTWRITEBYTECODE is set, each of them would compile kick again.
    compileall.compile_dir(serving.ROOT / "kick", quiet=2)
    try:
        programs.left_out()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples in docstrings where there are any, and not in the modules of tests: it takes a while."""
    collectors = yield
    if not file_path.name.startswith("test_") and (not collectors or ">>> " in file_path.read_text()):
        return collectors
    return [collector for collector in collectors if type(collector) is pytest.Module]


def pytest_collection_finish() -> None:
    """Keep what the modules of tests hold out of the collector's way: many tests run it."""
    gc.enable()
    if "hypothesis" in sys.modules:  # its import looks at referrers, which the collector does not find afterwards
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Start two workers a core: half of the time, a test waits for a process that it has started.

    With `-n logical` there is one a core and one more, for tests that start none and seldom wait.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1 if config.option.numprocesses == "logical" else 2 * cores


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test that was not run, and why: a skip is easily overlooked."""
    skipped = terminalreporter.getreports("skipped")
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} not run", yellow=True)
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
