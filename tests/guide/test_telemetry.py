"""The page about metrics and spans: its applications do what is said of them."""

from __future__ import annotations

from tests.guide.pages import application, names_of
from tests.http.support import ask


async def test_requests_are_counted() -> None:
    names = names_of("telemetry.md", "Metrics")
    names["orders"].inc()
    assert "orders_total 1.0" in (await ask(names["app"], "/metrics")).text


async def test_spans_cost_no_answer_without_an_sdk() -> None:
    assert (await ask(application("telemetry.md", "Tracing"), "/nowhere")).status == 404
