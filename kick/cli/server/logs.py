"""Log format of `kick dev` and `kick start`: one line for each record."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import Any, Final

from kick.cli.terminal import colorful, dim, green, method, red, yellow
from kick.http.log_text import indented
from kick.middleware import AccessLog
from kick.middleware.access_log.formats import SHORT_ID
from kick.telemetry import JSONFormatter, current_request_id

_LEVELS: Final = {"WARNING": yellow, "ERROR": red, "CRITICAL": red}
_PADDED_METHOD: Final = 7
_MARGIN: Final = " " * 12


def log_config(*, dated: bool) -> dict[str, Any]:
    """Return a `logging.config.dictConfig` configuration: requests to standard output, the rest to standard error.

    `dated` writes date, time and offset (ISO 8601), for logs that are kept; otherwise only the time.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "record": {"()": "kick.cli.server.logs.RecordFormatter", "dated": dated},
            "access": {"()": "kick.cli.server.logs.AccessFormatter", "dated": dated},
        },
        "handlers": {
            "record": {"class": "logging.StreamHandler", "formatter": "record", "stream": "ext://sys.stderr"},
            "access": {"class": "logging.StreamHandler", "formatter": "access", "stream": "ext://sys.stdout"},
        },
        "root": {"handlers": ["record"], "level": "INFO"},
        "loggers": {
            "uvicorn": {"handlers": ["record"], "level": "WARNING", "propagate": False},
            "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        },
    }


def follow_access_log(app: object) -> None:
    """Write records as JSON, if the access log of an application is JSON and the application has not set up logging."""
    if not any(isinstance(each, AccessLog) and each.format == "json" for each in getattr(app, "observers", ())):
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, RecordFormatter):
            handler.setFormatter(JSONFormatter())


class RecordFormatter(logging.Formatter):
    """`14:03:21  warning  shop.orders  The printer is out of paper`, and `id=` with the request id, where it is known.

    While an application is written, the id is shortened as in the access log.
    """

    def __init__(self, *, dated: bool) -> None:
        super().__init__()
        self._dated = dated
        self._paint = colorful(sys.stderr)

    def formatException(self, ei: Any) -> str:
        """Format a traceback: complete in production, only the user's code in development."""
        error = ei[1]
        if self._dated or error is None:
            return _MARGIN + indented(super().formatException(ei), _MARGIN)
        from kick.http.debug.traceback import readable_trace

        lines = [indented(line, _MARGIN).encode("utf-8", "replace").decode() for line in readable_trace(error)]
        first, *rest = lines
        return "\n".join([f"{_MARGIN}{red(first) if self._paint else first}", *(f"{_MARGIN}{line}" for line in rest)])

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format a record without its traceback."""
        level = record.levelname.lower()
        message = indented(record.message, _MARGIN)
        parts = [_time_of(record, self._dated), f"{level:<7}", record.name, message]
        request_id = current_request_id.get()
        if request_id is not None and request_id not in message:
            parts.append(f"id={request_id if self._dated else request_id[:SHORT_ID]}")
        if self._paint:
            parts[0] = dim(parts[0])
            parts[1] = _LEVELS.get(record.levelname, dim)(parts[1])
            parts[2] = dim(parts[2])
            parts[4:] = map(dim, parts[4:])
        return _line(parts, self._dated)


class AccessFormatter(logging.Formatter):
    """`14:03:21  200  GET      /notes?page=2`; a request as uvicorn logs it; with `dated`, the client too."""

    def __init__(self, *, dated: bool) -> None:
        super().__init__()
        self._dated = dated
        self._paint = colorful(sys.stdout)

    def format(self, record: logging.LogRecord) -> str:
        """Format the line of a request."""
        values: Any = record.args
        client, verb, path, _, status = values
        time = _time_of(record, self._dated)
        code, padded = str(status), f"{verb:<{_PADDED_METHOD}}"
        if self._paint:
            time = dim(time)
            code = _status(int(status))
            padded = method(verb) + " " * (_PADDED_METHOD - len(verb))
        parts = [time, code, padded, path]
        if self._dated:
            parts.insert(1, client.rpartition(":")[0] or "-")
        return _line(parts, self._dated)


def _line(parts: list[str], dated: bool) -> str:
    return "  ".join(parts if dated else ["", *parts])


def _time_of(record: logging.LogRecord, dated: bool) -> str:
    moment = datetime.fromtimestamp(record.created).astimezone()
    return moment.isoformat(timespec="milliseconds") if dated else f"{moment:%H:%M:%S}"


def _status(status: int) -> str:
    paint = green if status < 400 else yellow if status < 500 else red
    return paint(str(status))
