"""Run the tests on every Python there is, at the lowest allowed and the newest versions of all dependencies.

    python -m tools.versions --only 3.11,3.13 -- -m "not long and not nightly" -q

Pythons are looked for on the PATH and among those of pyenv. Those that are missing come from Debian's unstable
distribution in a folder of its own (debootstrap and chroot, which need root on Linux). The tests see /proc and /dev
there, mounted for them alone.
The result is a table in Markdown, and the exit status is 1 where tests failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
MINORS: Final = ("3.11", "3.12", "3.13", "3.14", "3.15")
KINDS: Final = ("lowest", "newest")
ANYIO_AUTO: Final = Path(__file__).with_name("anyio_auto.py")
SUITE: Final = ("-q", "-p", "no:cacheprovider", "-n", "2", "-m", "not long and not nightly")
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kick-test-versions"
PROGRAMS: Final = (
    *("redis-server", "postgresql", "pgbouncer", "nginx"),
    *("git", "make", "curl", "openssl", "zsh", "fish", "faketime"),
)
"""The packages of Debian that the tests need, but for a browser: `KICK_WITHOUT` leaves its tests out."""

WITH_WHEELS: Final[Mapping[str, Mapping[str, str]]] = {
    "3.14": {
        "hiredis": "3.3.0",
        "httptools": "0.7.1",
        "libcst": "1.8.6",
        "psycopg": "3.2.10",
        "pydantic": "2.12.0",
        "typing-extensions": "4.14.1",  # for pydantic
        "uvloop": "0.22.1",
        "watchfiles": "1.1.0",
    },
    "3.15": {
        "hiredis": "3.5.0",
        "httptools": "0.9.0",
        "libcst": "1.9.0",
        "psycopg": "3.3.6",
        "pydantic": "2.14.0",
        "typing-extensions": "4.16.0",  # for pydantic
        "uvloop": "0.23.0",
        "watchfiles": "1.2.0",
    },
}
"""The first version of a library that has a wheel for a Python, if the lower bound has none."""

_MOUNTED: Final = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
_IN_ROOT: Final = ("unshare", "--mount", "sh", "-c", _MOUNTED)

_ABOUT: Final = (
    "import sys, ensurepip, venv; v = sys.version_info; "
    "print(sys.implementation.name, v.major, v.minor, v.micro, v.releaselevel, sys._base_executable)"
)


@dataclass(frozen=True)
class Python:
    """An interpreter, on this system or in the folder `root`."""

    path: str
    minor: str
    version: str
    root: Path | None = None

    def run(self, command: Sequence[str], *, cwd: Path, log: Path, **variables: str) -> int:
        """The exit status of a command; what it prints is added to `log`."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYENV_"))}
        env |= variables
        inside: Sequence[str] = command
        if self.root is not None:
            # What pip is told of folders is about the system outside.
            env = {name: value for name, value in env.items() if not name.startswith("PIP_")}
            folder = _inside(self.root, cwd)
            env |= {"HOME": f"{folder}/build", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
            env["KICK_WITHOUT"] = ",".join(filter(None, [env.get("KICK_WITHOUT"), "chromium"]))
            shell = ("sh", "-c", f'cd {folder} && exec "$@"', "sh")
            inside = (*_IN_ROOT, str(self.root), *shell, *command)
        with log.open("a") as out:
            return subprocess.run(inside, cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT).returncode


@dataclass(frozen=True)
class Result:
    """A row of the table."""

    version: str
    kind: str
    outcome: str
    ok: bool


def lowest(project: Mapping[str, Any], *, python: str = "3.11") -> dict[str, str]:
    """The lowest version of each dependency that is allowed and can be installed, extras and tools included.

    >>> lowest({"project": {"dependencies": ["anyio>=4.8", "click"]}, "dependency-groups": {"dev": ["pydantic>=2.10"]}})
    {'anyio': '4.8', 'pydantic': '2.10'}
    """
    about = project["project"]
    texts = [*about.get("dependencies", ()), *_flat(about.get("optional-dependencies", {}).values())]
    texts += [each for each in project.get("dependency-groups", {}).get("dev", ()) if isinstance(each, str)]
    found: dict[str, str] = {}
    for each in map(Requirement, texts):
        if each.marker is not None and not each.marker.evaluate({"python_version": python}):
            continue
        bounds = [each.version for each in each.specifier if each.operator == ">="]
        if bounds:
            name = canonicalize_name(each.name)
            found[name] = WITH_WHEELS.get(python, {}).get(name, bounds[0])
    return found


def supported(project: Mapping[str, Any]) -> SpecifierSet:
    """The versions of Python that the project says it runs on."""
    return SpecifierSet(project["project"]["requires-python"])


def find_pythons(*, folders: Iterable[Path], wanted: Iterable[str]) -> dict[str, Python]:
    """The newest CPython of each wanted minor version that can make virtual environments, in these folders."""
    found: dict[str, tuple[tuple[int, ...], Python]] = {}
    wanted = tuple(wanted)
    for folder in folders:
        for each in sorted(folder.glob("python3*")):
            if re.fullmatch(r"python3(\.\d+)?", each.name) is None:
                continue
            about = _about([str(each)])
            if about is None or about.minor not in wanted:
                continue
            micro = tuple(map(int, re.findall(r"\d+", about.version)))
            if about.minor not in found or micro > found[about.minor][0]:
                found[about.minor] = (micro, about)
    return {minor: each for minor, (_, each) in sorted(found.items(), key=lambda item: MINORS.index(item[0]))}


def usual_folders() -> list[Path]:
    """The folders of PATH, and those of pyenv's Pythons."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    on_path = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    return [*(each for each in on_path if each.name != "shims"), *sorted(pyenv.glob("versions/*/bin"))]


def unstable_pythons(root: Path, wanted: Iterable[str]) -> dict[str, Python]:
    """Pythons of Debian's unstable distribution, installed into the folder `root`; empty where that is impossible."""
    missing = next((each for each in ("debootstrap", "chroot", "unshare") if shutil.which(each) is None), None)
    if missing is not None or os.geteuid() != 0:
        print(f"no Debian unstable: {missing + ' is missing' if missing else 'that needs root'}", file=sys.stderr)
        return {}
    log = root.with_suffix(".log")
    root.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as out:
        if not (root / "usr/bin/apt-get").exists():
            made = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "sid", str(root)]
            if subprocess.run(made, stdout=out, stderr=out).returncode != 0:
                print(f"no Debian unstable: debootstrap failed, see {log}", file=sys.stderr)
                return {}
        for each in ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"):
            if Path(each).exists():
                shutil.copyfile(each, root / each[1:])
        _install(root, PROGRAMS, out)
        found = {}
        for minor in wanted:
            command = ["chroot", str(root), f"/usr/bin/python{minor}"]
            about = _about(command, root=root)
            if about is None:  # missing, or there without `venv`, as a dependency of another package
                _install(root, [f"python{minor}", f"python{minor}-venv"], out)
                about = _about(command, root=root)
            if about is None:
                print(f"no Python {minor}: not in Debian unstable, see {log}", file=sys.stderr)
            else:
                found[minor] = about
    return found


