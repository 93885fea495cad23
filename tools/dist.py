"""Build what is released, twice, and check it: `make dist`.

The sdist and the wheel are made from the last commit and nothing else, so that the same commit gives the same bytes.
They are in `dist/` only when all the checks have passed.
"""

from __future__ import annotations

import argparse
import email
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from packaging.metadata import Metadata
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[1]
SECRET: Final = "a secret of the smoke test, longer than 32 bytes"  # noqa: S105  # made up for the check
IN_WHEEL: Final = ("kick/__init__.py", "kick/py.typed")
IN_SDIST: Final = ("README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "pyproject.toml", "kick/py.typed", "tests")
STARTED_WITHIN: Final = 60.0


class Unfit(Exception):
    """A distribution that must not be released. The message names every reason, one a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def export(root: Path, folder: Path, *, commit: str = "HEAD") -> int:
    """Write the files of a commit to `folder`; return when it was made, in seconds since 1970."""
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    subprocess.run(["git", "-C", str(root), "archive", "--output", str(archive), commit], check=True)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    archive.unlink()
    shown = subprocess.run(
        ["git", "-C", str(root), "log", "-1", "--format=%ct", commit], check=True, capture_output=True, text=True
    )
    return int(shown.stdout)


def build(source: Path, out: Path, *, epoch: int) -> tuple[Path, Path]:
    """Make the sdist, and of it the wheel, with the backend that constraints.txt says; `epoch` is their time."""
    constraints = str(source / "constraints.txt")
    env = os.environ | {"SOURCE_DATE_EPOCH": str(epoch), "PIP_CONSTRAINT": constraints, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(source)]
    made = subprocess.run(command, env=env, capture_output=True, text=True)
    if made.returncode != 0:
        raise Unfit([f"the build failed:\n{made.stdout}{made.stderr}"])
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def check_same(first: Sequence[Path], second: Sequence[Path]) -> None:
    """Raise `Unfit` where two builds differ."""
    different = [one.name for one, other in zip(first, second, strict=True) if _digest(one) != _digest(other)]
    if different:
        raise Unfit([f"{name}: a second build of the same commit has other bytes" for name in different])


def check_wheel(wheel: Path, source: Path) -> None:
    """Raise `Unfit` for a wheel with something missing, something that does not belong there, or bad metadata."""
    info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(f"{info}METADATA") if f"{info}METADATA" in names else None
    needed = {
        *IN_WHEEL,
        f"{info}METADATA",
        f"{info}licenses/LICENSE",
        f"{info}entry_points.txt",
        *_package_files(source),
    }
    problems = [f"{wheel.name}: {each} is missing" for each in sorted(needed - set(names))]
    problems += [
        f"{wheel.name}: {each} does not belong there"
        for each in names
        if not each.startswith(("kick/", info)) or each.endswith((".pyc", ".env", ".sqlite3"))
    ]
    if metadata is not None:
        problems += [f"{wheel.name}: {each}" for each in metadata_problems(metadata, source)]
    if problems:
        raise Unfit(problems)


def check_sdist(sdist: Path) -> None:
    """Raise `Unfit` for an sdist from which one could not build and test."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = [each for each in IN_SDIST if not any(name == each or name.startswith(f"{each}/") for name in names)]
    stray = [each for each in names if each.endswith((".pyc", ".sqlite3")) or Path(each).name == ".env"]
    problems = [f"{sdist.name}: {each} is missing" for each in missing]
    problems += [f"{sdist.name}: {each} does not belong there" for each in sorted(stray)]
    if problems:
        raise Unfit(problems)


def metadata_problems(raw: bytes, source: Path) -> list[str]:
    """Everything that an index, or its reader, would find wrong with the metadata (core metadata specification)."""
    from readme_renderer import markdown
    from trove_classifiers import classifiers

    try:
        metadata = Metadata.from_email(raw, validate=True)
    except ExceptionGroup as errors:
        return [f"metadata: {each}" for each in errors.exceptions]
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    problems = [
        f"metadata: no such classifier: {each}" for each in metadata.classifiers or () if each not in classifiers
    ]
    if (str(metadata.name), str(metadata.version)) != (project["name"], project["version"]):
        problems.append(f"metadata: it is {metadata.name} {metadata.version}, and not what pyproject.toml says")
    if metadata.license_expression is None:
        problems.append("metadata: no licence expression")
    if metadata.description_content_type != "text/markdown":
        problems.append(f"metadata: the README is {metadata.description_content_type}, not text/markdown")
    rendered = markdown.render(metadata.description or "")
    if not rendered or "<h1" not in rendered:
        problems.append("metadata: the README cannot be rendered")
    pinned = [str(each) for each in metadata.requires_dist or () if _is_pinned(each)]
    problems += [f"metadata: {each} pins a version for everybody" for each in pinned]
    return problems


def smoke_test(wheel: Path, work: Path, *, constraints: Path) -> None:
    """Install the wheel into an empty environment, and ask the README's application. Raise `Unfit` where it fails."""
    venv.create(work / "venv", with_pip=True)
    python, kick = work / "venv/bin/python", work / "venv/bin/kick"
    install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), str(wheel)]
    _succeed(install, cwd=work)
    version = _succeed([str(kick), "--version"], cwd=work)
    if wheel.name.split("-")[1] not in version:
        raise Unfit([f"kick --version says {version.strip()!r}"])
    _succeed([str(python), "-I", "-c", "import kick; [getattr(kick, name) for name in kick.__all__]"], cwd=work)
    (work / "app.py").write_text(readme_application(_description(wheel)))
    with serving([str(kick), "start", "app:app", "--port", "0"], cwd=work) as port:
        ask_readme_application(port)


