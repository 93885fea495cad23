"""The page about the access log: its applications do what is said of them."""

from __future__ import annotations

import copy
import json
import logging.config
import re
from pathlib import Path

import pytest

from tests.guide.pages import application, names_of
from tests.http.support import ask

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_line_is_written_for_each_request(capsys: pytest.CaptureFixture[str]) -> None:
    app = application("logging.md", "The access log")
    await ask(app, "/notes/7?secret=1")
    await app.aclose()
    line = json.loads(capsys.readouterr().out)
    assert (line["status"], line["path"]) == (404, "/notes/7")


async def test_the_lines_go_where_they_are_wanted() -> None:
    names = names_of("logging.md", "Other destinations")
    await ask(names["app"], "/notes/7?page=2")
    await names["app"].aclose()
    assert json.loads(names["lines"][0])["query"] == "page=2"


async def test_the_id_of_a_request_is_logged_and_sent_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    answer = await ask(application("logging.md", "Request ids"), "/orders")
    assert (answer.header("x-request-id") or "?") in caplog.text


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("format", ["json", "text"])
async def test_every_record_of_a_request_has_its_id(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = names_of("logging.md", "The id in every record")
    config = copy.deepcopy(names["LOGGING"])
    config["handlers"]["default"]["formatter"] = format
    config["loggers"] = {"shop": config.pop("root") | {"propagate": False}}  # the root belongs to pytest
    logging.config.dictConfig(config)
    answer = await ask(names["app"], "/orders", method="POST")
    sent, lines = answer.header("x-request-id"), capsys.readouterr().err.splitlines()
    if format == "json":
        written = [json.loads(line) for line in lines]
        assert [(each["message"], each["request_id"]) for each in written] == [
            ("order received", sent),
            ("receipt of order 7 sent", sent),
        ]
    else:
        assert [line.partition(" INFO ")[2] for line in lines] == [
            f"shop [{sent}] order received",
            f"shop [{sent}] receipt of order 7 sent",
        ]


async def test_a_trace_is_passed_on_with_a_new_parent() -> None:
    app = application("logging.md", "Trace context")
    sent = (await ask(app, "/pay", headers={"traceparent": PARENT})).json()["sent"]["traceparent"]
    assert sent[:35] == PARENT[:35]
    assert sent != PARENT
    assert (await ask(app, "/pay")).json() == {"sent": {}}


_ROOT = Path(__file__).parents[2]
_TEXTS = [*_ROOT.glob("docs/**/*.md"), *_ROOT.glob("examples/**/*.py"), *_ROOT.glob("kick/cli/templates/**/*.template")]
_LOGGED_AS_IT_IS = re.compile(
    r"(?:\bprint|\.write|\blog(?:ger)?\.\w+)\(.*\{(?:ctx|self\.ctx|request)\.(?:path|query|headers|cookies|form|body|params)[^}!]*\}"
)


def test_no_example_writes_a_text_of_a_request_into_a_log_as_it_is() -> None:
    assert len(_TEXTS) > 50
    assert [path.name for path in _TEXTS if _LOGGED_AS_IT_IS.search(path.read_text())] == []
    assert _LOGGED_AS_IT_IS.search('self.file.write(f"{ctx.method} {ctx.path} {status}")')


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(("formatter", "lines"), [("json", 1), ("text", 2)])
def test_a_record_is_one_line_with_the_formatter_for_json(
    formatter: str, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    config = copy.deepcopy(names_of("logging.md", "The id in every record")["LOGGING"])
    config["handlers"]["default"]["formatter"] = formatter
    config["loggers"] = {"shop": config.pop("root") | {"propagate": False}}  # the root belongs to pytest
    logging.config.dictConfig(config)
    logging.getLogger("shop").info("lost\n2026-01-01 INFO shop forged")
    assert len(capsys.readouterr().err.splitlines()) == lines
