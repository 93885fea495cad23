"""The load: wrk on its own core, with the same request for everyone."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.servers import LOAD_CORE, PORT, Process
from benchmarks.work import Work

CONNECTIONS: Final = 64
WARM_UP: Final = 1
"""Seconds of load before the timing."""

HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept": "application/json, text/plain, */*",
    "Accept-Language": "en,de;q=0.5",
}
"""What a browser sends with each request, next to `Host`."""

SCRIPT: Final = """
local cookies = {%(cookies)s}
local requests, next = {}, 0
wrk.method = %(method)s
wrk.body = %(body)s
for name, value in pairs({%(headers)s}) do wrk.headers[name] = value end
if #cookies > 0 then
  function init()
    for number, cookie in ipairs(cookies) do
      requests[number] = wrk.format(nil, nil, {["Cookie"] = cookie, %(headers)s["Host"] = wrk.headers["Host"]})
    end
  end
  function request()
    next = next %% #requests + 1
    return requests[next]
  end
end
"""
"""One request for all connections, or one for each of the cookies, in turns; each is put together only once."""

PACE: Final = """
function delay() return math.floor(-math.log(1 - math.random()) * %(pause).3f + math.random()) end
"""
"""Milliseconds that a connection waits before each request, at random, as independent clients would."""


class FailedRequestsError(Exception):
    """Answers under load that were not as they should be."""


@dataclass(frozen=True)
class Timing:
    """Requests a second, the 99th percentile of the time to an answer in milliseconds, and the microseconds of
    processor time that the server took for a request.
    """

    rate: float
    slowest: float
    cpu: float


def script(row: Work, cookies: Sequence[str]) -> str:
    """The Lua that tells wrk what to send."""
    headers = {**HEADERS, **row.headers}
    return SCRIPT % {
        "cookies": ", ".join(map(_quoted, cookies)),
        "method": _quoted(row.method),
        "body": _quoted(row.body.decode()) if row.body else "nil",
        "headers": "".join(f"[{_quoted(name)}] = {_quoted(value)}, " for name, value in headers.items()),
    }


def _quoted(text: str) -> str:
    return json.dumps(text)


def drive(
    row: Work,
    cookies: Sequence[str],
    folder: Path,
    server: Process,
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    core: str = LOAD_CORE,
    rate: float | None = None,
) -> Timing:
    """Ask for a row for a while, warm up first: as often as the server answers, or about `rate` times a second.

    Raises `FailedRequestsError`.
    """
    file = folder / "request.lua"
    pace = "" if rate is None else PACE % {"pause": connections / rate * 1000}
    file.write_text(script(row, cookies) + pace)
    command = ["taskset", "-c", core, "wrk", "-t1", f"-c{connections}", "--latency", "-s", str(file)]
    command += ["--timeout", "10s"]  # of a thousand connections one may wait longer than wrk would, two seconds
    url = f"http://127.0.0.1:{PORT}{row.path}"
    _wrk([*command, f"-d{WARM_UP}s", url])
    before = server.cpu_seconds()
    out = _wrk([*command, f"-d{max(1, round(seconds))}s", url])
    cpu = server.cpu_seconds() - before
    rate, slowest = re.search(r"Requests/sec:\s+([\d.]+)", out), re.search(r"99%\s+([\d.]+)(us|ms|s)\b", out)
    count = re.search(r"(\d+) requests in", out)
    if rate is None or slowest is None or count is None or "Non-2xx" in out or "Socket errors" in out:
        raise FailedRequestsError(" ".join(line.strip() for line in out.splitlines()[-4:]))
    milliseconds = float(slowest[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[slowest[2]]
    return Timing(float(rate[1]), milliseconds, cpu / int(count[1]) * 1e6)


def _wrk(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
