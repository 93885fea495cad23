"""`kick dev --live`: pages that reload themselves after a save, and a page that shows an error.

A page asks for `/__kick__/live`, a stream of events that begins with the number of the process. When the process ends,
so does the stream. The browser connects again, receives another number, and reloads the page.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import HTMLResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH: Final = "/__kick__/live"
SCRIPT_PATH: Final = f"{PATH}.js"
TAG: Final = f'<script src="{SCRIPT_PATH}" async></script>'.encode()

SCRIPT: Final = """\
(() => {
  let first = null;
  const source = new EventSource("PATH");
  source.addEventListener("process", (event) => {
    if (first !== null && event.data !== first) location.reload();
    first = event.data;
  });
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 300);
  };
})();
""".replace("PATH", PATH)

RETRY: Final = 100
"""Milliseconds until a browser connects again."""

_TICK: Final = 0.05
_NOT_STORED: Final = {"cache-control": "no-store"}
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 3rem 1.5rem; }}
  main {{ max-width: 60rem; margin: auto; }}
  h1 {{ font-size: 1.25rem; border-left: 4px solid #d33; padding-left: .75rem; }}
  pre {{ font: 14px/1.6 ui-monospace, monospace; padding: 1rem 1.25rem; overflow-x: auto; white-space: pre-wrap;
        border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: 6px; }}
  p {{ opacity: .7; }}
</style>
<main>
<h1>{title}</h1>
<pre>{report}</pre>
<p>This page reloads after the next save.</p>
</main>
"""


class LiveReload:
    """An application whose HTML pages reload themselves when another process has started.

    A script tag is appended to each complete `text/html` response to a GET that has no content encoding. The script is
    a file of the same origin, so a `Content-Security-Policy` of `script-src 'self'; connect-src 'self'` allows it.
    """

    def __init__(self, app: ASGIApp, stopping: Callable[[], bool], *, inject: bool = True) -> None:
        self._app = app
        self._stopping = stopping
        self._inject = inject

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == PATH:
            await self._serve_events(receive, send)
        elif scope["path"] == SCRIPT_PATH:
            await Response(SCRIPT, 200, _NOT_STORED, "text/javascript")(scope, receive, send)
        elif self._inject and scope["method"] == "GET":
            headers = [item for item in scope["headers"] if item[0] != b"accept-encoding"]
            await self._app({**scope, "headers": headers}, receive, _Injected(send))
        else:
            await self._app(scope, receive, send)

    async def _serve_events(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        event = f"retry: {RETRY}\nevent: process\ndata: {os.getpid()}\n\n".encode()
        await send({"type": "http.response.body", "body": event, "more_body": True})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._wait_for_the_end, tasks.cancel_scope)
            while (await receive())["type"] != "http.disconnect":
                pass  # a request body, which is ignored
            tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _wait_for_the_end(self, scope: anyio.CancelScope) -> None:
        while not self._stopping():  # noqa: ASYNC110  # what stops is a server, which has no event
            await anyio.sleep(_TICK)
        scope.cancel()


class _Injected:
    """Forwards a response, and appends the script if it is a page."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_page = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            self._is_page = message["status"] not in (204, 206, 304) and _is_html(headers)
            if self._is_page:
                message = {**message, "headers": [_longer(item) for item in headers if item[0].lower() != b"etag"]}
        elif message["type"] == "http.response.body" and self._is_page and not message.get("more_body", False):
            message = {**message, "body": bytes(message.get("body", b"")) + TAG}
        await self._send(message)


def error_page(report: str) -> ASGIApp:
    """Answers every request with an error report: a page for a browser, plain text for other clients."""
    title = "The application cannot be started"
    page = _PAGE.format(title=title, report=html.escape(report.strip("\n"))).encode() + TAG

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1012})
            return
        accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
        is_browser = b"text/html" in accepted
        answer = HTMLResponse(page, 500, _NOT_STORED) if is_browser else PlainTextResponse(report, 500, _NOT_STORED)
        await answer(scope, receive, send)

    return app


def _is_html(headers: list[tuple[bytes, bytes]]) -> bool:
    found = {name.lower(): value for name, value in headers}
    return found.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in found


def _longer(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    return (name, b"%d" % (int(value) + len(TAG))) if name.lower() == b"content-length" else header
