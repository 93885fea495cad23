"""What clients send cannot write lines, columns or colours into a log."""

from __future__ import annotations

import logging
import re

import pytest

from kick import Controller, Get, Post, RequestContext, ServiceUnavailable
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


async def test_the_text_of_an_http_error_with_a_cause_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    @Controller()
    class Refusing:
        @Get()
        async def refuse(self, ctx: RequestContext) -> None:
            try:
                raise OSError("down")
            except OSError as error:
                raise ServiceUnavailable(f"no {ctx.query['of']}") from error

    await ask(app_of(Refusing), "/?of=a%0a2026-11-23%20ERROR%20forged%1b[31m")
    (record,) = caplog.records
    assert not set("\n\r\x1b") & set(record.getMessage())
    assert "forged" in record.getMessage()


async def test_a_boundary_writes_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for boundary in ('"a\x85ERROR forged"', '"x\x1b[31m"', "a" * 300, '""'):
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        assert (await ask(app_of(Failing), "/x/y", method="POST", body=b"--q\r\n\r\n", headers=headers)).status == 400
    for record in caplog.records:
        assert not set("\n\r\x1b\x85") & set(record.getMessage()), record


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
