"""Sending of responses, and the clean-up of a request after its last byte."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Message, Send

from kick.di import Scope as Resources
from kick.di.scope import shielded_from
from kick.http.context.context import RequestContext
from kick.http.context.request import Cleanup
from kick.http.exception_handlers import report_failure
from kick.http.response.base import Response, head_of


async def send_response(ctx: RequestContext[Any], response: Response, send: Send) -> None:
    """Send a response that is more than one short message, and clean up after its last byte."""
    if ctx.scope["method"] == "HEAD":
        response = head_of(response)
    if ctx.cleanups is not None and any(map(_is_of_scope, ctx.cleanups)):
        send = _after_scopes(ctx, send)
    try:
        await response(ctx.scope, ctx.receive, send)
    except ClientDisconnect as error:
        await end_request(ctx, error)
    except BaseException as error:
        await end_failed(ctx, error)
        raise
    else:
        if ctx.cleanups is not None:
            await end_request(ctx, None)


def _after_scopes(ctx: RequestContext[Any], send: Send) -> Send:
    """Return a `send` that ends the scope of a stream between its last byte and its end.

    If a clean-up fails, the end is not sent, so the server cuts the connection and the client notices.
    """

    async def send_then_end(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            if message.get("body"):
                await send({**message, "more_body": True})
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            ctx.resources = None
            cleanups = [*(ctx.cleanups or ())]
            ctx.cleanups = [each for each in cleanups if not _is_of_scope(each)] or None
            await _clean_up([each for each in cleanups if _is_of_scope(each)], None)
        await send(message)

    return send_then_end


def _is_of_scope(cleanup: Cleanup) -> bool:
    return isinstance(getattr(cleanup, "__self__", None), Resources)


async def end_failed(ctx: RequestContext[Any], error: BaseException) -> None:
    """Report the exception that has ended a response or a connection, and end the request."""
    if isinstance(error, Exception):
        report_failure(ctx, error)
    await end_request(ctx, error)


async def end_request(ctx: RequestContext[Any], error: BaseException | None) -> None:
    """Await the clean-ups of a request, the last one first. If one fails, the others still run."""
    ctx.resources = None
    while ctx.cleanups:  # a clean-up may add another one
        cleanups, ctx.cleanups = ctx.cleanups, None
        with shielded_from(error):
            try:
                await _clean_up(cleanups, error)
            except Exception as failure:
                report_failure(ctx, failure)
                raise


async def _clean_up(cleanups: list[Cleanup], error: BaseException | None) -> None:
    async with AsyncExitStack() as stack:
        for cleanup in cleanups:
            stack.push_async_callback(cleanup, error)
