"""The safe expression grammar: parse, evaluate, print as Python.

Expressions come from specs, which are untrusted: the text is parsed with `ast`, checked against
a whitelist, and walked; nothing is ever compiled or executed. Length, depth and magnitude are
bounded, exponents as well, and there is no attribute, no string and no keyword argument, so an
expression costs microseconds whatever it says.
"""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn, Self

MAX_LENGTH = 300
MAX_DEPTH = 40
MAX_MAGNITUDE = 1e15
MAX_ITEMS = 1000
MAX_NESTED = 32
MAX_COMPARED = 64
MAX_EXPONENT = 64

Value = int | float | bool | Sequence[Any] | Mapping[str, Any]
"""What an expression can give, `Reference` and `Word` included.

Sequences come from `vars` and from literal lists, mappings are the rows of tables in `vars`.
"""


class Reference(str):
    """The name of an op or a block as a value: `BasicBlock if small else Bottleneck`."""

    __slots__ = ()


class Configured(Reference):
    """An op with attributes as a value: `{op: leaky_relu, negative_slope: 0.1}`.

    It is the op's name as a text, and equal only to the same op with the same attributes.
    """

    __slots__ = ("attributes",)
    attributes: Mapping[str, Any]

    def __new__(cls, op: str, attributes: Mapping[str, Any]) -> Self:
        """The op of that name with these attributes, by their canonical names."""
        made = super().__new__(cls, op)
        made.attributes = attributes
        return made

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Configured) and str(self) == str(other)
        return same and self.attributes == other.attributes  # type: ignore[attr-defined]  # just asked

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return super().__hash__()

    def __repr__(self) -> str:
        return f"{{op: {str(self)!r}, {self.attributes!r}}}"


class Word(str):
    """A word that an attribute takes, as a value: `bilinear if smooth else nearest`."""

    __slots__ = ()


class PerAxis(tuple[Any, ...]):
    """A size of another height than width: what is computed of it is computed by axis."""

    __slots__ = ()


class Unknown:
    """What a name stands for whose value could not be computed; why has been told."""

    __slots__ = ()


UNKNOWN: Any = Unknown()


class Missing:
    """What a name stands for that has no value here, and why."""

    __slots__ = ("problem",)

    def __init__(self, problem: str) -> None:
        self.problem = problem

    def __repr__(self) -> str:
        return f"<{self.problem}>"


