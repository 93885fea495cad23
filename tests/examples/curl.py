"""`curl` and its cookie jar, against one server."""

import json
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from tests.support.described import Described
from tests.support.programs import program


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: str

    @property
    def status_code(self) -> int:
        """The status, by the name that the check against the document knows."""
        return self.status

    @property
    def content(self) -> bytes:
        return self.body.encode()

    @property
    def text(self) -> str:
        return self.body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def without_request_id(self) -> Any:
        """The body of a problem, without what differs each time."""
        return {key: value for key, value in self.json.items() if key != "request_id"}


class Curl:
    """`described` checks each answer against the OpenAPI document of the application.

    Each has an address of its own on the loopback interface, and so limits of its own.
    """

    def __init__(self, url: str, jar: Path, described: Described | None = None) -> None:
        self.url = url
        self.jar = jar
        self.described = described
        self.address = "127." + ".".join(str(1 + secrets.randbelow(254)) for _ in range(3))

    def another(self) -> "Curl":
        """With a jar of its own, empty."""
        return Curl(self.url, self.jar.with_name(f"jar-{secrets.token_hex(4)}"), self.described)

    @property
    def cookie(self) -> str | None:
        """The session cookie in the jar, as a `Cookie` header has it."""
        lines = self.jar.read_text().splitlines() if self.jar.exists() else []
        cookies = [line.split("\t") for line in lines if "\tkick.sid\t" in line]
        return f"kick.sid={cookies[0][6]}" if cookies else None

    def get(self, path: str, *options: str) -> Answer:
        return self(path, options)

    def post(self, path: str, data: object = None) -> Answer:
        return self(path, ("-X", "POST", *_body(data)))

    def replay(self, cookie: str, path: str, method: str = "GET", data: object = None) -> Answer:
        """Ask with this cookie, and without the jar, which is a file that two at once would spoil."""
        return self._run(path, ("-X", method, "-H", f"cookie: {cookie}", *_body(data)))

    def __call__(self, path: str, options: Sequence[str]) -> Answer:
        return self._run(path, ("-b", str(self.jar), "-c", str(self.jar), *options))

    def _run(self, path: str, options: Sequence[str]) -> Answer:
        command = [
            program("curl"),
            "--silent",
            "--show-error",
            "--include",
            "--noproxy",
            "*",
            "--max-time",
            "30",
            "--interface",
            self.address,
            *(() if any("sec-fetch-site" in each for each in options) else ("-H", "sec-fetch-site: same-origin")),
            *options,
        ]
        run = subprocess.run([*command, f"{self.url}{path}"], capture_output=True, text=True, timeout=60, check=True)
        head, _, body = run.stdout.replace("\r\n", "\n").partition("\n\n")
        status, _, headers = head.partition("\n")
        answer = Answer(int(status.split()[1]), HeaderParser().parsestr(headers), body)
        if self.described is not None:
            method = options[options.index("-X") + 1] if "-X" in options else "GET"
            self.described.check(method, path, answer)
        return answer


def _body(data: object) -> tuple[str, ...]:
    return () if data is None else ("-H", "content-type: application/json", "-d", json.dumps(data))
