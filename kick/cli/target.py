"""The application of a command: `module:attribute`, found and imported."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kick.cli.env_file import enter
from kick.cli.error_report import show_warnings
from kick.cli.errors import (
    bad_project_file,
    import_exited,
    import_failed,
    missing_attribute,
    missing_module,
    missing_variable,
    not_an_application,
)
from kick.cli.server.processes import Interrupted
from kick.di.hints import takes
from kick.errors import KickError, missing_extra

if TYPE_CHECKING:
    from kick.app import App

_TARGET: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class Target(NamedTuple):
    """A module, and the application in it."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def parse_target(text: str) -> Target:
    """Parse a target.

    >>> parse_target("shop.main:app")
    Target(module='shop.main', attribute='app')

    Raises `KickError`: `target-form`.
    """
    if _TARGET.fullmatch(text) is None:
        module = text.partition(":")[0].removesuffix(".py").replace("/", ".").strip(".")
        example = f"{module or 'app'}:app"
        raise KickError(
            "target-form",
            cause=f"{text!r} does not name an application.",
            fix=f"Write the module, a colon, and the name of the application in it: `{example}`.",
        )
    module, _, attribute = text.partition(":")
    return Target(module, attribute)


def find_target(named: str | None, folder: Path) -> Target:
    """Return the given target, that of pyproject.toml, or `app:app` if there is an app.py.

    Raises `KickError`: `target-missing`, `target-form` or `project-file`.
    """
    text = named or _target_in(folder / "pyproject.toml")
    if text is not None:
        return parse_target(text)
    if (folder / "app.py").is_file():
        return Target("app", "app")
    raise KickError(
        "target-missing",
        cause=f"No application was given, and {folder} has neither a [tool.kick] in pyproject.toml nor an app.py.",
        fix="Pass it, as in `kick dev package.module:app`, or write it into pyproject.toml:\n"
        "[tool.kick]\n"
        'app = "package.module:app"',
    )


def load_target(target: Target, folder: Path) -> Any:
    """Import the application, any ASGI application.

    Raises a `KickError` if the module does not exist, does not have the attribute or raises when it is imported, or if
    the attribute cannot be served.
    """
    found: Any = _imported(target, folder)
    for name in target.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            applications = list(_applications(sys.modules[target.module]))
            raise missing_attribute(target.module, target.attribute, applications) from None
    if not (not isinstance(found, type) and callable(found) and takes(found, 3)):
        raise not_an_application(str(target), found, "an application")
    return found


def load_served(target: Target, folder: Path) -> Any:
    """Import an application that is to be served.

    Raises the errors of `load_target`, and `missing-extra` if it has WebSockets and no package for them is installed.
    """
    from kick.app import App

    found = load_target(target, folder)
    if isinstance(found, App) and found.sockets and not any(map(_is_installed, ("websockets", "wsproto"))):
        raise missing_extra(f"The WebSocket {found.sockets[0].path}", "websockets", "websockets")
    return found


def load_app(target: Target, folder: Path) -> App:
    """Import a kick application. Raises the errors of `load_target`, and `target-type` for another framework."""
    from kick.app import App

    found = load_target(target, folder)
    if not isinstance(found, App):
        raise not_an_application(str(target), found, "a kick application")
    return found


def open_app(named: str | None, environment: str = "development") -> tuple[Target, App]:
    """Find and import the kick application that a command inspects, in an environment if `KICK_ENV` is not set."""
    folder = Path.cwd()
    show_warnings()
    enter(folder, environment)
    target = find_target(named, folder)
    return target, load_app(target, folder)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _target_in(path: Path) -> str | None:
    if not path.is_file():
        return None
    import tomllib

    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise bad_project_file(path, f"this is not TOML: {error}") from None
    settings = tool.get("kick", {}) if isinstance(tool, dict) else {}
    target = settings.get("app") if isinstance(settings, dict) else settings
    if target is not None and not isinstance(target, str):
        raise bad_project_file(path, f"[tool.kick] app is {target!r}, which is not a string")
    return target


def _imported(target: Target, folder: Path) -> ModuleType:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(target.module)
    except KickError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{target.module}.".startswith(f"{error.name}."):
            raise missing_module(error.name, folder, _near(error.name, folder)) from None
        raise import_failed(str(target), error) from error
    except KeyError as error:
        variable = _missing_variable(error)
        raise (import_failed(str(target), error) if variable is None else missing_variable(variable)) from error
    except Interrupted:
        raise
    except SystemExit as error:
        raise import_exited(str(target), error.code) from error
    except Exception as error:  # the user's own module may raise anything
        raise import_failed(str(target), error) from error


def _missing_variable(error: KeyError) -> str | None:
    """Return the name of the variable if `os.environ[...]` raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_locals.get("self") is not os.environ:
        return None
    return str(error.args[0])


def _near(module: str, folder: Path) -> list[str]:
    """Return the modules and packages of a folder with similar names."""
    import difflib

    packages = [path.parent for path in sorted(folder.glob("*/__init__.py"))]
    there = [path.stem for path in sorted(folder.glob("*.py"))] + [package.name for package in packages]
    within = [f"{package.name}.{path.stem}" for package in packages for path in sorted(package.glob("*.py"))]
    return [name for name in within if name.endswith(f".{module}")] or difflib.get_close_matches(
        module, [*there, *within], n=2
    )


def _applications(module: ModuleType) -> Iterator[str]:
    from kick.app import App

    return (name for name, value in vars(module).items() if isinstance(value, App))
