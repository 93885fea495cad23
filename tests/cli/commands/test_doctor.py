import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import kick.cli.doctor_checks as findings
from kick.cli.env_file import generate_secret
from kick.session.manager import SessionManager
from tests.cli.support import APP as ANY_HOST
from tests.cli.support import environment, kick
from tests.support.postgres import PostgresServer, make_data
from tests.support.redis import RedisServer
from tests.support.serving import ROOT
from tests.support.setup_errors import codes_in

APP = ANY_HOST.replace(
    "    [HelloModule],\n", '    [HelloModule],\n    allowed_hosts=["localhost"],\n    middleware=', 1
)


@pytest.fixture
def project(project: Path) -> Path:
    """A folder with an application in which there is nothing to mend."""
    (project / "app.py").write_text(APP)
    return project


def found(folder: Path, *arguments: str, **variables: str) -> dict[str, str]:
    """What `kick doctor` finds: the severity by code. The exit code says whether there are errors."""
    run = kick("doctor", "--json", *arguments, cwd=folder, **variables)
    said = json.loads(run.stdout)
    severities = {each["code"]: each["severity"] for each in said["findings"]}
    assert all(each["cause"] and each["fix"] for each in said["findings"])
    assert run.returncode == int("error" in severities.values())
    assert said["ok"] is (run.returncode == 0)
    return severities


def write_env(folder: Path, text: str, *, mode: int = 0o600) -> None:
    (folder / ".env").write_text(text)
    (folder / ".env").chmod(mode)


@pytest.mark.long
def test_a_project_of_kick_new_has_nothing_to_mend(tmp_path: Path) -> None:
    kick("new", "my-app", "--yes", "--no-git", cwd=tmp_path)
    run = kick("doctor", cwd=tmp_path / "my-app")
    assert run.returncode == 0, run.stdout
    assert "Nothing to fix." in run.stdout
    assert "production" in run.stdout
    assert "starlette" in run.stdout


def test_findings_are_printed_with_cause_and_fix(project: Path) -> None:
    run = kick("doctor", cwd=project, SESSION_SECRET="x" * 40)
    assert run.returncode == 1
    assert "error  secret-guessable" in run.stdout
    assert "fix    Generate one" in run.stdout
    assert "1 error, no warnings." in run.stdout
    assert "Traceback" not in run.stdout + run.stderr


def test_what_stops_the_start_is_found_all_of_it(project: Path, tmp_path: Path) -> None:
    assert found(project, SESSION_SECRET="weak") == {"secret-weak": "error"}
    (project / "app.py").write_text("x = (")
    assert found(project) == {"target-import": "error"}
    assert found(tmp_path) == {"target-missing": "error"}


@pytest.mark.long
def test_several_workers_need_a_store_that_they_share(project: Path) -> None:
    assert found(project, "--workers", "2") == {"session-store-not-shared": "error"}
    assert found(project, WEB_CONCURRENCY="2") == {"session-store-not-shared": "error"}
    assert found(project, "--workers", "2", SESSION_STORE="sqlite:///sessions.db") == {}


def test_an_application_that_does_not_start_is_a_finding(project: Path) -> None:
    broken = "\nasync def connect() -> dict[str, str]:\n    raise OSError('no database')\n"
    (project / "app.py").write_text(APP + broken + "\napp = bootstrap([HelloModule], providers=[connect])\n")
    run = kick("doctor", cwd=project)
    assert run.returncode == 1
    assert "no database" in run.stdout
    assert "at     app.py:" in run.stdout


@pytest.mark.long
@pytest.mark.parametrize("store", ["redis", "sqlite"])
def test_applications_that_share_a_store_are_a_warning(
    store: str, project: Path, request: pytest.FixtureRequest
) -> None:
    """One that was served with another secret; the doctor itself leaves nothing behind."""
    is_redis = store == "redis"
    url = request.getfixturevalue("redis_url") if is_redis else f"sqlite:///{project}/sessions.db"
    for _ in range(2):
        assert found(project, SESSION_STORE=url, SESSION_SECRET=generate_secret()) == {}
    asyncio.run(serve_once(url))
    assert found(project, SESSION_STORE=url) == {"session-store-shared": "warning"}
    apart = f"{url}?prefix=shop:" if is_redis else "sqlite:///other.db"
    assert found(project, SESSION_STORE=apart) == {}


async def serve_once(url: str) -> None:
    """Start and stop another application over a store."""
    manager = SessionManager.configured(generate_secret(), store=url)
    await manager.start()
    await manager.store.aclose()


