"""Middleware around the account routes."""

from kick import RequestContext, Response
from kick.http import CallNext


async def no_store(ctx: RequestContext, call_next: CallNext) -> Response:
    """Keep proxies and browsers from storing personal data."""
    ctx.set_header("cache-control", "no-store")
    return await call_next(ctx)
