"""Expressions rewritten for a place: names bound, what is known computed, the rest simplified."""

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from archspec import expressions
from archspec.expressions import FUNCTIONS, ExpressionError, Reference
from archspec.targets.torch.text import is_whole, spell

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
    whole: Callable[[str], bool] = lambda _: False,
    *,
    truth: bool = False,
) -> str:
    """An expression of the language as Python.

    `values` are names whose value is known, `texts` what stands for others; `named` spells the
    name of an op or block, `hoisted` that of a known list that remains; `whole` says which Python
    names are integers. What only depends on known values is computed. Where `truth` is all that is
    asked for, `x and 1` is `x`.
    """
    bound = _Bind(values, texts, named).visit(_parsed(text.strip()))
    tree = _simplified(bound, whole)
    return unparse(_Hoist(hoisted).visit(_as_truth(tree) if truth else tree))


def unparse(tree: ast.expr) -> str:
    """An expression's text, slices as `ruff format` spaces them, and numbers as one writes them."""
    return ast.unparse(_Spell().visit(tree))


def substitute(text: str, texts: Mapping[str, str]) -> str:
    """A Python expression, whose names are integers, with others in their place, simplified."""
    return unparse(_simplified(_Bind({}, texts, str).visit(_parsed(text)), lambda _: True))


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
    """The sum of expressions, equal terms collected: `a + b + a - b` is `2 * a`."""
    terms = _collected(term for text in texts for term in _terms(_parsed(text)))
    number = terms.pop("", 0)
    # `3 - a` and `b - a`, not `-a + 3` and `-a + b`; but `a - 3` and `a + 3`
    falling = number > 0 and all(count < 0 for count in terms.values())
    counted = sorted(terms.items(), key=lambda pair: pair[1] < 0)
    if number or not counted:
        counted.insert(0 if falling else len(counted), ("", number))
    (first, count), *rest = counted
    if not rest and first and count == 1:
        return first
    text = _times(count, first)
    for term, count in rest:
        text += f" {'-' if count < 0 else '+'} {_times(abs(count), term)}"
    return substitute(text, {}) if rest else text


def terms_of(text: str) -> dict[str, int]:
    """An expression as a sum: each term with its count; "" is the term of plain numbers."""
    return _collected(_terms(_parsed(text)))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _collected(terms: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for term, count in terms:
        counts[term] = counts.get(term, 0) + count
    return {term: count for term, count in counts.items() if count}


def _times(count: int, term: str) -> str:
    """A counted term, fit to stand in a sum; "" is that of plain numbers."""
    if not term:
        return str(count)
    tree = _parsed(term)
    if count == 1 and isinstance(tree, ast.BinOp) and not isinstance(tree.op, ast.Add | ast.Sub):
        return term  # a product or a quotient
    loose = isinstance(tree, ast.IfExp | ast.BoolOp | ast.Compare | ast.BinOp | ast.UnaryOp)
    factor = {1: "", -1: "-"}.get(count, f"{count} * ")
    return f"{factor}({term})" if loose else f"{factor}{term}"


def _terms(tree: ast.expr) -> list[tuple[str, int]]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return [*_terms(tree.left), *_terms(tree.right)]
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Sub):
        return [*_terms(tree.left), *_negated(tree.right)]
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return _negated(tree.operand)
    if isinstance(tree, ast.Constant) and type(tree.value) is int:
        return [("", tree.value)]
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mult):
        match _terms(tree.left):
            case [("", count)]:
                return [(term, count * inner) for term, inner in _terms(tree.right)]
    return [(ast.unparse(tree), 1)]


def _negated(tree: ast.expr) -> list[tuple[str, int]]:
    return [(term, -count) for term, count in _terms(tree)]


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


