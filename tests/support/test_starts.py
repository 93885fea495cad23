"""A test that starts a process and does not say so fails; one that says so passes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.serving import ROOT

STARTS = """
import asyncio, multiprocessing, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
import pytest

HELLO = [sys.executable, "-c", "print('hello')"]

def test_nothing():
    pass

def test_run():
    subprocess.run(HELLO)

async def test_asyncio():
    await (await asyncio.create_subprocess_exec(*HELLO)).wait()

def test_system():
    os.system("true")

@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method):
    process = multiprocessing.get_context(method).Process(target=print)
    process.start()
    process.join()

def test_pool():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(print).result()

def test_hidden():
    try:
        subprocess.run(HELLO)
    except Exception:
        pass

@pytest.fixture
def hello():
    subprocess.run(HELLO)

def test_fixture(hello):
    pass

@pytest.mark.process
def test_marked(hello):
    subprocess.run(HELLO)
"""


@pytest.mark.parametrize(
    "options",
    [pytest.param([], id="alone"), pytest.param(["-n", "1"], id="in a worker", marks=pytest.mark.long)],
)
def test_only_tests_that_say_so_start_processes(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "test_starts.py").write_text(STARTS)
    (tmp_path / "conftest.py").write_text("from tests.conftest import anyio_backend, pytest_configure\n")
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-W", "ignore", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "-o", "anyio_mode=auto", "--rootdir", tmp_path, *options, tmp_path / "test_starts.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = {line.split()[1].rpartition("::")[2] for line in run.stdout.splitlines() if line.startswith("FAILED")}
    methods = {f"test_multiprocessing[{method}]" for method in ("fork", "forkserver", "spawn")}
    others = {"test_run", "test_asyncio", "test_system", "test_pool", "test_hidden", "test_fixture"}
    assert failed == methods | others, run.stdout
    assert "2 passed" in run.stdout
    assert run.stdout.count("mark it with `process`") >= 9
