"""Errors of the command line that several places report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from kick.errors import KickError


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
        cause=f"The application asks for the environment variable {variable}, which is not set, not even in .env.",
        fix=own if variable == "SESSION_SECRET" else f"Write `{variable}=...` into .env, or set it otherwise.",
    )


def bad_project_file(path: Path, problem: str) -> KickError:
    """Return the error for an invalid `[tool.kick]` in pyproject.toml."""
    return KickError(
        "project-file", cause=f"{path}: {problem}.", fix='Write `app = "package.module:app"` below `[tool.kick]`.'
    )


def bad_unix_socket(path: Path, problem: str) -> KickError:
    """Return the error for a path at which no Unix socket can be made."""
    return KickError(
        "unix-socket",
        cause=f"Cannot listen on the Unix socket {path}: {problem}.",
        fix="Use a new name, in an existing folder to which you may write: "
        f"`kick start --uds {shlex.quote(f'{path.name}.sock')}`.",
    )


def bad_certificate(problem: str) -> KickError:
    """Return the error for a certificate that cannot be used."""
    return KickError(
        "tls-certificate",
        cause=f"Cannot use the certificate: {problem}.",
        fix="Pass the certificate with its chain and its key, both in PEM and without a password: "
        "`kick start --ssl-certfile fullchain.pem --ssl-keyfile privkey.pem`.",
    )


def start_failed(error: BaseException) -> KickError:
    """Return the error for an exception at the start of the application; it is the `__cause__`."""
    notes = "".join(f" ({note.removeprefix('kick: ')})" for note in getattr(error, "__notes__", ()))
    failed = KickError(
        "start-failed",
        cause=f"The application did not start: {type(error).__name__}: {error}{notes}",
        fix="Fix the code at this place; `--trace` shows the whole traceback.",
    )
    failed.__cause__ = error
    return failed


def system_refusal(error: OSError) -> KickError:
    """Return the error for an exception of the operating system."""
    said = f"{error.filename}: {error.strerror}" if error.filename is not None and error.strerror else str(error)
    return KickError(
        "system",
        cause=f"The system reports an error: {said}.",
        fix="Check that the path is right and that you may read and write there; `--trace` shows the whole traceback.",
    )


def bad_name(name: str, problem: str) -> KickError:
    """Return the error for an invalid name of a project."""
    return KickError(
        "project-name",
        cause=f"A project cannot be named {name!r}: {problem}.",
        fix="Use letters, digits and single hyphens, and begin with a letter: `kick new my-app`.",
    )
