"""`kick generate`: writes components of an application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from kick.cli import terminal
from kick.cli.generate import components
from kick.cli.generate.changes import Changes, Edit
from kick.cli.generate.components import Component, Mount
from kick.cli.generate.errors import bad_name
from kick.cli.generate.fields import parse_fields
from kick.cli.generate.names import LONGEST, Name, parse_name, plural_of
from kick.cli.generate.project_layout import Place, find_bootstrap, line_width, place_of
from kick.cli.options import trace_option
from kick.cli.target import Target, find_target

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_CLASSES: Final = frozenset(
    {
        *(
            "Annotated",
            "AsyncSession",
            "Controller",
            "Decimal",
            "Delete",
            "Get",
            "Iterator",
            "Meta",
            "Module",
            "NotFound",
            "Post",
            "Protocol",
        ),
        *("Put", "Service", "Struct"),
    }
)
"""The names that the files of a resource import. A resource must not have one of them."""


def _options(command: Decorated) -> Decorated:
    """Add the options that all kinds have."""
    app = click.option("--app", "target", help="The application, if not the one in pyproject.toml: package.module:app.")
    dry = click.option("--dry-run", is_flag=True, help="Show the changes without making them.")
    return app(dry(trace_option(command)))


def _mount_option(command: Decorated) -> Decorated:
    return click.option("--mount/--no-mount", default=True, help="Add it to the application.  [default: mount]")(
        command
    )


@click.group("generate")
def command() -> None:
    """Write a component of an application, with its test, into the project in this folder.

    Nothing is overwritten, and all edits are shown. `kick g` is the short form.

    \b
    Examples:
      $ kick generate resource note title:str body:str done:bool
      $ kick generate controller shop --dry-run
    """


@command.command("resource", short_help="Models, repository, controller, module and tests, mounted.")
@click.argument("name")
@click.argument("fields", nargs=-1)
@click.option("--plural", help="The plural, if it is irregular: mice.")
@_mount_option
@_options
def resource(
    name: str, fields: tuple[str, ...], plural: str | None, mount: bool, target: str | None, dry_run: bool
) -> None:
    """Write all files to create, read, replace and delete objects called NAME, in the singular.

    FIELDS are `name:type`; the types are str, int, float, bool, uuid, datetime, date, decimal, and 'list[...]' of
    these. A question mark makes a field optional: `due:date?`.

    \b
    Examples:
      $ kick generate resource note title:str body:str done:bool
      $ kick generate resource mouse --plural mice name:str 'tags:list[str]'
    """
    found, place = _project(target)
    singular = parse_name("resource", name, top_level=False)
    if singular.title in _CLASSES:
        raise bad_name("resource", name, f"it would hide the {singular.title} that its files import")
    rule = plural is None
    text = plural_of(singular).snake if plural is None else plural
    many = parse_name("resource", text, top_level=place.is_flat, longest=LONGEST + len("es"))
    component = components.resource(place, singular, many, parse_fields(fields))
    if rule and singular.snake.endswith("s"):
        terminal.warn(
            f"NAME must be in the singular; the plural of {singular.snake} would be {many.snake} (set it with --plural)"
        )
    _carry_out(component, found, place, mount=mount, dry_run=dry_run)


def _of_one_name(kind: str, about: str, story: str, make: Callable[[Place, Name], Component], *, mounts: bool) -> None:
    """Add a command that takes a name."""

    @_options
    def callback(name: str, target: str | None, dry_run: bool, mount: bool = True) -> None:
        found, place = _project(target)
        flat = place.is_flat and kind in ("module", "controller", "service")
        component = make(place, parse_name(kind, name, top_level=flat))
        _carry_out(component, found, place, mount=mount, dry_run=dry_run)

    callback.__doc__ = f"""{story}

    \b
    Example:
      $ kick generate {kind} {"clock" if kind == "provider" else "shop"}
    """
    if mounts:
        callback = _mount_option(callback)
    command.command(kind, short_help=about)(click.argument("name")(callback))


_of_one_name(
    "module", "A module, mounted.", "Write a module and mount it in the application.", components.module, mounts=True
)
_of_one_name(
    "controller",
    "A controller in the module of its name.",
    "Write a controller, and list it in the module of the same name. A missing module is written and mounted.",
    components.controller,
    mounts=True,
)
_of_one_name(
    "service",
    "A service.",
    "Write a class with @Service, which handlers and constructors get by its type.",
    components.service,
    mounts=False,
)
_of_one_name(
    "middleware",
    "Middleware.",
    "Write middleware. Add it to the list yourself, because the order matters.",
    components.middleware,
    mounts=False,
)
_of_one_name(
    "guard",
    "Middleware that allows or rejects requests.",
    "Write middleware for @Use(...) that decides who may call a handler.",
    components.guard,
    mounts=False,
)
_of_one_name(
    "provider",
    "A provider function with clean-up.",
    "Write a class, and a function that opens an instance when the application needs it and closes it at the end.",
    components.provider,
    mounts=False,
)


@command.command("test", short_help="A test of the application.")
@click.argument("name")
@_options
def test(name: str, target: str | None, dry_run: bool) -> None:
    """Write a test of the whole application.

    \b
    Example:
      $ kick generate test shop
    """
    found, place = _project(target)
    component = components.test(place, parse_name("test", name, top_level=False), found, is_named=target is not None)
    _carry_out(component, found, place, mount=False, dry_run=dry_run)


def _project(target: str | None) -> tuple[Target, Place]:
    folder = Path.cwd()
    found = find_target(target, folder)
    return found, place_of(found, folder)


def _carry_out(component: Component, target: Target, place: Place, *, mount: bool, dry_run: bool) -> None:
    edits: Sequence[Edit] = ()
    changes = Changes(place.folder, component.new)
    changes.check()
    if mount and component.mount is not None:
        edits = [_edit(component.mount, target, place)]
    changes = changes._replace(edits=tuple(edits))
    if not dry_run:
        changes.write()
    terminal.say(f"\n{changes.shown()}\n")
    if dry_run:
        terminal.say(f"  {terminal.yellow('dry run')}  Nothing was written.\n")
        return
    steps = list(component.then)
    if component.mount is not None and not edits:
        steps.append(f"list {component.mount.entry} of {component.mount.module}: bootstrap(modules=[...])")
    steps.append("run the tests: make test" if (place.folder / "Makefile").is_file() else "run the tests: pytest")
    terminal.say("\n".join(f"  {terminal.green('next')}  {step}" for step in steps) + "\n")


def _edit(mount: Mount, target: Target, place: Place) -> Edit:
    from kick.cli.generate.list_editor import Addition, add_to_list

    if mount.controllers_of is None:
        path = find_bootstrap(target, place.folder)
        addition = Addition("bootstrap", "modules", 0, mount.module, mount.entry)
    else:
        path = mount.controllers_of
        addition = Addition("Module", "controllers", None, mount.module, mount.entry)
    before = path.read_bytes()
    shown = path.relative_to(place.folder).as_posix()
    after = add_to_list(before, shown, addition, width=line_width(place.folder), local=place.is_local)
    return Edit(path, before, after)
