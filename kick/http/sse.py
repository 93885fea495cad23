"""Server-sent events: `text/event-stream` (HTML Living Standard, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

import msgspec

from kick.http.codec import encode_json


class ServerSentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    >>> ServerSentEvent(data="two\\nlines", event="note", id="7").encode()
    b'event: note\\nid: 7\\ndata: two\\ndata: lines\\n\\n'

    `data` is text, or anything that has a JSON form. `retry` is in milliseconds, as the format has it.
    """

    data: Any = ""
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    def encode(self) -> bytes:
        """The event as it is sent. A line break in `event` or `id` is left out: it would end the field."""
        lines: list[str] = []
        if self.event is not None:
            lines.append(f"event: {_one_line(self.event)}")
        if self.id is not None:
            lines.append(f"id: {_one_line(self.id)}")
        if self.retry is not None:
            lines.append(f"retry: {self.retry}")
        text = self.data if isinstance(self.data, str) else encode_json(self.data).decode()
        lines += [f"data: {line}" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        return ("\n".join(lines) + "\n\n").encode()


async def encode_events(events: AsyncIterable[ServerSentEvent | str | Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """The bytes of each event."""
    async for event in events:
        yield event.encode() if isinstance(event, ServerSentEvent) else ServerSentEvent(data=event).encode()


def _one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "").replace("\0", "")
