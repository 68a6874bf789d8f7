"""Expressions rewritten for a place: names bound, what is known computed, the rest simplified."""

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from archspec import expressions
from archspec.expressions import FUNCTIONS, ExpressionError, Reference
from archspec.targets.torch.text import spell

_CALLED = {
    "ceil": "math.ceil",
    "floor": "math.floor",
    "make_divisible": "_make_divisible",
}
_CONSTANTS = {"true": True, "false": False}


def fold(
    text: str,
    values: Mapping[str, Any],
    texts: Mapping[str, str],
    named: Callable[[str], str],
    hoisted: Callable[[str], str] = str,
) -> str:
    """An expression of the language as Python.

    `values` are names whose value is known, `texts` what stands for others; `named` spells the
    name of an op or block, `hoisted` that of a known list that remains. What only depends on known
    values is computed.
    """
    tree = ast.parse(text.strip(), mode="eval").body
    bound = _Bind(values, texts, named).visit(tree)
    return unparse(_Hoist(hoisted).visit(_simplified(bound)))


def unparse(tree: ast.expr) -> str:
    """An expression's text, slices as `ruff format` spaces them."""
    return ast.unparse(_Slices().visit(tree))


def substitute(text: str, texts: Mapping[str, str]) -> str:
    """A Python expression with other expressions in place of names, simplified."""
    tree = ast.parse(text, mode="eval").body
    return unparse(_simplified(_Bind({}, texts, str).visit(tree)))


def free_names(text: str) -> frozenset[str]:
    """The names in a Python expression, without those of functions and modules."""
    tree = ast.parse(text, mode="eval")
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    inside = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return frozenset(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and id(node) not in called and id(node) not in inside
    )


def atom(text: str) -> str:
    """An expression as a part of a conditional one: another conditional goes into parentheses."""
    conditional = isinstance(ast.parse(text, mode="eval").body, ast.IfExp)
    return f"({text})" if conditional else text


def literal(value: Any, named: Callable[[str], str]) -> ast.expr:
    """A known value as a piece of Python: a number, a name, a tuple of such."""
    if isinstance(value, Reference):
        return ast.parse(named(value), mode="eval").body
    if isinstance(value, list | tuple):
        return ast.Tuple([literal(item, named) for item in value], ast.Load())
    if isinstance(value, Mapping):
        return literal(list(value.values()), named)
    return ast.parse(spell(value), mode="eval").body


def add_up(texts: Iterable[str]) -> str:
    """The sum of expressions, equal ones collected: `a + a + b` is `2 * a + b`."""
    terms: dict[str, int] = {}
    for text in texts:
        for term, count in _terms(ast.parse(text, mode="eval").body):
            terms[term] = terms.get(term, 0) + count
    number = terms.pop("", 0)
    parts = [_times(count, term) for term, count in terms.items() if count]
    if number or not parts:
        parts.append(str(number))
    return substitute(" + ".join(parts), {}) if len(parts) > 1 else parts[0]


def terms_of(text: str) -> list[tuple[str, int]]:
    """An expression as a sum of counted terms; "" is the term of plain numbers."""
    return _terms(ast.parse(text, mode="eval").body)


def _times(count: int, term: str) -> str:
    if count == 1:
        return term
    tree = ast.parse(term, mode="eval").body
    loose = isinstance(tree, ast.IfExp | ast.BoolOp | ast.Compare | ast.BinOp)
    return f"{count} * ({term})" if loose else f"{count} * {term}"


def _terms(tree: ast.expr) -> list[tuple[str, int]]:
    """An expression as a sum of counted terms; "" is the term of plain numbers."""
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return [*_terms(tree.left), *_terms(tree.right)]
    if isinstance(tree, ast.Constant) and type(tree.value) is int:
        return [("", tree.value)]
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mult):
        left, right = tree.left, tree.right
        if isinstance(left, ast.Constant) and type(left.value) is int:
            return [(ast.unparse(right), left.value)]
    return [(ast.unparse(tree), 1)]


