"""The HTML of the interactive page: everything but what Swagger UI draws."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import quote

from kick.http.routing.route import Route
from kick.openapi.page.assets import url_names

_EVENTS = "text/event-stream"


def page_html(
    *,
    root: str,
    path: str,
    document: Mapping[str, Any],
    document_path: str,
    names: Sequence[str],
    shown: str,
    sockets: Sequence[Route],
) -> str:
    """Return the page for a document. All texts are escaped.

    Arguments:
        root: the `root_path` of the server, which browsers see before every path.
        path: the path of the page.
        document: the OpenAPI document, from which the title and the event streams are taken.
        document_path: the path of its JSON.
        names: the names of all documents of the application.
        shown: the name of this one.
        sockets: the WebSockets of the application.
    """
    template = Template(files("kick.openapi.page").joinpath("page.html").read_text("utf-8"))
    base = _url(root + path)
    addresses = {name: f"{base}/assets/{served}" for name, served in url_names().items()}
    return template.substitute(
        title=_text(document.get("info", {}).get("title", "API")),
        document=_url(root + document_path),
        csrf=f"{base}/csrf-token",
        origin_path=_url(root) or "/",
        swagger_css=addresses["swagger-ui.css"],
        swagger_js=addresses["swagger-ui-bundle.js"],
        page_css=addresses["page.css"],
        page_js=addresses["page.js"],
        documents=_choice(base, names, shown),
        login=_login(document),
        live=_live(_streams(document), sockets),
    )


def _choice(base: str, names: Sequence[str], shown: str) -> str:
    if len(names) < 2:
        return ""
    links = (
        f'<a href="{base}?document={escape(quote(name, safe=""))}"{_current(is_shown=name == shown)}>{_text(name)}</a>'
        for name in names
    )
    return f'<nav class="kick-documents" aria-label="Documents">{"".join(links)}</nav>'


def _current(*, is_shown: bool) -> str:
    return ' aria-current="page"' if is_shown else ""


def _login(document: Mapping[str, Any]) -> str:
    """Return the note about the login, if the document has a security scheme in a cookie."""
    schemes = document.get("components", {}).get("securitySchemes", {}).values()
    if not any(each.get("in") == "cookie" for each in schemes):
        return ""
    return (
        '<aside class="kick-note" aria-label="Login">Requests of this page carry your session cookie. Run the '
        "operation that logs in, and you are logged in here. You do not have to fill in the cookie or a CSRF token."
        "</aside>"
    )


def _live(streams: Iterable[tuple[str, str, str]], sockets: Iterable[Route]) -> str:
    """Return the section about event streams and WebSockets, for which OpenAPI has no place; nothing without any."""
    rows = [
        *(_row("WS", route.path, route.name, _summary(route)) for route in sockets),
        *(_row("SSE", path, name, summary) for path, name, summary in streams),
    ]
    if not rows:
        return ""
    return (
        '<section class="kick-live" aria-labelledby="live"><h2 id="live">WebSockets and event streams</h2>'
        "<p>Connections that stay open. OpenAPI does not describe WebSockets. An event stream that is run above is "
        "shown for three seconds.</p>"
        '<table><thead class="kick-hidden"><tr><th scope="col">Kind</th><th scope="col">Path</th>'
        f'<th scope="col">About</th></tr></thead><tbody>{"".join(rows)}</tbody></table></section>'
    )


def _row(kind: str, path: str, name: str, summary: str) -> str:
    about = f"{_text(summary)} " if summary else ""
    return (
        f'<tr><td><span class="kick-kind">{kind}</span></td><td><code>{_text(path)}</code></td>'
        f'<td>{about}<span class="kick-quiet">{_text(name)}</span></td></tr>'
    )


def _streams(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the name and the summary of each operation that responds with an event stream."""
    for path, item in document.get("paths", {}).items():
        for operation in item.values():
            responses = operation.get("responses", {}).values() if isinstance(operation, Mapping) else ()
            if any(_EVENTS in response.get("content", ()) for response in responses):
                yield path, str(operation.get("operationId", "")), str(operation.get("summary", ""))


def _summary(route: Route) -> str:
    """Return the first paragraph of the docstring of a handler, in one line."""
    return " ".join((inspect.getdoc(route.handler) or "").partition("\n\n")[0].split())


def _text(text: object) -> str:
    return escape(str(text))


def _url(path: str) -> str:
    return escape(quote(path, safe="/:@!$&'()*+,;=~"))
