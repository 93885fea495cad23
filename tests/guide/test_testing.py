"""The page about testing: its files are written into a folder, and its tests run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guide.pages import GUIDE

FILE = re.compile(r'^```\w+ title="(.*?)"\n(.*?)^```', re.DOTALL | re.MULTILINE)
PAGE = (GUIDE / "testing.md").read_text()


def files() -> dict[str, str]:
    """The files of the page; blocks of one file follow one another."""
    found: dict[str, str] = {}
    for name, text in FILE.findall(PAGE):
        found[name] = f"{found[name]}\n\n{text}" if name in found else text
    return found


def run(folder: Path, *arguments: str) -> str:
    for name, text in files().items():
        (folder / name).write_text(text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KICK_", "SESSION_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
    return subprocess.run([*command, *arguments], cwd=folder, env=clean, capture_output=True, text=True).stdout


@pytest.mark.process
def test_its_tests_pass(tmp_path: Path) -> None:
    count = len(re.findall(r"^(?:async )?def test_", files()["test_shop.py"], re.MULTILINE))
    assert count >= 10
    assert f"{count} passed" in run(tmp_path, "test_shop.py")


@pytest.mark.process
@pytest.mark.long
def test_the_contract_of_stores_runs(tmp_path: Path) -> None:
    told = run(tmp_path, "test_store.py", "-o", "anyio_mode=auto", "-k", "not hypothesis")
    assert re.search(r"^\d+ passed", told, re.MULTILINE), told


@pytest.mark.process
def test_the_contract_of_small_stores_runs(tmp_path: Path) -> None:
    told = run(tmp_path, "test_small_store.py", "-o", "anyio_mode=auto")
    assert re.search(r"^\d+ passed, 3 skipped", told, re.MULTILINE), told


def test_its_tests_are_short() -> None:
    tests = re.split(r"^(?=(?:async )?def test_)", files()["test_shop.py"], flags=re.MULTILINE)[1:]
    lengths = {test.partition("(")[0]: len(test.partition("\n\n\n")[0].splitlines()) for test in tests}
    assert {name: length for name, length in lengths.items() if length > 9} == {}