class _Bind(ast.NodeTransformer):
    def __init__(
        self, values: Mapping[str, Any], texts: Mapping[str, str], named: Callable[[str], str]
    ) -> None:
        self.values = values
        self.texts = texts
        self.named = named

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.texts:
            return ast.parse(self.texts[node.id], mode="eval").body
        if node.id in self.values:
            known = literal(self.values[node.id], self.named)
            if isinstance(known, ast.Tuple):
                known.origin = node.id  # type: ignore[attr-defined]  # which list it was
            return known
        if node.id in _CONSTANTS:
            return ast.Constant(_CONSTANTS[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        return ast.Tuple([self.visit(item) for item in node.elts], ast.Load())


class _Hoist(ast.NodeTransformer):
    """Puts a name in place of a known list that is still looked into."""

    def __init__(self, hoisted: Callable[[str], str]) -> None:
        self.hoisted = hoisted

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        origin = getattr(node, "origin", None)
        return node if origin is None else ast.Name(self.hoisted(origin), ast.Load())


class _Slices(ast.NodeTransformer):
    """Spells slices: `a[:2]`, but `a[: b - 2]`."""

    def visit_Slice(self, node: ast.Slice) -> ast.Name:
        ends = [None if end is None else unparse(end) for end in (node.lower, node.upper)]
        simple = all(
            e is None or isinstance(e, ast.Name | ast.Constant) for e in (node.lower, node.upper)
        )
        if simple:
            return ast.Name(f"{ends[0] or ''}:{ends[1] or ''}", ast.Load())
        return ast.Name(" ".join(part for part in (ends[0], ":", ends[1]) if part), ast.Load())


def _simplified(tree: ast.expr) -> ast.expr:
    result: ast.expr = _Simplify().visit(tree)
    return _Rename().visit(result)  # type: ignore[no-any-return]  # a transformer's result


class _Rename(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _CALLED:
            node.func = ast.parse(_CALLED[node.func.id], mode="eval").body
        return node


class _Simplify(ast.NodeTransformer):
    """Computes what is known; drops factors of one and terms of zero."""

    def visit(self, node: ast.AST) -> Any:
        node = self.generic_visit(node)
        plain = ast.Constant | ast.Tuple | ast.Name | ast.Slice
        if isinstance(node, ast.expr) and not isinstance(node, plain):
            node = self._computed(node)
        return node

    def _computed(self, node: ast.expr) -> ast.expr:
        plain = _plainer(node)
        if plain is not None:
            return plain
        if not _is_known(node):
            return node
        try:
            value = expressions.evaluate(expressions.Expression("", node, frozenset()), {})
        except ExpressionError:
            return node
        return literal(value, str)


def _plainer(node: ast.expr) -> ast.expr | None:
    """A conditional that is decided, a truth value or product with a neutral part; else None."""
    if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Constant):
        return node.body if node.test.value else node.orelse
    if isinstance(node, ast.IfExp):
        return node.body if ast.dump(node.body) == ast.dump(node.orelse) else None
    if isinstance(node, ast.BoolOp):
        return _short_circuit(node)
    return _without_neutral(node) if isinstance(node, ast.BinOp) else None


def _is_known(tree: ast.expr) -> bool:
    """Whether nothing in an expression is open."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return all(
        not isinstance(node, ast.Attribute | ast.Starred)
        and (not isinstance(node, ast.Name) or (id(node) in called and node.id in FUNCTIONS))
        for node in ast.walk(tree)
    )


def _short_circuit(node: ast.BoolOp) -> ast.expr:
    """`true and x` is x, `false and x` is false; the same for `or` the other way round."""
    neutral = isinstance(node.op, ast.And)
    kept: list[ast.expr] = []
    for operand in node.values:
        if isinstance(operand, ast.Constant) and bool(operand.value) is neutral:
            continue
        kept.append(operand)
        if isinstance(operand, ast.Constant):
            break
    if not kept:
        return ast.Constant(neutral)
    decided = isinstance(kept[-1], ast.Constant)
    if len(kept) == 1 or (decided and all(isinstance(o, ast.Compare) for o in kept[:-1])):
        return kept[-1]
    return ast.BoolOp(node.op, kept)


def _without_neutral(node: ast.BinOp) -> ast.expr | None:
    """`1 * x`, `x * 1`, `x // 1`, `x + 0` and `0 + x` as x; None where there is none of them."""
    left = node.left.value if isinstance(node.left, ast.Constant) else None
    right = node.right.value if isinstance(node.right, ast.Constant) else None
    if isinstance(node.op, ast.Mult):
        if _is(left, 1):
            return node.right
        return node.left if _is(right, 1) else None
    if isinstance(node.op, ast.FloorDiv):
        return node.left if _is(right, 1) else None
    if isinstance(node.op, ast.Add):
        if _is(left, 0):
            return node.right
        return node.left if _is(right, 0) else None
    return None


def _is(value: object, number: int) -> bool:
    return type(value) is int and value == number
