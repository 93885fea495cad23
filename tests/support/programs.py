"""The programs that tests start, and what becomes of a test whose program is not there.

It fails, and says what to install. Whoever means to do without says so: with `KICK_WITHOUT=redis,chromium` in
the environment the test is skipped instead, and the closing lines of the run name it.
"""

import glob
import os
import shutil

import pytest

PROGRAMS = {
    "redis": (("redis-server",), "redis-server"),
    "postgres": (("postgres",), "postgresql"),
    "pgbouncer": (("pgbouncer",), "pgbouncer"),
    "curl": (("curl",), "curl"),
    "nginx": (("nginx",), "nginx"),
    "openssl": (("openssl",), "openssl"),
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "zsh": (("zsh",), "zsh"),
    "fish": (("fish",), "fish"),
    "chromedriver": (("chromedriver",), "chromium-driver"),
    "firefox": (("firefox-esr", "firefox"), "firefox-esr"),
}
"""Program: the names it goes by, and Debian's package."""

ELSEWHERE = {"postgres": "/usr/lib/postgresql/*/bin/postgres"}
"""Where Debian puts a program that is not on the path, of each version."""

FETCHED = frozenset({"npm"})
"""What has to be within reach and is no program to install: the registry of npm."""

GROUPS = {"chromedriver": "chromium", "pgbouncer": "postgres"}
"""Programs that are left out together with another."""

VARIABLE = "KICK_WITHOUT"

REDIS = "KICK_REDIS_SERVER"
"""Names the server to take for Redis: another version of it, or Valkey."""


def left_out() -> frozenset[str]:
    """The programs that `KICK_WITHOUT` names.

    Raises `ValueError` for a name that is no program: a misspelt one would leave out nothing.
    """
    names = frozenset(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    known = (PROGRAMS.keys() | FETCHED) - GROUPS.keys()
    if unknown := names - known:
        raise ValueError(f"{VARIABLE} names {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
    return names


def unless_left_out(name: str) -> None:
    """Skip the test where the user does without this."""
    if name in left_out():
        pytest.skip(f"{VARIABLE}={name} leaves out the tests that need it")


def program(name: str) -> str:
    """The path of a program. Fails the test, or skips it where the user does without, if there is none."""
    commands, package = PROGRAMS[name]
    group = GROUPS.get(name, name)
    unless_left_out(group)
    if name == "redis" and REDIS in os.environ:
        return os.environ[REDIS]
    for command in commands:
        if path := shutil.which(command):
            return path
    if found := sorted(glob.glob(ELSEWHERE.get(name, ""))):  # noqa: PTH207
        return found[-1]
    pytest.fail(
        f"{commands[0]} is not installed: apt-get install {package}, or {VARIABLE}={group} to leave its tests out",
        pytrace=False,
    )
