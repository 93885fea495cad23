from pathlib import Path

import pytest

from kick.cli.generate.database import has_database, last_revision
from kick.cli.generate.project_layout import Place

DATABASE = """
class Table(DeclarativeBase): ...

async def open_session() -> AsyncIterator[AsyncSession]: ...
"""
CONFTEST = "@pytest.fixture\ndef client() -> None: ...\n"


@pytest.mark.parametrize(
    ("files", "last"),
    [
        ([], None),
        ([("1", None)], "1"),
        ([("1", None), ("2", "1")], "2"),
        ([("b", "a"), ("a", None), ("c", "b")], "c"),
        ([("1", None), ("2", "1"), ("3", "1")], None),
    ],
)
@pytest.mark.parametrize("style", ['{} = "{}"', "{}: str | None = '{}'"])
def test_the_last_revision_is_the_one_that_no_other_follows(
    tmp_path: Path, files: list[tuple[str, str | None]], last: str | None, style: str
) -> None:
    for revision, before in files:
        told = "down_revision = None" if before is None else style.format("down_revision", before)
        (tmp_path / f"{revision}_it.py").write_text(f"{style.format('revision', revision)}\n{told}\n")
    assert last_revision(tmp_path) == last


def test_without_a_folder_there_is_none(tmp_path: Path) -> None:
    assert last_revision(tmp_path / "migrations") is None


@pytest.mark.parametrize(
    ("database", "conftest", "prefix", "expected"),
    [
        (DATABASE, CONFTEST, "app.", True),
        (DATABASE, CONFTEST.replace("client", "app"), "app.", True),
        (DATABASE, CONFTEST, "", False),
        (None, CONFTEST, "app.", False),
        (DATABASE, None, "app.", False),
        (DATABASE.replace("Table(", "Base("), CONFTEST, "app.", False),
        (DATABASE.replace("AsyncIterator", "Iterator"), CONFTEST, "app.", False),
        (DATABASE, CONFTEST.replace("client", "browser"), "app.", False),
    ],
)
def test_a_project_has_a_database_as_kick_new_writes_it(
    tmp_path: Path, database: str | None, conftest: str | None, prefix: str, expected: bool
) -> None:
    root = tmp_path / "app"
    for path, text in ((root / "database.py", database), (tmp_path / "tests" / "conftest.py", conftest)):
        path.parent.mkdir(exist_ok=True)
        if text is not None:
            path.write_text(text)
    assert has_database(Place(tmp_path, root, prefix)) is expected
