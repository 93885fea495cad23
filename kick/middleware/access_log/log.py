"""The access log: one line for each request. Lines are collected and written in batches."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from time import perf_counter, time
from typing import Any, Final, Literal, TypeAlias

from starlette.types import Scope

from kick.clock import CLOCK
from kick.environment import colorful
from kick.errors import KickError
from kick.http.observers import ObservedRequest
from kick.http.request.target import sent_path
from kick.http.routing.paths import PERCENT
from kick.middleware.access_log.formats import Entry, Format, JSONLines, TextLines

logger: Final = logging.getLogger("kick.access")

VARIABLE: Final = "KICK_ACCESS_LOG"
"""Environment variable that `kick dev` and `kick start` set: `off`, or a format. `off` overrides the application."""

INTERVAL: Final = 0.01
"""The longest time between the end of a request and its line, in seconds: requests wait while lines are formatted."""

_CHUNK: Final = 4096
"""Bytes that a pipe accepts atomically (POSIX.1-2024, `PIPE_BUF` on Linux): processes do not mix their lines."""

LogFormat: TypeAlias = Literal["text", "short", "json"]
FORMATS: Final = ("text", "short", "json")


def bad_access_log(given: object, place: str = "access_log") -> KickError:
    """Return the error for an `access_log=` that is not a format."""
    return KickError(
        "access-log",
        cause=f"{place}={given!r} is not a format of the access log.",
        fix='Use `access_log="text"` for people, `access_log="json"` for machines, or `access_log=False`.',
    )


class AccessLog:
    """The access log and its format: `bootstrap(modules, access_log=AccessLog("json"))`.

    Arguments:
        format: `"text"` for people, `"short"` for a terminal, `"json"` for machines.
        query: log query strings too. They may contain secrets, so by default they are not logged.
        write: a function that is called with several lines at once, each with its line break. The default writes to
            standard output.

    A client that went away before the response was complete is logged with the status 499.

    >>> lines = []
    >>> AccessLog("json", write=lines.append)
    AccessLog('json')

    Raises `KickError`: `access-log` for an unknown format.
    """

    def __init__(
        self, format: LogFormat = "text", *, query: bool = False, write: Callable[[str], Any] | None = None
    ) -> None:
        if format not in FORMATS:
            raise bad_access_log(format)
        self.format = format
        self._with_query = query
        self._with_trace = format == "json"
        self._batch = _Batch(format, write)
        self._put = self._batch.entries.append
        self._due = 0.0
        weakref.finalize(self, self._batch.write_all)  # at the end of the process too

    def __repr__(self) -> str:
        return f"AccessLog({self.format!r})"

    @classmethod
    def of(cls, given: Any) -> AccessLog | None:
        """Parse `bootstrap(access_log=...)` and the environment; `None` for no log.

        >>> AccessLog.of(None), AccessLog.of("json"), AccessLog.of(True), AccessLog.of(False)
        (None, AccessLog('json'), AccessLog('text'), None)
        """
        said: Any = os.environ.get(VARIABLE, "").strip().lower()
        if given is False or said == "off":
            return None
        if given is None and not said:
            return None
        if given is None or given is True:
            if said and said not in FORMATS:
                raise bad_access_log(said, VARIABLE)
            return cls(said or "text")
        return given if isinstance(given, cls) else cls(given)

    def finished(self, exchange: ObservedRequest) -> None:
        """Record a request."""
        scope, context, ended = exchange.scope, exchange.context, exchange.ended
        route = request_id = key = parent = None
        if context is not None:
            route, request_id = context.route, context.known_request_id
            if context.opened_session is not None:
                key = context.opened_session.state.key
        if self._with_trace:
            for name, value in scope["headers"]:
                if name == b"traceparent":
                    parent = value
        client = scope.get("client")
        self._put(
            Entry(
                ended,
                ended - exchange.began,
                exchange.status,
                exchange.size,
                scope["method"],
                _path(scope),
                scope["query_string"] if self._with_query else b"",
                None if client is None else client[0],
                route,
                request_id,
                key,
                parent,
                CLOCK.moved,
            )
        )
        if ended > self._due:
            self._plan(ended)

    def flush(self) -> None:
        """Write the recorded requests."""
        self._due = 0.0
        self._batch.write_all()

    close = flush

    def _plan(self, now: float) -> None:
        """Schedule a write; write at once without a running loop, or if the scheduled write is overdue."""
        overdue = self._due != 0.0
        try:
            asyncio.get_running_loop().call_later(INTERVAL, self.flush)
        except RuntimeError:
            overdue = True
        self._due = now + 10 * INTERVAL
        if overdue:
            self._batch.write_all()


def _path(scope: Scope) -> str:
    """Return the path as it was sent, if it differs from the decoded one."""
    raw_path = scope.get("raw_path")
    return scope["path"] if raw_path is None or PERCENT not in raw_path else sent_path(scope)


class _Batch:
    """Entries that are not written yet, and the function that writes them."""

    def __init__(self, format: LogFormat, write: Callable[[str], Any] | None) -> None:
        self.entries: list[Entry] = []
        self._format_name = format
        self._line: Format | None = None
        self._write = _to_standard_output if write is None else write
        self._is_written = write is None

    def write_all(self) -> None:
        """Write all entries, in pieces that a pipe accepts atomically."""
        if not self.entries:
            return
        entries = self.entries[:]
        del self.entries[: len(entries)]
        if self._line is None:
            self._line = self._chosen()
        try:
            for piece in _pieces(entries, self._line):
                self._write(piece)
        except Exception:
            logger.exception("lines of the access log were lost")

    def _chosen(self) -> Format:
        if self._format_name == "json":
            return JSONLines()
        painted = self._is_written and colorful(sys.stdout)
        return TextLines(dated=self._format_name == "text", painted=painted)


def _pieces(entries: list[Entry], line_of: Format) -> Iterator[str]:
    """Yield groups of whole lines, each as large as fits."""
    offset = time() - perf_counter()
    lines: list[str] = []
    size = 0
    for entry in entries:
        moment = entry.ended + offset
        line = line_of(entry, moment if entry.moved is None else entry.moved.applied_to(moment))
        size += len(line) + 1
        if size > _CHUNK and lines:
            yield "\n".join(lines) + "\n"
            lines, size = [], len(line) + 1
        lines.append(line)
    yield "\n".join(lines) + "\n"


def _to_standard_output(text: str) -> None:
    stream = sys.stdout
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
    stream.flush()
