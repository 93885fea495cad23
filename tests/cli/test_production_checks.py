"""What `kick start` refuses, and that the fix of each mends it."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from limits.aio.storage import MemoryStorage
from starlette.applications import Starlette

from kick import App, bootstrap
from kick.auth import LoginLimit
from kick.cli.env_file import generate_secret
from kick.cli.production_checks import guessable, unshared_limits
from kick.middleware import rate_limit
from tests.cli.support import APP, SECRET, get, kick, running
from tests.support.ports import HOST, free_port
from tests.support.setup_errors import codes_in

SERVES = "kick serves app:app"


def refused(folder: Path, code: str, *arguments: str, **variables: str) -> list[str]:
    """The code in the fix that `kick start` prints; `kick doctor` says the same."""
    run = kick("start", *arguments, "--port", "0", cwd=folder, **variables)
    assert run.returncode == 1, run.stdout
    assert f"error  {code}" in run.stderr, run.stderr
    assert "Traceback" not in run.stderr
    doctor = kick("doctor", cwd=folder, **variables)
    assert doctor.returncode == 1
    assert f"error  {code}" in doctor.stdout
    return re.findall(r"`([^`]+)`", run.stderr.partition("\n  fix    ")[2])


def serves(folder: Path, *arguments: str, **variables: str) -> str:
    """What `kick start` has printed when it serves."""
    port = free_port()
    with running("start", *arguments, "--port", str(port), cwd=folder, **variables) as process:
        process.wait_for(SERVES)
        assert get(f"http://{HOST}:{port}/hello/Ada").status == 200
        process.process.terminate()
        assert process.end() == 0
        return process.output


def guessable_secret(folder: Path) -> None:
    (folder / ".env").write_text(f"SESSION_SECRET={'x' * 40}\n")
    write, draw = refused(folder, "secret-guessable")
    assert kick(*write.split()[1:], cwd=folder).returncode == 0
    serves(folder)
    serves(folder, SESSION_SECRET=kick(*draw.split()[1:], cwd=folder).stdout.strip())


def secrets_as_one(folder: Path) -> None:
    variables = {"SESSION_SECRET": f"{generate_secret()},{generate_secret()}"}
    (code,) = refused(folder, "secret-list", **variables)
    option = code.removeprefix("session(secret=").removesuffix(")")
    source = re.sub(r'os\.environ\.get\("SESSION_SECRET", .*?\)', lambda _: option, APP)
    (folder / "app.py").write_text(source)
    serves(folder, **variables)


def insecure_cookie(folder: Path) -> None:
    for name, default, given in (
        ("secure", "None", "{'secure': False}"),
        ("http_only", "True", "CookieOptions(http_only=False)"),
    ):
        source = APP.replace('cookie={"prefix": "auto"}', f"cookie={given}")
        source = source.replace("from kick.session import", "from kick.session import CookieOptions, ")
        (folder / "app.py").write_text(source)
        option, call, mend, made = refused(folder, "session-cookie-open")
        assert (option, mend) == (name, f"{name}={default}")
        assert (call, made) == ("session(cookie={...})", "CookieOptions(...)")
        (folder / "app.py").write_text(source.replace(f"'{name}': False", "").replace(f"{name}=False", mend))
        serves(folder)


def debug_mode(folder: Path) -> None:
    (command,) = refused(folder, "debug-mode", PYTHONASYNCIODEBUG="1")
    assert command == "unset PYTHONASYNCIODEBUG"
    serves(folder)


LIMITED = """
from kick import Post, Use
from kick.auth import LoginLimit
from kick.middleware import rate_limit

OPTIONS = {}


def login_limit() -> LoginLimit:
    return LoginLimit(secret="a secret of at least thirty-two bytes", **OPTIONS)


@Controller("/limited")
class LimitedController:
    def __init__(self, limit: LoginLimit) -> None: ...

    @Post("/")
    @Use(rate_limit("5/minute", **OPTIONS))
    async def post(self) -> None: ...


