"""Expressions of the language as trees: names bound, what is known computed."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

from archspec import expressions
from archspec.expressions import CONSTANTS, Reference, Word
from archspec.targets.python.arithmetic import IsWhole, as_truth, simplify
from archspec.targets.python.tree import (
    Binary,
    Boolean,
    Call,
    Compare,
    Conditional,
    Expr,
    Literal,
    Name,
    Slice,
    Subscript,
    Tuple,
    Unary,
    dotted,
    literal,
    rebuild,
)

_CALLED = {"ceil": "math.ceil", "floor": "math.floor", "make_divisible": "_make_divisible"}
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.UAdd: "+", ast.Not: "not"}


class Translator:
    """Turns expressions of the language into trees, for one place.

    `values` are names whose value is known, `bound` what stands for others; `named` spells the name
    of an op or block, `hoisted` that of a known list that is still looked into; `is_whole_name`
    says which Python names are integers. What only depends on known values is computed.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        bound: Mapping[str, Expr],
        named: Callable[[str], Expr],
        hoisted: Callable[[str], Expr] | None = None,
        is_whole_name: IsWhole = lambda _: False,
    ) -> None:
        self.values = values
        self.bound = bound
        self.named = named
        self.hoisted = hoisted
        self.is_whole_name = is_whole_name
        self.origins: dict[Expr, str] = {}  # known lists, and what they are called

    def translate(self, text: str, *, truth: bool = False) -> Expr:
        """An expression; with `truth`, where nobody asks for more than whether it holds."""
        tree = simplify(self._expr(expressions.parse(text).tree), self.is_whole_name)
        tree = as_truth(tree) if truth else tree
        hoisted = self.hoisted
        if hoisted is None or not self.origins:
            return tree
        origins = self.origins
        return rebuild(  # type: ignore[return-value]  # an expression stays one
            tree,
            lambda node: (
                hoisted(origins[node]) if isinstance(node, Tuple) and node in origins else None
            ),
        )

    def known(self, value: Any) -> Expr:
        """A known value: a number, a name, a tuple of such."""
        if isinstance(value, Reference):
            return self.named(value)
        if isinstance(value, Word):
            return Literal(str(value))
        if isinstance(value, Mapping):
            return self.known(cells_of(value))
        if isinstance(value, list | tuple):
            return Tuple(tuple(self.known(item) for item in value))
        return literal(value)

    def _name(self, name: str) -> Expr:
        if name in self.bound:
            return self.bound[name]
        if name in self.values:
            known = self.known(self.values[name])
            if isinstance(known, Tuple):
                self.origins.setdefault(known, name)
            return known
        return Literal(CONSTANTS[name]) if name in CONSTANTS else Name(name)

    def _expr(self, node: ast.expr) -> Expr:
        match node:
            case ast.Name(id=name):
                return self._name(name)
            case ast.Constant(value=int() | float() as value):
                return Literal(value)
            case ast.BinOp(left=left, op=op, right=right):
                return Binary(self._expr(left), _BINARY[type(op)], self._expr(right))
            case ast.UnaryOp(op=op, operand=operand):
                return Unary(_UNARY[type(op)], self._expr(operand))
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                return Boolean(word, tuple(map(self._expr, values)))
            case ast.Compare() if self._is_known(node):
                return Literal(bool(expressions.evaluate_tree(node, self.values)))
            case ast.Compare(left=left, ops=ops, comparators=rest):
                operands = tuple(map(self._expr, (left, *rest)))
                return Compare(operands, tuple(_COMPARE[type(op)] for op in ops))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return Conditional(self._expr(test), self._expr(body), self._expr(orelse))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                function = dotted(_CALLED.get(name, name))
                return Call(function, tuple(map(self._expr, arguments)))
            case ast.Subscript(value=value, slice=index):
                return Subscript(self._expr(value), self._index(index))
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return Tuple(tuple(map(self._expr, items)))
        raise expressions.ExpressionError(f"{type(node).__name__} is not part of the grammar")

    def _is_known(self, node: ast.Compare) -> bool:
        """Whether a comparison is one of ops, blocks or words that are all known."""
        names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        known = [self.values[name] for name in names if name in self.values]
        closed = len(known) == len(names) and self.bound.keys().isdisjoint(names)
        return closed and any(isinstance(value, Reference | Word) for value in known)

    def _index(self, index: ast.expr) -> "Expr | Slice":
        if not isinstance(index, ast.Slice):
            return self._expr(index)
        lower, upper = (
            None if end is None else self._expr(end) for end in (index.lower, index.upper)
        )
        return Slice(lower, upper)


def cells_of(row: Mapping[str, Any]) -> Any:
    """The row of a table as a tuple's items; of a table with one column, its only cell."""
    cells = list(row.values())
    return cells if is_row(row) else cells[0]


def is_row(value: Any) -> bool:
    """Whether a value is the row of a table with several columns."""
    return isinstance(value, Mapping) and len(value) != 1
