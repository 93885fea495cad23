"""The routes of the interactive page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kick.exceptions import NotFound
from kick.http.context.context import RequestContext
from kick.http.response.base import HTML, ReadyResponse, Response
from kick.http.routing.decorators import Controller, Get
from kick.http.routing.route import Route
from kick.openapi.page.assets import assets
from kick.openapi.page.html import page_html

_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The policy of the page, whatever the application has: its text comes from docstrings."""


class PageDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that the page can show."""

    name: str
    """The name in the list of documents, such as `v1`."""
    path: str
    """The path of its JSON, without `root_path` and without the prefix of the application."""
    load: Callable[[], Mapping[str, Any]]
    """Returns the document."""
    sockets: Callable[[], Sequence[Route]] = tuple
    """Returns the WebSockets that belong to it."""


def page_controller(path: str, documents: Callable[[], Sequence[PageDocument]]) -> type:
    """Return the controller of the page at `path`, which shows one of the documents, by default the first.

    >>> page_controller("/docs", lambda: [PageDocument(name="v1", path="/openapi.json", load=dict)]).__name__
    'PageController'
    """

    @Controller(path, openapi=False)
    class PageController:
        @Get()
        def page(self, ctx: RequestContext[Any]) -> Response:
            listed = {each.name: each for each in documents()}
            shown = listed.get(ctx.query.get("document", next(iter(listed))))
            if shown is None:
                raise NotFound(f"There is no document {ctx.query['document']!r}.")
            root = str(ctx.scope.get("root_path", ""))
            prefix = "" if ctx.route is None else ctx.route.path.removesuffix(path)
            html = page_html(
                root=root,
                path=prefix + path,
                document=shown.load(),
                document_path=prefix + shown.path,
                names=[*listed],
                shown=shown.name,
                sockets=shown.sockets(),
            )
            response = ReadyResponse(html.encode("utf-8", "replace"), 200, HTML)
            response.raw_headers += [(b"cache-control", b"no-cache"), (b"content-security-policy", _POLICY)]
            return response

        @Get("/assets/{name}")
        def asset(self, ctx: RequestContext[Any], name: str) -> Response:
            found = assets().get(name)
            if found is None:
                raise NotFound(f"There is nothing at {ctx.path}.")
            return found.response(ctx.headers.get("accept-encoding", ""))

        @Get("/csrf-token", session="passive")
        def csrf_token(self, ctx: RequestContext[Any]) -> Response:
            """Return the token that `csrf()` asks for, where the browser has not stated the origin."""
            session = ctx.opened_session
            if session is None:
                raise NotFound("This application has no sessions.")
            response = ctx.json({"token": session.csrf_token})
            response.headers["cache-control"] = "no-store"
            return response

    return PageController
