"""Names of requests, and traces."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kick.http.request.request_id import generate_request_id, usable_id
from kick.http.request.trace_context import parse_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_ids_are_32_hexadecimal_digits_and_different() -> None:
    drawn = [generate_request_id() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in drawn)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is there on POSIX systems only")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.process
def test_a_forked_process_draws_others() -> None:
    generate_request_id()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, " ".join(generate_request_id() for _ in range(64)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = set(os.read(reading, 4096).decode().split())
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 64
    assert not theirs & {generate_request_id() for _ in range(64)}


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a\r\nset-cookie: x=1", "é", "a" * 129, '"a"', "a,b", "\x1b[31m", "a\n"]
)
def test_what_is_no_token_is_no_id(text: str) -> None:
    assert not usable_id(text)


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", 1),
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f" 00-{TRACE}-{SPAN}-ff\t", 1),
        (f"01-{TRACE}-{SPAN}-01-and-more", 1),
    ],
)
def test_a_traceparent_is_read(parent: str, flags: int) -> None:
    trace = parse_trace(parent, "vendor=1")
    assert trace is not None
    assert (trace.trace_id, trace.parent_id, trace.flags, trace.state) == (TRACE, SPAN, flags, "vendor=1")
    assert str(trace) == f"00-{TRACE}-{SPAN}-{flags:02x}"


@pytest.mark.parametrize(
    "parent",
    [
        *("", "00", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"),
        *(
            f"00-{TRACE.upper()}-{SPAN}-01",
            f"00-{TRACE}-{SPAN}-01-more",
            f"00-{TRACE}-{SPAN}-1",
            f"00-{TRACE}-{SPAN}-01\n",
        ),
        *(f"00-{TRACE}-{SPAN}-01" + "-x" * 5000, f"00-{TRACE}{SPAN}-01", "٠٠-" + TRACE),
    ],
)
def test_what_is_malformed_is_no_trace(parent: str) -> None:
    assert parse_trace(parent) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.text("0f-x ", max_size=60), st.text(max_size=600))
def test_nothing_that_is_sent_raises_or_breaks_out_of_a_header(parent: str, state: str) -> None:
    trace = parse_trace(parent, state)
    if trace is not None:
        assert re.fullmatch(r"[0-9a-f-]{55}", str(trace))
        assert trace.state.isprintable()
