"""A client that says exactly what it is told to, byte for byte, and reads what comes back as RFC 9112 has it."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import h11


@dataclass(frozen=True)
class Reply:
    """One response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The headers of a name."""
        return [value for each, value in self.headers if each == name]

    def header(self, name: str) -> str | None:
        """The one header of a name; `None` where there is none."""
        values = self.all(name)
        assert len(values) < 2, values
        return values[0] if values else None

    def listed(self, name: str) -> set[str]:
        """What a header lists."""
        return {item.strip() for value in self.all(name) for item in value.split(",")}


class Wire:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port or 80), timeout=60)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def say(self, data: bytes) -> None:
        """Send these bytes."""
        self._socket.sendall(data)

    def ask(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Reply:
        """Send a request with a `Host`, and read the response."""
        given = [*headers.items()] if isinstance(headers, Mapping) else [*headers]
        lines = [f"{method} {target} HTTP/1.1", "Host: kick.test", *(f"{name}: {value}" for name, value in given)]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.say("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """Read a response to a request of this method; a body that is too long or too short is an error of h11."""
        reader = h11.Connection(our_role=h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "kick.test")]))
        reader.send(h11.EndOfMessage())
        if self._received:
            reader.receive_data(self._received)
        head: h11.Response | None = None
        body = b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(self._socket.recv(65_536))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise ConnectionError(f"no response: {event!r}")
        assert head is not None
        self._received = reader.trailing_data[0]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        return Reply(head.status_code, headers, body)

    def read_until(self, part: bytes) -> None:
        """Wait until these bytes have come; everything up to them is gone."""
        while part not in self._received:
            self._received += self._socket.recv(65_536)
        self._received = self._received.partition(part)[2]

    def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        received = self._received
        while data := self._socket.recv(65_536):
            received += data
        return received
