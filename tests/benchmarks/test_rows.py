"""What is timed: everyone's answers are the same, and the applications can be made."""

from __future__ import annotations

import doctest
import importlib
import json
import sys
from pathlib import Path

import pytest

from benchmarks.apps import with_kick, with_raw
from benchmarks.checks import WrongAnswerError, check_log
from benchmarks.contenders import CONTENDERS, KICK, RAW
from benchmarks.inprocess import cookie_of, exchange, scope_of
from benchmarks.servers import ROOT, DidNotStartError, listening
from benchmarks.work import ROWS, Work
from tests.support.ports import free_port

MODULES = ("benchmarks.chart", "benchmarks.contenders", "benchmarks.peers", "benchmarks.results", "benchmarks.servers")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("contender", ["kick", "raw"])
async def test_kick_and_the_raw_application_do_the_same_work(row: Work, contender: str) -> None:
    app = with_kick.make(row.variant) if contender == "kick" else with_raw.make(row.variant)
    headers = [(name.lower().encode(), value.encode()) for name, value in row.headers.items()]
    if row.body:
        headers.append((b"content-length", b"%d" % len(row.body)))
    if row.with_sessions and contender == "kick":
        headers.append(await cookie_of(app))
    start, *rest = await exchange(app, scope_of(row.path, method=row.method, headers=headers), row.body)
    body = b"".join(message["body"] for message in rest)
    sent = {name.decode(): value.decode() for name, value in start["headers"]}
    assert start["status"] == 200
    assert sent["content-type"].partition(";")[0] == row.media_type
    assert (json.loads(body) if row.media_type.endswith("json") else body.decode()) == row.answer
    for name, value in row.answer_headers.items():
        assert sent[name] == (value or sent[name])


def test_kick_and_the_raw_application_take_part_in_every_row() -> None:
    assert all(each.takes_part(row) for row in ROWS for each in (RAW, KICK))


def test_every_contender_has_its_application() -> None:
    for contender in CONTENDERS:
        folder = "node/" if contender.server == "node" else ""
        suffix = "js" if contender.server == "node" else "py"
        assert (ROOT / "benchmarks" / "apps" / f"{folder}{contender.module}.{suffix}").exists(), contender.name


def test_every_version_of_the_peers_is_pinned() -> None:
    wanted = json.loads((ROOT / "benchmarks/apps/node/package.json").read_text())["dependencies"]
    assert [version for version in wanted.values() if not version[0].isdigit()] == []
    assert not list((ROOT / "benchmarks/apps/node").glob("*lock*"))


@pytest.mark.process
def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise RuntimeError('no such framework')"]
    server = listening(*command, cores="0", port=free_port(), folder=tmp_path)
    with pytest.raises(DidNotStartError, match="RuntimeError: no such framework"), server:
        pass


def test_a_missing_access_log_is_a_wrong_answer(tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.variant == "pipeline")
    (tmp_path / "output").write_text("it has started\n")
    with pytest.raises(WrongAnswerError):
        check_log(row, tmp_path / "output")


@pytest.mark.parametrize("name", [*MODULES, "benchmarks.work"])
def test_the_examples_of_the_modules_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
