"""Mutants of a module: each has one change in one function. With marks instead, it tells which lines a test runs."""

from __future__ import annotations

import ast
import copy
import dataclasses
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_OPPOSITES: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A module in which one expression or statement has been replaced."""

    file: str
    function: str
    line: int
    statement: int
    """The line on which the innermost statement around the change begins."""
    before: str
    after: str
    code: types.CodeType
    number: int = 1
    """2 for the second mutant of the function with these texts, and so on."""

    @property
    def name(self) -> str:
        """The mutant without its line, which other changes of the file move."""
        number = "" if self.number == 1 else f" ({self.number})"
        return f"{self.file} {self.function}: {self.before} -> {self.after}{number}"


def mutants_of(path: Path, file: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(path.read_text())
    names: Counter[str] = Counter()
    for function, name in _functions(tree, ""):
        for node, statement in list(_rules(function)):
            for replacement in _replacements(node):
                code = _compiled(tree, node, replacement, path)
                mutant = Mutant(file, name, node.lineno, statement, _text(node), _text(replacement), code)
                names[mutant.name] += 1
                yield dataclasses.replace(mutant, number=names[mutant.name])


def marked(path: Path, mark: str) -> types.CodeType:
    """Return the module with a call of the global function `mark` before each statement, with the line as argument."""
    tree = ast.parse(path.read_text())
    for function, _ in _functions(tree, ""):
        for node in list(ast.walk(function)):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block:
                    setattr(node, name, [each for statement in block for each in (_mark(statement, mark), statement)])
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


def _mark(statement: ast.stmt, mark: str) -> ast.stmt:
    call = ast.Call(ast.Name(mark, ast.Load()), [ast.Constant(statement.lineno)], [])
    return ast.copy_location(ast.Expr(call), statement)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, f"{prefix}{child.name}"


def _rules(node: ast.AST, statement: int = 0) -> Iterator[tuple[ast.expr | ast.stmt, int]]:
    """Yield the expressions and statements below a node, each with the line of the statement that it belongs to."""
    below = node.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ast.iter_child_nodes(node)
    for child in below:
        line = child.lineno if isinstance(child, ast.stmt) else statement
        if isinstance(child, ast.expr | ast.stmt) and not isinstance(child, ast.Assert):
            yield child, line
        yield from _rules(child, line)


def _replacements(node: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:
    match node:
        case ast.Compare(ops=[operator]):
            for other in _OPPOSITES.get(type(operator), ()):
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.BoolOp(op=ast.And()):
            yield ast.BoolOp(ast.Or(), node.values)
        case ast.BoolOp(op=ast.Or()):
            yield ast.BoolOp(ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.If(test=ast.Name() | ast.Attribute() | ast.Call()):
            yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and not value.value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Assign(targets=[ast.Attribute(), *_]):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case _:
            return


def _compiled(tree: ast.Module, old: ast.AST, replacement: ast.AST, path: Path) -> types.CodeType:
    class Replacer(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.copy_location(copy.deepcopy(replacement), old) if node is old else super().visit(node)

    changed = Replacer().visit(copy.deepcopy(tree, {id(old): old}))  # a copy that has the node itself
    assert isinstance(changed, ast.Module)  # noqa: S101  # what the type checker cannot see
    return compile(ast.fix_missing_locations(changed), str(path), "exec")


def _text(node: ast.AST) -> str:
    words = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return words if len(words) < 90 else f"{words[:87]}..."
