"""Metrics for Prometheus and tracing for OpenTelemetry. Both are modules for `bootstrap()`."""

from kick.telemetry.metrics import Metrics
from kick.telemetry.tracing import Tracing

__all__ = ["Metrics", "Tracing"]
