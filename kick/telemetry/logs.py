"""The request id in the records of `logging`, and records as JSON.

`request_id(logs=True)` sets `current_request_id` for each request. `RequestIdFilter` adds it to records, and
`JSONFormatter` writes them as the JSON lines of the access log.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from kick.http.request.request_id import current_request_id

_STANDARD: Final = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime", "request_id"})
"""The attributes of a record that are not in `extra`."""


class RequestIdFilter(logging.Filter):
    """A filter that adds the attribute `request_id` to each record: `-` outside of requests.

    Add it to a handler, for a format such as `%(levelname)s %(name)s %(request_id)s %(message)s`. For a `QueueHandler`,
    add it to that handler, because its listener runs in another thread.

    >>> record = logging.makeLogRecord({"msg": "Hello"})
    >>> RequestIdFilter().filter(record), record.request_id
    (True, '-')
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id to a record, unless it has one, and let it pass."""
        if not hasattr(record, "request_id"):
            record.request_id = current_request_id.get() or "-"
        return True


_OWN: Final = frozenset({"time", "level", "logger", "message", "exception", "stack"})
"""Members of a line that `extra={...}` cannot set. The request id is an attribute of a record, set by the filter."""


class JSONFormatter(logging.Formatter):
    """A formatter that writes a record as one line of JSON, with the request id.

    `time` is in UTC (RFC 3339). Values of `extra={...}` are members of the object; one with the name of another
    member has `extra_` before its name. `exception` is the traceback.

    >>> record = logging.makeLogRecord({"name": "shop", "levelname": "INFO", "msg": "sold %s", "args": ("tea",)})
    >>> record.created, record.order = 1764000000.25, 7
    >>> JSONFormatter().format(record)
    '{"time":"2025-11-24T16:00:00.250+00:00","level":"info","logger":"shop","message":"sold tea","order":7}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, without its break."""
        moment = datetime.fromtimestamp(int(record.created * 1000) / 1000, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = getattr(record, "request_id", None) or current_request_id.get()
        if request_id is not None and request_id != "-":
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                line[name if name not in _OWN else f"extra_{name}"] = value
        return _encoded(line)


def _encoded(line: dict[str, Any]) -> str:
    """Return a line for any values: those that are not JSON as their texts."""
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except Exception:  # noqa: BLE001  # half a surrogate pair, a value in itself, a `str()` that fails
        return json.dumps({name: _text(value) for name, value in line.items()})


def _text(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001  # a record must not be lost for one value of it
        return f"<{type(value).__name__}>"
