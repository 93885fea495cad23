"""A client that speaks ASGI to an application, and shows everything that was sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import anyio
import msgspec
from starlette.types import ASGIApp, Message, Send

from kick import App, Module, bootstrap
from kick.middleware import security_headers
from kick.middleware.security_headers.middleware import SecurityHeadersLayer

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


NO_HEADERS = security_headers(enabled=False)


@dataclass
class Answer:
    """What an application sent for one request."""

    messages: list[Message] = field(default_factory=list)
    read: int = 0
    """How many messages of the body it asked for."""

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name.decode(), value.decode("latin-1")) for name, value in self.messages[0]["headers"]]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]

    def header(self, name: str) -> str | None:
        """The one header of this name."""
        values = self.all(name)
        assert len(values) < 2, values
        return values[0] if values else None

    @property
    def locations(self) -> list[str]:
        """Where the errors are that problem details tell of."""
        return [error["location"] for error in self.json()["errors"]]

    @property
    def errors(self) -> dict[str, str]:
        """The codes of the errors by their location."""
        return {error["location"]: error["code"] for error in self.json()["errors"]}


async def ask(
    app: ASGIApp,
    target: str,
    *,
    method: str = "GET",
    body: bytes | Iterable[bytes] = b"",
    json: Any = msgspec.UNSET,
    form: str | None = None,
    headers: Headers = (),
    disconnects: bool = False,
    sends: Send | None = None,
    **scope: Any,
) -> Answer:
    """Send a request; `body` may be chunks, after which the client goes away if it `disconnects`."""
    raw_headers = [*(headers.items() if isinstance(headers, Mapping) else headers)]
    if json is not msgspec.UNSET:
        body, raw_headers = msgspec.json.encode(json), [("content-type", "application/json"), *raw_headers]
    if form is not None:
        body, raw_headers = form.encode(), [("content-type", "application/x-www-form-urlencoded"), *raw_headers]
    path, _, query = target.partition("?")
    connection = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(b"host", b"example.com")]
        + [(name.lower().encode(), value.encode("latin-1")) for name, value in raw_headers],
        "client": ("192.0.2.7", 50_000),
        "server": ("example.com", 80),
        **scope,
    }
    chunks = [body] if isinstance(body, bytes) else [*body]
    answer = Answer()

    async def receive() -> Message:
        answer.read += 1
        if chunks:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks) or disconnects}
        if not disconnects:
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answer.messages.append(message)

    await app(connection, receive, sends or send)
    return answer


def app_of(*controllers: type, **options: Any) -> App:
    """An application of these controllers, without the headers that kick adds by itself."""
    layers = [*options.pop("middleware", ())]
    if not any(isinstance(layer, SecurityHeadersLayer) for layer in layers):
        layers.append(NO_HEADERS)
    return bootstrap([Module("test", controllers=controllers)], layers, **options)
