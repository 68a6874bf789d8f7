"""Calls as text, broken over lines as `ruff format` breaks them.

What fits on its line stays there. Of what does not, the arguments of a call go to one line of
their own where they fit on that; else every item gets a line and a trailing comma. What is assigned
to a name so long that not even a call's head fits behind it goes into parentheses. Only brackets
break: longer expressions are given a name before they come here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

WIDTH = 88
"""What `ruff format` and Black allow a line unless told otherwise."""
INDENT = 4

Expr = Union[str, "Bracketed", "Comprehension"]


@dataclass(frozen=True, slots=True)
class Keyword:
    """`name=value` among the items of a call."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Bracketed:
    """Items in brackets after a head: a call, a tuple, a list, a signature.

    `spread` puts every item on a line of its own even where all of them would fit on one.
    """

    head: str
    items: tuple[Expr | Keyword, ...]
    brackets: str = "()"
    spread: bool = False

    @property
    def parts(self) -> Iterator[Expr]:
        """The items without their keywords."""
        return (item.value if isinstance(item, Keyword) else item for item in self.items)


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`*(element for …)`, among the items of a call; `clause` begins with `for`."""

    element: Expr
    clause: str

    @property
    def parts(self) -> Iterator[Expr]:
        """The element."""
        yield self.element


def tuple_of(*items: Expr) -> Bracketed:
    """A tuple, also of a single item."""
    return Bracketed("", items)


def flat(expr: Expr) -> str | None:
    """The expression on one line, or None where something in it is spread."""
    if isinstance(expr, str):
        return expr
    if isinstance(expr, Comprehension):
        element = flat(expr.element)
        return None if element is None else f"*({element} {expr.clause})"
    if expr.spread:
        return None
    texts = []
    for item in expr.items:
        keyword, value = _split(item)
        text = flat(value)
        if text is None:
            return None
        texts.append(keyword + text)
    comma = "," if not expr.head and expr.brackets == "()" and len(texts) == 1 else ""
    return f"{expr.head}{expr.brackets[0]}{', '.join(texts)}{comma}{expr.brackets[1]}"


def lines(prefix: str, expr: Expr, indent: int, suffix: str = "") -> Iterator[str]:
    """`prefix expr suffix` at an indentation (in columns), as lines of at most `WIDTH`."""
    start = " " * indent + prefix
    text = flat(expr)
    if text is not None and len(start + text + suffix) <= WIDTH:
        yield start + text + suffix
        return
    if isinstance(expr, str):
        yield start + expr + suffix  # there is nothing to break at
        return
    if isinstance(expr, Comprehension):
        yield f"{start}*("
        yield from lines("", expr.element, indent + INDENT)
        yield " " * (indent + INDENT) + expr.clause
        yield " " * indent + ")" + suffix
        return
    opening = start + expr.head + expr.brackets[0]
    if prefix.endswith(" = ") and len(opening) > WIDTH:
        yield f"{start}("
        yield from lines("", expr, indent + INDENT)
        yield f"{' ' * indent}){suffix}"
        return
    if not expr.items:
        yield f"{start}{text}{suffix}"
        return
    yield opening
    inside = text[len(expr.head) + 1 : -1] if text is not None and expr.head else None
    if inside is not None and indent + INDENT + len(inside) <= WIDTH:
        yield " " * (indent + INDENT) + inside
        yield " " * indent + expr.brackets[1] + suffix
        return
    comma = "" if _wraps_one(expr, indent + INDENT) else ","
    for item in expr.items:
        keyword, value = _split(item)
        yield from lines(keyword, value, indent + INDENT, comma)
    yield " " * indent + expr.brackets[1] + suffix


def _split(item: Expr | Keyword) -> tuple[str, Expr]:
    return (f"{item.name}=", item.value) if isinstance(item, Keyword) else ("", item)


def _wraps_one(expr: Bracketed, indent: int) -> bool:
    """Whether the only item is a bracket that breaks as well: no comma comes after such a one."""
    item = expr.items[0] if len(expr.items) == 1 else None
    if not isinstance(item, Bracketed | Comprehension) or not expr.head:
        return False
    text = flat(item)
    return text is None or indent + len(text) > WIDTH
