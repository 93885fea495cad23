"""Answers are looked at before they are timed: everyone has to give the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final

from benchmarks.contenders import RAW, Contender
from benchmarks.load import HEADERS
from benchmarks.servers import PATIENCE, PORT
from benchmarks.work import Work

COOKIE_BYTES: Final = 60
"""Random bytes of the cookie that the raw application gets: encoded, as long as a signed one."""


class WrongAnswerError(Exception):
    """An answer that is not the one of the others."""


@dataclass(frozen=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def cookie(self) -> str:
        """What the browser would send next, of a cookie that was set; `""` for none."""
        return self.headers.get("set-cookie", "").partition(";")[0]


def ask(path: str, *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    """One request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
    try:
        connection.request(method, path, body or None, {**HEADERS, **(headers or {})})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def check(row: Work, *, cookie: str = "") -> Answer:
    """Ask for a row once, and compare status, media type, headers and body, JSON by its value.

    Raises `WrongAnswerError`.
    """
    headers = {**row.headers, **({"Cookie": cookie} if cookie else {})}
    answer = ask(row.path, method=row.method, headers=headers, body=row.body)
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    _same("status", answer.status, 200)
    _same("content-type", media_type, row.media_type)
    _same("body", json.loads(answer.body) if row.media_type.endswith("json") else answer.body.decode(), row.answer)
    for name, value in row.answer_headers.items():
        _same(name, answer.headers.get(name) if value is not None else name in answer.headers, value or True)
    return answer


def check_log(row: Work, output: Path) -> None:
    """See that there is a line for a request in the access log, where the row has one."""
    if row.variant == "pipeline" and row.path not in output.read_text(errors="replace"):
        raise WrongAnswerError("there is no line in its access log")


def log_in(contender: Contender, row: Work, connections: int) -> list[str]:
    """A cookie for each connection, of sessions that were seen to work.

    Raises `WrongAnswerError`.
    """
    if contender.module == RAW.module:
        return [f"session={token_urlsafe(COOKIE_BYTES)}" for _ in range(connections)]
    cookies = [_session(row, counted=not number) for number in range(connections)]
    if len(set(cookies)) != connections:
        raise WrongAnswerError("two logins share a session")
    return cookies


def _session(row: Work, *, counted: bool) -> str:
    cookie = ask("/login").cookie
    if counted:  # what is changed is there afterwards
        for _ in range(2):
            cookie = ask("/change", headers={"Cookie": cookie}).cookie or cookie
        _same("body of /count", json.loads(ask("/count", headers={"Cookie": cookie}).body), {"n": 2})
    return check(row, cookie=cookie).cookie or cookie


def _same(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise WrongAnswerError(f"{what}: {_short(found)} and not {_short(expected)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
