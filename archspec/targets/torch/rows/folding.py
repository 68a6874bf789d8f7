"""Statements that are repeated but for their numbers, as a loop over those."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from archspec.targets.python.tree import (
    Augment,
    Call,
    Evaluate,
    Expr,
    For,
    If,
    Keyword,
    Literal,
    Name,
    Node,
    Statement,
    Subscript,
    Tuple,
    call,
    names_in,
    rebuild,
    walk,
)

FEWEST = 3
"""Two repetitions are written down."""
LONGEST = 8
"""A repetition has at most so many statements, and a constructor to fold `MOST`."""
MOST = 200
_SAVED = 4
"""So many statements have to be saved."""

_REPEATED = (Augment, Evaluate, For, If)
"""What may be repeated; who is assigned to differs."""

LengthOf = Callable[[str], int | None]
"""How long a list is, None where that is not the same for all networks, or it is none."""
Fresh = Callable[..., str]


class _Different(Exception):
    """Statements differ in more than numbers."""


def folded(body: Sequence[Statement], length_of: LengthOf, fresh: Fresh) -> list[Statement]:
    """Statements, with a loop in place of repetitions."""
    found = list(body)
    if sum(isinstance(statement, _REPEATED) for statement in found) < FEWEST or len(found) > MOST:
        return found
    place = 0
    while place < len(found):
        shapes = _shapes(found)
        for count, period in _candidates(shapes, place):
            groups = [found[i : i + period] for i in range(place, place + count, period)]
            loop = _loop(groups, length_of, names_in(*found), fresh)
            if loop is not None:
                found[place : place + count] = [loop]
                break
        place += 1
    return found


def _shapes(body: Sequence[Statement]) -> list[int]:
    """A number for each statement, the same for those that differ in whole numbers only."""
    known: dict[Any, int] = {}
    shapes = []
    for i, statement in enumerate(body):
        shape: Any = i  # what is assigned to is another name each time
        if isinstance(statement, _REPEATED):
            shape = rebuild(statement, _without_number)
        shapes.append(known.setdefault(shape, len(known)))
    return shapes


def _without_number(node: Node) -> Node | None:
    return Literal(0) if isinstance(node, Literal) and type(node.value) is int else None


def _candidates(shapes: Sequence[int], place: int) -> list[tuple[int, int]]:
    """How many statements from a place on may be repetitions, and of how many; most come first."""
    found = []
    for period in range(1, LONGEST + 1):
        first = shapes[place : place + period]
        times = 1
        while shapes[place + times * period : place + (times + 1) * period] == first:
            times += 1
        found += [(period * n, period) for n in range(FEWEST, times + 1)]
    return sorted(found, key=lambda size: (-size[0], size[1]))


def _loop(
    groups: Sequence[Sequence[Statement]],
    length_of: LengthOf,
    taken: frozenset[str],
    fresh: Fresh,
) -> For | None:
    """The loop for repetitions; None where they differ in more than numbers, or nothing is won."""
    inside = sum(isinstance(node, Statement) for node in walk(*groups[0]))
    if inside * (len(groups) - 1) <= _SAVED:
        return None
    pattern = _Pattern(length_of, len(groups))
    try:
        template = tuple(pattern.unify(column) for column in zip(*groups, strict=True))
    except _Different:
        return None
    return pattern.loop(template, taken, fresh) if pattern.holes else None


@dataclass
class _Hole:
    """Where repetitions differ: what stands there in each, or the list of which it is the items."""

    values: tuple[Any, ...]
    hint: str
    items_of: Expr | None


@dataclass
class _Pattern:
    """What repetitions have in common."""

    length_of: LengthOf
    times: int
    holes: list[_Hole] = field(default_factory=list)

    def unify(self, parts: Sequence[Any], hint: str = "width") -> Any:
        """What is the same in all, with a hole where numbers differ; raises `_Different`."""
        first = parts[0]
        if all(part == first for part in parts):
            return first
        if len({type(part) for part in parts}) > 1:
            raise _Different
        match first:
            case Literal(value=int()) if all(type(part.value) is int for part in parts):
                return self._hole(tuple(parts), hint, None)
            case Subscript(value=Name(id=name)):
                self._require_items(parts, name)
                return self._hole(tuple(parts), name.removesuffix("s"), first.value)
            case Keyword(name=name):
                hint = name
            case Call(function=Name(id="range")):
                hint = "depth"
            case tuple():
                if len({len(part) for part in parts}) > 1:
                    raise _Different
                return tuple(self.unify(column, hint) for column in zip(*parts, strict=True))
        if not hasattr(type(first), "__dataclass_fields__"):
            raise _Different
        names = [part.name for part in fields(first)]
        return type(first)(
            **{name: self.unify([getattr(part, name) for part in parts], hint) for name in names}
        )

    def _require_items(self, parts: Sequence[Any], name: str) -> None:
        """These have to be the items of one list, in their order and all of them."""
        wanted = [Subscript(Name(name), Literal(i)) for i in range(self.times)]
        if list(parts) != wanted or self.length_of(name) != self.times:
            raise _Different

    def _hole(self, values: tuple[Any, ...], hint: str, items_of: Expr | None) -> Name:
        for i, hole in enumerate(self.holes):
            if hole.values == values:
                return _place(i)
        self.holes.append(_Hole(values, hint, items_of))
        return _place(len(self.holes) - 1)

    def loop(self, template: tuple[Any, ...], taken: frozenset[str], fresh: Fresh) -> For:
        """`for width, depth in zip((64, 128, 256), depths, strict=True): …`."""
        names: list[str] = []
        for hole in self.holes:
            name = fresh(hole.hint)
            while name in taken:
                name = fresh(hole.hint)
            names.append(name)
        own = {_place(i): Name(name) for i, name in enumerate(names)}
        body = tuple(_filled(statement, own) for statement in template)
        target: Expr = Tuple(tuple(map(Name, names))) if len(names) > 1 else Name(names[0])
        return For(target, self._over(), body)

    def _over(self) -> Expr:
        columns = [hole.items_of or Tuple(hole.values) for hole in self.holes]
        if len(columns) == 1:
            return columns[0]
        if any(hole.items_of for hole in self.holes):
            return call("zip", *columns, strict=Literal(value=True))
        rows = zip(*(hole.values for hole in self.holes), strict=True)
        return Tuple(tuple(Tuple(row) for row in rows))


def _place(number: int) -> Name:
    """What stands for a hole: nothing in Python is called like that."""
    return Name(f"<{number}>")


def _filled(statement: Statement, own: dict[Name, Name]) -> Statement:
    return rebuild(statement, lambda n: own.get(n) if isinstance(n, Name) else None)  # type: ignore[return-value]  # a statement stays one
