"""Metrics for Prometheus and tracing for OpenTelemetry, both modules for `bootstrap()`; the request id in logs."""

from kick.http.request.request_id import current_request_id
from kick.telemetry.logs import JSONFormatter, RequestIdFilter
from kick.telemetry.metrics import Metrics
from kick.telemetry.tracing import Tracing

__all__ = ["JSONFormatter", "Metrics", "RequestIdFilter", "Tracing", "current_request_id"]
