"""What can be wrong with what `kick` was told.

KickError
├── NoTarget              no application named, and none found
├── BadTarget             a target that is not written `module:attribute`
├── ModuleNotThere        its module does not exist
├── AttributeNotThere     the module has no such attribute
├── NotAnApplication      the attribute cannot be served
├── ImportFailed          importing the module raised
├── VariableNotSet        importing the module asked for an environment variable that is not there
├── BadProjectFile        pyproject.toml cannot be read
├── PortTaken             somebody listens there already
├── BadAddress            the host is not an address of this machine
├── SessionsNotShared     several workers, and sessions in the memory of each
├── StartFailed           a provider or a lifespan raised when the application started
├── ServerNotInstalled    `--server` names one that is not there
├── UnknownShell          a shell for which there is no completion
├── NoSecretYet           no secret to rotate
├── CannotWrite           the system refuses something, such as to write a file
├── NotInstalled          kick runs from a folder in which it was not installed
├── BadName               a name no project can have
└── FolderTaken           a folder that is there already
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from kick.errors import KickError


class NoTarget(KickError):
    """No application was named, and none is where one is looked for."""

    code = "target-missing"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            cause=f"No application was named, and {folder} has neither a [tool.kick] in pyproject.toml nor an app.py.",
            fix="Name it, `kick dev package.module:app`, or write it into pyproject.toml:\n"
            "[tool.kick]\n"
            'app = "package.module:app"',
        )


class BadTarget(KickError):
    """A target that cannot be read.

    >>> BadTarget("app.py").fix
    'Write the module, a colon, and the name of the application in it: `app:app`.'
    """

    code = "target-form"

    def __init__(self, target: str) -> None:
        module = target.partition(":")[0].removesuffix(".py").replace("/", ".").strip(".")
        example = f"{module or 'app'}:app"
        super().__init__(
            cause=f"{target!r} does not name an application.",
            fix=f"Write the module, a colon, and the name of the application in it: `{example}`.",
        )


class ModuleNotThere(KickError):
    """The module of a target that does not exist."""

    code = "target-module"

    def __init__(self, module: str, folder: Path, near: Sequence[str]) -> None:
        meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(
            cause=f"There is no module {module!r} in {folder}.{meant}",
            fix="Run kick in the folder of the project, and name the module as an import does: `package.module:app`.",
        )


class AttributeNotThere(KickError):
    """A module without the attribute of a target; `applications` are the names of those it has."""

    code = "target-attribute"

    def __init__(self, module: str, attribute: str, applications: Sequence[str]) -> None:
        if applications:
            fix = f"Take one that is there: {', '.join(f'`{module}:{name}`' for name in applications)}."
        else:
            fix = f"Make one in {module}: `{attribute} = bootstrap(modules=[...])`."
        super().__init__(cause=f"The module {module!r} has no {attribute!r}.", fix=fix)


class NotAnApplication(KickError):
    """A target that is something else than an application."""

    code = "target-type"

    def __init__(self, target: str, found: object, wanted: str) -> None:
        kind = f"the class {found.__qualname__}" if isinstance(found, type) else f"a {type(found).__qualname__}"
        module, _, attribute = target.partition(":")
        super().__init__(
            cause=f"{target} is {kind}, not {wanted}.",
            fix=f"Name what bootstrap() returned; in {module}: `{attribute} = bootstrap(modules=[...])`.",
        )


class ImportFailed(KickError):
    """An exception while the module of a target was imported; it is the `__cause__`."""

    code = "target-import"

    def __init__(self, target: str, error: BaseException) -> None:
        said = error.msg if isinstance(error, SyntaxError) else error
        super().__init__(
            cause=f"Importing {target} failed with {type(error).__name__}: {said}",
            fix="Mend what is at the place named here; `--trace` shows how it was reached.",
        )


class VariableNotSet(KickError):
    """A variable of the environment that the application asked for."""

    code = "environment-missing"

    def __init__(self, variable: str) -> None:
        own = f"`kick secret --env` draws one and writes it there. Or write `{variable}=...` into it yourself."
        super().__init__(
            cause=f"The application asks for the environment variable {variable}, which is not set, in .env neither.",
            fix=own if variable == "SESSION_SECRET" else f"Write `{variable}=...` into .env, or set it otherwise.",
        )


class BadProjectFile(KickError):
    """A pyproject.toml that says nothing sensible about kick."""

    code = "project-file"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(cause=f"{path}: {problem}.", fix='Write `app = "package.module:app"` below `[tool.kick]`.')


class PortTaken(KickError):
    """A port on which somebody listens already."""

    code = "port-taken"

    def __init__(self, command: str, host: str, port: int) -> None:
        other = port + 1 if port < 65_535 else 8000
        super().__init__(
            cause=f"Something listens on {host}, port {port} already.",
            fix=f"End it, or take another port: `kick {command} --port {other}`.",
        )


class BadAddress(KickError):
    """A host and port that nobody can listen on here."""

    code = "address"

    def __init__(self, command: str, host: str, port: int, problem: str) -> None:
        super().__init__(
            cause=f"Cannot listen on {host}, port {port}: {problem}.",
            fix=f"Take an address of this machine, and a port from 1024 on: `kick {command} --host 127.0.0.1`.",
        )


class SessionsNotShared(KickError):
    """Several workers, each of which would have sessions of its own."""

    code = "session-store-not-shared"

    def __init__(self, workers: int) -> None:
        super().__init__(
            cause=f"The sessions are in memory, and each of {workers} workers has a memory of its own: "
            "who logs in with one is a stranger to the others.",
            fix='Take a store that processes share, `session(store="sqlite:///sessions.db")` or '
            '`session(store="redis://localhost:6379/0")`, or one worker: `kick start --workers 1`.',
        )


class StartFailed(KickError):
    """An exception of a provider or a lifespan when the application started; it is the `__cause__`."""

    code = "start-failed"

    def __init__(self, error: BaseException) -> None:
        notes = "".join(f" ({note.removeprefix('kick: ')})" for note in getattr(error, "__notes__", ()))
        super().__init__(
            cause=f"The application did not start: {type(error).__name__}: {error}{notes}",
            fix="Mend what is at the place named here; `--trace` shows how it was reached.",
        )


class ServerNotInstalled(KickError):
    """A server that `kick start --server` names, and that is not installed."""

    code = "server-missing"

    def __init__(self, server: str) -> None:
        super().__init__(
            cause=f"The server {server} is not installed.",
            fix=f"Install it: `pip install {server}`. Or take the one that is there: `kick start --server uvicorn`.",
        )


class UnknownShell(KickError):
    """A shell that `$SHELL` names, and for which there is no completion."""

    code = "shell-unknown"

    def __init__(self, name: str) -> None:
        said = f"SHELL says {name!r}" if name else "SHELL is not set"
        super().__init__(
            cause=f"There is completion for bash, zsh and fish, and {said}.",
            fix="Name the shell: `kick completion bash`.",
        )


class NoSecretYet(KickError):
    """No secret in `.env` that could be rotated."""

    code = "secret-none"

    def __init__(self, variable: str, file: str) -> None:
        super().__init__(
            cause=f"There is no {variable} in {file} that another could take over from.",
            fix="Draw the first one: `kick secret --env`.",
        )


class CannotWrite(KickError):
    """Something that the operating system refuses."""

    code = "system"

    def __init__(self, error: OSError) -> None:
        said = f"{error.filename}: {error.strerror}" if error.filename is not None and error.strerror else str(error)
        super().__init__(
            cause=f"The system refuses it: {said}.",
            fix="See that the path is right and that you may read and write there; `--trace` shows what was tried.",
        )


class NotInstalled(KickError):
    """A kick that is imported from a folder, and that no environment has."""

    code = "kick-not-installed"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            cause=f"kick runs from {folder}, and is not installed: a new project could not get the same.",
            fix=f"Install it in a virtual environment: `pip install --editable {shlex.quote(str(folder))}`.",
        )


class BadName(KickError):
    """A name that a project cannot have."""

    code = "project-name"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            cause=f"A project cannot be named {name!r}: {problem}.",
            fix="Take letters, digits and single hyphens, a letter first: `kick new my-app`.",
        )


class FolderTaken(KickError):
    """A folder that has something in it."""

    code = "project-folder"

    def __init__(self, folder: Path) -> None:
        what = "a folder with something in it" if folder.is_dir() else "a file"
        super().__init__(
            cause=f"{folder.name} is there already, and it is {what}.",
            fix=f"Take another name, or move it away: `mv {folder.name} {folder.name}.old`.",
        )
