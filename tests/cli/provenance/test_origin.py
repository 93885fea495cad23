"""The ways of installing kick, as the metadata of an installation describes them (PEP 610)."""

import json
import os
import subprocess
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest

from kick.cli.project_templates import contents_of
from kick.cli.provenance import Provenance, provenance
from kick.cli.provenance.origin import version_range
from kick.cli.provenance.wheel import PACKAGE
from kick.cli.scaffold import write_project
from tests.cli.support import environment
from tests.support.serving import ROOT

COMMIT = "0123456789abcdef0123456789abcdef01234567"
COPY = "./wheels/kick_framework-0.1.0-py3-none-any.whl"
GONE = Path("/srv/gone").as_uri()
SOMEWHERE = "https://git.example.com/kick.git"


class Installed(Distribution):
    """kick, as if it had been installed from somewhere else."""

    def __init__(self, direct: dict[str, Any] | None) -> None:
        self._real = distribution("kick-framework")
        self._direct = direct

    def read_text(self, filename: str) -> str | None:
        if filename == "direct_url.json":
            return None if self._direct is None else json.dumps(self._direct)
        return self._real.read_text(filename)

    def locate_file(self, path: Any) -> Any:
        return self._real.locate_file(path)

    @property
    def version(self) -> str:
        return "0.1.0"


def test_from_an_index_it_is_a_range_of_versions_and_nothing_else() -> None:
    assert provenance(Installed(None)) == Provenance(">=0.1.0,<0.2")


@pytest.mark.parametrize(
    ("direct", "line"),
    [
        ({"url": ROOT.as_uri(), "dir_info": {"editable": True}}, f"--editable {ROOT.as_uri()}"),
        ({"url": GONE, "dir_info": {"editable": True}}, COPY),
        ({"url": (ROOT / "docs").as_uri(), "dir_info": {"editable": True}}, COPY),  # not the kick that runs
        ({"url": ROOT.as_uri(), "dir_info": {}}, COPY),
        ({"url": f"{GONE}.whl", "archive_info": {"hashes": {"sha256": "ab"}}}, COPY),
        (
            {"url": "https://example.com/kick.tar.gz", "archive_info": {"hashes": {"sha256": "ab"}}},
            "kick-framework @ https://example.com/kick.tar.gz#sha256=ab",
        ),
        (
            {"url": "https://example.com/kick.tar.gz", "archive_info": {}},
            "kick-framework @ https://example.com/kick.tar.gz",
        ),
        (
            {"url": SOMEWHERE, "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}},
            f"kick-framework @ git+{SOMEWHERE}@{COMMIT}",
        ),
        (
            {"url": SOMEWHERE, "vcs_info": {"vcs": "git", "commit_id": COMMIT}, "subdirectory": "python"},
            f"kick-framework @ git+{SOMEWHERE}@{COMMIT}#subdirectory=python",
        ),
        ({"url": GONE, "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, COPY),
    ],
)
def test_from_elsewhere_it_is_a_line_for_pip(direct: dict[str, Any], line: str) -> None:
    found = provenance(Installed(direct))
    assert found.line == line
    assert found.packed.startswith(b"PK")
    assert (found.folder != "") is ("file:" in line)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("0.1.0", ">=0.1.0,<0.2"), ("1.2.3rc1", ">=1.2.3rc1,<2"), ("0.3", ">=0.3,<0.4"), ("2+local", ">=2,<3")],
)
def test_a_range_ends_before_what_may_break(version: str, wanted: str) -> None:
    assert version_range(version) == wanted


@pytest.mark.parametrize("name", ["kick", "a folder's $HOME `name` #1"])
@pytest.mark.parametrize("editable", [True, False])
@pytest.mark.process
def test_where_the_source_has_gone_make_says_what_to_write(tmp_path: Path, name: str, *, editable: bool) -> None:
    gone = tmp_path / name
    line = f"--editable {gone.as_uri()}" if editable else f"kick-framework @ git+{gone.as_uri()}@{COMMIT}"
    source = Provenance(">=0.1.0,<0.2", line, str(gone), editable, COPY.removeprefix("./"), b"")
    project = tmp_path / "my-app"
    write_project(project, contents_of("my-app", "minimal", "memory", kick=source))
    (project / ".venv").mkdir()
    for is_ready in (False, True):
        if is_ready:  # pip needs a repository once, an editable folder is imported from
            os.utime(project / "kick.txt", (0, 0))
            os.utime(project / "pyproject.toml", (0, 0))
            (project / ".venv" / ".ready").touch()
        made = subprocess.run(
            ["make", ".venv/.ready", "PYTHON=false"], cwd=project, env=environment(), capture_output=True, text=True
        )
        if is_ready and not editable:
            assert made.returncode == 0, made.stderr
        else:
            assert made.returncode != 0
            assert made.stderr.splitlines()[:2] == [
                f"kick.txt takes kick from {gone}, where nothing is any more. Write this line into it instead:",
                COPY,
            ]
    (project / "kick.txt").write_text(f"{COPY}\n")
    made = subprocess.run(["make", "kick"], cwd=project, env=environment(), capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def test_the_package_that_runs_is_packed() -> None:
    assert PACKAGE == ROOT / "kick"
