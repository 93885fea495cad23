"""From a source of kick to a tested and served project, by what README.md and the project say; no index knows kick."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kick.cli.project_templates import TEMPLATES
from tests.cli.projects import build, run
from tests.cli.support import Browser, environment, running
from tests.support.ports import HOST, free_port
from tests.support.programs import program
from tests.support.serving import ROOT
from tests.support.shared import shared_folder

pytestmark = [pytest.mark.project, pytest.mark.long]

UNTRACKED = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "node_modules", "dist")
EVERY_TYPE = ("a:str", "b:int", "c:float", "d:bool", "e:uuid", "f:datetime", "date:date", "g:decimal")
GENERATED = (
    ("resource", "book", *EVERY_TYPE, *(f"maybe_{each}?" for each in EVERY_TYPE)),
    ("resource", "sheep", "--plural", "sheep", "names:list[str]", "days:list[date]?"),
    ("module", "shop"),
    ("controller", "shop"),
    *((kind, "tea-cup") for kind in ("service", "middleware", "guard", "provider", "test")),
)


def plain() -> dict[str, str]:
    """The environment of somebody who has exported nothing that concerns kick."""
    return {name: value for name, value in environment().items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose last commit is this checkout as it is."""

    def commit(folder: Path) -> None:
        shutil.copytree(ROOT, folder / "kick", ignore=UNTRACKED)
        identity = ("-c", "user.name=kick", "-c", "user.email=kick@localhost")
        for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message", "All"]):
            run(["git", *command], cwd=folder / "kick", env=plain())

    return shared_folder(tmp_path_factory, "repository", commit) / "kick"


@pytest.fixture(scope="module")
def clone(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone, with the environment of `make demo`."""

    def install(folder: Path) -> None:
        run(["git", "clone", "--quiet", str(repository)], cwd=folder, env=plain())
        run(["make", ".venv/.demo"], cwd=folder / "kick", env=plain())

    return shared_folder(tmp_path_factory, "clone", install) / "kick"


def new(kick: Path, folder: Path, template: str) -> Path:
    run([str(kick), "new", "my-app", "--template", template], cwd=folder, env=plain())
    return folder / "my-app"


def works(project: Path) -> None:
    """`make test`, `make dev` and `kick doctor`."""
    assert " passed" in run(["make", "test"], cwd=project, env=plain())
    is_served(project)
    report = run([".venv/bin/kick", "doctor", "--json"], cwd=project, env=plain())
    assert json.loads(report)["findings"] == []


def is_served(project: Path) -> None:
    port = free_port()
    with running("dev", f"PORT={port}", cwd=project, command=["make"], PYTHONPATH="") as served:
        served.wait_for(f":{port}")
        assert Browser(f"http://{HOST}:{port}").get("/health/live").status == 200
        served.press_ctrl_c()
        served.end()
        assert "Traceback" not in served.output


@pytest.mark.nightly  # the README's steps are those of the minimal project
@pytest.mark.parametrize("template", TEMPLATES)
def test_from_a_fresh_clone(template: str, clone: Path, tmp_path: Path) -> None:
    project = new(clone / ".venv/bin/kick", tmp_path, template)
    assert f"--editable {clone.as_uri()}\n" in (project / "kick.txt").read_text()
    run(["make", ".venv/.ready"], cwd=project, env=plain())
    for arguments in GENERATED if template == "api" else [("resource", "book", "title:str", "due:date?")]:
        run([".venv/bin/kick", "generate", *arguments], cwd=project, env=plain())
    works(project)


@pytest.mark.nightly
def test_from_a_wheel_that_has_gone_since(clone: Path, tmp_path: Path) -> None:
    [wheel] = build(clone, tmp_path)
    kick = install(f"{wheel}[fast]", tmp_path)
    wheel.unlink()
    project = new(kick, tmp_path, "minimal")
    assert (project / "kick.txt").read_text().splitlines()[1] == f"./wheels/{wheel.name}"
    is_served(project)


@pytest.mark.nightly
def test_from_a_repository_at_the_commit_of_then(repository: Path, tmp_path: Path) -> None:
    run(["git", "clone", "--quiet", str(repository)], cwd=tmp_path, env=plain())
    source = tmp_path / "kick"
    commit = run(["git", "rev-parse", "HEAD"], cwd=source, env=plain()).strip()
    kick = install(f"git+{source.as_uri()}", tmp_path)
    project = new(kick, tmp_path, "minimal")
    assert f"kick-framework @ git+{source.as_uri()}@{commit}\n" in (project / "kick.txt").read_text()
    is_served(project)
    shutil.rmtree(source)
    run(["make", "clean"], cwd=project, env=plain())
    refused = subprocess.run(["make", "dev"], cwd=project, env=plain(), capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    told = refused.stderr.splitlines()
    assert f"{source}, where nothing is any more" in told[0]
    (project / "kick.txt").write_text(f"{told[1]}\n")
    run(["make", ".venv/.ready"], cwd=project, env=plain())
    is_served(project)


def install(requirement: str, folder: Path) -> Path:
    """Install kick into an empty environment; its `kick`."""
    run([sys.executable, "-m", "venv", "environment"], cwd=folder, env=plain())
    run(["environment/bin/pip", "install", "--quiet", requirement], cwd=folder, env=plain())
    return folder / "environment/bin/kick"


def test_the_readme_is_followed_word_for_word(repository: Path, tmp_path: Path) -> None:
    """From the clone of which it speaks, in one shell; what serves is ended before the next command."""
    program("curl")
    run(["git", "clone", "--quiet", str(repository)], cwd=tmp_path, env=plain())
    readme = (tmp_path / "kick/README.md").read_text()
    install, run_, talk, start = (
        [line.removeprefix("$ ") for line in block.splitlines()]
        for block in re.findall(r"```console\n(.*?)```", readme, re.DOTALL)[:4]
    )
    script = ["set -e", "shopt -s expand_aliases", *install]
    run(["bash", "-c", "\n".join(script)], cwd=tmp_path / "kick", env=plain())
    hello = tmp_path / "hello"
    (hello / "app.py").write_text(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0])
    *exports, serve = run_
    port = free_port()
    shell = ". .venv/bin/activate\n" + "\n".join(exports) + f"\nexec {serve} --port {port}"
    with running(cwd=hello, command=["bash", "-c", shell], PYTHONPATH="") as served:
        served.wait_for(f":{port}")
        asked = "\n".join(each.replace("localhost:8000", f"{HOST}:{port}") for each in talk)
        said = run(["bash", "-c", f"shopt -s expand_aliases\n{asked}"], cwd=hello, env=plain())
    assert said == '{"hello":"Ada"}{"name":"Ada","visits":1}'
    assert [line.split("#")[0].strip() for line in start[-2:]] == ["make test", "make dev"]
    run(["bash", "-c", "\n".join(["set -e", ". .venv/bin/activate", *start[:-2]])], cwd=hello, env=plain())
    works(hello / "my-app")
    assert [each.suffix for each in (hello / "my-app" / "wheels").iterdir()] == [".whl"]
