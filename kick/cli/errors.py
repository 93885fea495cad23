"""Errors of the command line: one function for each mistake."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from kick.errors import KickError


def missing_target(folder: Path) -> KickError:
    """Return the error of a command without an application."""
    return KickError(
        "target-missing",
        cause=f"No application was given, and {folder} has neither a [tool.kick] in pyproject.toml nor an app.py.",
        fix="Pass it, as in `kick dev package.module:app`, or write it into pyproject.toml:\n"
        "[tool.kick]\n"
        'app = "package.module:app"',
    )


def bad_target(target: str) -> KickError:
    """Return the error for a target that cannot be parsed.

    >>> bad_target("app.py").fix
    'Write the module, a colon, and the name of the application in it: `app:app`.'
    """
    module = target.partition(":")[0].removesuffix(".py").replace("/", ".").strip(".")
    example = f"{module or 'app'}:app"
    return KickError(
        "target-form",
        cause=f"{target!r} does not name an application.",
        fix=f"Write the module, a colon, and the name of the application in it: `{example}`.",
    )


def missing_module(module: str, folder: Path, near: Sequence[str]) -> KickError:
    """Return the error for a target whose module does not exist."""
    meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return KickError(
        "target-module",
        cause=f"There is no module {module!r} in {folder}.{meant}",
        fix="Run kick in the folder of the project, and write the module as in an import: `package.module:app`.",
    )


def missing_attribute(module: str, attribute: str, applications: Sequence[str]) -> KickError:
    """Return the error for a missing attribute of a target; `applications` are those in the module."""
    if applications:
        fix = f"Use one of these: {', '.join(f'`{module}:{name}`' for name in applications)}."
    else:
        fix = f"Create it in {module}: `{attribute} = bootstrap(modules=[...])`."
    return KickError("target-attribute", cause=f"The module {module!r} has no {attribute!r}.", fix=fix)


def not_an_application(target: str, found: object, wanted: str) -> KickError:
    """Return the error for a target that is not an application."""
    kind = f"the class {found.__qualname__}" if isinstance(found, type) else f"a {type(found).__qualname__}"
    module, _, attribute = target.partition(":")
    return KickError(
        "target-type",
        cause=f"{target} is {kind}, not {wanted}.",
        fix=f"Name what bootstrap() returned; in {module}: `{attribute} = bootstrap(modules=[...])`.",
    )


def import_failed(target: str, error: BaseException) -> KickError:
    """Return the error for an exception during the import of a target; it is the `__cause__`."""
    said = error.msg if isinstance(error, SyntaxError) else error
    return KickError(
        "target-import",
        cause=f"Importing {target} failed with {type(error).__name__}: {said}",
        fix="Fix the code at this place; `--trace` shows the whole traceback.",
    )


def import_exited(target: str, code: object) -> KickError:
    """Return the error for a target whose import calls `sys.exit()`; the `SystemExit` is the `__cause__`."""
    said = f": {code}" if isinstance(code, str) else f", with the status {code}" if code else ""
    return KickError(
        "target-exit",
        cause=f"Importing {target} ended the program by sys.exit(){said}.",
        fix="Raise an exception there, or do what ends the program below `if __name__ == '__main__':`; "
        "`--trace` shows how the place was reached.",
    )


def missing_variable(variable: str) -> KickError:
    """Return the error for a missing environment variable of the application."""
    own = f"`kick secret --env` generates one and writes it there. Or write `{variable}=...` into it yourself."
    return KickError(
        "environment-missing",
        cause=f"The application asks for the environment variable {variable}, which is not set, in .env neither.",
        fix=own if variable == "SESSION_SECRET" else f"Write `{variable}=...` into .env, or set it otherwise.",
    )


def bad_project_file(path: Path, problem: str) -> KickError:
    """Return the error for an invalid `[tool.kick]` in pyproject.toml."""
    return KickError(
        "project-file", cause=f"{path}: {problem}.", fix='Write `app = "package.module:app"` below `[tool.kick]`.'
    )


def port_taken(command: str, host: str, port: int) -> KickError:
    """Return the error for a port that is in use."""
    other = port + 1 if port < 65_535 else 8000
    return KickError(
        "port-taken",
        cause=f"Something listens on {host}, port {port} already.",
        fix=f"Stop it, or use another port: `kick {command} --port {other}`.",
    )


def bad_address(command: str, host: str, port: int, problem: str) -> KickError:
    """Return the error for an address on which this machine cannot listen."""
    return KickError(
        "address",
        cause=f"Cannot listen on {host}, port {port}: {problem}.",
        fix=f"Use an address of this machine, and a port from 1024 on: `kick {command} --host 127.0.0.1`.",
    )


def bad_unix_socket(path: Path, problem: str) -> KickError:
    """Return the error for a path at which no Unix socket can be made."""
    return KickError(
        "unix-socket",
        cause=f"Cannot listen on the Unix socket {path}: {problem}.",
        fix="Use a new name, in an existing folder to which you may write: "
        f"`kick start --uds {shlex.quote(f'{path.name}.sock')}`.",
    )


def unix_socket_taken(path: Path) -> KickError:
    """Return the error for a Unix socket on which another server listens."""
    return KickError(
        "unix-socket-taken",
        cause=f"Another server listens on the Unix socket {path}.",
        fix=f"Stop it, or use another name: `kick start --uds {shlex.quote(f'{path}.2')}`.",
    )


def bad_certificate(problem: str) -> KickError:
    """Return the error for a certificate that cannot be used."""
    return KickError(
        "tls-certificate",
        cause=f"Cannot use the certificate: {problem}.",
        fix="Pass the certificate with its chain and its key, both in PEM and without a password: "
        "`kick start --ssl-certfile fullchain.pem --ssl-keyfile privkey.pem`.",
    )


def sessions_not_shared(workers: int) -> KickError:
    """Return the error of several workers with sessions in memory."""
    return KickError(
        "session-store-not-shared",
        cause=f"The sessions are in memory, and each of the {workers} workers has its own memory: "
        "a user who logs in with one worker is not logged in with the others.",
        fix='Use a store that processes share, `session(store="sqlite:///sessions.db")` or '
        '`session(store="redis://localhost:6379/0")`, or one worker: `kick start --workers 1`.',
    )


def start_failed(error: BaseException) -> KickError:
    """Return the error for an exception at the start of the application; it is the `__cause__`."""
    notes = "".join(f" ({note.removeprefix('kick: ')})" for note in getattr(error, "__notes__", ()))
    return KickError(
        "start-failed",
        cause=f"The application did not start: {type(error).__name__}: {error}{notes}",
        fix="Fix the code at this place; `--trace` shows the whole traceback.",
    )


def unknown_shell(name: str) -> KickError:
    """Return the error for a shell in `$SHELL` without completion."""
    said = f"SHELL says {name!r}" if name else "SHELL is not set"
    return KickError(
        "shell-unknown",
        cause=f"Completion exists for bash, zsh and fish, and {said}.",
        fix="Pass the shell: `kick completion bash`.",
    )


def missing_old_secret(variable: str, file: str) -> KickError:
    """Return the error of a missing secret in `.env` that should be rotated."""
    return KickError(
        "secret-none",
        cause=f"{file} has no {variable} that could be rotated.",
        fix="Generate the first one: `kick secret --env`.",
    )


def system_refusal(error: OSError) -> KickError:
    """Return the error for an exception of the operating system."""
    said = f"{error.filename}: {error.strerror}" if error.filename is not None and error.strerror else str(error)
    return KickError(
        "system",
        cause=f"The system reports an error: {said}.",
        fix="Check that the path is right and that you may read and write there; `--trace` shows the whole traceback.",
    )


def not_installed(folder: Path) -> KickError:
    """Return the error for a kick that is imported from a folder and not installed."""
    return KickError(
        "kick-not-installed",
        cause=f"kick runs from {folder}, and is not installed, so a new project could not install the same kick.",
        fix=f"Install it in a virtual environment: `pip install --editable {shlex.quote(str(folder))}`.",
    )


def bad_name(name: str, problem: str) -> KickError:
    """Return the error for an invalid name of a project."""
    return KickError(
        "project-name",
        cause=f"A project cannot be named {name!r}: {problem}.",
        fix="Use letters, digits and single hyphens, and begin with a letter: `kick new my-app`.",
    )


def folder_exists(folder: Path) -> KickError:
    """Return the error for a folder that is not empty."""
    what = "a folder that is not empty" if folder.is_dir() else "a file"
    return KickError(
        "project-folder",
        cause=f"{folder.name} exists already: it is {what}.",
        fix=f"Use another name, or move it away: `mv {folder.name} {folder.name}.old`.",
    )
