"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.cli.projects import install
from tests.cli.support import APP
from tests.support.shared import shared_folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a small application in app.py."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `.venv` of a project, with kick in it as it is installed from the copy in a project."""
    return shared_folder(tmp_path_factory, "installed", install) / "web-redis" / ".venv"
