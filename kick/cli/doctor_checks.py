"""Further checks of `kick doctor`: the machine, the folder, the store."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from enum import Enum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from kick.cli.env_file import ENV_FILE, ENVIRONMENT
from kick.cli.production_checks import session_layers
from kick.environment import in_production
from kick.errors import KickError

if TYPE_CHECKING:
    from kick.app import App

OLDEST_REDIS: Final = (6, 2, 0)
LARGEST_DIFFERENCE: Final = 5.0
"""Seconds between two clocks. One or two are harmless: the time of a session is that of its store."""

PATIENCE: Final = 5.0
"""Seconds that a part of the application gets to answer."""

FAST: Final = ("uvloop", "httptools")

_DISTRIBUTION: Final = "kick-framework"
_NEEDED: Final = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9.]+)$")


class Severity(Enum):
    """The severity of a finding."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """Something that should be otherwise; the `problem` has code, cause and fix."""

    severity: Severity
    problem: KickError


def old_package(name: str, found: str, needed: str) -> KickError:
    """Return the finding for a package that is too old."""
    return KickError(
        "package-old",
        cause=f"{name} is {found}, and kick needs {needed} or later.",
        fix=f"Install it: `pip install '{name}>={needed}'`.",
    )


def missing_accelerators(missing: list[str]) -> KickError:
    """Return the finding for a server without uvloop or httptools."""
    return KickError(
        "fast-missing",
        cause=f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed: "
        "the server takes fewer requests a second than it could.",
        fix="Install what is missing: `pip install 'kick-framework[fast]'`.",
    )


def env_file_readable() -> KickError:
    """Return the finding for a file with secrets that other users can read."""
    return KickError(
        "env-file-open", cause=f"Others on this machine can read {ENV_FILE}.", fix=f"`chmod 600 {ENV_FILE}`"
    )


def env_file_tracked() -> KickError:
    """Return the finding for a file with secrets in a version control system."""
    return KickError(
        "env-file-tracked",
        cause=f"{ENV_FILE} is in git, and its secrets are with everybody who has a copy.",
        fix=f"`git rm --cached {ENV_FILE}` takes it out, a line in .gitignore keeps it out, and "
        "`kick secret --env` draws another secret: the old one stays in the history.",
    )


def not_production(environment: str) -> KickError:
    """Return the finding for a `KICK_ENV` with which `kick start` would not serve by the rules of production."""
    return KickError(
        "environment-named",
        cause=f"{ENVIRONMENT} is {environment}: `kick start` would serve as that, not as production.",
        fix=f"Take {ENVIRONMENT} out of {ENV_FILE} and out of the environment: `unset {ENVIRONMENT}`.",
    )


def unhealthy(name: str, error: BaseException) -> KickError:
    """Return the finding for a failed health check."""
    said = f"it did not answer within {PATIENCE:g} s" if isinstance(error, TimeoutError) else str(error)
    return KickError(
        "part-unwell",
        cause=f"The {name} cannot be used: {said.rstrip('.') or type(error).__name__}.",
        fix="See that it runs, that it can be reached from here, and that its address and password are right: "
        "for the session store, SESSION_STORE or what `session(store=...)` is given.",
    )


def old_redis(found: tuple[int, ...]) -> KickError:
    """Return the finding for a Redis server that is too old."""
    return KickError(
        "redis-old",
        cause=f"The Redis server is {_dotted(found)}; the session store needs {_dotted(OLDEST_REDIS)} or later.",
        fix="Take a newer one, for example `docker run -p 6379:6379 redis:7`.",
    )


def clock_skew(seconds: float) -> KickError:
    """Two clocks that do not agree."""
    way = "ahead of" if seconds > 0 else "behind"
    return KickError(
        "clock",
        cause=f"The clock of this machine is {abs(seconds):.0f} s {way} that of Redis: sessions end early or late.",
        fix="Set both by NTP: `timedatectl set-ntp true`.",
    )


def of_machine() -> Iterator[Finding]:
    """Return the findings about installed packages."""
    for requirement in metadata.requires(_DISTRIBUTION) or ():
        match = _NEEDED.match(requirement.partition(";")[0].strip())
        if match is not None and "extra ==" not in requirement:
            found = _version(match[1])
            if found is not None and _numbers(found) < _numbers(match[2]):
                yield Finding(Severity.ERROR, old_package(match[1], found, match[2]))
    missing = [name for name in FAST if find_spec(name) is None]
    if missing:
        yield Finding(Severity.WARNING, missing_accelerators(missing))


def of_folder(folder: Path) -> Iterator[Finding]:
    """Return the findings about the folder and the environment of a project."""
    path = folder / ENV_FILE
    if path.is_file():
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding(Severity.WARNING, env_file_readable())
        if _is_tracked(path):
            yield Finding(Severity.ERROR, env_file_tracked())
    if not in_production():
        yield Finding(Severity.WARNING, not_production(os.environ[ENVIRONMENT]))


async def of_parts(app: App) -> list[Finding]:
    """Ask the session store, and every provider that has a `health`, how they are."""
    found: list[Finding] = []
    for name, ask in app.settings.health():
        try:
            with anyio.fail_after(PATIENCE):
                answer = ask()
                if hasattr(answer, "__await__"):
                    answer = await answer
            if answer is False:
                raise RuntimeError("it says that it is not well")
        except Exception as error:  # noqa: BLE001  # whatever a part raises is what is wrong with it
            found.append(Finding(Severity.ERROR, unhealthy(name, error)))
    if not found:
        for layer in session_layers(app):
            found += [Finding(Severity.WARNING, problem) for problem in await layer.review()]
            found += await _of_redis(layer.manager.store)
    return found


async def _of_redis(store: Any) -> list[Finding]:
    if not type(store).__module__.startswith("kick.session.stores.redis"):
        return []
    facts = await store.server_info()
    off = time.time() - facts.now
    found: list[Finding] = []
    if facts.version is not None and facts.version < OLDEST_REDIS:
        found.append(Finding(Severity.ERROR, old_redis(facts.version)))
    if abs(off) > LARGEST_DIFFERENCE:
        found.append(Finding(Severity.WARNING, clock_skew(off)))
    return found


def _is_tracked(path: Path) -> bool:
    git = shutil.which("git")
    if git is None:
        return False
    listed = [git, "ls-files", "--error-unmatch", "--", path.name]
    return subprocess.run(listed, cwd=path.parent, capture_output=True, check=False).returncode == 0  # noqa: S603  # a fixed program, and no shell


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version.

    >>> _numbers("1.10.2rc1"), _numbers("1.0") < _numbers("1.0.1")
    ((1, 10, 2), True)
    """
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
