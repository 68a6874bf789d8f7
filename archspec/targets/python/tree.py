"""A small tree for Python: the expressions and statements that generated code is made of.

Nodes are values: equal where their parts are, never changed. `printer` lays them out as text, and
`machine` executes them on symbols; nothing asks a text for what it means.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache
from operator import attrgetter
from types import EllipsisType
from typing import Any, TypeAlias

# --- expressions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, a class, a function, a module: `x`, `nn`."""

    id: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a truth value, a text, `...`, or None.

    `1`, `1.0` and `True` are equal in Python and no equal literals here.
    """

    value: "int | float | bool | str | EllipsisType | None"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Literal):
            return NotImplemented
        return type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Attribute:
    """`value.name`."""

    value: "Expr"
    name: str


@dataclass(frozen=True, slots=True)
class Keyword:
    """`name=value` among the arguments of a call."""

    name: str
    value: "Expr"


@dataclass(frozen=True, slots=True)
class Starred:
    """`*value` among the arguments of a call."""

    value: "Expr"


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`; `spread` puts every argument on a line of its own."""

    function: "Expr"
    arguments: tuple["Argument", ...] = ()
    spread: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """`lower:upper` in a subscript."""

    lower: "Expr | None" = None
    upper: "Expr | None" = None


@dataclass(frozen=True, slots=True)
class Subscript:
    """`value[index]`; several indices are a tuple."""

    value: "Expr"
    index: "Expr | Slice | tuple[Expr | Slice, ...]"


