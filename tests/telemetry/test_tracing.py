"""The spans of `Tracing`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kick import App, Controller, Get, Module, bootstrap
from kick.telemetry import Tracing
from tests.http.support import ask
from tests.support.setup_errors import raises_code

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@Controller("/notes")
class Notes:
    @Get("/{note_id}")
    async def show(self, note_id: int) -> int:
        with trace.get_tracer("test").start_as_current_span("query"):
            return note_id

    @Get("/fail")
    async def fail(self) -> None:
        raise RuntimeError("canary")


class Spans:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        trace.set_tracer_provider(provider)
        self._provider = provider
        self.app: App = bootstrap([Module("notes", controllers=[Notes]), Tracing()])

    def take(self) -> Sequence[ReadableSpan]:
        spans = self._exporter.get_finished_spans()
        self._exporter.clear()
        return spans


@pytest.fixture(scope="module")
def shared() -> Iterator[Spans]:
    spans = Spans()  # a process has one provider, which cannot be taken back
    yield spans
    spans._provider.shutdown()


@pytest.fixture
def spans(shared: Spans) -> Spans:
    shared.take()
    return shared


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_request_is_a_span_named_by_its_route(spans: Spans) -> None:
    await ask(spans.app, "/notes/7?secret=1")
    inner, span = spans.take()
    assert span.name == "GET /notes/{note_id}"
    assert span.kind is trace.SpanKind.SERVER
    assert attributes(span) == {
        "http.request.method": "GET",
        "url.path": "/notes/7",
        "url.scheme": "http",
        "http.route": "/notes/{note_id}",
        "http.response.status_code": 200,
        "client.address": "192.0.2.7",
    }
    assert inner.parent == span.context


async def test_its_parent_is_the_one_that_the_request_names(spans: Spans) -> None:
    await ask(spans.app, "/nowhere", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    (span,) = spans.take()
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.name == "GET"


@pytest.mark.parametrize("parent", ["", "garbage", f"00-{TRACE}-{SPAN}", "\x00\xff", f"00-{'0' * 32}-{SPAN}-01"])
async def test_a_malformed_parent_is_none(parent: str, spans: Spans) -> None:
    assert (await ask(spans.app, "/notes/7", headers={"traceparent": parent})).status == 200
    assert spans.take()[-1].parent is None


async def test_an_error_is_marked_and_not_quoted(spans: Spans) -> None:
    await ask(spans.app, "/notes/fail")
    (span,) = spans.take()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert attributes(span)["error.type"] == "500"
    assert "canary" not in span.to_json()


async def test_a_path_is_written_as_it_is_in_the_log(spans: Spans) -> None:
    await ask(spans.app, "/%1b[31m", method="GET\n")
    (span,) = spans.take()
    assert (span.name, attributes(span)["url.path"]) == ("GET%0A", "/%1b[31m")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with raises_code("missing-extra", match=r"pip install 'kick-framework\[telemetry\]'"):
        Tracing()
