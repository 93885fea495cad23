"""`kick shell`: a Python prompt with the application, and with `await`."""

from __future__ import annotations

import ast
import asyncio
import code
import inspect
import os
import sys
import traceback
import types
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from kick.cli import terminal
from kick.cli.errors import start_failed
from kick.cli.options import target_argument
from kick.cli.target import Target, open_app
from kick.errors import KickError

if TYPE_CHECKING:
    from anyio import CancelScope
    from anyio.from_thread import BlockingPortal

    from kick.app import App

T = TypeVar("T")

_LENGTH: Final = 1000
"""Lines of history."""


@click.command("shell")
@target_argument
@click.option("-c", "--command", "source", help="Run this code, and exit.")
@click.pass_context
def command(ctx: click.Context, target: str | None, source: str | None) -> None:
    """Start the application, and open a Python prompt with a scope like that of a request.

    `app` is the application, `scope` the scope, and `await get(Service)` resolves a type. `await` works at the prompt,
    and background tasks continue to run. The history is kept for the next time.
    Input from a pipe is run as a script.

    \b
    Examples:
      $ kick shell
      $ kick shell -c "from shop.orders import Orders; print(await (await get(Orders)).count())"
    """
    from anyio.from_thread import start_blocking_portal

    found, app = open_app(target)
    if source is None and not sys.stdin.isatty():
        source = sys.stdin.read()
    with start_blocking_portal() as portal:
        try:
            call(portal, _start, app)
            with portal.wrap_async_context_manager(app.scope()) as scope:
                names = {"__name__": "__console__", "app": app, "scope": scope, "get": scope.get, "asyncio": asyncio}
                runner = Runner(portal, names)
                worked = _converse(runner, app, found) if source is None else runner.run_source(source)
        finally:
            portal.call(app.aclose)
            portal.call(portal.stop, True)  # does not wait for remaining tasks
    ctx.exit(0 if worked else 1)


async def _start(app: App) -> None:
    """Start an application. Raises `KickError`: `start-failed` for what a provider of the user raises."""
    try:
        await app.start()
    except KickError:
        raise
    except Exception as error:
        raise start_failed(error) from error


class Cancellation:
    """Cancels one call in the event loop, whether it has begun or not. Both methods run in the loop."""

    def __init__(self) -> None:
        self._scope: CancelScope | None = None
        self._is_asked = False

    async def cover(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T | None:
        """Await a function; `None` when it is cancelled."""
        from anyio import CancelScope

        if self._is_asked:
            return None
        with CancelScope() as self._scope:
            return await function(*arguments)
        return None

    def ask(self) -> None:
        """Cancel it."""
        self._is_asked = True
        if self._scope is not None:
            self._scope.cancel()


def call(portal: BlockingPortal, function: Callable[..., Awaitable[T]], *arguments: Any) -> T | None:
    """Call a function in the event loop and wait for it.

    `KeyboardInterrupt` cancels the call and is raised again, also when it arrives before there is a future to cancel.
    """
    cancellation = Cancellation()
    try:
        result: T | None = portal.call(cancellation.cover, function, *arguments)
        return result
    except KeyboardInterrupt:
        portal.start_task_soon(cancellation.ask)
        raise


class Runner:
    """Runs code in the thread of an event loop, always with the same namespace. `await` works at the top level."""

    def __init__(self, portal: BlockingPortal, names: dict[str, Any]) -> None:
        self.names = names
        self._portal = portal

    def run_source(self, source: str) -> bool:
        """Run a script; print the exception that it raises, and return false then."""
        try:
            compiled = compile(source, "<shell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError):
            traceback.print_exc(limit=0)
            return False
        return self.run(compiled)

    def run(self, compiled: types.CodeType) -> bool:
        """Run compiled code; return false if it raised. `SystemExit` is raised here."""
        try:
            error = call(self._portal, self._run, compiled)
        except KeyboardInterrupt:
            terminal.say("\nKeyboardInterrupt", err=True)
            return False
        except CancelledError:
            return False
        if isinstance(error, SystemExit):
            raise error
        if error is not None:
            _print(error)
        return error is None

    async def _run(self, compiled: types.CodeType) -> BaseException | None:
        """Run in the event loop; return the exception instead of raising it, because it would end the loop."""
        run: Callable[[], Any] = types.FunctionType(compiled, self.names)
        try:
            value = run()
            if inspect.iscoroutine(value):
                await value
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a user types may raise
            return error
        return None


class Console(code.InteractiveConsole):
    """The prompt."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner.names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._runner = runner

    def runcode(self, code: types.CodeType) -> None:
        """Run a line, or a block."""
        self._runner.run(code)


def _converse(runner: Runner, app: App, target: Target) -> bool:
    lines = [
        "",
        f"  {terminal.bold('kick')}  {target}  {terminal.dim('app, scope, await get(Service); Ctrl-D ends')}",
    ]
    with _history(runner.names):
        Console(runner).interact(banner="\n".join([*lines, ""]), exitmsg="")
    return True


@contextmanager
def _history(names: dict[str, Any]) -> Generator[None]:
    """Enable completion with the Tab key, and load the history."""
    try:
        import readline
        import rlcompleter
    except ModuleNotFoundError:  # Python on Windows
        yield
        return
    path = history_file()
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(_LENGTH)
    if path.is_file():
        readline.read_history_file(path)
    try:
        yield
    finally:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        readline.write_history_file(path)


def history_file() -> Path:
    """Return the path of the history, below `XDG_STATE_HOME` (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "kick" / "history"


def _print(error: BaseException) -> None:
    """Return a traceback without the frames of this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)