@dataclass(frozen=True, slots=True)
class Tuple:
    """`(items)`; `spread` puts every item on a line of its own, as the rows of a table."""

    items: tuple["Expr", ...]
    spread: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class List:
    """`[items]`."""

    items: tuple["Expr", ...]
    spread: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Dict:
    """`{key: value}`."""

    items: tuple[tuple["Expr", "Expr"], ...]
    spread: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-operand`, `+operand` or `not operand`."""

    op: str
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Binary:
    """`left op right` of arithmetic: `+ - * / // %`, or `|` between classes."""

    left: "Expr"
    op: str
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Compare:
    """`first op second op third`: what is compared, and the operators between, one fewer."""

    operands: tuple["Expr", ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Boolean:
    """`values[0] op values[1] …`, `op` being `and` or `or`."""

    op: str
    values: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """`body if test else orelse`."""

    test: "Expr"
    body: "Expr"
    orelse: "Expr"


@dataclass(frozen=True, slots=True)
class Lambda:
    """`lambda *_: body`, which takes whatever it is given and reads none of it.

    With `keywords` it takes those as well, `lambda *_, **__: body`.
    """

    body: "Expr"
    keywords: bool = False

    @property
    def start(self) -> str:
        """What stands before the body."""
        return f"lambda *_{', **__' if self.keywords else ''}: "


@dataclass(frozen=True, slots=True)
class Generator:
    """`element for target in iterable`, of a call with nothing else.

    Starred in one, it is a list, `*[element for target in iterable]`, as most people write it.
    """

    element: "Expr"
    target: "Expr"
    iterable: "Expr"


@dataclass(frozen=True, slots=True)
class Format:
    """An f-string: texts and expressions in turn."""

    parts: tuple["Expr", ...]


Expr: TypeAlias = (
    Name
    | Literal
    | Attribute
    | Call
    | Subscript
    | Tuple
    | List
    | Dict
    | Unary
    | Binary
    | Compare
    | Boolean
    | Conditional
    | Lambda
    | Generator
    | Format
)
Argument: TypeAlias = Expr | Keyword | Starred


# --- statements -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assign:
    """`target = value`, or `target: annotation = value`."""

    target: Expr
    value: Expr
    annotation: Expr | None = None


@dataclass(frozen=True, slots=True)
class Augment:
    """`target op= value`: in place where the target is a tensor."""

    target: Expr
    op: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Evaluate:
    """An expression as a statement: a call for its effect."""

    value: Expr


@dataclass(frozen=True, slots=True)
class If:
    """`if test: body else: orelse`; an `elif` is an `if` alone in `orelse`."""

    test: Expr
    body: tuple["Statement", ...]
    orelse: tuple["Statement", ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    """`for target in iterable: body`."""

    target: Expr
    iterable: Expr
    body: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`."""

    value: Expr


Statement: TypeAlias = Assign | Augment | Evaluate | If | For | Return


# --- definitions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function; `default` is None where one has to be given."""

    name: str
    annotation: Expr | None = None
    default: Expr | None = None
    keyword_only: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method; `self` is among its parameters unless it is `static`."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: Expr
    body: tuple[Statement, ...]
    docstring: str = ""
    static: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """`name: annotation` in the body of a class."""

    name: str
    annotation: Expr


@dataclass(frozen=True, slots=True)
class Class:
    """A class with one base: fields, then methods."""

    name: str
    base: Expr
    docstring: str = ""
    fields: tuple[Field, ...] = ()
    methods: tuple[Function, ...] = ()

    def method(self, name: str) -> Function | None:
        """Its own method of that name."""
        return next((method for method in self.methods if method.name == name), None)


Definition: TypeAlias = Class | Function
Node: TypeAlias = (
    Expr | Keyword | Starred | Slice | Statement | Parameter | Function | Field | Class
)

Replace: TypeAlias = Callable[[Node], Node | None]
"""What to put in place of a node; None where it stays, its parts aside."""


# --- making ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def dotted(path: str) -> Expr:
    """`nn.Conv2d` as a tree."""
    first, *rest = path.split(".")
    expr: Expr = Name(first)
    for name in rest:
        expr = Attribute(expr, name)
    return expr


def call(function: "str | Expr", *arguments: Argument, **keywords: Expr) -> Call:
    """A call; a function may be given as its dotted path."""
    named = tuple(Keyword(name, value) for name, value in keywords.items())
    return Call(dotted(function) if isinstance(function, str) else function, (*arguments, *named))


def literal(value: object) -> Expr:
    """A number, text, truth value or None, or a list or tuple of such (a tuple), as a tree."""
    if isinstance(value, list | tuple):
        return Tuple(tuple(literal(item) for item in value))
    assert value is None or isinstance(value, int | float | str)
    if type(value) in (int, float) and value < 0:  # type: ignore[operator]  # just asked
        return Unary("-", Literal(-value))  # type: ignore[operator]  # the same
    return Literal(value)


# --- asking ---------------------------------------------------------------------------------------


def path_of(expr: object) -> str:
    """`nn.Conv2d` of its tree, empty for anything but names and attributes."""
    if type(expr) is Name:
        return expr.id
    if type(expr) is Attribute:
        owner = path_of(expr.value)
        return f"{owner}.{expr.name}" if owner else ""
    return ""


def constant(expr: object) -> object:
    """What a tree of numbers, texts, and tuples of them is worth; `NotImplemented` of any other."""
    kind: Any = type(expr)
    if kind is Literal:
        return expr.value  # type: ignore[attr-defined]  # a literal
    if kind is Tuple:
        items = tuple([constant(item) for item in expr.items])  # type: ignore[attr-defined]  # a tuple
        return NotImplemented if NotImplemented in items else items
    return NotImplemented


@cache
def _names_of(kind: Any) -> tuple[str, ...]:
    return tuple(part.name for part in fields(kind))


@cache
def _parts_of(kind: Any) -> tuple[str, ...]:
    """The fields in which nodes may stand: not those of plain texts and truth values."""
    return tuple(part.name for part in fields(kind) if part.type not in (str, bool))


def _part_names(node: object) -> tuple[str, ...]:
    kind: Any = type(node)
    names: tuple[str, ...] = _parts_of(kind)
    return names


def _field_names(node: object) -> tuple[str, ...]:
    kind: Any = type(node)
    names: tuple[str, ...] = _names_of(kind)
    return names


def children(node: Node) -> list[Node]:
    """The nodes that are parts of a node, in the order of the text."""
    found: list[Node] = []
    for name in _part_names(node):
        value = getattr(node, name)
        if type(value) not in _PLAIN:
            _collect(value, found)
    return found


_PLAIN = frozenset({str, int, float, bool, type(None)})
"""What stands in most fields, and is no node."""


def _collect(value: object, found: list[Node]) -> None:
    kind = type(value)
    if kind is tuple:
        for item in value:  # type: ignore[attr-defined]  # just asked
            if type(item) not in _PLAIN:
                _collect(item, found)
    elif hasattr(kind, "__dataclass_fields__"):
        found.append(value)  # type: ignore[arg-type]  # the only dataclasses in a tree are its nodes


def walk(*nodes: Node) -> Iterator[Node]:
    """Nodes and everything in them."""
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def names_in(*nodes: Node) -> frozenset[str]:
    """The names that stand in nodes, be they read or bound."""
    found: set[str] = set()
    pending: list[Any] = list(nodes)
    while pending:  # whole modules are asked: this is faster than to ask for `children`
        part = pending.pop()
        kind = type(part)
        if kind is Name:
            found.add(part.id)
        elif kind is tuple:
            pending += part
        elif kind not in _PLAIN:
            values = _values_of(kind)  # type: ignore[arg-type]  # a class has a hash
            pending += values(part)
    return frozenset(found)


@cache
def _values_of(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """What gives a node's fields in which nodes may stand; of anything else nothing."""
    names = _parts_of(kind) if hasattr(kind, "__dataclass_fields__") else ()
    if len(names) > 1:
        return attrgetter(*names)
    return lambda node: tuple([getattr(node, name) for name in names])


def rebuild(node: Node, replaced: Replace) -> Node:
    """A node with every part for which `replaced` gives another one exchanged for that."""
    other = replaced(node)
    if other is not None:
        return other
    values = {}
    for name in _part_names(node):
        before = getattr(node, name)
        after = before if type(before) in _PLAIN else _rebuilt(before, replaced)
        if after is not before:
            values[name] = after
    if not values:
        return node
    kept = {name: getattr(node, name) for name in _field_names(node)}
    return type(node)(**{**kept, **values})


def _rebuilt(value: object, replaced: Replace) -> object:
    if isinstance(value, tuple):
        items = tuple(_rebuilt(item, replaced) for item in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if hasattr(type(value), "__dataclass_fields__"):
        return rebuild(value, replaced)  # type: ignore[arg-type]  # the only dataclasses here
    return value
