"""Names of types in the document: the name of the class, with those of its type arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from kick.errors import KickError
from kick.http.validation.type_parts import plain
from kick.openapi.errors import same_name


def component_name(hint: Any, given: Mapping[Any, str]) -> str:
    """Return the name of a type; `given` has names of classes.

    >>> component_name(dict[str, list[int]], {}), component_name(int | None, {})
    ('dict_str_list_int', 'int_or_None')
    """
    hint = plain(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return "_or_".join(component_name(each, given) for each in args)
    if origin is Literal:
        return "_".join(_safe(str(each)) for each in args)
    if origin is not None:
        return "_".join([component_name(origin, given), *(component_name(each, given) for each in args)])
    try:
        if hint in given:
            return given[hint]
    except TypeError:  # an argument that cannot be hashed
        pass
    return "None" if hint in (None, NoneType) else _safe(getattr(hint, "__name__", str(hint)))


def unique_names(
    types: Sequence[Any], given: Mapping[Any, str], *, strict: bool
) -> tuple[dict[Any, str], list[KickError]]:
    """Return a name for each type, and the errors of those with the same name.

    With `strict`, two types of one name are an error. Otherwise each of them gets the name of its module before its
    own, so that no order decides.

    >>> unique_names([int, str], {}, strict=True)
    ({<class 'int'>: 'int', <class 'str'>: 'str'}, [])
    """
    by_name: dict[str, list[Any]] = {}
    for each in types:
        by_name.setdefault(component_name(each, given), []).append(each)
    names: dict[Any, str] = {}
    problems: list[KickError] = []
    for name, group in by_name.items():
        if len(group) > 1 and strict:
            problems.append(same_name(name, group))
        for index, each in enumerate(group):
            names[each] = name if len(group) == 1 else _with_module(each, name)
            if names[each] in [names[other] for other in group[:index]]:  # of two functions of one module
                names[each] += f"_{index + 1}"
    return names, problems


def _with_module(hint: Any, name: str) -> str:
    cls: Any = get_origin(hint) or hint
    return f"{_safe(getattr(cls, '__module__', ''))}_{name}"


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
