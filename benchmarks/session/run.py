"""Requests a second with sessions, beside a raw ASGI application on the same uvicorn, in the same run.

    python -m benchmarks.session.run [--rounds 5] [--seconds 2] [--only memory,sqlite,redis]

Each contender is one uvicorn worker on one core; wrk, and Redis where it is used, have the other. In each round every
contender runs once, so that a machine whose speed drifts slows them all; the figures are the medians over the
rounds, as ratios to the raw application. Every connection has a session of its own. Before it is timed, a contender
is checked to answer as it should.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

ROOT = Path(__file__).parent.parent.parent
PORT = 8765
REDIS_PORT = 8766
CONNECTIONS = 64
SERVER_CORE, LOAD_CORE = "0", "1"

LUA = """
local cookies = {%s}
local next = 0
request = function()
  next = next %% #cookies + 1
  return wrk.format("GET", "%s", {["Cookie"] = cookies[next]})
end
"""


class Contender(NamedTuple):
    """One application with one store, asked for one thing."""

    name: str
    app: str
    store: str
    path: str
    goal: float | None = None


def contenders(folder: Path) -> list[Contender]:
    kick, redis = "with_kick", f"redis://127.0.0.1:{REDIS_PORT}/0"
    sqlite = f"sqlite:///{folder}/sessions.db"
    rows = [
        Contender("raw ASGI, no session", "raw", "", "/read"),
        Contender("kick, memory, read", kick, "memory://", "/read", 0.70),
        Contender("kick, memory, change", kick, "memory://", "/change", 0.65),
        Contender("kick, SQLite, read", kick, sqlite, "/read", 0.55),
        Contender("kick, SQLite, change", kick, sqlite, "/change", 0.33),
        Contender("kick, Redis, read", kick, redis, "/read", 0.45),
        Contender("kick, Redis, change", kick, redis, "/change", 0.30),
    ]
    for name, app in (("starsessions", "with_starsessions"), ("Litestar", "with_litestar")):
        for store, url in (("memory", "memory://"), ("Redis", redis)):
            rows += [Contender(f"{name}, {store}, {path[1:]}", app, url, path) for path in ("/read", "/change")]
    return rows


@contextmanager
def process(*command: str, core: str, port: int, **environment: str) -> Iterator[None]:
    """A server that listens on a port, ended at the end."""
    started = subprocess.Popen(
        ["taskset", "-c", core, *command], env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while not _listens(port):
            if time.monotonic() > deadline or started.poll() is not None:
                raise SystemExit(f"{command[0]} does not listen on port {port}")
            time.sleep(0.02)
        yield
    finally:
        started.terminate()
        started.wait()


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(path: str, cookie: str = "") -> tuple[bytes, str]:
    """The body of an answer, and the cookie that is valid after it."""
    with urlopen(Request(f"http://127.0.0.1:{PORT}{path}", headers={"Cookie": cookie} if cookie else {})) as answer:
        assert answer.status == 200, answer.status
        return answer.read(), (answer.headers["set-cookie"] or cookie).partition(";")[0]


def logins(contender: Contender) -> list[str]:
    """A cookie for each connection, of sessions that have been seen to work."""
    if contender.app == "raw":
        return ["theme=dark"]
    cookies: list[str] = []
    for _ in range(CONNECTIONS):
        _, cookie = get("/login")
        body, _ = get(contender.path, cookie)
        assert body.replace(b" ", b"") == b'{"user_id":7}', body
        cookies.append(cookie)
    return cookies


def requests_a_second(contender: Contender, seconds: int, folder: Path) -> float:
    """One timing of one contender, in a process of its own."""
    server = [sys.executable, "-m", "uvicorn", f"benchmarks.session.apps.{contender.app}:app", "--port", str(PORT)]
    server += ["--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
    with process(*server, core=SERVER_CORE, port=PORT, BENCH_STORE=contender.store):
        quoted = ", ".join(f"'{cookie}'" for cookie in logins(contender))
        script = folder / "cookies.lua"
        script.write_text(LUA % (quoted, contender.path))
        load = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", "-s", str(script)]
        url = f"http://127.0.0.1:{PORT}"
        subprocess.run([*load, "-d1s", url], check=True, capture_output=True)
        out = subprocess.run([*load, f"-d{seconds}s", url], check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in out, out
    assert "Socket errors" not in out, out
    found = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert found is not None, out
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="", help="names or stores, separated by commas")
    given = parser.parse_args()
    for program in ("wrk", "redis-server", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is needed: apt-get install {program}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [word for word in given.only.lower().split(",") if word]
        rows = [
            row
            for row in contenders(folder)
            if row.app == "raw" or not words or any(word in row.name.lower() for word in words)
        ]
        redis = ["redis-server", "--port", str(REDIS_PORT), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        figures: dict[str, list[float]] = {row.name: [] for row in rows}
        with process(*redis, core=LOAD_CORE, port=REDIS_PORT):
            for number in range(given.rounds):
                for row in rows:
                    figures[row.name].append(requests_a_second(row, given.seconds, folder))
                print(f"round {number + 1} of {given.rounds} done", file=sys.stderr)
    show(rows, figures)


def show(rows: list[Contender], figures: dict[str, list[float]]) -> None:
    """The table, in Markdown."""
    raw = figures[rows[0].name]
    print("| | requests/s, median (least to most) | ratio to raw | goal |")
    print("|---|---:|---:|---:|")
    for row in rows:
        found = figures[row.name]
        ratio = statistics.median(mine / base for mine, base in zip(found, raw, strict=True))
        goal = "" if row.goal is None else f"{row.goal:.2f}"
        spread = f"{statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f})"
        print(f"| {row.name} | {spread} | {ratio:.2f} | {goal} |")


if __name__ == "__main__":
    main()
