"""The components of an application: their files, and the lists that mount them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from kick.cli.generate import database
from kick.cli.generate.fields import Field, check_of_decimals, imports_of
from kick.cli.generate.names import Name
from kick.cli.generate.project_layout import Place
from kick.cli.scaffold import fill
from kick.cli.target import Target


class Mount(NamedTuple):
    """The list that mounts a component: modules of the application, or controllers of a module."""

    module: str
    entry: str
    controllers_of: Path | None = None


class Component(NamedTuple):
    """The texts of new files by their paths, the list that mounts the component, and the next steps for the user."""

    new: dict[Path, str]
    mount: Mount | None = None
    then: tuple[str, ...] = ()


def resource(place: Place, name: Name, plural: Name, fields: Sequence[Field]) -> Component:
    """Models, a repository, a controller, a module and tests."""
    required = [field.name for field in fields if not field.is_optional]
    values = _values(place, name) | {
        "plural": plural.snake,
        "Plural": plural.title,
        "path": plural.path,
        "many": plural.words,
        "imports": "\n".join(imports_of(fields, ("typing", "Annotated"))) + "\n\n",
        "declarations": "\n".join(f"    {field.declaration}" for field in fields) + check_of_decimals(fields),
        "first": _sample(fields, 0),
        "second": _sample(fields, 1),
        "wrong": "{}" if required else "5",
        "wrong_location": f"/body/{required[0]}" if required else "/body",
        "repository_names": ", ".join(sorted((f"{name.title}Repository", f"{plural.title}InMemory"), key=str.lower)),
    }
    mount = Mount(f"{place.prefix}{plural.snake}.module", f"{plural.title}Module")
    folder = place.root / plural.snake
    new = {folder / f"{part}.py": _text("resource", part, values) for part in ("models", "controller")}
    if database.has_database(place):
        return _stored(place, plural, fields, Component(new, mount), values)
    new |= {folder / f"{part}.py": _text("resource", part, values) for part in ("repository", "module")}
    new |= _test(place, plural.snake, _text("resource", "test", values))
    return Component(_with_packages(new, place), mount, (_open_to_everyone(plural),))


def _stored(
    place: Place, plural: Name, fields: Sequence[Field], component: Component, values: dict[str, str]
) -> Component:
    """Add a table, its migration, and a repository of the database to a resource."""
    database.check_fields(fields)
    values = values | database.table_values(place, fields)
    folder, columns, migrations = place.root / plural.snake, place.root / "columns.py", database.migrations_of(place)
    new = {folder / f"{part}.py": _text("database", part, values) for part in ("tables", "repository", "module")}
    if database.needs_columns(fields) and not columns.exists():
        new[columns] = _text("database", "columns", values)
    new = _with_packages(component.new | new, place)
    before = database.last_revision(migrations)
    if before is not None:
        values |= {"revision": database.generate_revision(), "down_revision": before}
        path = migrations / database.migration_name(values["revision"], plural)
        new[path] = _text("database", "migration", values)
    table = "bring the database up to date: make migrate"
    if before is None:
        table = f'make migration m="add {plural.words}"'
    new |= _test(place, plural.snake, _text("database", "test", values))
    return component._replace(new=new, then=(table, _open_to_everyone(plural)))


def module(place: Place, name: Name) -> Component:
    """Return the files of a module without controllers."""
    new = {place.root / name.snake / "module.py": _text("module", "module", _values(place, name))}
    return Component(
        _with_packages(new, place),
        Mount(f"{place.prefix}{name.snake}.module", f"{name.title}Module"),
        (f"kick generate controller {name.path}",),
    )


def controller(place: Place, name: Name) -> Component:
    """Return the files of a controller and its test, and of its module if that does not exist."""
    values = _values(place, name)
    folder = place.root / name.snake
    new = {folder / "controller.py": _text("controller", "controller", values)}
    new |= _test(place, f"{name.snake}_controller", _text("controller", "test", values))
    if (folder / "module.py").is_file():
        mount = Mount(f"{place.prefix}{name.snake}.controller", f"{name.title}Controller", folder / "module.py")
    else:
        new[folder / "module.py"] = _text("controller", "module", values)
        mount = Mount(f"{place.prefix}{name.snake}.module", f"{name.title}Module")
    return Component(_with_packages(new, place), mount, (_open_to_everyone(name),))


def service(place: Place, name: Name) -> Component:
    """Return the files of a service and its test. A `@Service` need not be listed."""
    values = _values(place, name)
    new = {place.root / name.snake / "service.py": _text("service", "service", values)}
    new |= _test(place, f"{name.snake}_service", _text("service", "test", values))
    step = f"ask for it by type, as in `def __init__(self, it: {name.title}Service)`"
    return Component(_with_packages(new, place), then=(step,))


def middleware(place: Place, name: Name) -> Component:
    """Return the files of a middleware and its test. The user chooses its position in the list."""
    return _single(place, "middleware", "middleware", name, f"put {name.snake} into bootstrap(middleware=[...])")


def guard(place: Place, name: Name) -> Component:
    """Return the files of a guard, which allows or rejects requests, and its test."""
    return _single(place, "guard", "guards", name, f"put @Use({name.snake}) on a handler or a controller")


def provider(place: Place, name: Name) -> Component:
    """Return the files of a class with its provider function and its test."""
    return _single(place, "provider", "providers", name, f"put open_{name.snake} into bootstrap(providers=[...])")


def test(place: Place, name: Name, target: Target, *, is_named: bool) -> Component:
    """Return a test of the application, with the fixture `client`, or with a client of its own if `is_named`."""
    values = _values(place, name) | {
        "target_module": target.module,
        "target_name": target.attribute.partition(".")[0],
    }
    text = _text("test", "test" if is_named else "test_with_client", values)
    return Component(_test(place, name.snake, text), then=("replace the example with a test of your application",))


def _single(place: Place, kind: str, folder: str, name: Name, then: str) -> Component:
    values = _values(place, name)
    new = {place.root / folder / f"{name.snake}.py": _text(kind, kind, values)}
    new |= _test(place, f"{name.snake}_{kind}", _text(kind, "test", values))
    return Component(_with_packages(new, place), then=(then,))


def _open_to_everyone(controller: Name) -> str:
    """Return the step that no generator can take: only the user knows who may read and change the data."""
    return f"decide who may call these routes: @Authenticated() or @Roles(...) on {controller.title}Controller"


def _values(place: Place, name: Name) -> dict[str, str]:
    return {
        "name": name.snake,
        "Title": name.title,
        "path": name.path,
        "words": name.words,
        "Article": name.article[:1].upper() + name.article[1:],
        "article": name.article,
        "prefix": place.prefix,
    }


def _text(kind: str, part: str, values: dict[str, str]) -> str:
    source = files("kick.cli") / "templates" / "generate" / kind / f"{part}.py.template"
    return fill(source.read_text(encoding="utf-8"), values)


def _test(place: Place, name: str, text: str) -> dict[Path, str]:
    return {place.folder / "tests" / f"test_{name}.py": text}


def _with_packages(new: dict[Path, str], place: Place) -> dict[Path, str]:
    """Add an empty `__init__.py` for each folder of the application that has none."""
    folders = {path.parent for path in new if path.parent != place.folder / "tests"}
    packages = {folder / "__init__.py": "" for folder in sorted(folders) if not (folder / "__init__.py").exists()}
    return packages | new


def _sample(fields: Sequence[Field], which: int) -> str:
    return "\n".join(f'    "{field.name}": {field.sample(which)},' for field in fields)
