"""Templates of `kick new`, the stores of their sessions, and their databases."""

from __future__ import annotations

import shlex
from typing import Final, NamedTuple

from kick.cli.env_file import generate_secret
from kick.cli.project_name import package_name
from kick.cli.provenance import Provenance, provenance
from kick.cli.scaffold import render


class Template(NamedTuple):
    """A kind of project: its template folders (later ones override earlier ones), and the extras that it needs.

    A folder `{{ database }}` is that of the database.
    """

    about: str
    description: str
    layers: tuple[str, ...]
    extras: tuple[str, ...]
    target: str
    code: str
    """Files for the type checker, beside the tests."""


class Sessions(NamedTuple):
    """A place to keep sessions: its URL on this machine and in a container, and the extras that it needs.

    Each application has its own prefix in Redis. Without it, a user who logs out everywhere in one application would be
    logged out of the others too.
    """

    about: str
    url: str
    container_url: str
    extras: tuple[str, ...] = ()


class Database(NamedTuple):
    """A way to store the data of a project: its folder of templates."""

    about: str
    layer: str


_DATABASE: Final = "{{ database }}"

TEMPLATES: Final = {
    "api": Template(
        about="notes as JSON, with accounts, logins and devices",
        description="An API for notes, with accounts and sessions.",
        layers=("_base", "_notes", _DATABASE, "api"),
        extras=("limits", "passwords"),
        target="{{ package }}.main:app",
        code="{{ package }}",
    ),
    "web": Template(
        about="the same as pages with forms, and a stylesheet",
        description="A website for notes, with accounts and sessions.",
        layers=("_base", "_notes", _DATABASE, "web"),
        extras=("limits", "passwords", "templates"),
        target="{{ package }}.main:app",
        code="{{ package }}",
    ),
    "minimal": Template(
        about="one file, and one test",
        description="An application that counts visits.",
        layers=("_base", "minimal"),
        extras=(),
        target="app:app",
        code="app.py",
    ),
}

SESSIONS: Final = {
    "memory": Sessions(
        about="in memory: they end with the process, and `kick start` runs one worker",
        url="memory://",
        container_url="memory://",
    ),
    "sqlite": Sessions(
        about="in the file sessions.db: they survive restarts, and the workers of one machine share them",
        url="sqlite:///sessions.db",
        container_url="sqlite:////data/sessions.db",
    ),
    "postgres": Sessions(
        about="in PostgreSQL, which must be running: they survive restarts, and many machines can share them",
        url="postgresql://postgres:postgres@localhost/postgres?table={{ package }}_sessions",
        container_url="postgresql://postgres:postgres@postgres/postgres?table={{ package }}_sessions&migrate=yes",
        extras=("postgres",),
    ),
    "redis": Sessions(
        about="in Redis, which must be running: they survive restarts, and many machines can share them",
        url="redis://localhost:6379/0?prefix={{ package }}:",
        container_url="redis://redis:6379/0?prefix={{ package }}:",
        extras=("redis",),
    ),
}


DATABASES: Final = {
    "sqlalchemy": Database(
        about="SQLAlchemy, with migrations by Alembic: a file of SQLite, or PostgreSQL by its URL",
        layer="_sqlalchemy",
    ),
    "none": Database(about="no library: SQL, and the sqlite3 module of Python", layer="_sqlite3"),
}


KICK_FILE: Final = "kick.txt"
"""The file of a project that names the source of kick, if that is not a package index."""


def takes_database(template: str) -> bool:
    """Return true if a template stores data, so that its database can be chosen.

    >>> takes_database("web"), takes_database("minimal")
    (True, False)
    """
    return _DATABASE in TEMPLATES[template].layers


def contents_of(
    name: str, template: str, store: str, *, database: str = "sqlalchemy", kick: Provenance | None = None
) -> dict[str, str | bytes]:
    """Return the files of a project by path, with a new secret. A template that stores no data ignores `database`.

    `kick` is the source from which the project installs kick; by default, that of the running kick.

    >>> sorted(contents_of("my-app", "minimal", "memory", kick=Provenance(">=0.1.0,<0.2")))[-4:]
    ['pyproject.toml', 'tests/__init__.py', 'tests/conftest.py', 'tests/test_app.py']

    Raises `KickError`: `project-name` for a name that cannot be a package name, and `kick-not-installed`.
    """
    package, source = package_name(name), kick or provenance()
    chosen, sessions = TEMPLATES[template], SESSIONS[store]
    values = {
        "name": name,
        "package": package,
        "description": chosen.description,
        "secret": generate_secret(),
        "session_url": sessions.url.replace("{{ package }}", package),
        "session_about": sessions.about,
        "container_session_url": sessions.container_url.replace("{{ package }}", package),
        "extras": ",".join(sorted(["fast", *chosen.extras, *sessions.extras])),
        "database_url": "sqlite+aiosqlite:///notes.db",
    }
    values.update(_kick_values(source))
    values["target"] = chosen.target.replace("{{ package }}", values["package"])
    flags = _flags(template, store, database)
    code = [chosen.code.replace("{{ package }}", package), *(["migrations"] if flags["sqlalchemy"] else []), "tests"]
    values["checked"] = ", ".join(f'"{each}"' for each in code)
    values["migrate_phony"] = " migrate migration" if flags["sqlalchemy"] else ""
    layers = [each.replace(_DATABASE, DATABASES[database].layer) for each in chosen.layers]
    contents: dict[str, str | bytes] = {**render(layers, {**values, **flags})}
    if source.line:
        contents[KICK_FILE] = f"# The source of kick, as a line for pip. See README.md.\n{source.line}\n"
        contents[source.wheel] = source.packed
    return contents


def _kick_values(source: Provenance) -> dict[str, str]:
    """Values that describe kick in the files of a project. The folder is quoted for a shell within a Makefile."""
    return {
        "versions": source.versions,
        "from_index": "" if source.line else "yes",
        "elsewhere": "yes" if source.line else "",
        "kick_folder": source.folder and shlex.quote(source.folder).replace("$", "$$"),
        "kick_needed": "" if source.is_editable else "test -e .venv/.ready || ",
        "kick_line": shlex.quote(source.line).replace("$", "$$"),
        "kick_phony": " kick" if source.folder else "",
        "kick_target": " | kick" if source.folder else "",
        "kick_wheel": source.wheel,
    }


def _flags(template: str, store: str, database: str) -> dict[str, str]:
    """Return the conditions for optional parts of the files: `yes` or empty."""
    notes = takes_database(template)
    data = notes or store == "sqlite"
    sqlalchemy = notes and database == "sqlalchemy"
    flags = {
        **{each: each == template for each in TEMPLATES},
        **{each: each == store for each in SESSIONS},
        "notes": notes,
        "sqlalchemy": sqlalchemy,
        "sqlite3": notes and not sqlalchemy,
        "plain": not sqlalchemy,
        "depends": sqlalchemy or store in ("postgres", "redis"),
        "data": data,
        "stateless": not data,
        "volumes": data or store in ("postgres", "redis"),
    }
    return {name: "yes" if flag else "" for name, flag in flags.items()}
