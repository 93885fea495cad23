"""Lines of the access log: text for people, JSON objects for machines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec

from kick.clock import Move
from kick.http.log_text import is_plain, shown
from kick.http.request.trace_context import parse_trace
from kick.session.ids import fingerprint

SHORT_ID: Final = 8
"""Characters of a request id for those who sit in front of the log."""
_VERB_WIDTH: Final = 7

_DIM, _GREEN, _YELLOW, _RED, _BLUE, _END = "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[34m", "\x1b[0m"
_VERBS: Final = {"GET": _GREEN, "POST": _BLUE, "PUT": _YELLOW, "PATCH": _YELLOW, "DELETE": _RED}
_KNOWN: Final = frozenset({*_VERBS, "HEAD", "OPTIONS"})


class Entry(msgspec.Struct, gc=False, eq=False):
    """The raw data of one request; it is formatted when it is written."""

    ended: float
    """The time of the end, in seconds of `time.perf_counter`."""
    duration: float
    status: int
    size: int
    method: str
    path: str
    query: bytes
    client: str | None
    route: Any
    request_id: str | None
    session_key: str | None
    parent: bytes | None
    """The header `traceparent`."""
    moved: Move | None = None
    """The difference between the clock and that of the machine, in a test."""


Format: TypeAlias = Callable[[Entry, float], str]
"""A function that formats an entry and the Unix time of its end as a line, without the line break."""


class TextLines:
    """`2026-11-23T14:03:21.042+00:00  192.0.2.7  200  GET      /notes/7  1.8 ms  42 B  NoteController.show`.

    If they are known, `id=` (the request id) and `session=` (the short hash of the session) follow. Without `dated`,
    the line is for a terminal: only the time, no client, and a shortened request id.
    """

    # Written for speed: parts that many lines share are computed once.

    def __init__(self, *, dated: bool, painted: bool) -> None:
        self._dated = dated
        self._dim, self._end = (_DIM, _END) if painted else ("", "")
        self._painted = painted
        self._moment = -1
        self._time = ""
        self._codes: dict[int, str] = {}
        self._verbs = {verb: self._paint(f"{verb:<{_VERB_WIDTH}}", _VERBS.get(verb, "")) for verb in _KNOWN}

    def __call__(self, entry: Entry, moment: float) -> str:
        """Return the line of an entry."""
        method, path, route = entry.method, entry.path, entry.route
        request_id, session_key = entry.request_id, entry.session_key
        now = int(moment * 1000)
        if now != self._moment:
            self._moment, self._time = now, self._time_of(now)
        if not is_plain(path):
            path = shown(path)
        if entry.query:
            path = f"{path}?{shown(entry.query.decode('latin-1'))}"
        code = self._codes.get(entry.status) or self._code(entry.status)
        verb = self._verbs.get(method) or f"{shown(method):<{_VERB_WIDTH}}"
        more = "" if route is None else f"  {route.name}"
        if request_id is not None:
            more = f"{more}  id={request_id if self._dated else request_id[:SHORT_ID]}"
        if session_key is not None:
            more = f"{more}  session={fingerprint(session_key)}"
        tenths = int(entry.duration * 10000)
        who = f"{_client(entry.client)}  " if self._dated else ""
        return (
            f"{self._time}  {who}{code}  {verb}  {path}  "
            f"{self._dim}{tenths // 10}.{tenths % 10} ms  {entry.size} B{more}{self._end}"
        )

    def _time_of(self, milliseconds: int) -> str:
        local = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone()
        time = local.isoformat(timespec="milliseconds") if self._dated else f"{local:%H:%M:%S}"
        return ("" if self._dated else "  ") + self._paint(time, _DIM)

    def _code(self, status: int) -> str:
        color = _GREEN if status < 400 else _YELLOW if status < 500 else _RED
        code = self._codes[status] = self._paint(str(status), color)
        return code

    def _paint(self, text: str, color: str) -> str:
        return f"{color}{text}{_END}" if self._painted and color else text


def _client(client: str | None) -> str:
    """Return the address of a client; servers that trust proxies may put any text there."""
    return "-" if client is None else client if is_plain(client) else shown(client)


class JSONEntry(msgspec.Struct, omit_defaults=True):
    """A line of JSON. `time` is the end of the request (RFC 3339, UTC), `duration` is in seconds.

    `bytes` is the size of the body. `route` and `handler` are missing if no route matched; other members are missing if
    they have no value.
    """

    time: str
    status: int
    method: str
    path: str
    duration: float
    bytes: int
    query: str | None = None
    client: str | None = None
    route: str | None = None
    handler: str | None = None
    request_id: str | None = None
    session: str | None = None
    trace_id: str | None = None


class JSONLines:
    """`{"time":"2026-11-23T14:03:21.042+00:00","status":200,"method":"GET","path":"/notes/7",...}`."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._moment = -1
        self._time = ""

    def __call__(self, entry: Entry, moment: float) -> str:
        """Return the line of an entry."""
        method, path, client, route = entry.method, entry.path, entry.client, entry.route
        session_key, parent = entry.session_key, entry.parent
        now = int(moment * 1000)
        if now != self._moment:
            self._moment, self._time = now, datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds")
        trace = None if parent is None else parse_trace(parent.decode("latin-1"))
        line = JSONEntry(
            self._time,
            entry.status,
            method if method in _KNOWN else shown(method),
            path if is_plain(path) else shown(path),
            int(entry.duration * 1e6) / 1e6,
            entry.size,
            shown(entry.query.decode("latin-1")) if entry.query else None,
            None if client is None else _client(client),
            None if route is None else route.path,
            None if route is None else route.name,
            entry.request_id,
            None if session_key is None else fingerprint(session_key),
            None if trace is None else trace.trace_id,
        )
        return self._encode(line).decode()
