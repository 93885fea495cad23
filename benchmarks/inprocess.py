"""Requests without a server: an ASGI application is called, and nothing else happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from benchmarks.load import HEADERS

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Message = MutableMapping[str, Any]
WARM_UP: Final = 300
"""Requests before a timing; the interpreter has specialised its instructions by then."""
BATCH: Final = 250
BATCHES: Final = 20
"""How many batches of how many requests a timing has."""


def scope_of(path: str, *, method: str = "GET", headers: Sequence[tuple[bytes, bytes]] = ()) -> dict[str, Any]:
    """What uvicorn hands to an application."""
    sent = [(name.lower().encode(), value.encode()) for name, value in {"Host": "127.0.0.1:8765", **HEADERS}.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8765),
        "client": ("127.0.0.1", 54321),
        "scheme": "http",
        "root_path": "",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*sent, *headers],
        "state": {},
    }


async def exchange(app: ASGIApp, scope: dict[str, Any], body: bytes = b"") -> list[Message]:
    """One request, and what was sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(dict(scope), receive, send)
    return sent


async def requests(app: ASGIApp, scope: dict[str, Any], body: bytes, count: int) -> None:
    """As many requests, one after the other."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        pass

    for _ in range(count):
        await app(dict(scope), receive, send)


async def microseconds(app: ASGIApp, scope: dict[str, Any], body: bytes = b"") -> float:
    """What a request takes, in the quickest of some batches."""
    await requests(app, scope, body, WARM_UP)
    return min([await _batch(app, scope, body) for _ in range(BATCHES)]) / BATCH * 1e6


async def _batch(app: ASGIApp, scope: dict[str, Any], body: bytes) -> float:
    began = time.perf_counter()
    await requests(app, scope, body, BATCH)
    return time.perf_counter() - began


async def differences(app: ASGIApp, base: ASGIApp, scope: dict[str, Any], body: bytes, *, rounds: int) -> list[float]:
    """Microseconds of a request to `app` over those of one to `base`, for each round.

    In a round the two take turns in short batches, and the quickest batch of each counts: whatever else the machine
    does can only slow a batch down.
    """
    for each in (app, base):
        await requests(each, scope, body, WARM_UP)
    found = []
    for _ in range(rounds):
        best = [float("inf"), float("inf")]
        for _ in range(BATCHES):
            for number, each in enumerate((app, base)):
                best[number] = min(best[number], await _batch(each, scope, body))
        found.append((best[0] - best[1]) / BATCH * 1e6)
    return found


async def cookie_of(app: ASGIApp, path: str = "/login") -> tuple[bytes, bytes]:
    """The `Cookie` header after a request that sets a cookie, next to another one."""
    headers = dict((await exchange(app, scope_of(path)))[0]["headers"])
    return b"cookie", b"theme=dark; " + headers[b"set-cookie"].partition(b";")[0]


def run(work: Awaitable[Any]) -> Any:
    """On the event loop that servers use."""
    import uvloop

    async def main() -> Any:
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
