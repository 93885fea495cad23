"""What every response tells the browser."""

from kick import RequestContext, Response
from kick.http import CallNext

SECURITY_HEADERS = {
    # The page's own files and nothing else: a script that somebody smuggles into the page does not run.
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
