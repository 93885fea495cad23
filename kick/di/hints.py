"""Signatures and type hints of classes and functions, including deferred annotations (PEP 649, PEP 749).

Since Python 3.14 an annotation is evaluated on first use. If one annotation fails, the others cannot be read. An
annotation in a class sees the methods of the class, so `list` is not the builtin after `def list(self) -> list[int]`.
This module handles both cases; other modules use it instead of `inspect` and `typing`.
"""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from inspect import Signature
from types import FunctionType
from typing import Any, Final, get_args

from kick.di.naming import import_line
from kick.errors import KickError

_CLASS_NAMES: Final = "__classdict__"
"""The closure variable from which annotations of a class take their names."""

_late_signature: dict[str, Any] = {}
_late_annotations: dict[str, Any] = {}
if sys.version_info >= (3, 14):
    from annotationlib import Format

    _late_signature, _late_annotations = {"annotation_format": Format.FORWARDREF}, {"format": Format.FORWARDREF}


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A hint that cannot be evaluated, with its text and the reason."""

    text: str
    reason: str
    statement: str | None
    missing: str | None
    """The name that is not there, if the reason is one."""


def signature_of(called: Callable[..., Any]) -> Signature:
    """Return the signature of a callable. Its annotations need not exist at run time.

    Raises `ValueError` for a C class without a signature, and `TypeError` for an object that is not callable.

    >>> str(signature_of(lambda host, port=80: None))
    '(host, port=80)'
    """
    return inspect.signature(called, **_late_signature)


def takes(called: Callable[..., Any], count: int) -> bool:
    """Return true if an object can be called with this number of positional arguments.

    >>> takes(lambda ctx, call_next: None, 2), takes(lambda ctx: None, 2)
    (True, False)
    """
    try:
        signature_of(called).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def hints_of(annotated: Any) -> dict[str, Any]:
    """Return the type hints of a class or function, with `Unresolved` for each that cannot be evaluated.

    If a class has a method with the name of a type, the name means the type outside the class.

    >>> def greet(name: str, mood: "Mood") -> list["Mood"]: ...
    >>> hints = hints_of(greet)
    >>> hints["name"], hints["mood"].reason
    (<class 'str'>, "NameError: name 'Mood' is not defined")
    """
    try:
        found = typing.get_type_hints(annotated, include_extras=True)
    except Exception:  # noqa: BLE001  # whatever a hint raises when it is evaluated; each is tried alone, to name the one
        found = None
    hints = found or {}
    for holder in reversed(annotated.__mro__) if isinstance(annotated, type) else (annotated,):
        texts, variables, methods = _texts(holder), *_around(holder)
        for name, hint in annotations_of(holder).items():
            text = texts.get(name, hint)
            # Most hints name no method of their class, so they need not be parsed.
            is_shadowed = isinstance(text, str) and any(map(text.__contains__, methods)) and methods & _names_in(text)
            if found is None or is_shadowed:
                hints[name] = _evaluated(annotated, name, text, _globals(holder), variables)
    return hints


def hint_of(hint: Any, function: Any) -> Any:
    """Return a type that was given as a value beside a function, with the names in its texts resolved as there.

    >>> hint_of(list["Unresolved"], hints_of), hint_of("Nope", hints_of).reason
    (list[kick.di.hints.Unresolved], "NameError: name 'Nope' is not defined")
    """
    holder = FunctionType(_nothing.__code__, function.__globals__)
    holder.__annotations__ = {"return": hint}
    return hints_of(holder)["return"]


def _nothing() -> None: ...


def import_within(hint: Any, name: str) -> str | None:
    """Return the statement that imports a name in the module of a class or generic type.

    >>> import_within(list[Unresolved], "inspect")
    'import inspect'
    """
    statements = (import_within(each, name) for each in get_args(hint))
    return import_line(hint, name) if isinstance(hint, type) else next(filter(None, statements), None)


def annotations_of(holder: Any) -> dict[str, Any]:
    """Return the annotations in a class or function itself, as they are written.

    >>> annotations_of(Unresolved)["text"]
    'str'
    """
    return inspect.get_annotations(holder, **_late_annotations)


def _texts(holder: Any) -> dict[str, str]:
    """Return deferred annotations as source text."""
    if sys.version_info >= (3, 14) and getattr(holder, "__annotate__", None) is not None:
        return inspect.get_annotations(holder, format=Format.STRING)
    return {}


def _globals(holder: Any) -> dict[str, Any]:
    module = vars(sys.modules.get(holder.__module__, typing))
    # A generated constructor has its own globals, but names the module of its class.
    return {**module, **getattr(holder, "__globals__", {})}


def _around(holder: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the variables that annotations may use besides the globals, and the method names that they may not use."""
    annotate = getattr(holder, "__annotate__", None)
    code, closure = getattr(annotate, "__code__", None), getattr(annotate, "__closure__", None)
    variables: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, closure, strict=True) if code and closure else ():
        with suppress(ValueError):  # the variable has no value yet
            variables[name] = cell.cell_contents
    in_class = {**(vars(holder) if isinstance(holder, type) else {}), **variables.pop(_CLASS_NAMES, {})}
    methods = {name for name, value in in_class.items() if hasattr(type(value), "__get__")}
    return {name: value for name, value in in_class.items() if name not in methods} | variables, methods


def _evaluated(annotated: Any, name: str, hint: Any, outer: dict[str, Any], inner: Mapping[str, Any]) -> Any:
    def alone() -> None: ...

    alone.__annotations__ = {name: hint}
    try:
        return typing.get_type_hints(alone, outer, inner, include_extras=True)[name]
    except KickError:  # of something in the annotation, such as `File(max_size="5 MB")`, which says what is wrong
        raise
    except Exception as error:  # noqa: BLE001
        text = (hint if isinstance(hint, str) else getattr(hint, "__forward_arg__", repr(hint))).strip("\"'")
        name_of_error = getattr(error, "name", None)
        missing = name_of_error if isinstance(name_of_error, str) else None
        statement = import_line(annotated, missing) if missing else None
        return Unresolved(text, f"{type(error).__name__}: {error}", statement, missing)


def _names_in(text: str) -> set[str]:
    try:
        nodes = ast.walk(ast.parse(text.strip("\"'"), mode="eval"))
    except SyntaxError:
        return set()
    return {node.id for node in nodes if isinstance(node, ast.Name)}
