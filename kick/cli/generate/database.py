"""Resources of projects that store data with SQLAlchemy, as `kick new` writes them: a table, and its migration."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kick.cli.generate.errors import bad_field
from kick.cli.generate.fields import Field, imports_of
from kick.cli.generate.names import Name
from kick.cli.generate.project_layout import Place

RESERVED: Final = frozenset({"metadata", "registry"})
"""Attributes of each class of a table (SQLAlchemy, "Declarative Mapping")."""

_OF_SQLALCHEMY: Final = frozenset({"BigInteger", "Double", "String"})
"""Types for `mapped_column()` that are no classes of `columns.py`."""

_TABLE: Final = re.compile(r"^class Table\(DeclarativeBase\)", re.MULTILINE)
_SESSION: Final = re.compile(r"-> AsyncIterator\[AsyncSession\]")
_CLIENT: Final = re.compile(r"^def (client|app)\(", re.MULTILINE)
"""The fixture `client`, or `app`, of which the plugin of kick makes one."""
_REVISION: Final = re.compile(r"^(down_)?revision(?:: [^=]+)? = [\"']([^\"']+)[\"']", re.MULTILINE)


def has_database(place: Place) -> bool:
    """Return true if a project has the base class of its tables, a session for each request, and a client for tests."""
    database, conftest = place.root / "database.py", place.folder / "tests" / "conftest.py"
    if place.is_flat or not database.is_file() or not conftest.is_file():
        return False
    source = database.read_text(encoding="utf-8")
    return all((_TABLE.search(source), _SESSION.search(source), _CLIENT.search(conftest.read_text(encoding="utf-8"))))


def check_fields(fields: Sequence[Field]) -> None:
    """Raise `generate-field` for a name that a table cannot have as a column."""
    for field in fields:
        if field.name in RESERVED:
            raise bad_field(field.name, f"{field.name} is an attribute of each table")


def needs_columns(fields: Sequence[Field]) -> bool:
    """Return true if the table needs the classes in `columns.py`."""
    return bool(_own_columns(fields))


def table_values(place: Place, fields: Sequence[Field]) -> dict[str, str]:
    """Return the values for the templates of a table and its migration."""
    ours = _own_columns(fields)
    theirs = sorted(_wrappers(fields) & _OF_SQLALCHEMY)
    imports = [
        *imports_of(fields),
        "",
        *([f"from sqlalchemy import {', '.join(theirs)}"] if theirs else []),
        "from sqlalchemy.orm import Mapped, mapped_column",
        "",
        *([f"from {place.prefix}columns import {', '.join(ours)}"] if ours else []),
        f"from {place.prefix}database import Table",
    ]
    return {
        "row_imports": "\n".join(imports).lstrip("\n") + "\n",
        "row_columns": "\n".join(f"    {_row_column(field)}" for field in fields),
        "table_columns": "\n".join(f"        {_table_column(field)}," for field in fields),
    }


def migrations_of(place: Place) -> Path:
    """Return the folder of the migrations."""
    return place.folder / "migrations" / "versions"


def last_revision(folder: Path) -> str | None:
    """Return the revision that the next migration follows; `None` if there is none, or more than one."""
    found = [_REVISION.findall(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))]
    revisions = {name for each in found for is_before, name in each if not is_before}
    ends = revisions - {name for each in found for is_before, name in each if is_before}
    return ends.pop() if len(ends) == 1 else None


def generate_revision() -> str:
    """Generate the name of a revision: 12 hexadecimal digits, as Alembic does."""
    return secrets.token_hex(6)


def migration_name(revision: str, plural: Name) -> str:
    """Return the name of the file of a migration.

    >>> migration_name("0123456789ab", Name("blog_posts"))
    '0123456789ab_blog_posts.py'
    """
    return f"{revision}_{plural.snake}.py"


def _own_columns(fields: Sequence[Field]) -> list[str]:
    """Return the classes of `columns.py` that a table uses."""
    return sorted(_wrappers(fields) - _OF_SQLALCHEMY)


def _wrappers(fields: Sequence[Field]) -> set[str]:
    return {wrapper.partition("(")[0] for field in fields if (wrapper := _wrapper(field)) is not None}


def _wrapper(field: Field) -> str | None:
    return f"JSONOf({field.hint})" if field.is_list else field.kind.wrapper


def _row_column(field: Field) -> str:
    hint, wrapper = f"{field.hint} | None" if field.is_optional else field.hint, _wrapper(field)
    column = "" if wrapper is None else f" = mapped_column({wrapper})"
    return f"{field.name}: Mapped[{hint}]{column}"


def _table_column(field: Field) -> str:
    kind = "sa.JSON()" if field.is_list else field.kind.column
    return f'sa.Column("{field.name}", {kind}, nullable={field.is_optional})'
