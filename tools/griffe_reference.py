"""An extension of griffe for the reference.

Doctests become code blocks, since Markdown takes `>>>` for quotes. Functions, and classes with arguments, show their
signature, with `async` if the call is awaited. The fields of a `Struct` are its arguments, and so are those of a call
for a decorator like `Get`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import griffe

_WIDTH: Final = 100
_OF_A_CALL: Final = "Arguments of a call:"


class Reference(griffe.Extension):
    """Prepares the objects of a package for the pages of the reference."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of an object that has just been loaded."""
        del kwargs
        if obj.docstring is not None:
            obj.docstring.value = with_fences(obj.docstring.value)
        if isinstance(obj, griffe.Function) and not _is_awaited(obj):
            obj.labels.discard("async")

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Change the objects of a package after all of it has been loaded."""
        del loader, kwargs
        for module in _modules(pkg):
            own = [each for each in module.members.values() if not each.is_alias]
            for each in own:
                if isinstance(each, griffe.Class):
                    _give_arguments(each)
            for each in own:
                if isinstance(each, griffe.Class | griffe.Function):
                    _show_defaults(each, module)
                    _show_signature(each)


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for each in module.members.values():
        if isinstance(each, griffe.Module):
            yield from _modules(each)


def _is_awaited(function: griffe.Function) -> bool:
    """Return true for a coroutine function, but not for an `async def` that is a generator or a context manager."""
    is_manager = any("contextmanager" in str(each.value) for each in function.decorators)
    is_generator = str(function.returns).startswith(("AsyncGenerator", "AsyncIterable", "AsyncIterator"))
    return "async" in function.labels and not is_manager and not is_generator


def _give_arguments(cls: griffe.Class) -> None:
    """Give a class the constructor that its source does not write."""
    call = cls.members.get("__call__")
    if cls.docstring is not None and _OF_A_CALL in cls.docstring.value and isinstance(call, griffe.Function):
        cls.docstring.value = cls.docstring.value.replace(_OF_A_CALL, "Arguments:")
        example = re.search(r"@(\w+)\(", cls.docstring.value)  # the name that users write
        cls.extra["kick"]["name"] = cls.name if example is None else example[1]
        parameters = call.parameters
    elif "__init__" not in cls.members and any(str(base).rpartition(".")[2] == "Struct" for base in cls.bases):
        kind = griffe.ParameterKind
        by_name = cls.keywords.get("kw_only") is not None
        parameters = griffe.Parameters(griffe.Parameter("self", kind=kind.positional_or_keyword))
        for field in cls.members.values():
            if isinstance(field, griffe.Attribute) and field.annotation is not None and "property" not in field.labels:
                how = kind.keyword_only if by_name else kind.positional_or_keyword
                parameters.add(
                    griffe.Parameter(
                        field.name, annotation=field.annotation, kind=how, default=_default_of(field.value)
                    )
                )
    else:
        return
    constructor = griffe.Function("__init__", parameters=parameters, parent=cls)
    cls.set_member("__init__", constructor)


def _default_of(value: Any) -> Any:
    """Return the default of a field, without `field(default=...)` around it."""
    match = re.fullmatch(r"(?:msgspec\.)?field\(default(?:_factory)?=(.*?)\)", str(value))
    return match[1] if match is not None else value


def _parameters_of(obj: griffe.Class | griffe.Function) -> griffe.Parameters:
    return obj.parameters if isinstance(obj, griffe.Function) or "__init__" in obj.all_members else griffe.Parameters()


def _show_defaults(obj: griffe.Class | griffe.Function, module: griffe.Module) -> None:
    """Show the value of a private constant in place of its name, and `...` for a mark that means nothing was given."""
    for parameter in _parameters_of(obj):
        name = str(parameter.default)
        if name.startswith("_"):
            constant = module.members.get(name)
            parameter.default = constant.value if isinstance(constant, griffe.Attribute) else "..."


def _show_signature(obj: griffe.Class | griffe.Function) -> None:
    """Put the signature before the docstring of a function, or of a class whose arguments are described."""
    docstring = obj.docstring
    if docstring is None:
        return
    is_error = isinstance(obj, griffe.Class) and any(base.name == "HTTPError" for base in obj.mro())
    if isinstance(obj, griffe.Function) or is_error or re.search(r"^Arguments:$", docstring.value, re.MULTILINE):
        docstring.value = f"```python\n{signature(obj)}\n```\n\n{docstring.value}"


def signature(obj: griffe.Class | griffe.Function) -> str:
    """Return the signature of a function or class, on one line if it is short."""
    shown: list[str] = []
    kind = griffe.ParameterKind
    parameters = [each for each in _parameters_of(obj) if each.name not in ("self", "cls")]
    for index, each in enumerate(parameters):
        before = parameters[index - 1].kind if index else None
        if each.kind is kind.keyword_only and before not in (kind.keyword_only, kind.var_positional):
            shown.append("*")
        stars = {kind.var_positional: "*", kind.var_keyword: "**"}.get(each.kind or kind.keyword_only, "")
        text = f"{stars}{each.name}" + (f": {each.annotation}" if each.annotation is not None else "")
        if each.default is not None and not stars:
            text += f" = {each.default}" if each.annotation is not None else f"={each.default}"
        shown.append(text)
        after = parameters[index + 1].kind if index + 1 < len(parameters) else None
        if each.kind is kind.positional_only and after is not kind.positional_only:
            shown.append("/")
    returned = f" -> {obj.returns}" if isinstance(obj, griffe.Function) and obj.returns is not None else ""
    name = obj.extra["kick"].get("name", obj.name)
    if isinstance(obj, griffe.Function) and "async" in obj.labels:
        name = f"async {name}"
    line = f"{name}({', '.join(shown)}){returned}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in shown), f"){returned}"])


def with_fences(text: str) -> str:
    """Return a docstring with fences around its doctests: from the first `>>>` of a paragraph to its end.

    >>> with_fences("Add.\\n\\n>>> 1 + 1\\n2\\n\\nIt is exact.").splitlines()
    ['Add.', '', '```pycon', '>>> 1 + 1', '2', '```', '', 'It is exact.']
    """
    lines: list[str] = []
    in_doctest = False
    for line in [*text.split("\n"), ""]:
        if in_doctest and not line.strip():
            lines.append("```")
            in_doctest = False
        elif not in_doctest and line.lstrip().startswith(">>> "):
            lines.append("```pycon")
            in_doctest = True
        lines.append(line.strip("\n"))
    return "\n".join(lines[:-1])
