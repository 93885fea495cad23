"""Exception handlers of an application, and the exceptions that nothing handles."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.di.hints import takes
from kick.errors import KickError
from kick.http.context.context import RequestContext
from kick.http.context.request import HANDSHAKE
from kick.http.log_text import shown
from kick.http.request.request_id import current_request_id
from kick.http.response.base import Response

logger: Final = logging.getLogger("kick.http")

ExceptionHandler: TypeAlias = Callable[[RequestContext[Any], Any], Awaitable[Response]]
"""`async def handler(ctx, error) -> Response`."""

OnError: TypeAlias = Callable[[RequestContext[Any], Exception], object]
"""`def on_error(ctx, error)`, for reports. It does not change the response."""

REQUEST: Final = "kick.request"
"""The key in the scope of an object for each request. A mounted application has the same one."""

_UNHANDLED: Final = "kick.unhandled"
_LOGGED: Final = "kick_logged"


def find_handler(handlers: Mapping[type[Exception], ExceptionHandler], error: Exception) -> ExceptionHandler | None:
    """Return the handler of the nearest class of an exception, or `None`.

    >>> async def failed_look_up(ctx, error): return ctx.text("missing")
    >>> find_handler({LookupError: failed_look_up}, KeyError()) is failed_look_up
    True
    >>> find_handler({LookupError: failed_look_up}, ValueError())
    """
    return next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)


def keep_unhandled(ctx: RequestContext[Any], error: Exception) -> None:
    """Keep an exception that becomes a 500 for `reraising`, if this is switched on."""
    if ctx.settings.reraise_errors:
        ctx.scope.setdefault(_UNHANDLED, error)


def report_failure(ctx: RequestContext[Any], error: Exception) -> None:
    """Log an exception that nothing has handled, with its request, and call `on_error`.

    It is not logged again if it comes from a mounted application that has logged it.
    """
    request = ctx.scope.setdefault(REQUEST, object())
    if vars(error).get(_LOGGED) is not request:
        vars(error)[_LOGGED] = request
        place = "" if ctx.route is None else f" ({ctx.route.place})"
        before = current_request_id.set(current_request_id.get() or ctx.request_id)  # clean-ups may have reset it
        try:
            method = "WebSocket" if HANDSHAKE in ctx.scope else ctx.method
            what = (method, shown(ctx.path), place, ctx.request_id)
            logger.error("%s %s%s failed, request id %s", *what, exc_info=error)
        finally:
            current_request_id.reset(before)
    ctx.settings.report(ctx, error)


def was_logged(error: BaseException) -> bool:
    """Return true if `report_failure` has logged an exception that the server logs now.

    >>> was_logged(ValueError())
    False
    """
    return vars(error).pop(_LOGGED, None) is not None  # the same object may be raised once more, and not by a request


def reraising(app: ASGIApp) -> ASGIApp:
    """Return an application that raises an unhandled exception again after the response, as Starlette does."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        error = scope.pop(_UNHANDLED, None)
        if error is not None:
            raise error

    return serve


def handler_problems(handlers: object, on_error: object) -> list[KickError]:
    """Return the set-up mistakes in `exception_handlers` and `on_error` of `bootstrap()`.

    >>> [each.code for each in handler_problems({KeyError: print, 404: None}, "sentry")]
    ['exception-handler', 'exception-class', 'on-error']
    """
    problems: list[KickError] = []
    if not isinstance(handlers, Mapping):
        problems.append(_not_a_class(handlers))
    else:
        for kind, handler in handlers.items():
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                problems.append(_not_a_class(kind))
            elif not (_is_async(handler) and takes(handler, 2)):
                problems.append(
                    KickError(
                        "exception-handler",
                        cause=f"{handler!r}, the exception handler of {kind.__qualname__}, is no coroutine function "
                        "of two arguments.",
                        fix="Write it as `async def handler(ctx, error): return ctx.problem(409, str(error))`.",
                    )
                )
    if on_error is not None and (not callable(on_error) or _is_async(on_error) or not takes(on_error, 2)):
        problems.append(
            KickError(
                "on-error",
                cause=f"on_error={on_error!r} of bootstrap() is no plain function of two arguments.",
                fix="Write it as `def on_error(ctx, error): print(repr(error))`.",
            )
        )
    return problems


def _is_async(function: Any) -> bool:
    call = function if inspect.isroutine(function) else getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call)


def _not_a_class(given: object) -> KickError:
    return KickError(
        "exception-class",
        cause=f"exception_handlers= of bootstrap() was given {given!r}, where a class of exceptions belongs.",
        fix="Use the exception class as the key: `exception_handlers={NotFound: not_found}`.",
    )
