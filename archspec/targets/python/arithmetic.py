"""Arithmetic on trees, with numbers that may be unknown: computed where known, else simplified."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from archspec.expressions import MAX_MAGNITUDE, make_divisible, power
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Attribute,
    Binary,
    Boolean,
    Call,
    Compare,
    Conditional,
    Expr,
    Keyword,
    Literal,
    Name,
    Node,
    Slice,
    Starred,
    Subscript,
    Tuple,
    Unary,
    children,
    literal,
    rebuild,
)

IsWhole: TypeAlias = Callable[[str], bool]
"""Whether a name is certainly an integer."""

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "sum": sum,
    "len": len,
    "round": round,
    "int": int,
    "float": float,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "_make_divisible": make_divisible,
}
"""What can be called in an expression, by what it is called in Python."""

ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": power,
}
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda item, items: item in items,
    "not in": lambda item, items: item not in items,
}


class Unknown(Exception):
    """An expression has no value as long as its names have none."""


# --- values ---------------------------------------------------------------------------------------


def value_of(expr: Expr, names: Mapping[str, Any] | None = None) -> Any:
    """What an expression is worth, lists being tuples; raises `Unknown`."""
    try:
        return _value(expr, names or {})
    except (TypeError, ValueError, ZeroDivisionError, IndexError, OverflowError) as error:
        raise Unknown(str(error)) from None


def _value(expr: Any, names: Mapping[str, Any]) -> Any:
    match expr:
        case Literal(value=value):
            return value
        case Name(id=name):
            if name not in names:
                raise Unknown(name)
            return names[name]
        case Tuple(items=items):
            return tuple(_value(item, names) for item in items)
        case Unary(op="not", operand=operand):
            return not _value(operand, names)
        case Unary(op=op, operand=operand):
            return -_value(operand, names) if op == "-" else +_value(operand, names)
        case Binary(left=left, op=op, right=right) if op in ARITHMETIC:
            return _bounded(ARITHMETIC[op](_number(left, names), _number(right, names)))
        case Compare(operands=operands, ops=ops):
            return _compared([_value(operand, names) for operand in operands], ops)
        case Boolean(op=op, values=values):
            return _joined_value(op, values, names)
        case Conditional(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, names) else orelse, names)
        case Subscript(value=value, index=index):
            return _value(value, names)[_index(index, names)]
        case Call(function=function, arguments=arguments):
            called = FUNCTIONS.get(flat(function))
            if called is None:
                raise Unknown(flat(function))
            return _bounded(called(*(_value(argument, names) for argument in arguments)))
    raise Unknown(type(expr).__name__)


def _number(expr: Expr, names: Mapping[str, Any]) -> Any:
    value = _value(expr, names)
    if not isinstance(value, int | float):
        raise Unknown("arithmetic of lists")
    return value


def _bounded(value: Any) -> Any:
    if isinstance(value, int | float) and not abs(value) <= MAX_MAGNITUDE:
        raise Unknown("too large")
    return value


def _compared(values: Sequence[Any], ops: Sequence[str]) -> bool:
    pairs = zip(values, ops, values[1:], strict=False)
    return all(COMPARISONS[op](left, right) for left, op, right in pairs)


def _joined_value(op: str, values: Sequence[Expr], names: Mapping[str, Any]) -> Any:
    found: Any = None
    for value in values:
        found = _value(value, names)
        if bool(found) is (op == "or"):
            return found
    return found


def _index(index: Any, names: Mapping[str, Any]) -> Any:
    if not isinstance(index, Slice):
        return _value(index, names)
    ends = (None if end is None else _value(end, names) for end in (index.lower, index.upper))
    return slice(*ends)


# --- questions ------------------------------------------------------------------------------------


def free_names(*nodes: Node) -> frozenset[str]:
    """The names in nodes, without those of functions and modules."""
    found: set[str] = set()
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, Name):
            found.add(node.id)
        elif isinstance(node, Call) and isinstance(node.function, Name):
            pending.extend(node.arguments)
        elif not (isinstance(node, Attribute) and node.value in _OWNERS):
            pending.extend(children(node))
    return frozenset(found)


_OWNERS = frozenset(map(Name, ("nn", "F", "torch", "math", "self")))
"""What has functions, classes and modules for attributes; a row of a table has its columns."""


def is_known(expr: Expr) -> bool:
    """Whether nothing in an expression is open."""
    return not free_names(expr)


_ALWAYS_WHOLE = frozenset({"len", "int", "math.ceil", "math.floor", "_make_divisible"})


def is_whole(expr: Any, is_whole_name: IsWhole) -> bool:
    """Whether an expression is certainly an `int`, given which names are."""
    match expr:
        case Literal(value=value):
            return isinstance(value, int)
        case Name(id=name):
            return is_whole_name(name)
        case Compare() | Unary(op="not"):
            return True
        case Subscript(value=value):
            return is_whole(value, is_whole_name)
        case Binary(op="/"):
            return False
        case Binary(left=left, op="**", right=right):
            # less than nothing is no exponent of sizes, and where it is, the code is not equal
            both = is_whole(left, is_whole_name) and is_whole(right, is_whole_name)
            return both and not isinstance(right, Unary)
        case Conditional(body=body, orelse=orelse):
            return is_whole(body, is_whole_name) and is_whole(orelse, is_whole_name)
        case Call(function=function, arguments=arguments):
            name = flat(function)
            if name in _ALWAYS_WHOLE or (name == "round" and len(arguments) == 1):
                return True
            return all(is_whole(argument, is_whole_name) for argument in arguments)
        case Attribute():
            return is_whole_name(flat(expr))
        case Keyword() | Starred():
            return False
    return all(is_whole(part, is_whole_name) for part in children(expr))


# --- simplifying ----------------------------------------------------------------------------------


def simplify(expr: Expr, is_whole_name: IsWhole = lambda _: True) -> Expr:
    """An expression with what is known computed, without factors of one and terms of zero.

    `width * 4 // 4` is `width` where that is an integer.
    """
    parts = rebuild_children(expr, lambda part: simplify(part, is_whole_name))
    if isinstance(parts, Literal | Name | Tuple | Attribute):
        return parts
    plainer = _plainer(parts, is_whole_name) or parts
    if not is_known(plainer):
        return plainer
    try:
        return literal(value_of(plainer))
    except (Unknown, AssertionError):
        return plainer


def rebuild_children(expr: Expr, changed: Callable[[Expr], Expr]) -> Expr:
    """An expression with each of the expressions directly in it changed."""

    def replaced(node: Node) -> Node | None:
        if node is expr or isinstance(node, Keyword | Starred | Slice):
            return None
        if isinstance(expr, Call) and node is expr.function:
            return node
        return changed(node)  # type: ignore[arg-type]  # an expression is what is left

    return rebuild(expr, replaced)  # type: ignore[return-value]  # an expression stays one


def substituted(expr: Expr, bound: Mapping[str, Expr]) -> Expr:
    """An expression, whose names are integers, with others in their place, simplified."""
    result = rebuild(expr, lambda node: bound.get(node.id) if isinstance(node, Name) else None)
    return simplify(result)  # type: ignore[arg-type]  # an expression stays one


def _plainer(expr: Expr, is_whole_name: IsWhole) -> Expr | None:
    """A conditional that is decided, a truth value or product with a neutral part; else None."""
    match expr:
        case Conditional(test=test, body=body, orelse=orelse):
            return _decided(as_truth(test), body, orelse)
        case Unary(op="not", operand=operand):
            inner = as_truth(operand)
            return None if isinstance(inner, Literal) else Unary("not", inner)
        case Unary(op="-" | "+" as op, operand=Unary(op=inner, operand=operand)) if op == inner:
            return operand if op == "-" else Unary("+", operand)
        case Boolean(op=op, values=values):
            return _short_circuit(op, values)
        case Binary(left=left, op=op, right=right):
            return _without_neutral(left, op, right, is_whole_name)
    return None


def _decided(test: Expr, body: Expr, orelse: Expr) -> Expr:
    if isinstance(test, Literal):
        return body if test.value else orelse
    return body if body == orelse else Conditional(test, body, orelse)


def _without_neutral(left: Expr, op: str, right: Expr, is_whole_name: IsWhole) -> Expr | None:
    """`1 * x`, `x * 1`, `x + 0`, `0 + x`, and `x // 1` of an integer, as x; else None."""
    one, zero = Literal(1), Literal(0)
    if op == "*" and one in (left, right):
        return right if left == one else left
    if op == "+" and zero in (left, right):
        return right if left == zero else left
    if op == "-" and right == zero:
        return left
    if op == "//" and is_whole(left, is_whole_name):
        return _divided(left, right)
    return None


def _divided(left: Expr, right: Expr) -> Expr | None:
    """A whole number over another where that leaves nothing over: `width * 4 // 4`."""
    if right == Literal(1):
        return left
    divisor = _count(right)
    if not divisor or not isinstance(left, Binary) or left.op != "*":
        return None
    for factor, other in ((left.right, left.left), (left.left, left.right)):
        count = _count(factor)
        if count and count % divisor == 0:
            rest = literal(count // divisor)
            return product(other, rest) if factor is left.right else product(rest, other)
    return None


def _count(expr: Expr) -> int | None:
    """The whole number that stands there, with its sign; None where it is anything else."""
    match expr:
        case Literal(value=value) if type(value) is int:
            return value
        case Unary(op="-", operand=Literal(value=value)) if type(value) is int:
            return -value
    return None


def _short_circuit(op: str, values: Sequence[Expr]) -> Expr:
    """Without what decides nothing: `true and x` is x. The value stays the same.

    `x and true` is true, and not x, where x is 5.
    """
    neutral = op == "and"
    kept: list[Expr] = []
    for i, operand in enumerate(values):
        if isinstance(operand, Literal):
            if bool(operand.value) is not neutral:
                kept.append(operand)  # nobody looks any further
                break
            same = bool(kept) and all(map(_is_truth, kept)) and operand.value is neutral
            if same or i + 1 < len(values):
                continue
        kept.append(operand)
    *before, last = kept
    ended = isinstance(last, Literal) and last.value is (not neutral)
    return (
        last if not before or (ended and all(map(_is_truth, before))) else Boolean(op, tuple(kept))
    )


def _is_truth(expr: Expr) -> bool:
    """Whether a value is certainly true or false, and no other number."""
    if isinstance(expr, Boolean):
        return all(map(_is_truth, expr.values))
    return isinstance(expr, Compare) or (isinstance(expr, Unary) and expr.op == "not")


def as_truth(expr: Expr) -> Expr:
    """An expression of which nobody wants to know more than whether it holds."""
    if not isinstance(expr, Boolean):
        return expr
    neutral = expr.op == "and"
    kept: list[Expr] = []
    for operand in map(as_truth, expr.values):
        if not isinstance(operand, Literal):
            kept.append(operand)
        elif bool(operand.value) is not neutral:
            return Literal(not neutral)
    if len(kept) > 1:
        return Boolean(expr.op, tuple(kept))
    return kept[0] if kept else Literal(neutral)


# --- sums and products ----------------------------------------------------------------------------

Terms: TypeAlias = dict[Expr | None, int]
"""An expression as a sum: each term with its count; None is the term of plain numbers."""


def product(left: Expr, right: Expr) -> Expr:
    """`left * right`; computed where both are known, without a factor of one."""
    match left, right:
        case Literal(value=int() as one), Literal(value=int() as other):
            return Literal(one * other)
    if left == Literal(1):
        return right
    if right == Literal(1):
        return left
    return Binary(left, "*", right)


def times_sizes(expr: Expr, sizes: Iterable[int]) -> Expr:
    """An expression times sizes as one writes it: `256 * 6 * 6`, without ones."""
    for size in sizes:
        if size > 1:
            expr = Literal(size) if expr == Literal(1) else Binary(expr, "*", Literal(size))
    return expr


def terms_of(*exprs: Expr) -> Terms:
    """The sum of expressions; what comes to nothing is left out."""
    counts: Terms = {}
    for expr in exprs:
        for term, count in _terms(expr):
            counts[term] = counts.get(term, 0) + count
    return {term: count for term, count in counts.items() if count}


def _terms(expr: Expr) -> list[tuple[Expr | None, int]]:
    match expr:
        case Binary(left=left, op="+", right=right):
            return [*_terms(left), *_terms(right)]
        case Binary(left=left, op="-", right=right):
            return [*_terms(left), *((term, -count) for term, count in _terms(right))]
        case Unary(op="-", operand=operand):
            return [(term, -count) for term, count in _terms(operand)]
        case Literal(value=int() as number) if not isinstance(number, bool):
            return [(None, number)]
        case Binary(left=left, op="*", right=right):
            match _terms(left):
                case [(None, count)]:
                    return [(term, count * inner) for term, inner in _terms(right)]
    return [(expr, 1)]


def add_up(exprs: Iterable[Expr]) -> Expr:
    """The sum of expressions, equal terms collected: `a + b + a - b` is `2 * a`."""
    terms = terms_of(*exprs)
    number = terms.pop(None, 0)
    counted = list(terms.items())
    # `3 - a` and `b - a`, not `-a + 3` and `-a + b`; but `a - 3` and `a + 3`
    falling = number > 0 and all(count < 0 for _, count in counted)
    counted.sort(key=lambda pair: pair[1] < 0)
    if number or not counted:
        counted.insert(0 if falling else len(counted), (None, number))
    (first, count), *rest = counted
    total = _times(count, first)
    for term, count in rest:
        total = Binary(total, "-" if count < 0 else "+", _times(abs(count), term))
    return simplify(total)


def _times(count: int, term: Expr | None) -> Expr:
    if term is None:
        return literal(count)
    if abs(count) == 1:
        return term if count == 1 else Unary("-", term)
    match term:
        case Binary(left=left, op="*", right=Literal(value=factor)) if type(factor) is int:
            return Binary(left, "*", literal(count * factor))  # twice `width * 2` is `width * 4`
    return Binary(literal(count), "*", term)