class _Spell(ast.NodeTransformer):
    """Spells slices, `a[:2]` but `a[: b - 2]`, and small numbers, `1e-5`."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Name(spell(node.value)) if isinstance(node.value, float) else node

    def visit_Slice(self, node: ast.Slice) -> ast.Name:
        ends = [None if end is None else unparse(end) for end in (node.lower, node.upper)]
        simple = all(
            e is None or isinstance(e, ast.Name | ast.Constant) for e in (node.lower, node.upper)
        )
        if simple:
            return ast.Name(f"{ends[0] or ''}:{ends[1] or ''}", ast.Load())
        return ast.Name(" ".join(part for part in (ends[0], ":", ends[1]) if part), ast.Load())


def _simplified(tree: ast.expr, whole: Callable[[str], bool]) -> ast.expr:
    result: ast.expr = _Simplify(whole).visit(tree)
    return _Rename().visit(result)  # type: ignore[no-any-return]  # a transformer's result


class _Rename(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _CALLED:
            node.func = ast.parse(_CALLED[node.func.id], mode="eval").body
        return node


class _Simplify(ast.NodeTransformer):
    """Computes what is known; drops factors of one and terms of zero."""

    def __init__(self, whole: Callable[[str], bool]) -> None:
        self.whole = whole

    def visit(self, node: ast.AST) -> Any:
        node = self.generic_visit(node)
        plain = ast.Constant | ast.Tuple | ast.Name | ast.Slice
        if isinstance(node, ast.expr) and not isinstance(node, plain):
            node = self._computed(node)
        return node

    def _computed(self, node: ast.expr) -> ast.expr:
        plain = _plainer(node, self.whole)
        if plain is not None:
            return plain
        if not _is_known(node):
            return node
        try:
            value = expressions.evaluate(expressions.Expression("", node, frozenset()), {})
        except ExpressionError:
            return node
        return literal(value, str)


def _plainer(node: ast.expr, whole: Callable[[str], bool]) -> ast.expr | None:
    """A conditional that is decided, a truth value or product with a neutral part; else None."""
    if isinstance(node, ast.IfExp):
        return _decided(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.operand = _as_truth(node.operand)
        return None
    if isinstance(node, ast.BoolOp):
        return _short_circuit(node)
    return _without_neutral(node, whole) if isinstance(node, ast.BinOp) else None


def _decided(node: ast.IfExp) -> ast.expr | None:
    node.test = _as_truth(node.test)
    if isinstance(node.test, ast.Constant):
        return node.body if node.test.value else node.orelse
    return node.body if ast.dump(node.body) == ast.dump(node.orelse) else None


def _is_known(tree: ast.expr) -> bool:
    """Whether nothing in an expression is open."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return all(
        not isinstance(node, ast.Attribute | ast.Starred)
        and (not isinstance(node, ast.Name) or (id(node) in called and node.id in FUNCTIONS))
        for node in ast.walk(tree)
    )


def _short_circuit(node: ast.BoolOp) -> ast.expr:
    """Without what decides nothing: `true and x` is x. The value stays the same.

    `x and true` is true, and not x, where x is 5.
    """
    neutral = isinstance(node.op, ast.And)
    kept: list[ast.expr] = []
    for i, operand in enumerate(node.values):
        if isinstance(operand, ast.Constant):
            if bool(operand.value) is not neutral:
                kept.append(operand)  # nobody looks any further
                break
            same = bool(kept) and all(map(_is_truth, kept)) and operand.value is neutral
            if same or i + 1 < len(node.values):
                continue
        kept.append(operand)
    return _joined(node.op, kept)


def _joined(op: ast.boolop, kept: list[ast.expr]) -> ast.expr:
    """`a and b`; false alone where that ends it."""
    *before, last = kept
    ended = isinstance(last, ast.Constant) and last.value is isinstance(op, ast.Or)
    return last if not before or (ended and all(map(_is_truth, before))) else ast.BoolOp(op, kept)


def _is_truth(node: ast.expr) -> bool:
    """Whether a value is certainly true or false, and no other number."""
    if isinstance(node, ast.BoolOp):
        return all(map(_is_truth, node.values))
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated or isinstance(node, ast.Compare)


def _as_truth(node: ast.expr) -> ast.expr:
    """An expression of which nobody wants to know more than whether it holds."""
    if not isinstance(node, ast.BoolOp):
        return node
    neutral = isinstance(node.op, ast.And)
    kept: list[ast.expr] = []
    for operand in map(_as_truth, node.values):
        if not isinstance(operand, ast.Constant):
            kept.append(operand)
        elif bool(operand.value) is not neutral:
            return ast.Constant(not neutral)
    if len(kept) > 1:
        return ast.BoolOp(node.op, kept)
    return kept[0] if kept else ast.Constant(neutral)


def _without_neutral(node: ast.BinOp, whole: Callable[[str], bool]) -> ast.expr | None:
    """`1 * x`, `x * 1`, `x + 0`, `0 + x`, and `x // 1` of an integer, as x; else None."""
    left = node.left.value if isinstance(node.left, ast.Constant) else None
    right = node.right.value if isinstance(node.right, ast.Constant) else None
    if isinstance(node.op, ast.Mult):
        if _is(left, 1):
            return node.right
        return node.left if _is(right, 1) else None
    if isinstance(node.op, ast.FloorDiv):
        is_whole_one = _is(right, 1) and is_whole(ast.unparse(node.left), whole)
        return node.left if is_whole_one else None
    if isinstance(node.op, ast.Add):
        if _is(left, 0):
            return node.right
        return node.left if _is(right, 0) else None
    return None


def _is(value: object, number: int) -> bool:
    return type(value) is int and value == number
