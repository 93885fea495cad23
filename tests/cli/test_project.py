"""What `kick new` writes, as its user meets it: installed, tested, served and logged in to."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.cookiejar import Cookie
from pathlib import Path

import pytest

from kick.cli.naming import LONGEST
from tests.cli.support import KICK, Browser, Running, environment, kick, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

ADA = {"email": "ada@example.com", "password": "correct horse battery"}
COOKIE = "kick.sid"
PINNED = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_BUILD_CONSTRAINT": str(ROOT / "constraints.txt")}
CHECKS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",), ("pytest", "-q"))
SERVES = "kick serves my_app.main:app"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kick as it is installed from an index."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    _run(build, cwd=folder, env=environment(**PINNED))
    [path] = folder.glob("*.whl")
    return path


def make(folder: Path, session: str) -> Path:
    run = kick("new", "my-app", "--session", session, "--no-git", cwd=folder)
    assert run.returncode == 0, run.stderr
    return folder / "my-app"


@contextmanager
def served(project: Path, *arguments: str, command: Sequence[str] = KICK, **variables: str) -> Iterator[Browser]:
    """A browser at the other end of `kick start`, which ends well afterwards."""
    port = free_port()
    with running("start", *arguments, "--port", str(port), cwd=project, command=command, **variables) as process:
        process.wait_for(SERVES)
        yield Browser(f"http://{HOST}:{port}")
        _end(process)


def converse(browser: Browser) -> None:
    """Register, log in, be known, log out; and then the cookie that somebody kept is worth nothing."""
    assert browser.get("/auth/me").status == 401
    assert browser.cookies == {}
    assert browser.post("/auth/register", ADA).status == 201
    assert browser.post("/auth/login", {**ADA, "password": "wrong"}).status == 401
    assert browser.post("/auth/login", ADA).status == 200
    assert all(_is_well_kept(cookie) for cookie in browser.jar)
    first = browser.cookies[COOKIE]
    assert browser.get("/auth/me").json == {"id": 1, "email": "ada@example.com"}
    assert browser.post("/auth/login", ADA).status == 200
    second = browser.cookies[COOKIE]
    assert second != first
    assert browser.post("/notes", {"text": "Buy milk"}).status == 201
    assert browser.get("/notes").json == [{"id": 1, "text": "Buy milk"}]
    assert browser.post("/auth/logout").status == 204
    assert browser.cookies == {}
    assert browser.get("/auth/me").status == 401
    for cookie in (first, second):
        assert browser.get("/auth/me", cookie=f"{COOKIE}={cookie}").status == 401


def test_a_project_is_installed_and_passes_its_tests_and_serves(tmp_path: Path, wheel: Path) -> None:
    project = make(tmp_path, "memory")
    tested = _run(["make", "test", f"KICK={wheel}", f"PYTHON={sys.executable}"], cwd=project, env=environment(**PINNED))
    assert "passed" in tested
    assert "All checks passed!" in tested
    assert "Success: no issues found" in tested
    assert "failed" not in tested
    script = project / ".venv" / "bin" / "kick"
    with served(project, command=[str(script)], PYTHONPATH="") as browser:
        converse(browser)
    listed = _run([str(script), "routes"], cwd=project, env=environment(PYTHONPATH=""))
    assert "AuthController.login" in listed
    assert (project / "notes.db").stat().st_size > 0


def test_a_project_on_sqlite_passes_its_tests_and_is_served_by_several_workers(tmp_path: Path) -> None:
    project = make(tmp_path, "sqlite")
    for check in CHECKS:
        _run([sys.executable, "-m", *check], cwd=project, env=environment())
    with served(project, "--workers", "2") as browser:
        converse(browser)
    assert (project / "sessions.db").exists()


def test_a_login_outlives_a_restart_on_sqlite(tmp_path: Path) -> None:
    project = make(tmp_path, "sqlite")
    with served(project) as browser:
        browser.post("/auth/register", ADA)
        browser.post("/auth/login", ADA)
        cookie = browser.cookies[COOKIE]
    with served(project) as browser:
        assert browser.get("/auth/me", cookie=f"{COOKIE}={cookie}").status == 200


def test_a_project_on_redis_is_served(tmp_path: Path, redis_url: str) -> None:
    with served(make(tmp_path, "redis"), "--workers", "2", SESSION_STORE=redis_url) as browser:
        converse(browser)


def test_several_workers_are_refused_on_memory(tmp_path: Path) -> None:
    run = kick("start", "--workers", "2", cwd=make(tmp_path, "memory"))
    assert run.returncode == 1
    assert "error  session-store-not-shared" in run.stderr


@pytest.mark.parametrize("name", ["x", "a" * LONGEST])
def test_a_short_and_a_long_name_pass_the_style_checks_too(tmp_path: Path, name: str) -> None:
    kick("new", name, "--no-git", cwd=tmp_path)
    for check in CHECKS[:2]:
        _run([sys.executable, "-m", *check], cwd=tmp_path / name, env=environment())


def test_without_a_secret_the_error_says_how_to_draw_one_and_that_helps(tmp_path: Path) -> None:
    project = make(tmp_path, "memory")
    (project / ".env").unlink()
    run = kick("start", cwd=project)
    assert run.returncode == 1
    assert "error  environment-missing" in run.stderr
    assert "`kick secret --env`" in run.stderr
    assert kick("secret", "--env", cwd=project).returncode == 0
    with served(project) as browser:
        assert browser.get("/auth/me").status == 401


def _is_well_kept(cookie: Cookie) -> bool:
    """Whether a script cannot read a cookie, and http does not carry it."""
    return cookie.secure and cookie.has_nonstandard_attr("HttpOnly")


def _end(process: Running) -> None:
    process.process.terminate()
    assert process.end() == 0
    assert "Traceback" not in process.output


def _run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
    """What a command prints. Fails the test, with all of it, when the command fails."""
    run = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    if run.returncode != 0:
        pytest.fail(f"{' '.join(command)} ended with {run.returncode}\n{run.stdout}\n{run.stderr}", pytrace=False)
    return run.stdout