app = bootstrap([HelloModule, Module("limited", controllers=[LimitedController], providers=[login_limit])])
"""


def limits_not_shared(folder: Path) -> None:
    code = "rate-limit-not-shared"
    (folder / "app.py").write_text(APP + LIMITED)
    shown = serves(folder, "--workers", "2")
    assert "rate_limit() and LoginLimit count in memory" in shown
    assert shown.count(code) == 1  # for all workers
    store, single = re.findall(r"`([^`]+)`", shown.partition("Fix: ")[2])[:2]
    assert f"`{store}`" in kick("doctor", "--workers", "2", cwd=folder).stdout
    assert code not in serves(folder, *single.split()[2:])
    (folder / "app.py").write_text(APP + LIMITED.replace("OPTIONS = {}", f"OPTIONS = dict({store})"))
    assert code not in serves(folder, "--workers", "2")


FIXES: dict[str, Callable[[Path], None]] = {
    "secret-guessable": guessable_secret,
    "secret-list": secrets_as_one,
    "session-cookie-open": insecure_cookie,
    "debug-mode": debug_mode,
    "rate-limit-not-shared": limits_not_shared,
}


@pytest.mark.long
@pytest.mark.parametrize("code", FIXES)
def test_the_fix_works(code: str, project: Path) -> None:
    FIXES[code](project)


def test_every_weakness_is_here() -> None:
    shared = {"session-store-not-shared"}  # its fix is tested with the mistakes of `kick start`
    assert set(codes_in("cli/production_checks.py")) - shared == FIXES.keys()


def test_all_weaknesses_are_listed_and_force_serves_all_the_same(project: Path) -> None:
    weak = {"SESSION_SECRET": "changeme" * 5, "PYTHONASYNCIODEBUG": "1"}
    run = kick("start", "--workers", "2", cwd=project, **weak)
    assert run.returncode == 1
    for code in ("secret-guessable", "debug-mode", "session-store-not-shared"):
        assert f"error  {code}" in run.stderr
    assert run.stderr.count("fix ") == 3
    shown = serves(project, "--force", **weak)
    assert "secret-guessable" in shown
    assert "debug-mode" in shown


def test_outside_of_production_only_what_cannot_work_is_refused(project: Path) -> None:
    weak = {"SESSION_SECRET": "x" * 40, "KICK_ENV": "test"}
    serves(project, **weak)
    run = kick("start", "--workers", "2", cwd=project, **weak)
    assert run.returncode == 1
    assert "session-store-not-shared" in run.stderr
    assert "secret-guessable" not in run.stderr


def limited(*middleware: Any, providers: Sequence[Any] = (), **options: Any) -> App:
    return bootstrap([], middleware, providers=providers, **options)


def login_limit() -> LoginLimit:
    return LoginLimit(secret=SECRET)


def login_limit_in_redis() -> LoginLimit:
    return LoginLimit(secret=SECRET, store="redis://localhost:6379/1")


REDIS = "redis://localhost:6379/1"

COUNTED: dict[str, tuple[Callable[[], App], str | None]] = {
    "no limit": (limited, None),
    "a limit in memory": (lambda: limited(rate_limit("5/minute")), "rate_limit() counts"),
    "so by its URL": (lambda: limited(rate_limit("5/minute", store="memory://")), "rate_limit() counts"),
    "in a storage of `limits`": (lambda: limited(rate_limit("5/minute", store=MemoryStorage())), "rate_limit() counts"),
    "in Redis": (lambda: limited(rate_limit("5/minute", store=REDIS)), None),
    "one of two": (lambda: limited(rate_limit("5/minute", store=REDIS), rate_limit("9/day")), "rate_limit() counts"),
    "logins in memory": (lambda: limited(providers=[login_limit]), "LoginLimit counts"),
    "an instance": (lambda: limited(providers=[login_limit()]), "LoginLimit counts"),
    "logins in Redis": (lambda: limited(providers=[login_limit_in_redis]), None),
    "both": (lambda: limited(rate_limit("5/minute"), providers=[login_limit]), "rate_limit() and LoginLimit count in"),
}


@pytest.mark.parametrize("which", COUNTED)
async def test_limits_that_each_worker_counts_for_itself_are_a_warning(which: str) -> None:
    make, counting = COUNTED[which]
    app = make()
    await app.start()
    assert unshared_limits(app, workers=1) == []
    found = unshared_limits(app, workers=3)
    assert [each.code for each in found] == ["rate-limit-not-shared"] * (counting is not None)
    for each in found:
        assert each.cause.startswith(str(counting))
        assert "up to 3 times the limit" in each.cause
    await app.aclose()


def test_an_application_of_another_framework_has_no_limits_of_kick() -> None:
    assert unshared_limits(Starlette(), workers=3) == []


def test_secrets_that_are_drawn_are_not_guessable() -> None:
    assert [secret for secret in (generate_secret() for _ in range(500)) if guessable(secret)] == []
    assert guessable(os.urandom(32).hex()) is None


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("0" * 64, "different characters"),
        ("abcabcabcabcabcabcabcabcabcabcabcabc", "different characters"),
        ("my-very-long-Password-for-the-shop", "'password'"),
        ("9fQ2-vT7bXw0cKzLr4YhNs8aUeJd1mGi" * 2, "its second half is its first"),
    ],
)
def test_secrets_that_somebody_made_up_are(secret: str, reason: str) -> None:
    assert reason in str(guessable(secret))
