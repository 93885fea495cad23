import io
import json
import logging
import re
import sys

import pytest

from kick import bootstrap
from kick.cli.server.logs import AccessFormatter, RecordFormatter, follow_access_log
from kick.middleware.access_log.log import LogFormat
from kick.telemetry import JSONFormatter, current_request_id


def record(level: int, message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("shop.orders", level, "shop.py", 1, message, args, None)


REQUEST = ('%s - "%s %s HTTP/%s" %d', "192.0.2.7:50123", "GET", "/notes?page=2", "1.1", 404)


def test_a_record_is_a_line() -> None:
    line = RecordFormatter(dated=False).format(record(logging.WARNING, "out of %s", "paper"))
    assert re.fullmatch(r"  \d\d:\d\d:\d\d  warning  shop\.orders  out of paper", line)


def test_lines_that_are_kept_have_the_date_and_the_offset() -> None:
    line = RecordFormatter(dated=True).format(record(logging.ERROR, "on fire"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d  error    shop\.orders  on fire", line)


def test_a_record_of_a_request_has_its_id_once() -> None:
    token = current_request_id.set("0123456789abcdef")
    short, kept = (RecordFormatter(dated=dated).format(record(logging.INFO, "sold")) for dated in (False, True))
    said = RecordFormatter(dated=True).format(record(logging.INFO, "failed, request id %s", "0123456789abcdef"))
    current_request_id.reset(token)
    assert short.endswith("shop.orders  sold  id=01234567")
    assert kept.endswith("shop.orders  sold  id=0123456789abcdef")
    assert said.endswith("failed, request id 0123456789abcdef")


@pytest.mark.parametrize("format", ["json", "text", None])
def test_records_are_json_where_the_access_log_is(format: LogFormat | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KICK_ACCESS_LOG", raising=False)
    ours, theirs = logging.StreamHandler(), logging.StreamHandler()
    ours.setFormatter(RecordFormatter(dated=True))
    theirs.setFormatter(logging.Formatter())
    monkeypatch.setattr(logging.getLogger(), "handlers", [ours, theirs])
    follow_access_log(bootstrap([], access_log=format))
    assert isinstance(ours.formatter, JSONFormatter if format == "json" else RecordFormatter)
    assert not isinstance(theirs.formatter, JSONFormatter)
    follow_access_log(object())  # an application of another framework


def test_a_trace_follows_its_line() -> None:
    made = record(logging.ERROR, "on fire")
    try:
        raise ValueError("heat")
    except ValueError:
        made.exc_info = sys.exc_info()
    first, *rest = RecordFormatter(dated=True).format(made).splitlines()
    assert first.endswith("on fire")
    assert rest[-1] == "            ValueError: heat"


@pytest.mark.parametrize("dated", [True, False])
def test_no_text_of_a_client_begins_a_record(dated: bool) -> None:
    forged = "lost\n2026-11-29T10:00:00.000+00:00  error    kick.cli  forged\r  11:11:11  error  forged\x1b[2J\u2028x"
    made = record(logging.ERROR, "failed: %s", forged)
    try:
        raise ValueError(forged)
    except ValueError:
        made.exc_info = sys.exc_info()
    text = RecordFormatter(dated=dated).format(made)
    assert not set("\r\x1b\u2028") & set(text)
    first, *rest = text.split("\n")
    assert first.endswith("failed: lost")
    assert all(line.startswith(" " * 12) for line in rest)
    assert len(rest) > 3


def test_while_an_application_is_written_its_own_code_is_shown() -> None:
    made = record(logging.ERROR, "on fire")
    try:
        json.loads("{")
    except ValueError:
        made.exc_info = sys.exc_info()
    first, error, here, code, folded, _, _ = RecordFormatter(dated=False).format(made).splitlines()
    assert first.endswith("on fire")
    assert error.strip().startswith("JSONDecodeError: Expecting property name")
    assert re.fullmatch(
        r" +tests/cli/server/test_logs\.py:\d+  test_while_an_application_is_written_its_own_code_is_shown", here
    )
    assert (code.strip(), folded.strip()) == ('json.loads("{")', "... 2 steps in Python")


def test_a_request_is_a_line() -> None:
    made = record(logging.INFO, *REQUEST)
    assert re.fullmatch(r"  \d\d:\d\d:\d\d  404  GET      /notes\?page=2", AccessFormatter(dated=False).format(made))
    assert AccessFormatter(dated=True).format(made).split("  ", 1)[1] == "192.0.2.7  404  GET      /notes?page=2"


def test_colours_change_nothing_but_the_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    line = AccessFormatter(dated=False).format(record(logging.INFO, *REQUEST))
    assert re.sub(r"\x1b\[\d+m", "", line).split()[1:] == ["404", "GET", "/notes?page=2"]
    assert "\x1b[" in line
