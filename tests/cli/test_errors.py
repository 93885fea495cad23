"""Every fix that the command line prints is carried out here, as it is printed, and then the command works."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import APP, KICK, environment, kick
from tests.support.certificates import certify
from tests.support.redis import RedisServer
from tests.support.serving import ROOT
from tests.support.setup_errors import codes_in

ROUTES = "kick routes"


def run(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command as a user types it; `kick` is this checkout's."""
    words = shlex.split(command)
    if words[0] == "kick":
        return kick(*words[1:], cwd=folder, **variables)
    return subprocess.run(words, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=60)


def refused(command: str, folder: Path, code: str, **variables: str) -> str:
    """The fix that a refused command prints."""
    found = run(command, folder, **variables)
    assert found.returncode == 1, found.stdout
    assert f"error  {code}" in found.stderr, found.stderr
    return found.stderr.partition("\n  fix    ")[2]


def works(command: str, folder: Path) -> str:
    found = run(command, folder)
    assert found.returncode == 0, found.stderr
    return found.stdout


def quoted(fix: str) -> list[str]:
    return re.findall(r"`([^`]+)`", fix)


def named(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def no_target(folder: Path) -> None:
    (folder / "app.py").rename(folder / "main.py")
    fix = refused(ROUTES, folder, "target-missing")
    lines = [line.strip() for line in fix.splitlines() if "[tool.kick]" in line or line.strip().startswith("app =")]
    (folder / "pyproject.toml").write_text("\n".join(lines).replace("package.module:app", "main:app"))
    assert "/hello/{name}" in works(ROUTES, folder)
    (folder / "pyproject.toml").unlink()
    (command,) = [each for each in quoted(fix) if each.startswith("kick dev")]
    assert works(command.replace("kick dev", "kick routes").replace("package.module:app", "main:app"), folder)


def bad_target(folder: Path) -> None:
    (target,) = quoted(refused(f"{ROUTES} app.py", folder, "target-form"))
    assert works(f"{ROUTES} {target}", folder)


def module_not_there(folder: Path) -> None:
    (target,) = quoted(refused(f"{ROUTES} ap:app", folder, "target-module"))
    assert works(f"{ROUTES} {target.replace('package.module', 'app')}", folder)


def attribute_not_there(folder: Path) -> None:
    (target,) = quoted(refused(f"{ROUTES} app:application", folder, "target-attribute"))
    assert works(f"{ROUTES} {target}", folder)
    named(folder / "app.py", "app = bootstrap(", "_ = (")
    (line,) = quoted(refused(f"{ROUTES} app:app", folder, "target-attribute"))
    with (folder / "app.py").open("a") as file:
        file.write(f"\n{line.replace('...', 'HelloModule')}\n")
    assert works(ROUTES, folder)


def not_an_application(folder: Path) -> None:
    (line,) = quoted(refused(f"{ROUTES} app:HelloModule", folder, "target-type"))
    with (folder / "app.py").open("a") as file:
        file.write(f"\n{line.replace('HelloModule', 'mended').replace('...', 'HelloModule')}\n")
    assert works(f"{ROUTES} app:mended", folder)


def import_failed(folder: Path) -> None:
    (folder / "app.py").write_text(f"import nowhere_to_be_found\n{APP}")
    fix = refused(ROUTES, folder, "target-import")
    (option,) = quoted(fix)
    assert "Traceback" in run(f"{ROUTES} {option}", folder).stderr
    (folder / "app.py").write_text(APP)
    assert works(ROUTES, folder)


def import_that_exits(folder: Path) -> None:
    ending = "import sys\nsys.exit('not today')\n"
    (folder / "app.py").write_text(f"{APP}{ending}")
    below, option = quoted(refused(ROUTES, folder, "target-exit"))
    assert "Traceback" in run(f"{ROUTES} {option}", folder).stderr
    (folder / "app.py").write_text(f"{APP}{below}\n    import sys\n    sys.exit('not today')\n")
    assert works(ROUTES, folder)


def variable_not_set(folder: Path) -> None:
    named(folder / "app.py", 'os.environ.get("SESSION_SECRET", "a secret of at least thirty-two bytes")', "SECRET")
    named(folder / "app.py", "import os\n", 'import os\nSECRET = os.environ["SESSION_SECRET"]\n')
    command, line = quoted(refused(ROUTES, folder, "environment-missing"))
    works(command, folder)
    assert works(ROUTES, folder)
    (folder / ".env").write_text(line.replace("...", "x" * 32))
    assert works(ROUTES, folder)
    (folder / ".env").write_text("")
    named(folder / "app.py", '"SESSION_SECRET"', '"OTHER_SECRET"')
    (line,) = quoted(refused(ROUTES, folder, "environment-missing"))
    (folder / ".env").write_text(line.replace("...", "x" * 32))
    assert works(ROUTES, folder)


def bad_project_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.kick]\napp = 5\n")
    line, section = quoted(refused(ROUTES, folder, "project-file"))
    (folder / "pyproject.toml").write_text(f"{section}\n{line.replace('package.module', 'app')}\n")
    assert works(ROUTES, folder)


