"""The page about the access log: its applications do what is said of them."""

from __future__ import annotations

import copy
import json
import logging.config

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
