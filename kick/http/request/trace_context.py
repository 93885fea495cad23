"""The distributed trace that a request belongs to (W3C Trace Context)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kick.http.request.request_id import generate_request_id

_LONGEST_STATE: Final = 512

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII).fullmatch
_STATE: Final = re.compile(r"[\x20-\x7e]*").fullmatch


class Trace(msgspec.Struct, frozen=True):
    """The distributed trace that a request belongs to (W3C Trace Context, section 3.2).

    `str(trace)` is the value of `traceparent`, to be sent with requests to others; `state` that of `tracestate`.

    >>> trace = parse_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    >>> trace.trace_id, trace.is_sampled
    ('4bf92f3577b34da6a3ce929d0e0e4736', True)
    >>> str(trace)
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    """

    trace_id: str
    """32 hexadecimal digits."""
    parent_id: str
    """The span that this request is a child of: 16 hexadecimal digits."""
    flags: int = 0
    state: str = ""

    @property
    def is_sampled(self) -> bool:
        """True if the caller records the trace."""
        return bool(self.flags & 1)

    def child(self) -> Trace:
        """Return the same trace with a new parent: for a request that this one sends.

        >>> trace = parse_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        >>> trace.child().trace_id == trace.trace_id, trace.child().parent_id == trace.parent_id
        (True, False)
        """
        return msgspec.structs.replace(self, parent_id=generate_request_id()[:16])

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags:02x}"


def parse_trace(parent: str, state: str = "") -> Trace | None:
    """Return the trace that the headers `traceparent` and `tracestate` name; `None` for what is malformed.

    A version above 00 may have more fields, which are left out (section 4.1).

    >>> [parse_trace(each) for each in ("", "00-xyz", "00-" + "0" * 32 + "-00f067aa0ba902b7-01")]
    [None, None, None]
    """
    found = _TRACEPARENT(parent.strip(" \t")) if len(parent) <= _LONGEST_STATE else None
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    kept = state if len(state) <= _LONGEST_STATE and _STATE(state) else ""
    return Trace(trace_id, parent_id, int(flags, 16) & 1, kept)