@pytest.mark.long
def test_a_redis_that_evicts_is_a_warning(project: Path, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", config=["--maxmemory", "100mb"]) as redis:
        for policy in ("noeviction", "allkeys-lru", "volatile-ttl"):
            redis.command("CONFIG", "SET", "maxmemory-policy", policy)
            wanted = {} if policy == "noeviction" else {"redis-evicts": "warning"}
            assert found(project, SESSION_STORE=redis.url) == wanted
        url = f"{redis.url}?require_noeviction=yes"
        assert found(project, SESSION_STORE=url) == {"part-unwell": "error"}


# Each finding, and its fix


def old_package(folder: Path) -> None:
    patch = "import importlib.metadata as m\nv = m.version\nm.version = lambda n: '0.1' if n == 'starlette' else v(n)\n"
    assert with_site(folder, patch) == {"package-old": "error"}


def not_fast(folder: Path) -> None:
    assert with_site(folder, "import sys\nsys.modules['httptools'] = None\n") == {"fast-missing": "warning"}


def with_site(folder: Path, code: str) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(code)
    return found(folder, PYTHONPATH=os.pathsep.join([str(ROOT), str(folder)]))


def env_file_open(folder: Path) -> None:
    write_env(folder, "", mode=0o644)
    assert found(folder) == {"env-file-open": "warning"}
    subprocess.run(findings.env_file_readable().fix.strip("`").split(), cwd=folder, check=True)


def env_file_tracked(folder: Path) -> None:
    git = shutil.which("git")
    assert git is not None
    write_env(folder, f"SESSION_SECRET={generate_secret()}\n")
    for command in (["init", "--quiet"], ["add", ".env"]):
        subprocess.run([git, *command], cwd=folder, check=True, env=environment())
    assert found(folder) == {"env-file-tracked": "error"}
    remove, draw = findings.env_file_tracked().fix.split("`")[1::2]
    subprocess.run(remove.split(), cwd=folder, check=True, stdout=subprocess.DEVNULL)
    assert kick(*draw.split()[1:], cwd=folder).returncode == 0


def not_production(folder: Path) -> None:
    write_env(folder, "KICK_ENV=test\n")
    assert found(folder) == {"environment-named": "warning", "session-cookie-open": "error"}
    write_env(folder, "")


def unprefixed(folder: Path) -> None:
    """With `replaces`, as the fix says, and not where the prefix cannot be."""
    app = (folder / "app.py").read_text()
    for cookie, wanted in (
        ("{}", {"session-cookie-prefix": "warning"}),
        ('{"prefix": "auto", "replaces": ["kick.sid"]}', {}),
        ('{"prefix": "__Secure-"}', {}),
        ('{"domain": "example.com"}', {}),
        ('{"path": "/shop"}', {}),
    ):
        (folder / "app.py").write_text(app.replace('{"prefix": "auto"}', cookie))
        assert found(folder) == wanted, cookie
    (folder / "app.py").write_text(app)


def any_host(folder: Path) -> None:
    (folder / "app.py").write_text(ANY_HOST)
    assert found(folder) == {"allowed-hosts-missing": "warning"}
    checked = "asgi_middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=['localhost'])]"
    imports = "from starlette.middleware import Middleware\nfrom starlette.middleware.trustedhost import *\n"
    (folder / "app.py").write_text(imports + APP.replace('allowed_hosts=["localhost"]', checked))
    assert found(folder) == {}


def unwell(folder: Path) -> None:
    with RedisServer(folder) as redis:
        redis.kill()
        assert found(folder, SESSION_STORE=redis.url) == {"part-unwell": "error"}
        redis.start()
        assert found(folder, SESSION_STORE=redis.url) == {}


def old_redis(folder: Path) -> None:
    pretend(folder, ("6.0.16", 0, {"redis-old": "error"}))


def clock_off(folder: Path) -> None:
    pretend(folder, ("7.2.0", 60, {"clock": "warning"}), ("7.2.0", -60, {"clock": "warning"}))


def old_postgres(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir()
    make_data(data)
    with PostgresServer(data) as server:
        patch = (
            "from kick.session.stores.postgres import PostgresStore\nreal = PostgresStore.server_info\n"
            "async def pretended(store):\n    return (await real(store))._replace(version=(12, 22))\n"
            "PostgresStore.server_info = pretended\n"
        )
        url = f"{server.url}?migrate=yes"
        (folder / "app.py").write_text(patch + APP)
        assert found(folder, SESSION_STORE=url) == {"postgres-old": "error"}
        (folder / "app.py").write_text(APP)
        assert found(folder, SESSION_STORE=url) == {}
        missing = f"{server.url}?table=not_there"
        assert found(folder, SESSION_STORE=missing, KICK_ENV="production") == {"part-unwell": "error"}


def pretend(folder: Path, *cases: tuple[str, float, dict[str, str]]) -> None:
    """With what a real Redis says changed on its way: no old one is at hand, nor one with another clock."""
    with RedisServer(folder) as redis:
        for version, ahead, wanted in cases:
            numbers = tuple(map(int, version.split(".")))
            patch = (
                "from kick.session.stores.redis import RedisStore\nreal = RedisStore.server_info\n"
                "async def pretended(store):\n"
                f"    said = await real(store)\n    return said._replace(version={numbers}, now=said.now + {ahead})\n"
                "RedisStore.server_info = pretended\n"
            )
            (folder / "app.py").write_text(patch + APP)
            assert found(folder, SESSION_STORE=redis.url) == wanted
        (folder / "app.py").write_text(APP)
        assert found(folder, SESSION_STORE=redis.url) == {}


FINDINGS: dict[str, Callable[[Path], None]] = {
    "package-old": old_package,
    "fast-missing": not_fast,
    "env-file-open": env_file_open,
    "env-file-tracked": env_file_tracked,
    "environment-named": not_production,
    "session-cookie-prefix": unprefixed,
    "allowed-hosts-missing": any_host,
    "part-unwell": unwell,
    "redis-old": old_redis,
    "postgres-old": old_postgres,
    "clock": clock_off,
}


@pytest.mark.long
@pytest.mark.parametrize("code", FINDINGS)
def test_a_finding_is_made_and_gone_once_it_is_mended(code: str, project: Path) -> None:
    FINDINGS[code](project)
    assert found(project) == {}


def test_every_finding_is_here() -> None:
    assert set(codes_in("cli/doctor_checks.py")) == FINDINGS.keys()