class ExpressionError(ValueError):
    """An expression that cannot be read or computed; `column` is where in its text, from 0.

    `missing` is the name that it needs and that is not there, if that is the problem.
    """

    def __init__(self, problem: str, column: int = 0, missing: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.column = column
        self.missing = missing


class DependsOnUnknown(Exception):
    """An expression needs a value that could not be computed; there is nothing more to tell."""


class Expression:
    """A parsed expression: its text, its checked tree, and the names it needs."""

    __slots__ = ("names", "text", "tree")

    def __init__(self, text: str, tree: ast.expr, names: frozenset[str]) -> None:
        self.text = text
        self.tree = tree
        self.names = names


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, at least `divisor`, never losing more than 10 %.

    The width rule of the MobileNet family (Howard et al. 2017; Sandler et al. 2018).
    """
    if divisor < 1:
        raise ValueError("make_divisible needs a divisor of at least 1")
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def power(base: float, exponent: float) -> float:
    """Python's `**`; raises ValueError where it has no real value, or one that takes long."""
    if abs(exponent) > MAX_EXPONENT:
        raise ValueError(f"an exponent is at most {MAX_EXPONENT}")
    if base == 0 and exponent < 0:
        raise ValueError("division by zero")
    if base < 0 and not float(exponent).is_integer():
        raise ValueError("a negative number has no such power")
    result: float = base**exponent
    return result


def _round(value: float, digits: int | None = None) -> int | float:
    """Python's `round`; a large negative `digits` would cost it minutes (10 to that power)."""
    if digits is not None and abs(digits) > 15:
        raise ValueError("it takes at most 15 digits")
    return round(value, digits)


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    # name: (function, fewest arguments, most arguments)
    "min": (min, 1, 16),
    "max": (max, 1, 16),
    "sum": (sum, 1, 1),
    "len": (len, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "round": (_round, 1, 2),
    "make_divisible": (make_divisible, 1, 2),
}
CONSTANTS: dict[str, bool] = {"true": True, "false": False}
_PYTHON_NAMES = {
    "true": "True",
    "false": "False",
    "ceil": "math.ceil",
    "floor": "math.floor",
    "make_divisible": "_make_divisible",
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: power,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "attributes (a.b) are not part of the grammar",
    ast.BitXor: "`^` is not part of the grammar",
    ast.Lambda: "functions cannot be defined here",
    ast.ListComp: "comprehensions are not part of the grammar",
    ast.GeneratorExp: "comprehensions are not part of the grammar",
    ast.JoinedStr: "text is not part of the grammar",
    ast.NamedExpr: "`:=` is not part of the grammar",
    ast.Is: "`is` is not part of the grammar; write `==`",
    ast.IsNot: "`is not` is not part of the grammar; write `!=`",
}
_ALLOWED = (
    *_BINARY,
    *_COMPARE,
    *_UNARY,
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.And, ast.Or, ast.Compare, ast.IfExp),
    *(ast.Constant, ast.Name, ast.Load, ast.Call, ast.Subscript, ast.Slice, ast.List, ast.Tuple),
)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Read an expression, or raise `ExpressionError` with the column of what is wrong."""
    stripped = text.strip()
    if not stripped:
        raise ExpressionError("there is nothing here")
    if len(stripped) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters")
    if not stripped.isascii():
        first = next(i for i, character in enumerate(stripped) if not character.isascii())
        raise ExpressionError(f"`{stripped[first]}` is not part of the grammar", first)
    tree = _parse_python(stripped)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    names = set()
    pending: list[tuple[ast.AST, int]] = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ExpressionError("this expression nests too deeply")
        _check(node)
        if isinstance(node, ast.Name) and id(node) not in called and node.id not in CONSTANTS:
            names.add(node.id)
        pending.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return Expression(stripped, tree, frozenset(names))


def _parse_python(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of `1if x else 2`; it is still read
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = max((error.offset or 1) - 1, 0)
        raise ExpressionError(_syntax_problem(text, error), min(column, len(text) - 1)) from None
    except (MemoryError, RecursionError, ValueError):
        raise ExpressionError("this expression cannot be read") from None


def _syntax_problem(text: str, error: SyntaxError) -> str:
    digits = text.lstrip("+-")
    if digits.isdigit() and digits.startswith("0"):
        return f"a number does not start with 0; write {int(digits)}"
    for sign, word in _OTHERS.items():
        if re.search(sign, text):
            return f"this is not an expression; write `{word}`"
    return f"this is not an expression ({error.msg})"


_OTHERS = {r"&&": "and", r"\|\|": "or", r"!(?!=)": "not", r"(?<![=!<>])=(?!=)": "=="}
"""What other languages write, and what is written here."""


def _check(node: ast.AST) -> None:
    column = getattr(node, "col_offset", 0)
    if not isinstance(node, _ALLOWED):
        default = f"{type(node).__name__} is not part of the grammar"
        raise ExpressionError(_REFUSED.get(type(node), default), column)
    if isinstance(node, ast.Slice):
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str | bytes):
            raise ExpressionError("text is not part of the grammar", column)
        if not isinstance(node.value, int | float):
            raise ExpressionError(f"`{node.value}` is not a number", column)
        _bounded(node.value, node)
    if isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 64:
        raise ExpressionError("a list has at most 64 items here", column)
    if isinstance(node, ast.Call):
        _check_call(node)


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        called = ast.unparse(node.func)
        known = ", ".join(FUNCTIONS)
        raise ExpressionError(f"there is no function `{called}`; known: {known}", node.col_offset)
    name = node.func.id
    _, fewest, most = FUNCTIONS[name]
    if node.keywords:
        raise ExpressionError("keyword arguments are not part of the grammar", node.col_offset)
    if not fewest <= len(node.args) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        problem = f"{name} takes {wanted} arguments, not {len(node.args)}"
        raise ExpressionError(problem, node.col_offset)


def evaluate(expression: Expression, names: Mapping[str, Value]) -> Value:
    """The value of an expression with `names` bound.

    Raises `ExpressionError`, and `DependsOnUnknown` where one of the names is `UNKNOWN`.
    """
    result: Value = _evaluate(expression.tree, names)
    if result is None:
        raise ExpressionError("this is empty (`~`)")
    if isinstance(result, list | dict | tuple):
        items, depth = extent(result)
        if items > MAX_ITEMS:
            raise ExpressionError(
                f"a list has at most {MAX_ITEMS} items, those of its lists included"
            )
        if depth > MAX_NESTED:
            raise ExpressionError(f"a list nests at most {MAX_NESTED} deep here")
    return result


def evaluate_tree(tree: ast.expr, names: Mapping[str, Value]) -> Value:
    """The value of a part of an expression; raises as `evaluate` does."""
    result: Value = _evaluate(tree, names)
    return result


_HOLDING = frozenset({list, tuple, dict})


def extent(value: Sequence[Any] | Mapping[str, Any], most: int = MAX_ITEMS) -> tuple[int, int]:
    """How many items a list or mapping holds, those of its lists included, and how deep.

    Counting ends behind `most`: `b: [a, a]`, `c: [{x: b, y: b}]`, … doubles with every line.
    """
    items, depth = 0, 0
    inner: list[Sequence[Any] | Mapping[str, Any]] = [value]
    while inner and items <= most and depth <= MAX_NESTED:
        level, inner, depth = inner, [], depth + 1
        for held in level:
            items += len(held)
            if items > most:
                break
            values: Iterable[Any] = held.values() if isinstance(held, Mapping) else held
            inner += [item for item in values if type(item) in _HOLDING]
    return items, depth


def _evaluate(node: ast.expr, names: Mapping[str, Value]) -> Any:
    return _EVALUATORS[type(node)](node, names)


def _fail(problem: str, node: ast.expr) -> NoReturn:
    raise ExpressionError(problem, node.col_offset)


def _bounded(value: Any, node: ast.expr) -> Any:
    if isinstance(value, int | float) and not abs(value) <= MAX_MAGNITUDE:
        _fail("a number here is larger than 10^15", node)
    return value


def _number(node: ast.expr, names: Mapping[str, Value]) -> Any:
    value = _evaluate(node, names)
    if not isinstance(value, int | float):
        _fail("arithmetic needs numbers", node)
    return value


def _brief(value: Any, node: ast.expr) -> Any:
    """A value that every item of is looked at: a row may be there fifty thousand times."""
    if type(value) in _HOLDING and extent(value, MAX_COMPARED)[0] > MAX_COMPARED:
        _fail(f"lists of more than {MAX_COMPARED} items cannot be computed with", node)
    return value


def _constant(node: Any, _: Mapping[str, Value]) -> Any:
    return node.value


def _name(node: Any, names: Mapping[str, Value]) -> Any:
    if node.id in CONSTANTS:
        return CONSTANTS[node.id]
    if node.id not in names:
        problem = f"there is no variable `{node.id}` here{_hint(node.id, names)}"
        raise ExpressionError(problem, node.col_offset, node.id)
    value = names[node.id]
    if value is UNKNOWN:
        raise DependsOnUnknown(node.id)
    if isinstance(value, Missing):
        _fail(value.problem, node)
    return value


def _hint(name: str, names: Mapping[str, Value]) -> str:
    as_truth = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(name.lower())
    if as_truth:
        return f"; write `{as_truth}`"
    from difflib import get_close_matches

    close = get_close_matches(name, [*islice(names, 200), *FUNCTIONS], n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    hidden = (Reference, Word, Unknown, Missing)
    numbers = (known for known, value in names.items() if not isinstance(value, hidden))
    known = ", ".join(sorted(islice(numbers, 40)))
    return f" (known: {known})" if known else ""


def _binary(node: Any, names: Mapping[str, Value]) -> Any:
    left, right = _operand(node.left, names), _operand(node.right, names)
    if isinstance(left, PerAxis) or isinstance(right, PerAxis):
        pairs = zip(_axes(left), _axes(right), strict=True)
        return PerAxis(_computed(node, one, other) for one, other in pairs)
    return _computed(node, left, right)


def _operand(node: ast.expr, names: Mapping[str, Value]) -> Any:
    value = _evaluate(node, names)
    if not isinstance(value, int | float | PerAxis):
        _fail("arithmetic needs numbers", node)
    return value


def _axes(value: Any) -> tuple[Any, ...]:
    """Height and width; a number is both."""
    return value if isinstance(value, PerAxis) else (value, value)


def _computed(node: Any, left: Any, right: Any) -> Any:
    if right == 0 and isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod):
        _fail("division by zero", node.right)
    try:
        return _bounded(_BINARY[type(node.op)](left, right), node)
    except (ValueError, OverflowError) as error:
        return _fail(str(error) if isinstance(error, ValueError) else "it is too large", node)


def _unary(node: Any, names: Mapping[str, Value]) -> Any:
    if isinstance(node.op, ast.Not):
        return not _evaluate(node.operand, names)
    return _UNARY[type(node.op)](_number(node.operand, names))


def _boolean(node: Any, names: Mapping[str, Value]) -> Any:
    value: Any = None
    for operand in node.values:
        value = _evaluate(operand, names)
        if bool(value) is isinstance(node.op, ast.Or):
            return value
    return value


def _compare(node: Any, names: Mapping[str, Value]) -> bool:
    left = _brief(_evaluate(node.left, names), node.left)
    for kind, operand in zip(node.ops, node.comparators, strict=True):
        right = _brief(_evaluate(operand, names), operand)
        try:
            holds = _COMPARE[type(kind)](left, right)
        except TypeError:
            _fail("these two cannot be compared", operand)
        if not holds:
            return False
        left = right
    return True


def _conditional(node: Any, names: Mapping[str, Value]) -> Any:
    return _evaluate(node.body if _evaluate(node.test, names) else node.orelse, names)


def _call(node: Any, names: Mapping[str, Value]) -> Any:
    function = FUNCTIONS[node.func.id][0]
    arguments = [_evaluate(argument, names) for argument in node.args]
    if function is not len:
        arguments = [_brief(*pair) for pair in zip(arguments, node.args, strict=True)]
    try:
        return _bounded(function(*arguments), node)
    except ExpressionError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        _fail(f"{node.func.id} cannot be computed: {error}", node)


def _subscript(node: Any, names: Mapping[str, Value]) -> Any:
    items = _evaluate(node.value, names)
    if isinstance(items, int | float | str | Mapping):
        _fail("only a list can be indexed", node)
    if isinstance(node.slice, ast.Slice):
        if len(items) > MAX_ITEMS:
            _fail(f"of a list of more than {MAX_ITEMS} items no part can be taken", node)
        return items[_slice(node.slice, names)]
    index = _evaluate(node.slice, names)
    if not isinstance(index, int) or not -len(items) <= index < len(items):
        _fail(f"there is no item {index} in a list of {len(items)}", node.slice)
    return items[index]


def _slice(node: ast.Slice, names: Mapping[str, Value]) -> slice:
    """`[a:b]`; a step would let a list be reordered, which no table needs."""
    if node.step is not None:
        _fail("a slice here is [start:stop]", node.step)
    ends = [None if end is None else _evaluate(end, names) for end in (node.lower, node.upper)]
    for end, written in zip(ends, (node.lower, node.upper), strict=True):
        if written is not None and type(end) is not int:
            _fail("the ends of a slice are whole numbers", written)
    return slice(*ends)


def _sequence(node: Any, names: Mapping[str, Value]) -> list[Any]:
    return [_evaluate(item, names) for item in node.elts]


_EVALUATORS: dict[type[ast.expr], Callable[[Any, Mapping[str, Value]], Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Call: _call,
    ast.Subscript: _subscript,
    ast.List: _sequence,
    ast.Tuple: _sequence,
}


class _ToPython(ast.NodeTransformer):
    """Renames what is called otherwise in Python, and binds names to other expressions."""

    def __init__(self, bindings: Mapping[str, str]) -> None:
        self.bindings = bindings

    def visit_Name(self, node: ast.Name) -> ast.expr:
        name = _PYTHON_NAMES.get(node.id, self.bindings.get(node.id, node.id))
        return ast.parse(name, mode="eval").body


def to_python(expression: Expression, bindings: Mapping[str, str] | None = None) -> str:
    """The expression as Python source, `math` and `_make_divisible` being in scope there.

    `bindings` gives the Python text of names that are spelt otherwise, or are known, there.
    """
    copy = ast.parse(expression.text, mode="eval").body  # the cached tree stays untouched
    return ast.unparse(_ToPython(bindings or {}).visit(copy))