def port_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (command,) = quoted(refused(f"kick start --port {port}", folder, "port-taken"))
        assert command == f"kick start --port {port + 1}"
    assert not listens_after(f"kick start --port {port}", folder, "port-taken")


def bad_address(folder: Path) -> None:
    (command,) = quoted(refused("kick start --host 192.0.2.1 --port 8123", folder, "address"))
    assert not listens_after(f"{command} --port 0", folder, "address")


def listens_after(command: str, folder: Path, code: str) -> bool:
    """Whether a server is refused with this code still; it is ended as soon as it says anything else."""
    words = [*KICK, *shlex.split(command)[1:]]
    server = subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout is not None
    first = next(line for line in server.stdout if line.strip())
    server.terminate()
    server.communicate(timeout=30)
    return code in first


def socket_at_a_file(folder: Path) -> None:
    (folder / "file").touch()
    (command,) = quoted(refused("kick start --uds file", folder, "unix-socket"))
    assert not listens_after(f"{command}.new", folder, "unix-socket")


def socket_taken(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(folder / "kick.sock"))
        taken.listen()
        (command,) = quoted(refused("kick start --uds kick.sock", folder, "unix-socket-taken"))
        assert not listens_after(command, folder, "unix-socket-taken")


def certificate(folder: Path) -> None:
    (folder / "fullchain.pem").write_text("none")
    (command,) = quoted(refused("kick start --ssl-certfile fullchain.pem", folder, "tls-certificate"))
    certify(folder / "fullchain.pem", folder / "privkey.pem")
    assert not listens_after(f"{command} --port 0", folder, "tls-certificate")


def sessions_not_shared(folder: Path) -> None:
    fix = refused("kick start --workers 2 --port 0", folder, "session-store-not-shared")
    sqlite, redis, single = quoted(fix)
    assert not listens_after(f"{single} --port 0", folder, "session-store-not-shared")
    for mend in (sqlite, redis):
        url = mend.partition('"')[2].partition('"')[0]
        (folder / ".env").write_text(f"SESSION_STORE={url}\n")
        assert not listens_after("kick start --workers 2 --port 0", folder, "session-store-not-shared")


def bad_name(folder: Path) -> None:
    (command,) = quoted(refused("kick new 5-apps --no-git", folder, "project-name"))
    works(f"{command} --no-git", folder)
    assert (folder / "my-app" / "pyproject.toml").is_file()


def folder_taken(folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "mine.txt").write_text("mine")
    (command,) = quoted(refused("kick new shop --no-git", folder, "project-folder"))
    works(command, folder)
    works("kick new shop --no-git", folder)
    assert (folder / "shop.old" / "mine.txt").read_text() == "mine"


def start_failed(folder: Path) -> None:
    provider = "\nasync def connect() -> dict[str, str]:\n    raise OSError('no database')\n"
    (folder / "app.py").write_text(f"{APP}{provider}\napp = bootstrap([], providers=[connect])\n")
    for command in ("kick start --port 0", "kick shell -c 1"):
        (option,) = quoted(refused(command, folder, "start-failed"))
        said = run(command, folder).stderr
        assert "OSError: no database (in the provider connect at" in said
        assert "app.py:" in said
        assert "Traceback" not in said
        assert "Traceback" in run(f"{command} {option}", folder).stderr


def unknown_shell(folder: Path) -> None:
    (command,) = quoted(refused("kick completion", folder, "shell-unknown", SHELL="/bin/tcsh"))
    assert "_kick_completion" in works(command, folder)


def no_secret_yet(folder: Path) -> None:
    (command,) = quoted(refused("kick secret --rotate", folder, "secret-none"))
    works(command, folder)
    works("kick secret --rotate", folder)


def cannot_write(folder: Path) -> None:
    (folder / ".env").mkdir()
    (option,) = quoted(refused("kick secret --env", folder, "system"))
    assert "IsADirectoryError" in run(f"kick secret --env {option}", folder).stderr
    (folder / ".env").rmdir()
    works("kick secret --env", folder)