def readme_application(readme: str) -> str:
    """The Python of a README that makes an application.

    >>> readme_application("```python\\nx = 1\\n```\\n```python\\napp = bootstrap()\\n```\\n")
    'app = bootstrap()\\n'
    """
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    found = next((each for each in blocks if re.search(r"^app = bootstrap\(", each, re.MULTILINE)), None)
    if found is None:
        raise Unfit(["the README has no application"])
    return str(found)


@contextmanager
def serving(command: Sequence[str], *, cwd: Path) -> Iterator[int]:
    """The port on which a command says that it listens; it is ended afterwards."""
    env = _clean_environment() | {"SESSION_SECRET": SECRET, "KICK_ENV": "development"}
    with tempfile.TemporaryFile("w+") as said:
        server = subprocess.Popen(command, cwd=cwd, env=env, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield _port(server, said)
        finally:
            server.terminate()
            server.wait()


def ask_readme_application(port: int) -> None:
    """Log in, be recognised, log out; raise `Unfit` for another answer than the README promises."""
    cookie: dict[str, str] = {}
    for method, path, body, expected in (
        ("GET", "/auth/me", None, 401),
        ("POST", "/auth/login", {"name": "Ada"}, 200),
        ("GET", "/auth/me", None, 200),
        ("POST", "/auth/logout", None, 204),
        ("GET", "/auth/me", None, 401),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STARTED_WITHIN)
        headers = cookie | ({"content-type": "application/json"} if body else {})
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != expected:
            raise Unfit([f"{method} {path} of the README's application: {answer.status} {text!r}, not {expected}"])
        if body:
            cookie = {"cookie": (answer.getheader("set-cookie") or "").partition(";")[0]}


def make(out: Path, *, root: Path = ROOT) -> tuple[Path, Path]:
    """Build, check, and put the sdist and the wheel of the last commit into `out`. Raises `Unfit`."""
    with tempfile.TemporaryDirectory(prefix="kick-dist-") as name:
        work = Path(name)
        built = []
        for attempt in ("first", "the-second-one"):
            source = work / attempt / "source"
            epoch = export(root, source)
            built.append(build(source, work / attempt / "dist", epoch=epoch))
        check_same(*built)
        sdist, wheel = built[0]
        check_sdist(sdist)
        check_wheel(wheel, source)
        smoke = work / "smoke"
        smoke.mkdir()
        smoke_test(wheel, smoke, constraints=source / "constraints.txt")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return Path(shutil.copy2(sdist, out)), Path(shutil.copy2(wheel, out))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.dist", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(arguments)
    changed = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain"], capture_output=True, text=True).stdout
    if changed:
        print("note: what is not committed is left out", file=sys.stderr)
    try:
        made = make(options.out)
    except Unfit as unfit:
        print(unfit, file=sys.stderr)
        return 1
    for each in made:
        print(f"{_digest(each)}  {each.name}")
    return 0


def _package_files(source: Path) -> set[str]:
    return {each.relative_to(source).as_posix() for each in (source / "kick").rglob("*") if each.is_file()}


def _is_pinned(requirement: Requirement) -> bool:
    return any(each.operator in ("==", "===") for each in requirement.specifier)


def _description(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        message: Any = email.message_from_bytes(archive.read(name))
    return bytes(message.get_payload(decode=True)).decode()


def _clean_environment() -> dict[str, str]:
    """The environment without what would let a child see the sources."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KICK_", "VIRTUAL_ENV"))
    }


def _succeed(command: Sequence[str], *, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=_clean_environment(), capture_output=True, text=True)
    if done.returncode != 0:
        raise Unfit([f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"])
    return done.stdout


def _port(server: subprocess.Popen[bytes], said: Any) -> int:
    end = time.monotonic() + STARTED_WITHIN
    text = ""
    while time.monotonic() < end and server.poll() is None:
        text = _read(said)
        found = re.search(r"http://127\.0\.0\.1:(\d+)", text)
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise Unfit([f"{server.args!r} does not listen:\n{_read(said)}"])


def _read(said: Any) -> str:
    return os.pread(said.fileno(), 1 << 20, 0).decode(errors="replace")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
