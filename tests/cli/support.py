"""Running `kick` as a user does: in a folder, in a process of its own, with a browser's cookie jar at the other end."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, NamedTuple

from tests.cli.forking import FORKING, KICK
from tests.support.serving import ROOT
from tests.support.waiting import wait_until

SECRET = "a secret of at least thirty-two bytes"
NOT_HANDED_ON = frozenset(
    {
        *(
            "FORCE_COLOR",
            "KICK_ACCESS_LOG",
            "KICK_ENV",
            "KICK_ROOT_PATH",
            "KICK_TRUSTED_PROXIES",
            "MAKEFLAGS",
            "MAKELEVEL",
            "MFLAGS",
            "NO_COLOR",
        ),
        *("PYTHONPATH", "SESSION_SECRET", "SESSION_STORE", "WEB_CONCURRENCY"),
    }
)

APP = """\
import os

from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.session import session


@Controller("/hello")
class HelloController:
    @Get("/{name}")
    async def hello(self, ctx: RequestContext, name: str) -> dict[str, object]:
        return {"hello": name, "pid": os.getpid(), "environment": os.environ["KICK_ENV"], "ip": ctx.client_ip}

    @Get("/health", session=False)
    async def health(self) -> None: ...


HelloModule = Module("hello", controllers=[HelloController])

app = bootstrap(
    [HelloModule],
    [
        session(
            os.environ.get("SESSION_SECRET", "{secret}"),
            store=os.environ.get("SESSION_STORE"),
            cookie={"prefix": "auto"},
        )
    ],
)
""".replace("{secret}", SECRET)
"""A small application; it is `app:app` once it is written into app.py."""

SOCKETS = """
from kick import Socket, WebSocket

@Controller("/chat")
class ChatController:
    @WebSocket("/{room}")
    async def chat(self, socket: Socket[str, str], room: str) -> None:
        async for text in socket:
            await socket.send(f"{room}: {text}")

app = bootstrap(
    [HelloModule, Module("chat", controllers=[ChatController])],
    [session("{secret}", save_uninitialized=False, cookie={"prefix": "auto"})],
)
""".replace("{secret}", SECRET)
"""Added to `APP`, it is an application with a WebSocket."""

FAILING = """
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan(app):
    raise OSError("no database")
    yield

app = bootstrap([], lifespan=lifespan)
"""
"""Added to `APP`, it is an application that can be imported and does not start."""


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process without what would change how kick behaves, and with this checkout of kick."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def kick(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a `kick` command to its end."""
    return FORKING.run(arguments, cwd=cwd, env=environment(**variables), timeout=60)


class Running:
    """A command that runs, in a process group of its own; `output` is all that it wrote so far."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self._log = cwd / "output.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Return when the command has written a text, so many times."""

        def is_there() -> bool:
            if self.process.poll() is not None and self.output.count(text) < times:
                raise RuntimeError(f"ended with {self.process.returncode} before {text!r}\n{self.output}")
            return self.output.count(text) >= times

        try:
            wait_until(is_there, f"{text!r} in the output", timeout=300)  # `make dev` may install first
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.output}") from None

    def press_ctrl_c(self) -> None:
        """What a terminal does: the signal goes to every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """The exit code; raises `TimeoutExpired` after a minute."""
        return self.process.wait(60)


@contextmanager
def running(*arguments: str, cwd: Path, command: Sequence[str] = KICK, **variables: str) -> Iterator[Running]:
    """`with running("dev", cwd=folder) as dev:` runs a `kick` command until the end of the block."""
    process = Running([*command, *arguments], cwd=cwd, env=environment(**variables))
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


class Answer(NamedTuple):
    """What a server said."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Browser:
    """Speaks to a server as a browser does that is behind a TLS proxy: with a cookie jar."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self._opener.addheaders = [("Sec-Fetch-Site", "same-origin")]

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.jar}

    def get(self, path: str, **headers: str) -> Answer:
        return self._send(urllib.request.Request(self._url + path, headers=headers))

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        return self._send(urllib.request.Request(self._url + path, data=data, headers=headers, method="POST"))

    def submit(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form."""
        data = urllib.parse.urlencode(fields).encode()
        return self._send(urllib.request.Request(self._url + path, data=data, method="POST"))

    def delete(self, path: str) -> Answer:
        return self._send(urllib.request.Request(self._url + path, method="DELETE"))

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=30) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode())


def get(url: str, **headers: str) -> Answer:
    """One request, without cookies. Raises `OSError` while nobody listens."""
    return Browser(url).get("", **headers)