def not_installed(folder: Path) -> None:
    """In an environment that has all of this one's packages but kick."""
    own = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(own)], check=True)
    [packages] = own.glob("lib/*/site-packages")
    others = folder / "others"
    others.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if not each.name.startswith(("kick_framework", "_editable_impl_kick")):
            (others / each.name).symlink_to(each)
    (packages / "others.pth").write_text(f"{others}\n")
    python = str(own / "bin" / "python")
    new = [python, "-m", "kick.cli", "new", "shop", "--no-git", "--yes"]
    told = subprocess.run(new, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "error  kick-not-installed" in told.stderr
    (command,) = quoted(told.stderr)
    words = [python, "-m", *shlex.split(command)]
    subprocess.run(words, cwd=folder, env=environment(PYTHONPATH=""), capture_output=True, check=True)
    subprocess.run(new, cwd=folder, env=environment(), capture_output=True, check=True)
    assert (folder / "shop" / "kick.txt").read_text().endswith(f"--editable {ROOT.as_uri()}\n")


def no_document(folder: Path) -> None:
    (command,) = quoted(refused("kick openapi --check openapi.json", folder, "openapi-file"))
    assert works(command, folder)
    assert works("kick openapi --check openapi.json", folder)


def another_document(folder: Path) -> None:
    (folder / "openapi.json").write_text("{}")
    (command,) = quoted(refused("kick openapi --check openapi.json", folder, "openapi-differs"))
    assert works(command, folder)
    assert works("kick openapi --check openapi.json", folder)


FIXES: dict[str, Callable[[Path], None]] = {
    "openapi-file": no_document,
    "openapi-differs": another_document,
    "start-failed": start_failed,
    "kick-not-installed": not_installed,
    "shell-unknown": unknown_shell,
    "secret-none": no_secret_yet,
    "system": cannot_write,
    "target-missing": no_target,
    "target-form": bad_target,
    "target-module": module_not_there,
    "target-attribute": attribute_not_there,
    "target-type": not_an_application,
    "target-import": import_failed,
    "target-exit": import_that_exits,
    "environment-missing": variable_not_set,
    "project-file": bad_project_file,
    "port-taken": port_taken,
    "address": bad_address,
    "unix-socket": socket_at_a_file,
    "unix-socket-taken": socket_taken,
    "tls-certificate": certificate,
    "session-store-not-shared": sessions_not_shared,
    "project-name": bad_name,
    "project-folder": folder_taken,
}


@pytest.mark.parametrize("code", FIXES)
def test_the_fix_works(code: str, project: Path) -> None:
    FIXES[code](project)


# `kick sessions`

PURGE = "kick sessions purge"


def stored(folder: Path, url: str = "sqlite:///sessions.db") -> None:
    """A store with a session in it, so that its file is there."""
    store = f"open_store({url!r})"
    code = (
        "import asyncio\nfrom kick.session.stores.base import Change\nfrom kick.session.stores.url import open_store\n"
        f"async def main():\n    store = {store}\n    await store.create('key', Change(), max_age=60)\n"
        "    await store.aclose()\nasyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), check=True)


def no_store(folder: Path) -> None:
    (folder / "app.py").unlink()
    (command,) = quoted(refused(PURGE, folder, "session-store-missing"))
    stored(folder)
    works(command, folder)
    (folder / ".env").write_text("SESSION_STORE=sqlite:///sessions.db\n")
    works(PURGE, folder)


def no_sessions(folder: Path) -> None:
    (folder / "app.py").write_text("from kick import bootstrap\n\napp = bootstrap([])\n")
    (command,) = quoted(refused(PURGE, folder, "session-store-none"))
    stored(folder)
    works(command, folder)


def bad_store_url(folder: Path) -> None:
    sqlite, redis = quoted(refused(f"{PURGE} --store mysql://localhost", folder, "session-store-url"))
    stored(folder)
    works(f"{PURGE} {sqlite}", folder)
    assert "session-store-url" not in run(f"{PURGE} {redis}", folder).stderr


def store_in_process(folder: Path) -> None:
    for mend in quoted(refused(PURGE, folder, "session-store-in-process")):
        url = mend.partition('"')[2].partition('"')[0]
        (folder / ".env").write_text(f"SESSION_STORE={url}\n")
        stored(folder)
        assert "session-store-in-process" not in run(PURGE, folder).stderr


def no_store_file(folder: Path) -> None:
    (option,) = quoted(refused(f"{PURGE} --store sqlite:///elsewhere.db", folder, "session-store-file"))
    stored(folder)
    works(f"{PURGE} {option.replace('/srv/shop/sessions.db', str(folder / 'sessions.db'))}", folder)


def store_failed(folder: Path) -> None:
    with RedisServer(folder) as redis:
        redis.kill()
        assert "runs" in refused(f"{PURGE} --store {redis.url}", folder, "session-store-failed")
        redis.start()
        works(f"{PURGE} --store {redis.url}", folder)


SESSIONS_FIXES: dict[str, Callable[[Path], None]] = {
    "session-store-missing": no_store,
    "session-store-none": no_sessions,
    "session-store-url": bad_store_url,
    "session-store-in-process": store_in_process,
    "session-store-file": no_store_file,
    "session-store-failed": store_failed,
}


@pytest.mark.parametrize("code", SESSIONS_FIXES)
def test_the_fix_of_a_sessions_command_works(code: str, project: Path) -> None:
    SESSIONS_FIXES[code](project)


def test_every_mistake_of_the_command_line_is_here() -> None:
    elsewhere = {"missing-extra", *codes_in("cli/generate", "cli/doctor_checks.py", "cli/production_checks.py")}
    here = FIXES.keys() | SESSIONS_FIXES.keys()
    assert set(codes_in("cli")) - here <= elsewhere
    assert here <= set(codes_in("cli"))