def test(python: Python, kind: str, *, wheel: Path, work: Path, arguments: Sequence[str]) -> Result:
    """Install kick and its dependencies into an empty environment, and run the tests there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folder = work / f"{python.minor}-{kind}"
    if python.root is not None:
        folder = python.root / "work" / folder.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy_checkout(ROOT, folder)
    inputs = folder / "build"
    inputs.mkdir()
    shutil.copy(wheel, inputs)
    log = work / f"{python.minor}-{kind}.log"
    log.write_text("")
    bounds = lowest(project, python=python.minor) if kind == "lowest" else {}
    (inputs / "bounds.txt").write_text("".join(f"{name}=={version}\n" for name, version in bounds.items()))
    tools = [each for each in project["dependency-groups"]["dev"] if isinstance(each, str)]
    (inputs / "tools.txt").write_text("".join(f"{each}\n" for each in tools))
    bin_folder = f"{_inside(python.root, folder)}/.venv/bin"
    pip = [f"{bin_folder}/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary"]
    install = [*pip, "-c", "build/bounds.txt", "-r", "build/tools.txt", f"./build/{wheel.name}[all]"]
    if python.run([python.path, "-m", "venv", ".venv"], cwd=folder, log=log) or python.run(
        [*pip, "--upgrade", "pip"], cwd=folder, log=log
    ):
        return Result(python.version, kind, f"no environment: {_last(log, 'error')}", ok=False)
    if python.run(install, cwd=folder, log=log):
        return Result(python.version, kind, f"cannot be installed: {_last(log, 'error')}", ok=False)
    python.run([f"{bin_folder}/python", "-m", "pip", "freeze"], cwd=folder, log=log)
    # The folder with the sources comes first on the path of the tests; the dependencies are those of the wheel.
    # The lowest anyio does not know `anyio_mode`, with which the tests do without marks; what old libraries think is
    # outdated in one another, or a newer Python in them (`return` in `finally`), is not for kick to fix.
    ignored = ("DeprecationWarning", "SyntaxWarning")
    options = " ".join(["-p anyio_auto", *(f"-W ignore::{each}" for each in ignored)]) if kind == "lowest" else ""
    shutil.copy(ANYIO_AUTO, folder / f".venv/lib/python{python.minor}/site-packages")  # tests run pytest in any folder
    command = [f"{bin_folder}/python", "-m", "pytest", *arguments]
    status = python.run(command, cwd=folder, log=log, PYTEST_ADDOPTS=options)  # for those that tests start, too
    return Result(python.version, kind, _last(log, " in "), ok=status == 0)


def copy_checkout(source: Path, target: Path) -> None:
    """Copy the files of a checkout that git knows, or would add, into a repository of their own."""
    listing = ["git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, subprocess.check_output(listing, text=True).split("\0")):
        if (source / name).exists():  # not one that was removed, and is not committed yet
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)
    git = ["git", "-C", str(target), "-c", "user.name=kick", "-c", "user.email=kick@example.com"]
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "A copy"]):
        subprocess.run([*git, *command], check=True)


def table(results: Iterable[Result]) -> str:
    """The results, in Markdown.

    >>> print(table([Result("3.11.7", "lowest", "12 passed", ok=True)]))
    | Python | dependencies | | tests |
    |---|---|---|---|
    | 3.11.7 | lowest | pass | 12 passed |
    """
    lines = ["| Python | dependencies | | tests |", "|---|---|---|---|"]
    rows = (f"| {each.version} | {each.kind} | {'pass' if each.ok else 'FAIL'} | {each.outcome} |" for each in results)
    return "\n".join([*lines, *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.versions", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(MINORS), help="minor versions, with commas between them")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of dependencies: lowest, newest")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "versions", help="where environments and logs go")
    parser.add_argument("--unstable", type=Path, default=CACHE / "sid", help="the folder of Debian unstable")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    options = parser.parse_args(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [each for each in options.only.split(",") if supported(project).contains(each)]
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    pythons = find_pythons(folders=usual_folders(), wanted=wanted)
    if missing := [each for each in wanted if each not in pythons]:
        pythons |= unstable_pythons(options.unstable.resolve(), missing)
    wheel = _wheel(work)
    results = []
    for python in pythons.values():
        for kind in options.kinds.split(","):
            result = test(python, kind, wheel=wheel, work=work, arguments=options.pytest or SUITE)
            results.append(result)
            print(f"{result.version} {result.kind}: {result.outcome}", file=sys.stderr, flush=True)
    results += [Result(each, "", "not on this machine", ok=True) for each in wanted if each not in pythons]
    text = table(results)
    (work / "table.md").write_text(f"{text}\n")
    print(text)
    return 0 if any(each.kind for each in results) and all(each.ok for each in results) else 1


def _wheel(work: Path) -> Path:
    for each in work.glob("*.whl"):
        each.unlink()
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(work), str(ROOT)], check=True, stdout=2)
    return next(work.glob("*.whl"))


def _about(command: list[str], *, root: Path | None = None) -> Python | None:
    asked = subprocess.run([*command, "-I", "-c", _ABOUT], capture_output=True, text=True)
    words = asked.stdout.split(maxsplit=5)
    if asked.returncode != 0 or len(words) < 6 or words[0] != "cpython":
        return None
    level = "" if words[4] == "final" else words[4]
    return Python(words[5].strip(), f"{words[1]}.{words[2]}", f"{words[1]}.{words[2]}.{words[3]}{level}", root)


def _inside(root: Path | None, folder: Path) -> str:
    return str(folder) if root is None else f"/{folder.relative_to(root)}"


def _install(root: Path, packages: Iterable[str], out: IO[str]) -> None:
    """Install packages of Debian without starting their services, which policy-rc.d is asked about."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    # PostgreSQL cannot be set up without /proc.
    subprocess.run([*_IN_ROOT, str(root), *install], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    policy.unlink(missing_ok=True)  # another run may have used the same folder


def _last(log: Path, sign: str) -> str:
    """The last line in a log that has this sign in it, without its frame."""
    lines = [line.strip(" =") for line in log.read_text(errors="replace").splitlines() if sign in line.lower()]
    return lines[-1] if lines else "see the log"


def _flat(groups: Iterable[Iterable[str]]) -> list[str]:
    return [each for group in groups for each in group if not each.startswith("kick-framework")]


if __name__ == "__main__":
    sys.exit(main())
