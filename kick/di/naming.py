"""Names of types and places in messages, written as in source code."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
from functools import lru_cache, partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin


def type_name(key: Any) -> str:
    """Return a type as it is written in source code, without modules.

    >>> type_name(list[int]), type_name(int | None), type_name(Annotated[str, "dsn"])
    ('list[int]', 'int | None', 'Annotated[str, "dsn"]')
    """
    origin, args = get_origin(key), get_args(key)
    if origin is Annotated:
        return f"Annotated[{type_name(args[0])}, {', '.join(map(_quoted, key.__metadata__))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(type_name, args))
    if origin is not None:
        return f"{type_name(origin)}[{', '.join(map(type_name, args))}]"
    if key is NoneType:
        return "None"
    if isinstance(key, list):
        return f"[{', '.join(map(type_name, key))}]"  # pyright: ignore[reportUnknownArgumentType]
    name = getattr(key, "__qualname__", None) or getattr(key, "__name__", None)
    return _local(name) if isinstance(name, str) else repr(key)


def factory_name(factory: Any) -> str:
    """Return the name of a class or function, without enclosing functions.

    >>> factory_name(partial(max, 1))
    'max'
    """
    return type_name(core(factory))


def full_name(key: Any) -> str:
    """Return a type with its module, to tell types of the same name apart.

    >>> from fractions import Fraction
    >>> full_name(Fraction)
    'fractions.Fraction'
    """
    return f"{getattr(key, '__module__', '?')}.{type_name(key)}"


def snake_name(name: str) -> str:
    """Return the name of a type in snake case, for a parameter or qualifier.

    >>> snake_name("UserRepository")
    'user_repository'
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rpartition(".")[2])
    return re.sub(r"\W+", "_", words).strip("_").lower() or "value"


def place_of(definition: Any) -> str:
    """Return the file and line of a class or function, relative to the working directory: `app.py:12`.

    >>> place_of(place_of).rpartition(":")[0].endswith("naming.py")
    True
    """
    definition = core(definition)
    code = getattr(definition, "__code__", None)
    if isinstance(code, CodeType):
        return place(code.co_filename, code.co_firstlineno)
    owner: type[Any] = definition if isinstance(definition, type) else type(definition)
    try:
        return place(inspect.getsourcefile(owner) or "?", inspect.getsourcelines(owner)[1])
    except (OSError, TypeError):
        return f"module {owner.__module__}"


def place(file: str, line: int) -> str:
    """Return a file and line. The file is relative to the working directory if it is inside of it.

    >>> place("/nowhere/app.py", 12)
    '/nowhere/app.py:12'
    """
    return f"{_from_here(file, os.getcwd())}:{line}"  # noqa: PTH109  # called for each handler, and a Path is slow


@lru_cache(maxsize=1024)  # called for each handler, and one file may have thousands
def _from_here(file: str, folder: str) -> str:
    path, here = Path(file), Path(folder)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def core(factory: Any) -> Any:
    """Return the class or function inside of partials, decorators, methods and callable objects.

    >>> core(partial(partial(place_of))) is place_of
    True
    """
    while not isinstance(factory, type):
        if isinstance(factory, partial):
            factory = factory.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        elif hasattr(factory, "__wrapped__"):
            factory = factory.__wrapped__
        elif isinstance(factory, (FunctionType, BuiltinFunctionType)):
            break
        elif isinstance(factory, MethodType):
            factory = factory.__func__
        elif get_origin(factory) is not None:
            factory = factory.__origin__
        elif isinstance(call := getattr(factory.__class__, "__call__", None), FunctionType):  # noqa: B004
            factory = call
        else:
            break
    return factory


def import_line(definition: Any, name: str) -> str | None:
    """Return the statement that imports `name` in the module of a definition, also under `if TYPE_CHECKING:`.

    >>> import_line(place_of, "Path")
    'from pathlib import Path'
    """
    module = sys.modules.get(getattr(core(definition), "__module__", ""))
    try:
        tree = ast.parse(inspect.getsource(module)) if module else None
    except (OSError, SyntaxError):
        tree = None
    for statement in ast.walk(tree) if tree else ():
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                if name == (alias.asname or alias.name.partition(".")[0]):
                    statement.names = [alias]
                    return ast.unparse(statement)
    return None


def _local(name: str) -> str:
    return name.rpartition("<locals>.")[2]


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) and value.isprintable() and '"' not in value else repr(value)
