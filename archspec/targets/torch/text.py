"""Small questions about expressions that are Python text already."""

import ast
from collections.abc import Callable, Iterable

_FACTORS = (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_ALWAYS_WHOLE = frozenset({"len", "math.ceil", "math.floor", "_make_divisible"})


def spell(value: object) -> str:
    """A number or truth value as one writes it in Python: `5e-4`, not `0.0005` or `1e-05`."""
    if not isinstance(value, float):
        return repr(value)
    text = repr(value)
    if 0 < abs(value) < 1e-3 and "e" not in text:
        digits = text.partition(".")[2]
        first = digits.lstrip("0")
        fraction = f".{first[1:]}" if first[1:] else ""
        sign = "-" if value < 0 else ""
        text = f"{sign}{first[0]}{fraction}e-{len(digits) - len(first) + 1}"
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if exponent else text


def names_in(text: str) -> frozenset[str]:
    """The names in an expression, those of functions included."""
    return frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


def product(text: str, sizes: Iterable[int]) -> str:
    """An expression times sizes as one writes it: `256 * 6 * 6`, without ones."""
    factors = [str(size) for size in sizes if size > 1]
    if not factors:
        return text
    tree = ast.parse(text, mode="eval").body
    loose = isinstance(tree, ast.IfExp | ast.BoolOp | ast.Compare) or (
        isinstance(tree, ast.BinOp) and not isinstance(tree.op, _FACTORS)
    )
    first = [] if text == "1" else [f"({text})" if loose else text]
    return " * ".join([*first, *factors])


def is_whole(text: str, is_whole_name: Callable[[str], bool]) -> bool:
    """Whether an expression is certainly an `int`, given which names are."""
    return bool(_Wholeness(is_whole_name).visit(ast.parse(text, mode="eval").body))


class _Wholeness(ast.NodeVisitor):
    """Answers whether a node is an `int`; what it has no rule for is as whole as its parts."""

    def __init__(self, is_whole_name: Callable[[str], bool]) -> None:
        self.is_whole_name = is_whole_name

    def visit_Constant(self, node: ast.Constant) -> bool:
        return isinstance(node.value, int)

    def visit_Name(self, node: ast.Name) -> bool:
        return self.is_whole_name(node.id)

    def visit_Compare(self, node: ast.Compare) -> bool:
        del node
        return True

    def visit_UnaryOp(self, node: ast.UnaryOp) -> bool:
        return isinstance(node.op, ast.Not) or bool(self.visit(node.operand))

    def visit_IfExp(self, node: ast.IfExp) -> bool:
        return bool(self.visit(node.body) and self.visit(node.orelse))

    def visit_Subscript(self, node: ast.Subscript) -> bool:
        return bool(self.visit(node.value))

    def visit_Call(self, node: ast.Call) -> bool:
        function = ast.unparse(node.func)
        rounds = function == "round" and len(node.args) == 1
        return rounds or function in _ALWAYS_WHOLE or all(map(self.visit, node.args))

    def visit_BinOp(self, node: ast.BinOp) -> bool:
        return not isinstance(node.op, ast.Div) and self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> bool:
        parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        return all(map(self.visit, parts))
