"""`kick new`: a project that starts, and whose tests pass."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import click

from kick.cli import terminal
from kick.cli.environment import draw_secret
from kick.cli.naming import package_name
from kick.cli.options import trace_option
from kick.cli.scaffold import check_folder, render, write_project

TEMPLATE: Final = "api"


class Sessions(NamedTuple):
    """One place to keep sessions: its URL, the extras of kick that it takes, and what there is to know of it."""

    url: str
    extras: str
    about: str


SESSIONS: Final = {
    "memory": Sessions(
        "memory://",
        "fast",
        "in the memory of the process: they end with it, and `kick start` runs a single worker",
    ),
    "sqlite": Sessions(
        "sqlite:///sessions.db",
        "fast",
        "in the file sessions.db: they outlive a restart, and the workers of one machine share them",
    ),
    "redis": Sessions(
        "redis://localhost:6379/0",
        "fast,redis",
        "in Redis, which has to run: they outlive a restart, and any number of machines share them",
    ),
}


@click.command("new")
@click.argument("name")
@click.option(
    "--session", "store", type=click.Choice(list(SESSIONS)), help="Where sessions are kept.  [default: sqlite]"
)
@click.option("--git/--no-git", default=True, show_default=True, help="Make it a git repository.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@trace_option
def command(name: str, store: str | None, git: bool, yes: bool) -> None:
    """Write a project into the new folder NAME: an API for notes, with accounts and sessions.

    \b
    Examples:
      $ kick new my-app
      $ kick new my-app --session redis --no-git
    """
    package = package_name(name)
    folder = Path.cwd() / name
    check_folder(folder)
    kind = store or ("sqlite" if yes or not _asks() else _ask())
    contents = render(TEMPLATE, _values(name, package, SESSIONS[kind]))
    write_project(folder, contents)
    repository = git and _make_repository(folder)
    terminal.say(_made(name, sorted(contents), kind, repository))


def _values(name: str, package: str, sessions: Sessions) -> dict[str, str]:
    return {
        "name": name,
        "package": package,
        "secret": draw_secret(),
        "session_url": sessions.url,
        "session_about": sessions.about,
        "extras": sessions.extras,
    }


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask() -> str:
    rows = [[terminal.bold(kind), terminal.dim(each.about)] for kind, each in SESSIONS.items()]
    terminal.say(f"\n  Where are sessions to be kept?\n\n{terminal.table(rows)}\n")
    answer: str = click.prompt("  Sessions", type=click.Choice(list(SESSIONS)), default="sqlite")
    return answer


def _make_repository(folder: Path) -> bool:
    """Make the folder a git repository, unless it is in one already or there is no git."""
    git = shutil.which("git")
    if git is None:
        return False
    inside = subprocess.run([git, "rev-parse", "--is-inside-work-tree"], cwd=folder, capture_output=True, check=False)
    if inside.returncode == 0:
        return False
    made = subprocess.run([git, "init", "--quiet"], cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        terminal.warn(f"git init failed: {made.stderr.strip()}")
    return made.returncode == 0


def _made(name: str, paths: list[str], kind: str, repository: bool) -> str:
    extra = ", in a git repository" if repository else ""
    steps = {
        f"cd {name}": "",
        "make dev": "serves it on http://127.0.0.1:8000",
        "make test": "runs its tests, ruff and mypy",
    }
    return "\n".join(
        [
            "",
            f"  {terminal.green('made')}  {terminal.bold(name)}  {len(paths)} files, sessions in {kind}{extra}",
            "",
            _noted(_top_level(paths)),
            "",
            f"  {terminal.green('next')}",
            "",
            _noted({terminal.accent(step): about for step, about in steps.items()}),
            *(["", terminal.dim("  Redis has to run: docker run -p 6379:6379 redis")] if kind == "redis" else []),
            "",
        ]
    )


def _noted(lines: Mapping[str, str]) -> str:
    return terminal.table([[line, terminal.dim(note)] for line, note in lines.items()])


def _top_level(paths: list[str]) -> dict[str, str]:
    """What is to be seen in the new folder, with what there is to say of it."""
    notes = {
        ".env": "a fresh secret, not in git",
        ".env.example": "what can be set",
        "Makefile": "make dev, make test",
        "README.md": "how to go on from here",
        "pyproject.toml": "dependencies, settings of the tools",
    }
    folders = Counter(path.partition("/")[0] + "/" for path in paths if "/" in path)
    files = [path for path in paths if "/" not in path]
    return {
        **{folder: f"{count} files" for folder, count in folders.items()},
        **{file: notes.get(file, "") for file in files},
    }
