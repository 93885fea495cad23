"""The tests of the Pythons and dependencies that are supported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support import programs
from tools import anyio_auto
from tools.versions import (
    PROGRAMS,
    ROOT,
    WITH_WHEELS,
    Python,
    Result,
    copy_checkout,
    find_pythons,
    lowest,
    table,
    unstable_pythons,
    usual_folders,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def script(path: Path, answer: str) -> None:
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)


def test_the_newest_patch_release_of_each_minor_version_is_taken(tmp_path: Path) -> None:
    for name, version in (("one", "3 12 9"), ("two", "3 12 10"), ("three", "3 13 0")):
        folder = tmp_path / name
        folder.mkdir()
        script(folder / "python3", f"echo cpython {version} final {folder}/python3")
    found = find_pythons(folders=sorted(tmp_path.iterdir()), wanted=["3.12", "3.13", "3.14"])
    assert found == {
        "3.12": Python(f"{tmp_path}/two/python3", "3.12", "3.12.10"),
        "3.13": Python(f"{tmp_path}/three/python3", "3.13", "3.13.0"),
    }


@pytest.mark.parametrize(
    "answer",
    ["exit 1", "echo pypy 3 12 1 final /x", "echo cpython 3 10 1 final /x", "echo", "kill -9 $$"],
)
def test_what_cannot_run_the_tests_is_left_out(tmp_path: Path, answer: str) -> None:
    script(tmp_path / "python3", answer)
    script(tmp_path / "python3-config", "echo cpython 3 12 1 final /x")
    assert find_pythons(folders=[tmp_path], wanted=["3.12"]) == {}


@pytest.mark.long
def test_the_python_of_this_run_is_found() -> None:
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert minor in find_pythons(folders=[Path(sys.executable).parent, *usual_folders()], wanted=[minor])


@pytest.mark.parametrize("is_there", [True, False], ids=["without venv", "missing"])
def test_a_python_of_unstable_gets_its_venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    """Other packages depend on a Python, which is then there without `venv`."""
    programs, root = tmp_path / "programs", tmp_path / "sid"
    for folder in ("usr/bin", "usr/sbin", "etc/ssl/certs"):
        (root / folder).mkdir(parents=True)
    programs.mkdir()
    script(programs / "debootstrap", "exit 1")
    # What is installed needs /proc.
    script(programs / "unshare", 'case $4 in "mount -t proc "*) shift 4; exec chroot "$@";; esac; exit 1')
    script(programs / "chroot", 'root=$1; shift; case $1 in /*) exec "$root$@";; *) exec "$root/usr/bin/$@";; esac')
    python = root / "usr/bin/python3.14"
    answer = f"test -e {root}/venv || exit 1; echo cpython 3 14 2 final /usr/bin/python3.14"
    install = f"touch {root}/venv; printf '#!/bin/sh\n{answer}\n' >{python}; chmod +x {python}"
    script(root / "usr/bin/apt-get", f'case "$*" in *python3.14-venv*) {install};; esac')
    if is_there:
        script(python, answer)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = unstable_pythons(root, ["3.14"])
    assert found == {"3.14": Python("/usr/bin/python3.14", "3.14", "3.14.2", root)}


def test_debian_unstable_gets_every_program_that_tests_start_but_for_browsers() -> None:
    packages = {
        package
        for program, (_, package) in programs.PROGRAMS.items()
        if "chrom" not in program and program != "firefox"
    }
    assert packages <= set(PROGRAMS)


def test_every_dependency_of_kick_has_a_lower_bound() -> None:
    texts = PROJECT["project"]["dependencies"] + [
        each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra
    ]
    names = {Requirement(each).name.lower() for each in texts} - {"kick-framework"}
    assert {each.replace(".", "-") for each in names} <= set(lowest(PROJECT))


def test_a_newer_python_gets_the_first_versions_with_wheels_for_it() -> None:
    project = {"project": {"dependencies": ["anyio>=4.8", "pydantic>=2.10"]}}
    assert lowest(project, python="3.13") == {"anyio": "4.8", "pydantic": "2.10"}
    assert lowest(project, python="3.14") == {"anyio": "4.8", "pydantic": "2.12.0"}


@pytest.mark.parametrize("python", WITH_WHEELS)
def test_the_first_versions_with_wheels_are_above_the_bounds_of_dependencies(python: str) -> None:
    bounds = lowest(PROJECT)
    assert all(Version(each) > Version(bounds[name]) for name, each in WITH_WHEELS[python].items())


def test_the_page_on_releasing_says_what_breaks_below_each_bound_that_it_names() -> None:
    page = (ROOT / "docs/releasing.md").read_text()
    named = dict(re.findall(r"^\| ([a-z-]+) ([0-9.]+) \|", page, re.MULTILINE))
    assert len(named) >= 7
    assert {name: lowest(PROJECT)[name] for name in named} == named


def test_the_workflow_tests_the_pythons_of_the_classifiers() -> None:
    prefix = "Programming Language :: Python :: 3."
    claimed = [f"3.{each[len(prefix) :]}" for each in PROJECT["project"]["classifiers"] if each.startswith(prefix)]
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    assert [job["strategy"]["matrix"]["python"] for job in jobs.values()] == [claimed] * len(jobs)


def test_a_copy_has_what_git_knows_and_would_add_and_is_a_repository(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "kick").mkdir(parents=True)
    for name in (".gitignore", "README.md", "gone.py", "kick/app.py", "secret.env"):
        (source / name).write_text("*.env\n")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", "-C", str(source), *command], check=True)
    (source / "kick/new.py").touch()
    (source / "gone.py").unlink()
    copy_checkout(source, target)
    listed = subprocess.check_output(["git", "-C", str(target), "ls-files"], text=True).split()
    assert listed == [".gitignore", "README.md", "kick/app.py", "kick/new.py"]
    assert {each.name for each in target.iterdir()} == {".git", ".gitignore", "README.md", "kick"}


def test_a_failure_is_seen_in_the_table() -> None:
    assert table([Result("3.14.0", "newest", "1 failed", ok=False)]).endswith("| 3.14.0 | newest | FAIL | 1 failed |")


def test_only_tests_are_looked_at_for_being_async(request: pytest.FixtureRequest) -> None:
    """Proxies that modules import, such as `flask.session`, raise an error outside of a request."""

    class Proxy:
        def __getattribute__(self, name: str) -> object:
            raise RuntimeError(f"no {name} outside of a request")

    async def test_async() -> None: ...

    anyio_auto.pytest_pycollect_makeitem(request.node.parent, "session", Proxy())
    anyio_auto.pytest_pycollect_makeitem(request.node.parent, "test_async", test_async)
    marks = vars(test_async)["pytestmark"]
    assert [(mark.name, mark.args) for mark in marks] == [("anyio", ()), ("usefixtures", ("anyio_backend",))]
