"""Ops of several inputs in PyTorch: expressions of what they read."""

from collections.abc import Sequence
from functools import reduce

from archspec.ops.merge import Add, Concat, Mul
from archspec.ops.shape import kind_of
from archspec.targets.python.tree import Binary, Expr, Keyword, List, Literal, call, literal
from archspec.targets.torch.emit.row import Row, Spelling

PAIR = 2
"""Only of two terms the second is weighed."""


def add(op: Add, row: Row) -> Spelling:
    """`a + b`, `a - b`, or `a + 0.17 * b`."""

    def wrap(values: Sequence[Expr]) -> Expr:
        if row.is_open("alpha") and len(values) == PAIR:
            return Binary(values[0], "+", Binary(row.value("alpha", op.alpha), "*", values[1]))
        if op.alpha == 1:
            return reduce(lambda left, right: Binary(left, "+", right), values)
        sign, factor = ("-" if op.alpha < 0 else "+"), abs(op.alpha)
        second = values[1] if factor == 1 else Binary(literal(factor), "*", values[1])
        return Binary(values[0], sign, second)

    return Spelling(None, wrap)


def mul(op: Mul, row: Row) -> Spelling:
    """`a * b`."""
    del op, row
    return Spelling(
        None, lambda values: reduce(lambda left, right: Binary(left, "*", right), values)
    )


def concat(op: Concat, row: Row) -> Spelling:
    """`torch.cat([a, b], dim=1)`."""
    del op
    last = kind_of(row.shape) == "channels_last"
    dim = Keyword("dim", literal(-1) if last else Literal(1))
    return Spelling(None, lambda values: call("torch.cat", List(tuple(values)), dim))
