"""`Metrics`: metrics of an application for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.di import Provider
from kick.errors import missing_extra
from kick.http.context.context import RequestContext
from kick.http.observers import ObservedRequest
from kick.http.response.base import ReadyResponse, Response
from kick.http.routing.decorators import Controller, Get
from kick.middleware.session import SessionLayer
from kick.module import Module
from kick.session.events import Event
from kick.telemetry import optional_types
from kick.telemetry.stores import TimedStore

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the histograms, in seconds."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""The label of requests that match no route. Their paths would be an unlimited number of labels."""

_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"


class Metrics(Module):
    """A module that counts requests and serves the metrics: `bootstrap([ShopModule, Metrics()])`.

    | metric | labels |
    |---|---|
    | `http_requests_total` | `method`, `route`, `status` (`2xx` ...) |
    | `http_request_duration_seconds` | `method`, `route` |
    | `http_requests_in_flight` | |
    | `kick_session_events_total` | `event` |
    | `kick_session_store_duration_seconds` | `operation` |

    Arguments:
        path: the path of the metrics. They tell a lot about the application, so block it from outside.
        registry: a registry that also has your own metrics; by default a new one.
        buckets: the upper bounds of the histograms, in seconds.

    With `PROMETHEUS_MULTIPROC_DIR`, each process serves the sums of all processes.

    >>> from kick import bootstrap
    >>> from kick.testing import TestClient
    >>> with TestClient(bootstrap([Metrics()])) as client:
    ...     client.get("/nowhere").status_code, 'route="unmatched",status="4xx"} 1.0' in client.get("/metrics").text
    (404, True)

    Raises `KickError`: `missing-extra` if prometheus-client is not installed.
    """

    def __init__(
        self,
        *,
        path: str = "/metrics",
        registry: optional_types.CollectorRegistry | None = None,
        buckets: Sequence[float] = BUCKETS,
    ) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise missing_extra("Metrics", "prometheus-client", "telemetry") from None
        registry = prometheus.CollectorRegistry() if registry is None else registry
        self.observers = (_Counts(registry, buckets),)
        provided = Provider(Exposition, value=Exposition(registry))
        super().__init__("metrics", controllers=[MetricsController], providers=[provided], prefix=path, session=False)


class Exposition:
    """The metrics of a registry in the text format of Prometheus."""

    def __init__(self, registry: optional_types.CollectorRegistry) -> None:
        self._registry = registry

    def text(self) -> tuple[bytes, str]:
        """Return the text and its content type."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_LATEST
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if os.environ.get(_MULTIPROCESS):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


@Controller()
class MetricsController:
    """Controller that serves the metrics."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    @Get()
    async def show(self, ctx: RequestContext) -> Response:
        """Return the current metrics."""
        text, content_type = self._exposition.text()
        return ReadyResponse(text, 200, content_type.encode("ascii"))


class _Counts:
    """Observer that counts requests."""

    def __init__(self, registry: optional_types.CollectorRegistry, buckets: Sequence[float]) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self._requests = Counter(
            "http_requests_total", "Completed requests.", ["method", "route", "status"], registry=registry
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "From the arrival of a request to the end of its response.",
            ["method", "route"],
            registry=registry,
            buckets=buckets,
        )
        self._in_flight = Gauge(
            "http_requests_in_flight",
            "Requests in progress.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._events = Counter("kick_session_events_total", "Session events.", ["event"], registry=registry)
        self._store = Histogram(
            "kick_session_store_duration_seconds",
            "Duration of session store operations.",
            ["operation"],
            registry=registry,
            buckets=buckets,
        )
        # Finding the labels takes longer than counting; routes, methods and classes of statuses are few.
        self._known: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def attach(self, layers: Iterable[Any]) -> None:
        """Listen to the sessions of the application, and time their stores."""
        for layer in layers:
            if isinstance(layer, SessionLayer):
                layer.manager.events.also(self._session_event)
                store: Any = TimedStore(layer.manager.store, self._store_took)
                layer.manager.use(store)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Count the requests in flight."""
        in_flight = self._in_flight

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            in_flight.inc()
            try:
                await app(scope, receive, send)
            finally:
                in_flight.dec()

        return counted

    def finished(self, exchange: ObservedRequest) -> None:
        """Count a request."""
        context = exchange.context
        route = UNMATCHED if context is None or context.route is None else context.route.path
        method = exchange.scope["method"]
        key = route, method if method in METHODS else "other", exchange.status // 100
        found = self._known.get(key)
        if found is None:
            labels = {"method": key[1], "route": route}
            counter = self._requests.labels(**labels, status=f"{key[2]}xx")
            found = self._known[key] = counter.inc, self._durations.labels(**labels).observe
        count, observe = found
        count()
        observe(exchange.duration)

    def _session_event(self, event: Event) -> None:
        self._events.labels(event=event.kind.value).inc()

    def _store_took(self, operation: str, seconds: float) -> None:
        self._store.labels(operation=operation).observe(seconds)
