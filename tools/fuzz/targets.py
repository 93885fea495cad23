"""The parsers, each behind a function that takes bytes and raises if they are not taken well."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.fuzz.application import BOUNDARY, Requests
from tools.fuzz.values import read_answers, read_message, read_record, read_trace, read_value

CORPUS: Final = Path(__file__).parents[2] / "tests" / "corpus"


@dataclass(frozen=True)
class Target:
    """A parser.

    Arguments:
        name: its name, also that of its corpus, tests/corpus/NAME.txt.
        run: feeds it, and raises if it failed: an exception, or a response with a status of 500 and above.
        tokens: pieces of its grammar.
        before: what stands before the repeated pieces when growth is measured, and `after` after them.
    """

    name: str
    run: Callable[[bytes], Awaitable[None]]
    tokens: Sequence[bytes]
    before: bytes = b""
    after: bytes = b""

    @property
    def seeds(self) -> list[bytes]:
        """The corpus."""
        lines = (CORPUS / f"{self.name}.txt").read_text(encoding="ascii").splitlines()
        return [ast.literal_eval(line) for line in lines]

    @property
    def pieces(self) -> list[bytes]:
        """What is repeated to measure growth: each token, and each short input of the corpus."""
        return [*self.tokens, *(each for each in self.seeds if 0 < len(each) <= 128)]


@asynccontextmanager
async def targets() -> AsyncIterator[list[Target]]:
    """Yield all parsers, with an application that runs meanwhile."""
    async with Requests.started() as ask:
        form, json = b"application/x-www-form-urlencoded", b"application/json"
        multipart = b"multipart/form-data; boundary=" + BOUNDARY
        yield [
            Target(
                "cookie", lambda data: ask.header(b"cookie", data), (b"; ", b"=", b'"', b"a=1; ", b"\\", b"%", b",")
            ),
            Target(
                "session_cookie",
                lambda data: ask.header(b"cookie", b"kick.sid=" + data),
                (b"s:", b"s%3A", b".", b"; kick.sid=", b"%", b"==", b"-_"),
            ),
            Target("query", ask.query, (b"&", b"=", b"%", b"+", b";", b"tags=", b"%E2%82", b"&n=1", b"[]")),
            Target("form", lambda data: ask.body("/form", form, data), (b"&", b"=", b"%", b"+", b"tags=", b"n=1&")),
            Target(
                "multipart",
                lambda data: ask.body("/upload", multipart, data),
                (
                    b"\r\n",
                    b"--" + BOUNDARY,
                    b"--",
                    b"\r\n\r\n",
                    b'filename="',
                    b"filename*=utf-8''",
                    b"; ",
                    b"%",
                    b"\r",
                ),
            ),
            Target(
                "content_type",
                lambda data: ask.body("/upload", data, b"--x\r\n\r\n\r\n--x--"),
                (b";", b"multipart/form-data", b"boundary=", b'"', b"charset=", b"/", b"\\"),
            ),
            Target(
                "json",
                lambda data: ask.body("/json", json, data),
                (b"{", b"[", b'"', b"\\u", b"\\ud800", b",", b":", b"1e9", b"null", b'{"a":', b"[1,", b"-", b"0"),
            ),
            Target("path", ask.path, (b"/", b"%2F", b"%", b"..", b"//", b"%00", b"/items/", b"\\", b"%C3", b".")),
            Target(
                "forwarded",
                lambda data: ask.header(b"forwarded", data, app="forwarded"),
                (b";", b",", b"=", b'"', b"for=", b"[", b"]", b"proto=https", b":", b"\\", b"_x"),
            ),
            Target(
                "x_forwarded_for",
                lambda data: ask.header(b"x-forwarded-for", data),
                (b",", b" ", b"1.2.3.4", b"[::1]", b":80", b"unknown", b"%eth0", b"::"),
            ),
            Target(
                "range",
                lambda data: ask.header(b"range", data, path="/file"),
                (b"bytes=", b",", b"-", b"0-", b"9", b" "),
            ),
            Target(
                "accept_encoding",
                lambda data: ask.header(b"accept-encoding", data, path="/text"),
                (b"gzip", b"zstd", b";q=", b",", b"0.5", b"*", b"identity", b" "),
            ),
            Target(
                "accept",
                lambda data: ask.header(b"accept", data, path="/missing"),
                (b"text/html", b"*/*", b";q=", b",", b"/", b"+json", b" "),
            ),
            Target(
                "if_none_match",
                lambda data: ask.header(b"if-none-match", data, path="/file"),
                (b'"', b"W/", b",", b"*", b" ", b"abc"),
            ),
            Target("traceparent", read_trace, (b"-", b"00", b"0" * 32, b"f" * 16, b",", b"=", b"x")),
            Target("websocket_message", read_message, (b"{", b"[", b'"', b"\\u", b",", b'"type":', b"say", b"}", b"1")),
            Target("resp", read_answers, (b"\r\n", b"*", b"$", b":", b"+", b"-", b"%", b"~", b"#", b"1", b"_", b",")),
            Target("redis_record", read_record, (b" ", b"+", b"-", b">", b"!", b"0", b"\xff", b"9")),
            Target("session_value", read_value, (b"{", b"[", b'"$"', b'["datetime",', b"]", b"}", b",", b"1e", b"\\u")),
        ]
