"""The shop in `shop.js`, with the packages from npm that `package.json` pins.

with Shop(redis_url, secret=SECRET) as shop:
    cookie = shop.log_in(user_id=7)
    shop.user_of(cookie)      # 7
"""

import json
import os
import subprocess
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Self

from tests.support.node.packages import NODE, packages

HERE = Path(__file__).parent
FILES = ("package.json", "shop.js")

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
        folder = packages(HERE, FILES)
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
