"""What the entrance of an application and the naming of requests cost: microseconds a request, in process.

`python -m benchmarks.entrance` prints the least of many rounds for each kind of application, and what it costs beside
one that has none of it. The lines of the access log are formatted and written within the time that is measured.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from kick import App, Controller, Get, Module, bootstrap
from kick.http import cookie_parser
from kick.middleware import AccessLog, request_id, security_headers
from kick.telemetry import Metrics, Tracing

REQUESTS = 400
HEADERS = [
    (b"host", b"example.com"),
    (b"user-agent", b"Mozilla/5.0"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip"),
    (b"accept-language", b"en"),
    (b"sec-fetch-mode", b"cors"),
    (b"cookie", b"a=b"),
    (b"referer", b"https://example.com/"),
]
FORWARDED = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")]


@Controller("/notes")
class Notes:
    @Get("/{note_id}")
    async def show(self, note_id: int) -> dict[str, int]:
        return {"id": note_id}


NO_HEADERS = security_headers(enabled=False)


def application(modules: Any = (), middleware: Any = (NO_HEADERS,), **options: Any) -> App:
    return bootstrap([Module("notes", controllers=[Notes]), *modules], middleware, **options)


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None: ...


async def seconds(app: App, headers: list[tuple[bytes, bytes]]) -> float:
    """How long a round takes."""
    began = time.perf_counter()
    for _ in range(REQUESTS):
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/notes/7",
            "raw_path": b"/notes/7",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": headers,
            "client": ("10.0.0.1", 50_000),
            "server": ("10.0.0.2", 80),
        }
        await app(scope, receive, send)
    for observer in getattr(app, "observers", ()):
        if hasattr(observer, "close"):
            observer.close()
    return time.perf_counter() - began


async def main(rounds: int) -> None:
    with open(os.devnull, "w") as nowhere:  # noqa: ASYNC230, PTH123  # it never blocks
        text, machine = (AccessLog(kind, write=nowhere.write) for kind in ("text", "json"))
        apps = {
            "nothing": (application(), HEADERS),
            "access log, text": (application(access_log=text), HEADERS),
            "access log, JSON": (application(access_log=machine), HEADERS),
            "security_headers()": (application(middleware=[]), HEADERS),
            "request_id()": (application(middleware=[NO_HEADERS, request_id()]), HEADERS),
            "all three, text": (application(middleware=[request_id(), cookie_parser()], access_log=text), HEADERS),
            "all three, JSON": (application(middleware=[request_id(), cookie_parser()], access_log=machine), HEADERS),
            "trusted proxies": (application(trusted_proxies=["10.0.0.0/8"]), HEADERS + FORWARDED),
            "allowed hosts": (application(allowed_hosts=["example.com"]), HEADERS),
            "metrics": (application([Metrics()]), HEADERS),
            "spans, no SDK": (application([Tracing()]), HEADERS),
        }
        best = dict.fromkeys(apps, float("inf"))
        for _ in range(rounds):
            for name, (app, headers) in apps.items():
                best[name] = min(best[name], await seconds(app, headers))
    for name, least in best.items():
        print(f"{name:20} {least / REQUESTS * 1e6:6.2f} us  {(least - best['nothing']) / REQUESTS * 1e6:+.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
