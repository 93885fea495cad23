"""The access log: a line for each request, taken down as it ends and written with others a moment later."""

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

from kick.environment import colorful
from kick.errors import KickError
from kick.http.observers import ObservedRequest
from kick.http.request.target import sent_path
from kick.http.routing.paths import PERCENT
from kick.middleware.access_log.formats import Entry, Format, JSONLines, TextLines

logger: Final = logging.getLogger("kick.access")

VARIABLE: Final = "KICK_ACCESS_LOG"
"""Variable that `kick dev` and `kick start` set: `off`, or a format. `off` overrides the application."""

INTERVAL: Final = 0.05
"""Seconds between the end of a request and its line, at most."""

_CHUNK: Final = 4096
"""Bytes that a pipe takes as one (POSIX.1-2024, `PIPE_BUF` on Linux): the lines of several processes stay whole."""

LogFormat: TypeAlias = Literal["text", "short", "json"]
FORMATS: Final = ("text", "short", "json")


def bad_access_log(given: object, place: str = "access_log") -> KickError:
    """`access_log=` that is no format."""
    return KickError(
        "access-log",
        cause=f"{place}={given!r} is no format of the access log.",
        fix='Take `access_log="text"` for people, `access_log="json"` for machines, or `access_log=False`.',
    )


class AccessLog:
    """The access log and its format: `bootstrap(modules, access_log=AccessLog("json"))`.

    Arguments:
        format: `"text"` for people, `"short"` for those who sit in front of it, `"json"` for machines.
        query: whether query strings are part of it; they may hold secrets, so by default they are not.
        write: what takes the lines, several at once, each with its line break; by default they go to standard output.

    A client that went away before the response was complete is logged with the status 499.

    >>> lines = []
    >>> AccessLog("json", write=lines.append)
    AccessLog('json')

    Raises `KickError`: `access-log` for a format that there is not.
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
        """Take down a request."""
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
            )
        )
        if ended > self._due:
            self._plan(ended)

    def flush(self) -> None:
        """Write what has been taken down."""
        self._due = 0.0
        self._batch.write_all()

    close = flush

    def _plan(self, now: float) -> None:
        """Write in a moment; at once where nothing else runs, or where the one who was to write has not."""
        overdue = self._due != 0.0
        try:
            asyncio.get_running_loop().call_later(INTERVAL, self.flush)
        except RuntimeError:
            overdue = True
        self._due = now + 10 * INTERVAL
        if overdue:
            self._batch.write_all()


def _path(scope: Scope) -> str:
    """Return the path as it was sent, as far as it differs from what it means."""
    raw_path = scope.get("raw_path")
    return scope["path"] if raw_path is None or PERCENT not in raw_path else sent_path(scope)


class _Batch:
    """The entries that wait, and how they are written."""

    def __init__(self, format: LogFormat, write: Callable[[str], Any] | None) -> None:
        self.entries: list[Entry] = []
        self._format_name = format
        self._line: Format | None = None
        self._write = _to_standard_output if write is None else write
        self._is_written = write is None

    def write_all(self) -> None:
        """Write all of them, in pieces that arrive as one."""
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
            logger.exception("lines of the access log are lost")

    def _chosen(self) -> Format:
        if self._format_name == "json":
            return JSONLines()
        painted = self._is_written and colorful(sys.stdout)
        return TextLines(dated=self._format_name == "text", painted=painted)


def _pieces(entries: list[Entry], line_of: Format) -> Iterator[str]:
    """Whole lines, as many at once as fit."""
    offset = time() - perf_counter()
    lines: list[str] = []
    size = 0
    for entry in entries:
        line = line_of(entry, entry.ended + offset)
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
