"""`kick new`: writes a project that starts, and whose tests pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from kick.cli import terminal
from kick.cli.git import make_repository
from kick.cli.options import trace_option
from kick.cli.project_name import package_name
from kick.cli.project_templates import DATABASES, SESSIONS, TEMPLATES, contents_of, takes_database
from kick.cli.provenance import provenance
from kick.cli.scaffold import check_folder, write_project

TEMPLATE: Final = "api"
STORE: Final = "sqlite"
DATABASE: Final = "sqlalchemy"

_SERVERS: Final = {
    "postgres": "PostgreSQL must run: docker run -p 5432:5432 -e POSTGRES_PASSWORD=postgres postgres",
    "redis": "Redis must run: docker run -p 6379:6379 redis",
}
"""Stores that need a server, and the way to start one."""


@click.command("new")
@click.argument("name")
@click.option("--template", type=click.Choice(list(TEMPLATES)), help=f"The kind of project.  [default: {TEMPLATE}]")
@click.option(
    "--session", "store", type=click.Choice(list(SESSIONS)), help=f"Where sessions are stored.  [default: {STORE}]"
)
@click.option(
    "--database", type=click.Choice(list(DATABASES)), help=f"How api and web store data.  [default: {DATABASE}]"
)
@click.option("--git/--no-git", default=True, show_default=True, help="Create a git repository, with a first commit.")
@click.option("--yes", is_flag=True, help="Ask no questions, and use the defaults.")
@click.option("--dry-run", is_flag=True, help="List the files without writing them.")
@trace_option
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    template: str | None,
    store: str | None,
    database: str | None,
    git: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Write a project into the new folder NAME.

    \b
    Templates:
      api      notes as JSON, with accounts, logins and devices
      web      the same as pages with forms, and a stylesheet
      minimal  one file, and one test

    In a terminal, kick asks for the options that are missing.

    \b
    Examples:
      $ kick new my-app
      $ kick new my-site --template web --session redis
      $ kick new my-app --database none
      $ kick new my-app --template minimal --dry-run
    """
    package_name(name)
    kick = provenance()
    folder = Path.cwd() / name
    check_folder(folder)
    asks = not yes and terminal.is_interactive()
    template = template or _choose("template", "Which template?", _abouts(TEMPLATES), TEMPLATE, asks=asks)
    store = store or _choose("sessions", "Where are sessions stored?", _abouts(SESSIONS), STORE, asks=asks)
    if not takes_database(template):
        if database not in (None, "none"):
            raise click.UsageError(f"The template {template} has no database.", ctx)
        database = "none"
    database = database or _choose("database", "How is data stored?", _abouts(DATABASES), DATABASE, asks=asks)
    contents = contents_of(name, template, store, database=database, kick=kick)
    if dry_run:
        terminal.say(_planned(name, contents))
        return
    write_project(folder, contents)
    repository = git and make_repository(folder)
    terminal.say(_made(name, sorted(contents), template, store, repository=repository))


def _abouts(choices: Mapping[str, object]) -> dict[str, str]:
    return {name: getattr(choice, "about", "") for name, choice in choices.items()}


def _choose(label: str, question: str, choices: Mapping[str, str], default: str, *, asks: bool) -> str:
    """Return the choice of the user, or the default if kick must not ask."""
    if not asks:
        return default
    rows = [[terminal.bold(name), terminal.dim(about)] for name, about in choices.items()]
    terminal.say(f"\n  {question}\n\n{terminal.table(rows)}\n")
    answer: str = click.prompt(f"  {label}", type=click.Choice(list(choices)), default=default)
    return answer


def _planned(name: str, contents: Mapping[str, str | bytes]) -> str:
    rows = [[f"{name}/{path}", terminal.dim(_size(content))] for path, content in contents.items()]
    return f"\n{terminal.table(rows)}\n\n  {len(rows)} files. Nothing was written.\n"


def _size(content: str | bytes) -> str:
    if isinstance(content, bytes):
        return f"{len(content) // 1024} KiB"
    return terminal.counted(content.count("\n"), "line")


def _made(name: str, paths: list[str], template: str, store: str, *, repository: bool) -> str:
    extra = ", in a git repository" if repository else ""
    steps = {
        f"cd {name}": "",
        "make dev": "serves it on http://127.0.0.1:8000",
        "make test": "runs its tests, ruff and mypy",
    }
    return "\n".join(
        [
            "",
            f"  {terminal.green('made')}  {terminal.bold(name)}  {template}, {len(paths)} files, "
            f"sessions in {store}{extra}",
            "",
            _noted(_top_level(paths)),
            "",
            f"  {terminal.green('next')}",
            "",
            _noted({terminal.accent(step): about for step, about in steps.items()}),
            *(["", terminal.dim(f"  {_SERVERS[store]}")] if store in _SERVERS else []),
            "",
        ]
    )


def _noted(lines: Mapping[str, str]) -> str:
    return terminal.table([[line, terminal.dim(note)] for line, note in lines.items()])


def _top_level(paths: list[str]) -> dict[str, str]:
    """Entries of the new folder, each with a note."""
    notes = {
        "wheels/": "a copy of kick, for the Dockerfile",
        ".env": "a new secret, not in git",
        ".env.example": "all settings",
        "Dockerfile": "docker compose up",
        "Makefile": "make dev, make test",
        "README.md": "next steps",
        "app.py": "the application",
        "kick.txt": "where kick comes from",
        "migrations/": "the tables of the database, step by step",
        "pyproject.toml": "dependencies and tool settings",
    }
    folders = Counter(path.partition("/")[0] + "/" for path in paths if "/" in path)
    files = [path for path in paths if "/" not in path]
    return {
        **{folder: notes.get(folder, terminal.counted(count, "file")) for folder, count in folders.items()},
        **{file: notes.get(file, "") for file in files},
    }
