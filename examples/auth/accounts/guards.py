"""Middleware around the account routes."""

from kick import RequestContext, Response, UnsupportedMediaType
from kick.http import CallNext

FORM_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}


async def no_store(ctx: RequestContext, call_next: CallNext) -> Response:
    """Let nobody keep what is personal: no proxy, and not the browser for the next person who uses it."""
    ctx.set_header("cache-control", "no-store")
    return await call_next(ctx)


async def refuse_forms(ctx: RequestContext, call_next: CallNext) -> Response:
    """Take JSON only, so that no other site can have a visitor's browser do something here (CSRF).

    A form on another site can be sent here without asking; JSON can not, the browser asks first (CORS) and gets no
    permission. What has no body is covered too: the session cookie is `SameSite=Lax`, and does not come along when
    another site makes the browser post something.
    """
    media_type = ctx.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in FORM_TYPES:
        raise UnsupportedMediaType("Send application/json.")
    return await call_next(ctx)
