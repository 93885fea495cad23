"""Adds an entry to a list in a Python file, with its import. The rest of the file does not change.

Only this module uses LibCST, which the extra `generate` installs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from kick.cli.generate.errors import missing_module_list
from kick.errors import KickError, missing_extra

try:
    import libcst as cst
    from libcst.helpers import get_full_name_for_node_or_raise
    from libcst.metadata import MetadataWrapper, PositionProvider
except ModuleNotFoundError:
    raise missing_extra("`kick generate`, to edit a list of modules,", "libcst", "generate") from None

if TYPE_CHECKING:
    from kick.cli.generate.project_layout import Locals

_STEP: Final = "    "


class Addition(NamedTuple):
    """An entry for a list argument of a call, for example `entry` for `modules` of `bootstrap(...)`.

    `entry` is imported from `module`. `position` is the index of the argument if it is passed without its keyword.
    """

    call: str
    keyword: str
    position: int | None
    module: str
    entry: str

    @property
    def line(self) -> str:
        """The import."""
        return f"from {self.module} import {self.entry}"


def add_to_list(source: bytes, path: str, addition: Addition, *, width: int, local: Locals) -> bytes:
    """Add an entry to a list in the text of a file.

    The list may be in the call, or in a variable that is passed to the call. A list in one line that would be longer
    than `width` is split into one entry a line. `local` returns true for modules of the project.

    Raises `KickError`: `generate-list` if there is no such list, and `generate-syntax` for invalid Python.
    """
    wrapper = MetadataWrapper(_parsed(source, path), unsafe_skip_copy=True)
    module = wrapper.module
    found = _find_list(module, path, addition)
    if _binds(module, addition.entry):
        raise _refusal(f"{path} has a {addition.entry} already", addition)
    position = wrapper.resolve(PositionProvider)[found].start
    line = module.code.splitlines()[position.line - 1]
    indent = line[: len(line) - len(line.lstrip())]
    room = width - len(line) - (len(", ") if found.elements else 0)
    longer = _extended(found, addition.entry, indent=indent, fits=len(addition.entry) <= room)
    edited = module.deep_replace(found, longer)
    assert isinstance(edited, cst.Module)  # noqa: S101  # what the type checker cannot see
    return _with_import(edited, addition, local).bytes


# Finding the list


def _parsed(source: bytes, path: str) -> cst.Module:
    try:
        return cst.parse_module(source)
    except (cst.ParserSyntaxError, UnicodeDecodeError) as error:
        said = error.message if isinstance(error, cst.ParserSyntaxError) else str(error)
        raise KickError(
            "generate-syntax",
            cause=f"{path} has to be edited, but cannot be parsed: {said.splitlines()[0]}.",
            fix="Fix the file; `kick routes` shows the error. Then run the command again.",
        ) from None


def _find_list(module: cst.Module, path: str, addition: Addition) -> cst.List:
    calls = _calls(module, addition.call)
    if len(calls) != 1:
        raise _refusal(f"{path} calls {addition.call}() {len(calls)} times instead of once", addition)
    value = _argument(calls[0], addition)
    if isinstance(value, cst.Name):
        assigned = [each for each in _Assignments.in_module(module) if each[0] == value.value]
        if len(assigned) != 1:
            raise _refusal(f"{path} assigns {value.value} {len(assigned)} times instead of once", addition)
        value = assigned[0][1]
    if not isinstance(value, cst.List):
        raise _refusal(
            f"the argument {addition.keyword} of {addition.call}() in {path} is not written as a list", addition
        )
    return value


def _refusal(problem: str, addition: Addition) -> KickError:
    return missing_module_list(problem, addition.line, addition.entry, addition.keyword)


def _argument(call: cst.Call, addition: Addition) -> cst.BaseExpression | None:
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value == addition.keyword:
            return arg.value
    if addition.position is not None and len(call.args) > addition.position:
        arg = call.args[addition.position]
        if arg.keyword is None and not arg.star:
            return arg.value
    return None


def _calls(module: cst.Module, name: str) -> list[cst.Call]:
    found: list[cst.Call] = []

    class Calls(cst.CSTVisitor):
        def visit_Call(self, node: cst.Call) -> None:
            func = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
            if isinstance(func, cst.Name) and func.value == name:
                found.append(node)

    module.visit(Calls())
    return found


class _Assignments(cst.CSTVisitor):
    """Collect each assigned name with its value."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, cst.BaseExpression | None]] = []

    @classmethod
    def in_module(cls, module: cst.Module) -> list[tuple[str, cst.BaseExpression | None]]:
        """All of a module."""
        visitor = cls()
        module.visit(visitor)
        return visitor.found

    def visit_Assign(self, node: cst.Assign) -> None:
        self.found += [
            (target.target.value, node.value) for target in node.targets if isinstance(target.target, cst.Name)
        ]

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if isinstance(node.target, cst.Name):
            self.found.append((node.target.value, node.value))

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        if isinstance(node.target, cst.Name):
            self.found.append((node.target.value, None))


def _binds(module: cst.Module, name: str) -> bool:
    if any(each == name for each, _ in _Assignments.in_module(module)):
        return True
    return any(name in names for _, names in _imported(module))


# Extending the list


