"""`kick sessions`: lists and ends sessions on the command line."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from kick.cli import terminal
from kick.cli.env_file import enter
from kick.cli.error_report import show_warnings
from kick.cli.options import trace_option
from kick.cli.production_checks import session_layers
from kick.cli.target import find_target, load_app
from kick.cli.terminal import counted
from kick.errors import KickError

if TYPE_CHECKING:
    from kick.session import SessionInfo
    from kick.session.stores.base import AtomicStore

STORE: Final = "SESSION_STORE"
EXAMPLE: Final = "--store sqlite:///sessions.db"
TIMEOUT: Final = 5.0
LONGEST_AGENT: Final = 60

Answer = TypeVar("Answer")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def no_store() -> KickError:
    """Return the error of a command without a store."""
    return KickError(
        "session-store-missing",
        cause=f"No store was named, {STORE} is not set (in .env neither), and there is no application here.",
        fix=f"Name it: `kick sessions purge {EXAMPLE}`. Or set {STORE}, or run this in the folder of the project.",
    )


class Found(NamedTuple):
    """A store, and its name for the user."""

    store: AtomicStore
    name: str


def _store_option(command: Decorated) -> Decorated:
    return click.option(
        "--store", "url", metavar="URL", help=f"The store.  [default: {STORE}, else that of the application]"
    )(trace_option(command))


@click.group("sessions")
def command() -> None:
    """List sessions of a user, end them, and delete expired ones.

    The store is that of --store, or SESSION_STORE, or that of the application in this folder.

    \b
    Examples:
      $ kick sessions list ann
      $ kick sessions revoke ann
      $ kick sessions purge --store redis://localhost:6379/0
    """


@command.command("list")
@click.argument("principal")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
@_store_option
def list_sessions(principal: str, as_json: bool, url: str | None) -> None:
    """List the sessions of PRINCIPAL, most recently used first. Times are in the time zone of this machine.

    \b
    Examples:
      $ kick sessions list ann
      $ kick sessions list ann --json --store sqlite:///sessions.db
    """
    from kick.session.devices import info_of

    found = find_store(url, Path.cwd())
    infos = [info_of(key, record) for key, record in _ask(found, lambda store: store.find(principal))]
    infos.sort(key=lambda info: info.last_seen_at, reverse=True)
    if as_json:
        terminal.say(json.dumps([_described(info) for info in infos], indent=2, default=str))
    elif infos:
        total = f"{counted(len(infos), 'session')} in {found.name}"
        terminal.say(f"\n{_table(infos)}\n\n  {terminal.dim(total)}\n")
    else:
        terminal.say(terminal.dim(f"\n  no sessions of {principal} in {found.name}\n"))


@command.command("revoke")
@click.argument("principal")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@_store_option
@click.pass_context
def revoke(ctx: click.Context, principal: str, yes: bool, url: str | None) -> None:
    """End all sessions of PRINCIPAL immediately, on every device. In a terminal it asks for confirmation.

    \b
    Examples:
      $ kick sessions revoke ann
      $ kick sessions revoke ann --yes --store redis://localhost:6379/0
    """
    found = find_store(url, Path.cwd())
    if not yes and terminal.is_interactive() and not _is_confirmed(found, principal):
        terminal.say("  No session was ended.")
        ctx.exit(1)
    ended = _ask(found, lambda store: store.revoke(principal))
    terminal.say(f"  {terminal.green('ended')}  {counted(ended, 'session')} of {principal} in {found.name}")


@command.command("purge")
@_store_option
def purge(url: str | None) -> None:
    """Delete expired sessions. Stores also do this by themselves, a few at a time.

    \b
    Examples:
      $ kick sessions purge
      $ kick sessions purge --store sqlite:///sessions.db
    """
    found = find_store(url, Path.cwd())
    freed = _ask(found, lambda store: store.purge())
    terminal.say(f"  {terminal.green('freed')}  {counted(freed, 'expired record')} in {found.name}")


@command.command("migrate")
@_store_option
def migrate(url: str | None) -> None:
    """Create the table of a PostgreSQL store, or bring it up to date. Other stores need none.

    \b
    Examples:
      $ kick sessions migrate
      $ kick sessions migrate --store postgresql://owner@localhost/shop
    """
    found = find_store(url, Path.cwd())
    change = getattr(found.store, "migrate", None)
    if change is None:
        terminal.say(terminal.dim(f"  nothing to do: {found.name} has no table"))
        return
    done = _ask(found, lambda _: change())
    said = terminal.green("created") if done else terminal.dim("nothing to do: it is there")
    terminal.say(f"  {said}  the table {getattr(found.store, 'table', '')} in {found.name}")


def find_store(url: str | None, folder: Path) -> Found:
    """Return the store of the option, of `SESSION_STORE`, or of the application in the folder.

    Raises a `KickError` when there is none, when it is in the memory of a process, or when its file does not exist.
    """
    if not url:
        show_warnings()
        enter(folder, "development")
        url = os.environ.get(STORE)
    found = _from_url(url) if url else _of_application(folder)
    if getattr(found.store, "in_process", False):
        raise KickError(
            "session-store-in-process",
            cause=f"{found.name} keeps sessions in the memory of the server process; no other process can read them.",
            fix='Use a store that processes share, `session(store="sqlite:///sessions.db")` or '
            '`session(store="redis://localhost:6379/0")`.',
        )
    _check_file(found.store)
    return found


def shown_url(url: str) -> str:
    """Return a URL without its secrets.

    >>> shown_url("redis://ann:secret@host:6379/0?password=secret")
    'redis://host:6379/0'
    """
    if url.startswith("sqlite:"):
        return url
    scheme, separator, _ = url.rpartition("://")
    address = url.removeprefix(scheme + separator).rpartition("@")[2]
    return f"{scheme}{separator}{address.partition('?')[0]}"


def _from_url(url: str) -> Found:
    from kick.session.stores.url import SCHEMES, open_store, scheme_of

    if f"{scheme_of(url)}://" not in SCHEMES:
        raise KickError(
            "session-store-url",
            cause=f"{shown_url(url)!r} is not a store that kick knows. URLs begin with: {', '.join(SCHEMES)}.",
            fix=f"For example `{EXAMPLE}` or `--store redis://localhost:6379/0`.",
        )
    return Found(open_store(url, timeout=TIMEOUT), shown_url(url))


def _of_application(folder: Path) -> Found:
    try:
        target = find_target(None, folder)
    except KickError as problem:
        raise (no_store() if problem.code == "target-missing" else problem) from None
    for layer in session_layers(load_app(target, folder)):
        store = layer.manager.store
        return Found(store, f"the {type(store).__name__} of {target}")
    raise KickError(
        "session-store-none",
        cause=f"No store was named, and {target} has no sessions.",
        fix=f"Name the store: `kick sessions purge {EXAMPLE}`.",
    )


def _check_file(store: AtomicStore) -> None:
    from kick.session.stores.sqlite import SQLiteStore

    if isinstance(store, SQLiteStore) and not store.path.exists():
        raise KickError(
            "session-store-file",
            cause=f"There is no file {store.path}, so no session has been stored there.",
            fix="Check the path: three slashes before one that starts in this folder, four before an "
            "absolute one: `--store sqlite:////srv/shop/sessions.db`.",
        )


def _ask(found: Found, question: Callable[[AtomicStore], Awaitable[Answer]]) -> Answer:
    """Await an operation of the store. Raises `KickError`: `session-store-failed` for any failure."""

    async def run() -> Answer:
        try:
            return await question(found.store)
        finally:
            await found.store.aclose()

    try:
        return asyncio.run(run())
    except KickError:
        raise
    except Exception as error:  # a store may raise anything
        raise KickError(
            "session-store-failed",
            cause=f"{found.name} cannot be used: {str(error) or type(error).__name__}",
            fix="Check that it runs and can be reached from here, and that the address is right.",
        ) from error


def _is_confirmed(found: Found, principal: str) -> bool:
    count = len(_ask(found, lambda store: store.find(principal)))
    return not count or click.confirm(f"  End {counted(count, 'session')} of {principal} in {found.name}?")


def _table(infos: list[SessionInfo]) -> str:
    rows = [
        [
            terminal.bold(info.fingerprint),
            *map(_moment, (info.created_at, info.last_seen_at, info.expires_at)),
            _printable(info.client.get("ip")),
            terminal.dim(_printable(info.client.get("user_agent"))),
        ]
        for info in infos
    ]
    return terminal.table(rows, heading=["session", "created", "last seen", "expires", "ip", "client"])


def _moment(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M")


def _printable(text: object) -> str:
    """Return data of a client in a form that is safe for a terminal.

    >>> _printable("curl/8 \\x1b[2J"), _printable(None), len(_printable("long " * 100))
    ('curl/8 ?[2J', '', 60)
    """
    said = "" if text is None else "".join(each if each.isprintable() else "?" for each in str(text))
    return said if len(said) <= LONGEST_AGENT else f"{said[: LONGEST_AGENT - 1]}…"


def _described(info: SessionInfo) -> dict[str, Any]:
    return {
        "fingerprint": info.fingerprint,
        "created_at": info.created_at.isoformat(),
        "last_seen_at": info.last_seen_at.isoformat(),
        "expires_at": info.expires_at.isoformat(),
        "client": dict(info.client),
    }
