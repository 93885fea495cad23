"""What clients send cannot write lines, columns or colours into a log."""

from __future__ import annotations

import logging
import re

import pytest

from kick import Controller, Get, Post, RequestContext
from kick.http.log_text import shown
from tests.http.support import app_of, ask

HOSTILE = "/x/%0a2026-11-23%20ERROR%20forged%1b[31m%e2%80%ae"


@Controller("/x")
class Failing:
    @Get("/{name}")
    async def fail(self, name: str, ctx: RequestContext) -> None:
        raise RuntimeError(f"failed: {ctx!r}")

    @Post("/{name}")
    async def form(self, name: str, ctx: RequestContext) -> None: ...


async def test_an_error_of_a_handler_is_one_line_before_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await ask(app_of(Failing), HOSTILE)
    (record,) = caplog.records
    assert re.fullmatch(r"[ -~]+", record.getMessage())
    assert "forged%1B" in record.getMessage()
    assert "forged%1B" in str(record.exc_info and record.exc_info[1])
    assert answer.json()["request_id"] in record.getMessage()


@pytest.mark.parametrize("path", ["/\udc80", "/" + "é" * 5000, "/a b", "/\x00\x7f\x9b"])
def test_any_path_is_printable_ascii_without_spaces_and_not_too_long(path: str) -> None:
    assert re.fullmatch(r"[!-~]{1,1027}", shown(path))
