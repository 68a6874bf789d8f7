"""Small questions about calls before they are text."""

import re
from typing import Any

from archspec.targets.torch.layout import Bracketed, Expr, Keyword


def depth(expr: Expr) -> int:
    """How many groups stand in each other in an expression."""
    if isinstance(expr, str):
        return 0
    inside = max(map(depth, expr.parts), default=0)
    return inside + (isinstance(expr, Bracketed) and expr.head == "nn.Sequential")


def renamed(item: Expr | Keyword, text: str, name: str) -> Expr | Keyword:
    """An item with a name in place of an expression."""
    if isinstance(item, Keyword):
        return Keyword(item.name, name) if item.value == text else item
    return name if item == text else item


def mentions(expr: Expr, name: str) -> bool:
    """Whether a name stands in an expression."""
    if isinstance(expr, str):
        return bool(re.search(rf"\b{name}\b", expr))
    return any(mentions(part, name) for part in expr.parts)


def contains(expr: Expr, part: Expr) -> bool:
    """Whether an expression is part of another, as a whole or inside a text."""
    if expr == part:
        return True
    if isinstance(expr, str):
        return isinstance(part, str) and part in expr
    return any(contains(inner, part) for inner in expr.parts)


def is_in_place(item: Any) -> bool:
    """Whether an argument lets a module overwrite what arrives."""
    return isinstance(item, Keyword) and item.name == "inplace"