def _extended(found: cst.List, entry: str, *, indent: str, fits: bool) -> cst.List:
    one = cst.Element(cst.Name(entry))
    if isinstance(_end_of(found), cst.ParenthesizedWhitespace):
        return _on_one_more_line(found, one, indent)
    if fits:
        return found.with_changes(elements=[*_with_commas(found.elements, " "), one])
    between = _line_break(indent + _STEP)
    elements = [each.with_changes(comma=cst.Comma(whitespace_after=between)) for each in found.elements]
    return found.with_changes(
        lbracket=cst.LeftSquareBracket(whitespace_after=between),
        elements=[*elements, one.with_changes(comma=cst.Comma())],
        rbracket=cst.RightSquareBracket(whitespace_before=_line_break(indent)),
    )


def _with_commas(elements: Sequence[cst.BaseElement], after: str) -> list[cst.BaseElement]:
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(after))
    return [*elements[:-1], *(each.with_changes(comma=comma) for each in elements[-1:])]


def _end_of(found: cst.List) -> cst.BaseParenthesizableWhitespace:
    """Return the white space before the closing bracket, or after the opening one if there are no entries."""
    return found.rbracket.whitespace_before if found.elements else found.lbracket.whitespace_after


def _on_one_more_line(found: cst.List, one: cst.Element, indent: str) -> cst.List:
    """Add a line at the end of a list. Comments stay in place."""
    end = _end_of(found)
    assert isinstance(end, cst.ParenthesizedWhitespace)  # noqa: S101  # what the type checker cannot see
    margin = cst.SimpleWhitespace(_margin(found, end, indent))
    before = end.with_changes(indent=False, last_line=margin)
    new_end = end.with_changes(first_line=cst.TrailingWhitespace(), empty_lines=[])
    one = one.with_changes(comma=cst.Comma())
    if not found.elements:
        return found.with_changes(
            lbracket=cst.LeftSquareBracket(whitespace_after=before),
            elements=[one],
            rbracket=cst.RightSquareBracket(whitespace_before=new_end),
        )
    last = found.elements[-1].with_changes(comma=cst.Comma(whitespace_after=before))
    return found.with_changes(
        elements=[*found.elements[:-1], last, one], rbracket=cst.RightSquareBracket(whitespace_before=new_end)
    )


def _margin(found: cst.List, end: cst.ParenthesizedWhitespace, indent: str) -> str:
    """Return the indentation of the entries of a list."""
    first = found.lbracket.whitespace_after
    if found.elements and isinstance(first, cst.ParenthesizedWhitespace):
        block = indent[: len(indent) - len(end.last_line.value)] if first.indent else ""
        return f"{block}{first.last_line.value}"
    return f"{indent}{_STEP}"


def _line_break(indent: str) -> cst.ParenthesizedWhitespace:
    return cst.ParenthesizedWhitespace(
        first_line=cst.TrailingWhitespace(), indent=False, last_line=cst.SimpleWhitespace(indent)
    )


# The import


def _imported(module: cst.Module) -> Iterator[tuple[int, list[str]]]:
    """Return the positions of the imports in a module, and their names."""
    for index, statement in enumerate(module.body):
        if isinstance(statement, cst.SimpleStatementLine):
            for small in statement.body:
                if isinstance(small, cst.Import | cst.ImportFrom):
                    yield index, [] if isinstance(small.names, cst.ImportStar) else list(map(_bound, small.names))


def _bound(alias: cst.ImportAlias) -> str:
    if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return alias.evaluated_name.partition(".")[0]


def _with_import(module: cst.Module, addition: Addition, local: Locals) -> cst.Module:
    """Add an import to a module at the position of isort: among those of the project, by name."""
    line = cst.parse_statement(addition.line, config=module.config_for_parsing)
    assert isinstance(line, cst.SimpleStatementLine)  # noqa: S101  # what the type checker cannot see
    body = list(module.body)
    ours = [(index, name) for index, name in _from_imports(module) if local(name)]
    after = [index for index, name in ours if name < addition.module]
    if after:
        body.insert(after[-1] + 1, line)
    elif ours:
        first = ours[0][0]
        statement = body[first]
        assert isinstance(statement, cst.SimpleStatementLine)  # noqa: S101  # what the type checker cannot see
        blank = [each for each in statement.leading_lines if each.comment is None]
        rest = [each for each in statement.leading_lines if each.comment is not None]
        body[first] = statement.with_changes(leading_lines=rest)
        body.insert(first, line.with_changes(leading_lines=blank))
    else:
        last = max((index for index, _ in _imported(module)), default=-1)
        body.insert(last + 1, line.with_changes(leading_lines=[cst.EmptyLine(indent=False)] if last >= 0 else []))
    return module.with_changes(body=body)


def _from_imports(module: cst.Module) -> Iterator[tuple[int, str]]:
    """Return the absolute `from ... import` lines of a module, and their modules."""
    for index, _ in _imported(module):
        statement = module.body[index]
        assert isinstance(statement, cst.SimpleStatementLine)  # noqa: S101  # what the type checker cannot see
        small = statement.body[0]
        if isinstance(small, cst.ImportFrom) and small.module is not None and not small.relative:
            yield index, get_full_name_for_node_or_raise(small.module)
