"""What operators see: metrics for Prometheus, spans for OpenTelemetry. Both are modules, on by being listed."""

from kick.telemetry.metrics import Metrics
from kick.telemetry.tracing import Tracing

__all__ = ["Metrics", "Tracing"]
