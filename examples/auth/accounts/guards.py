"""Middleware around the account routes."""

from kick import RequestContext, Response, UnsupportedMediaType
from kick.http import CallNext

FORM_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}


async def no_store(ctx: RequestContext, call_next: CallNext) -> Response:
    """Keep proxies and browsers from storing personal data."""
    ctx.set_header("cache-control", "no-store")
    return await call_next(ctx)


async def refuse_forms(ctx: RequestContext, call_next: CallNext) -> Response:
    """Accept JSON only, as a protection against CSRF.

    A browser sends a form of another site without asking. Before it sends JSON, it asks for permission (CORS), and gets
    none. Requests without a body are protected too: the session cookie is `SameSite=Lax`, so the browser does not send
    it with a POST from another site.
    """
    media_type = ctx.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in FORM_TYPES:
        raise UnsupportedMediaType("Send application/json.")
    return await call_next(ctx)
