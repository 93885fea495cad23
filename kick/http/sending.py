"""The end of a request: its last bytes, and the clean-up after them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Send

from kick.di.scope import shielded_from
from kick.http.context.context import RequestContext
from kick.http.context.request import Cleanup
from kick.http.response.base import Response, head_of


async def send_response(ctx: RequestContext[Any], response: Response, send: Send) -> None:
    """Send what is more than a few bytes, and clean up after its last one."""
    if ctx.scope["method"] == "HEAD":
        response = head_of(response)
    try:
        await response(ctx.scope, ctx.receive, send)
    except ClientDisconnect as error:
        await end_request(ctx, error)
    except BaseException as error:
        if isinstance(error, Exception):
            ctx.settings.report(ctx, error)
        await end_request(ctx, error)
        raise
    else:
        if ctx.cleanups is not None:
            await end_request(ctx, None)


async def end_request(ctx: RequestContext[Any], error: BaseException | None) -> None:
    """Await what was to be awaited at the end of a request, the last thing first; one failing stops no other."""
    while ctx.cleanups:  # the work of one may name another
        cleanups, ctx.cleanups = ctx.cleanups, None
        with shielded_from(error):
            try:
                await _clean_up(cleanups, error)
            except Exception as failure:
                ctx.settings.report(ctx, failure)
                raise


async def _clean_up(cleanups: list[Cleanup], error: BaseException | None) -> None:
    async with AsyncExitStack() as stack:
        for cleanup in cleanups:
            stack.push_async_callback(cleanup, error)
