"""`Tracing`: an OpenTelemetry span for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.errors import missing_extra
from kick.http.log_text import shown
from kick.http.observers import KEY, ObservedRequest
from kick.http.request.target import sent_path
from kick.module import Module

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_CARRIED: Final = frozenset({"traceparent", "tracestate", "baggage", "b3"})


class Tracing(Module):
    """A module that creates a span for each request: `bootstrap([ShopModule, Tracing()])`.

    The parent is the span in `traceparent` (W3C Trace Context). The name is the method and the route. Nothing is
    recorded until you configure an OpenTelemetry SDK.

    A span contains no query string, header, cookie or exception message.

    >>> Tracing()
    Module('tracing')

    Raises `KickError`: `missing-extra` if opentelemetry-api is not installed.
    """

    def __init__(self) -> None:
        try:
            import opentelemetry.trace
        except ImportError:
            raise missing_extra("Tracing", "opentelemetry-api", "telemetry") from None
        self.observers = (_Spans(opentelemetry.trace.get_tracer("kick")),)
        super().__init__("tracing")


class _Spans:
    """Observer that creates spans."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    def finished(self, exchange: ObservedRequest) -> None:
        """Do nothing. The span ends with the task of the request, so it includes background tasks."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application, wrapped in a span."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        tracer = self._tracer

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            method = shown(scope["method"])
            known = {
                "http.request.method": method,
                "url.path": shown(sent_path(scope)),
                "url.scheme": scope.get("scheme", "http"),
            }
            with tracer.start_as_current_span(
                method,
                context=extract(_carrier(scope)),
                kind=SpanKind.SERVER,
                attributes=known,
                # The message of an exception may contain personal data.
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    await app(scope, receive, send)
                except Exception as error:
                    _failed(span, type(error).__name__)
                    raise
                finally:
                    if span.is_recording():
                        _describe(span, method, scope[KEY])

        return traced


def _carrier(scope: Scope) -> dict[str, str]:
    """Return the headers that name the parent span."""
    carrier: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1")
        if name in _CARRIED or name.startswith("x-b3-"):
            text = value.decode("latin-1")
            carrier[name] = f"{carrier[name]},{text}" if name in carrier else text
    return carrier


def _describe(span: Span, method: str, exchange: ObservedRequest) -> None:
    context = exchange.context
    if context is not None:
        if context.route is not None:
            span.update_name(f"{method} {context.route.path}")
            span.set_attribute("http.route", context.route.path)
        if context.known_request_id is not None:
            span.set_attribute("kick.request_id", context.known_request_id)
        if context.client_ip is not None:
            span.set_attribute("client.address", shown(context.client_ip))
    if exchange.status:
        span.set_attribute("http.response.status_code", exchange.status)
    if exchange.status >= 500:
        _failed(span, str(exchange.status))


def _failed(span: Span, kind: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
