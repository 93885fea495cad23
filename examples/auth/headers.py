"""Middleware that adds security headers to every response."""

from kick import RequestContext, Response
from kick.http import CallNext

SECURITY_HEADERS = {
    # Allows only files of the page's own origin, so an injected script does not run.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


async def security_headers(ctx: RequestContext, call_next: CallNext) -> Response:
    response = await call_next(ctx)
    response.headers.update(SECURITY_HEADERS)
    return response
