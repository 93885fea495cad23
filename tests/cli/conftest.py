"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.cli.support import APP


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a small application in app.py."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    return folder
