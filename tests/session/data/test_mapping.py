"""`SessionData`: values that are read when they are asked for."""

from __future__ import annotations

import logging

import pytest

from kick.session.data.mapping import SessionData
from kick.session.data.values import same

UNREADABLE = [
    b'"\xff"',
    b'{"a":"\xff"}',
    b'{"\xff":1}',
    b'["\xed\xa0\x80"]',
    b"\xff",
    b'"',
    b'{"$":["date"]}',
    b"[" * 9000,
]
"""Not UTF-8, which msgspec says in one way or another; not JSON; not a value of ours; nested too deeply."""


@pytest.mark.parametrize("raw", UNREADABLE, ids=lambda raw: repr(raw[:20]))
def test_a_value_that_cannot_be_read_counts_as_missing_and_is_logged(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    data = SessionData({"bad": raw, "good": b"1"})
    with caplog.at_level(logging.WARNING):
        assert data.get("bad", "missing") == "missing"
    assert "'bad' cannot be read" in caplog.text
    assert dict(data) == {"good": 1}


@pytest.mark.parametrize("raw", [b'{"a":"\xff"}', b'["\xc3("]'])
def test_encodings_that_are_not_utf_8_are_not_the_same(raw: bytes) -> None:
    assert not same(raw, raw[:2] + b" " * (len(raw) - 2))
