"""Mutants of a module: each has one change in one function."""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Mutant:
    """A module in which one expression or statement has been replaced."""

    file: str
    function: str
    line: int
    before: str
    after: str
    code: types.CodeType

    @property
    def name(self) -> str:
        """The mutant without its line, which other changes of the file move."""
        return f"{self.file} {self.function}: {self.before} -> {self.after}"


def mutants_of(path: Path, file: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(path.read_text())
    for function, name in _functions(tree, ""):
        for node in list(_rules(function)):
            for replacement in _replacements(node):
                yield Mutant(
                    file, name, node.lineno, _text(node), _text(replacement), _compiled(tree, node, replacement, path)
                )


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, f"{prefix}{child.name}"


def _rules(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr | ast.stmt]:
    for statement in function.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.expr | ast.stmt) and not isinstance(node, ast.Assert):
                yield node


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


def _compiled(tree: ast.Module, node: ast.AST, replacement: ast.AST, path: Path) -> types.CodeType:
    class Replacer(ast.NodeTransformer):
        def visit(self, each: ast.AST) -> ast.AST:
            return ast.copy_location(copy.deepcopy(replacement), node) if each is node else super().visit(each)

    changed = Replacer().visit(copy.deepcopy(tree, {id(node): node}))  # a copy that has the node itself
    assert isinstance(changed, ast.Module)  # noqa: S101  # what the type checker cannot see
    return compile(ast.fix_missing_locations(changed), str(path), "exec")


def _text(node: ast.AST) -> str:
    words = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return words if len(words) < 90 else f"{words[:87]}..."
