"""The development page for a path without a route. It lists the routes and links to the guide."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kick.exceptions import PROBLEM_JSON
from kick.http.debug.page import prefers_html
from kick.http.response.base import HTML, ReadyResponse, Response

if TYPE_CHECKING:
    from kick.http.context.context import RequestContext
    from kick.http.middleware import CallNext
    from kick.http.routing.route import Route

logger: Final = logging.getLogger("kick.http")

GUIDE: Final = Path(__file__).parents[3] / "docs" / "guide" / "README.md"
"""The guide, if kick runs from a checkout."""

_POLICY: Final = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_OF_THE_PROBLEM: Final = (b"content-type", b"content-length", b"content-encoding", b"etag")


class NotFoundPage:
    """Middleware that replaces the problem details of a 404 or 405 with a page, for browsers only.

    It is the outermost middleware, in development only. Pages of the application are not replaced.
    It lists `routes`; those of WebSockets have the method `WS`.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Replace the response, if it is such an error and the client prefers HTML."""
        response = await call_next(ctx)
        is_problem = response.headers.get("content-type") == PROBLEM_JSON and response.status_code in (404, 405)
        if not is_problem or ctx.method != "GET" or not prefers_html(ctx.headers.get("accept", "")):
            return response
        try:
            return self._page(ctx, response)
        except Exception:
            logger.exception("the page for missing routes failed, request id %s", ctx.request_id)
            return response

    def _page(self, ctx: RequestContext[Any], problem: Response) -> Response:
        wrong_method = problem.status_code == 405
        page = Template(files("kick.http.debug").joinpath("not_found.html").read_text("utf-8")).substitute(
            status=problem.status_code,
            path=escape(ctx.path),
            heading=f"{'GET is not possible' if wrong_method else 'There is nothing'} at",
            rows="".join(_row(ctx, route) for route in self._routes),
            none="" if self._routes else '<p class="quiet">There are no routes yet.</p>',
            docs=_docs(),
        )
        response = ReadyResponse(page.encode("utf-8", "replace"), problem.status_code, HTML)
        response.raw_headers += [(b"cache-control", b"no-store"), (b"content-security-policy", _POLICY)]
        own = {name for name, _ in response.raw_headers}
        response.raw_headers += [each for each in problem.raw_headers if each[0] not in {*own, *_OF_THE_PROBLEM}]
        return response


def _row(ctx: RequestContext[Any], route: Route) -> str:
    method, path = "WS" if route.is_websocket else route.method, escape(route.path)
    if method in ("GET", "*") and "{" not in route.path:
        address = escape(quote(str(ctx.scope.get("root_path", "")) + route.path))
        path = f'<a href="{address}">{path}</a>'
    return f'<tr><td class="method">{escape(method)}</td><td>{path}</td><td class="name">{escape(route.name)}</td></tr>'


def _docs() -> str:
    """Return the place of the guide: on this machine, or else in the repository."""
    if GUIDE.is_file():
        return f"The guide of kick is in <code>{escape(str(GUIDE))}</code>."
    return "The guide of kick is in <code>docs/guide/</code> of its repository."
