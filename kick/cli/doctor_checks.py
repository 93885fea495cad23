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
OLDEST_POSTGRES: Final = (13,)
LARGEST_DIFFERENCE: Final = 5.0
"""Seconds by which two clocks may differ. A few are harmless, because sessions use the clock of their store."""

PATIENCE: Final = 5.0
"""The time limit of each health check, in seconds."""

FAST: Final = ("uvloop", "httptools")

_DISTRIBUTION: Final = "kick-framework"
_NEEDED: Final = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9.]+)$")


class Severity(Enum):
    """The severity of a finding."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """A problem that was found, with code, cause and fix in `problem`."""

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
        "the server handles fewer requests a second.",
        fix="Install what is missing: `pip install 'kick-framework[fast]'`.",
    )


def env_file_readable() -> KickError:
    """Return the finding for a file with secrets that other users can read."""
    return KickError(
        "env-file-open", cause=f"Other users of this machine can read {ENV_FILE}.", fix=f"`chmod 600 {ENV_FILE}`"
    )


def env_file_tracked() -> KickError:
    """Return the finding for a file with secrets in a version control system."""
    return KickError(
        "env-file-tracked",
        cause=f"{ENV_FILE} is in git, so everybody with a copy of the repository has its secrets.",
        fix=f"`git rm --cached {ENV_FILE}` removes it, a line in .gitignore keeps it out, and "
        "`kick secret --env` generates another secret, because the old one stays in the history.",
    )


def not_production(environment: str) -> KickError:
    """Return the finding for a `KICK_ENV` that disables the production rules of `kick start`."""
    return KickError(
        "environment-named",
        cause=f"{ENVIRONMENT} is {environment}: `kick start` would use this environment instead of production.",
        fix=f"Remove {ENVIRONMENT} from {ENV_FILE} and from the environment: `unset {ENVIRONMENT}`.",
    )


def unprefixed_cookie(name: str) -> KickError:
    """Return the finding for a session cookie that could have the prefix `__Host-`, and has none."""
    return KickError(
        "session-cookie-prefix",
        cause=f"The session cookie {name} has no prefix: anybody with a sub-domain of yours can set a cookie of this "
        "name, and users then use a session that is not theirs.",
        fix=f'Let browsers refuse it: `session(cookie={{"prefix": "auto", "replaces": ["{name}"]}})`. Existing '
        "sessions remain valid; remove `replaces` when they have ended.",
    )


def any_host() -> KickError:
    """Return the finding for an application that names no hosts."""
    return KickError(
        "allowed-hosts-missing",
        cause="The application responds for every host, and its redirects and URLs have the host of the request: "
        "a link in an e-mail can lead to the site of whoever made the request.",
        fix='Name the hosts: `bootstrap(allowed_hosts=["example.com", "*.example.com"])`.',
    )


def unhealthy(name: str, error: BaseException) -> KickError:
    """Return the finding for a failed health check."""
    where = "in the `Provider(..., health=...)` that makes it, and in the settings that it reads."
    said = f"it did not answer within {PATIENCE:g} s" if isinstance(error, TimeoutError) else str(error)
    return KickError(
        "part-unwell",
        cause=f"The {name} cannot be used: {said.rstrip('.') or type(error).__name__}.",
        fix="Check that it runs and can be reached from here, and that its address and password are right: "
        + ("in SESSION_STORE or `session(store=...)`." if name.startswith("session store") else where),
    )


def old_redis(found: tuple[int, ...]) -> KickError:
    """Return the finding for a Redis server that is too old."""
    return KickError(
        "redis-old",
        cause=f"The Redis server is {_dotted(found)}; the session store needs {_dotted(OLDEST_REDIS)} or later.",
        fix="Use a newer version, for example `docker run -p 6379:6379 redis:7`.",
    )


def old_postgres(found: tuple[int, ...]) -> KickError:
    """Return the finding for a PostgreSQL server that is too old."""
    return KickError(
        "postgres-old",
        cause=f"The PostgreSQL server is {_dotted(found)}; the session store needs {OLDEST_POSTGRES[0]} or later.",
        fix="Use a newer version, for example `docker run -p 5432:5432 -e POSTGRES_PASSWORD=postgres postgres`.",
    )


def clock_skew(seconds: float, server: str) -> KickError:
    """Return the finding for clocks that differ."""
    way = "ahead of" if seconds > 0 else "behind"
    return KickError(
        "clock",
        cause=f"The clock of this machine is {abs(seconds):.0f} s {way} that of {server}: sessions end early or late.",
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


def of_cookies(app: Any) -> Iterator[Finding]:
    """Return the findings about the session cookies of an application."""
    for layer in session_layers(app):
        cookie = layer.manager.options.cookie
        attributes = {each.strip() for each in cookie.attribute_text.split(";")}
        fits = "Path=/" in attributes and "Secure" in attributes
        if fits and not cookie.name.startswith("__") and not any(each.startswith("Domain=") for each in attributes):
            yield Finding(Severity.WARNING, unprefixed_cookie(cookie.name))


def of_hosts(app: App) -> Iterator[Finding]:
    """Return the finding about the hosts of an application."""
    if not app.settings.checks_hosts:
        yield Finding(Severity.WARNING, any_host())


async def of_parts(app: App) -> list[Finding]:
    """Run the health checks of the session store and of each provider with a `health`."""
    found: list[Finding] = []
    for name, ask in app.settings.health():
        try:
            with anyio.fail_after(PATIENCE):
                answer = ask()
                if hasattr(answer, "__await__"):
                    answer = await answer
            if answer is False:
                raise RuntimeError("it reports that it is not healthy")
        except Exception as error:  # noqa: BLE001  # any exception of a check is its finding
            found.append(Finding(Severity.ERROR, unhealthy(name, error)))
    if not found:
        for layer in session_layers(app):
            found += [Finding(Severity.WARNING, problem) for problem in await layer.review()]
            found += await _of_server(layer.manager.store)
    return found


async def _of_server(store: Any) -> list[Finding]:
    of_redis = type(store).__module__.startswith("kick.session.stores.redis")
    if not of_redis and not type(store).__module__.startswith("kick.session.stores.postgres"):
        return []
    facts = await store.server_info()
    off = time.time() - facts.now
    version: tuple[int, ...] | None = facts.version
    found: list[Finding] = []
    if version is not None and version < (OLDEST_REDIS if of_redis else OLDEST_POSTGRES):
        found.append(Finding(Severity.ERROR, old_redis(version) if of_redis else old_postgres(version)))
    if abs(off) > LARGEST_DIFFERENCE:
        found.append(Finding(Severity.WARNING, clock_skew(off, "Redis" if of_redis else "PostgreSQL")))
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
