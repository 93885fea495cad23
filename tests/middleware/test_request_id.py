"""`request_id()`, and the trace of a request."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick import Controller, Get, RequestContext
from kick.middleware import request_id
from tests.http.support import Answer, app_of, ask

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
DRAWN = re.compile(r"[0-9a-f]{32}")


@Controller("/")
class Named:
    @Get("/")
    async def name(self, ctx: RequestContext) -> dict[str, Any]:
        return {"id": ctx.request_id, "trace": None if ctx.trace is None else ctx.trace.trace_id}

    @Get("/fail")
    async def fail(self) -> None:
        raise RuntimeError("broken")


async def visit(path: str = "/", *headers: tuple[str, str], **options: Any) -> Answer:
    return await ask(app_of(Named, middleware=[request_id(**options)]), path, headers=headers)


async def test_the_name_of_a_request_is_sent_back() -> None:
    answer = await visit()
    assert DRAWN.fullmatch(answer.json()["id"])
    assert answer.header("x-request-id") == answer.json()["id"]


@pytest.mark.parametrize(("path", "status"), [("/fail", 500), ("/nowhere", 404)])
async def test_it_is_the_one_in_the_problem_details(path: str, status: int) -> None:
    answer = await visit(path)
    assert (answer.status, answer.header("x-request-id")) == (status, answer.json()["request_id"])


async def test_a_name_that_comes_with_a_request_counts_only_where_it_is_wanted() -> None:
    assert (await visit("/", ("X-Request-ID", "abc-1"))).header("x-request-id") != "abc-1"
    answer = await visit("/", ("X-Request-ID", "abc-1"), inbound=True)
    assert (answer.header("x-request-id"), answer.json()["id"]) == ("abc-1", "abc-1")


@pytest.mark.parametrize("sent", [["a b"], ["a\r\nb"], [""], ["a" * 129], ["é"], ["a", "b"], ["a", "a"]])
async def test_what_is_no_name_is_replaced(sent: list[str]) -> None:
    answer = await visit("/", *(("X-Request-ID", each) for each in sent), inbound=True)
    assert DRAWN.fullmatch(answer.header("x-request-id") or "")


async def test_the_header_can_be_another() -> None:
    answer = await visit("/", ("X-Correlation-ID", "abc-1"), inbound=True, header="X-Correlation-ID")
    assert (answer.header("x-correlation-id"), answer.header("x-request-id")) == ("abc-1", None)


async def test_the_trace_of_a_request_is_there_to_be_passed_on() -> None:
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    assert (await visit("/", ("traceparent", parent))).json()["trace"] == TRACE
    assert (await visit("/", ("traceparent", "00-garbage"))).json()["trace"] is None
    assert (await visit("/", ("traceparent", parent), ("traceparent", parent))).json()["trace"] is None
    assert (await visit("/")).json()["trace"] is None


@settings(max_examples=100, deadline=None)
@given(sent=st.text(st.characters(max_codepoint=255), max_size=140), parent=st.text(st.characters(max_codepoint=255)))
async def test_whatever_is_sent_the_answer_has_one_name_that_is_a_token(sent: str, parent: str) -> None:
    answer = await visit("/", ("X-Request-ID", sent), ("traceparent", parent), inbound=True)
    assert answer.status == 200
    assert re.fullmatch(r"[!-~]{1,128}", answer.header("x-request-id") or "")
