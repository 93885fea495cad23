"""Events that a client receives from an event stream (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any, Final, Self

import msgspec
from httpx2 import Response

PATIENCE: Final = 30.0
"""Seconds to wait for the next event. A test that waits for one that nobody sends fails, and does not stand still."""


class ReceivedEvent(msgspec.Struct, frozen=True):
    """An event of an event stream.

    >>> ReceivedEvent('{"price": 3}', event="price").json()
    {'price': 3}
    """

    data: str
    """The text of its `data` lines."""
    event: str = "message"
    """The type of the event."""
    id: str | None = None
    """Its id, if it has one of its own."""
    retry: int | None = None
    """The number of milliseconds after which a browser shall connect again."""

    def json(self) -> Any:
        """Return the data as JSON."""
        return msgspec.json.decode(self.data)


def check_event_stream(response: Response) -> None:
    """Raise `ValueError` for a response that is no event stream."""
    kind = response.headers.get("content-type", "without a type")
    if response.status_code != 200 or not kind.startswith("text/event-stream"):
        raise ValueError(f"{response.url.path} has no event stream: status {response.status_code}, {kind}")


class ReceivedEvents:
    """The events of a stream as they come: an iterator, and a context manager that opens and closes the stream.

    Without a `with` block, the first event opens the stream, and the end of the loop closes it.
    """

    def __init__(self, events: Generator[ReceivedEvent | None]) -> None:
        self._events = events  # the first item is `None`: the stream has begun

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ReceivedEvent:
        event = next(self._events)
        return next(self) if event is None else event

    def __enter__(self) -> Self:
        next(self._events)
        return self

    def __exit__(self, *error: object) -> None:
        self._events.close()


class AsyncReceivedEvents:
    """The events of a stream as they come: an async iterator, and a context manager that opens and closes the stream.

    Without an `async with` block, the first event opens the stream.
    """

    def __init__(self, events: AsyncGenerator[ReceivedEvent | None]) -> None:
        self._events = events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReceivedEvent:
        event = await anext(self._events)
        return await anext(self) if event is None else event

    async def __aenter__(self) -> Self:
        await anext(self._events)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._events.aclose()


class EventParser:
    r"""Collects the lines of an event stream.

    >>> parser = EventParser()
    >>> [each for line in ["event: note", "data: one", "data: two", ": a comment", ""] if (each := parser.feed(line))]
    [ReceivedEvent(data='one\ntwo', event='note', id=None, retry=None)]
    """

    def __init__(self) -> None:
        self._id: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._data: list[str] = []
        self._event = "message"
        self._retry: int | None = None

    def feed(self, line: str) -> ReceivedEvent | None:
        """Take a line without its end; return the event that it completes."""
        if line:
            name, _, value = line.partition(":")
            self._field(name, value.removeprefix(" "))
            return None
        event = ReceivedEvent("\n".join(self._data), self._event, self._id, self._retry) if self._data else None
        self._begin()
        return event

    def _field(self, name: str, value: str) -> None:
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id":
                self._id = value
            case "retry":
                self._retry = int(value) if value.isdecimal() else None
