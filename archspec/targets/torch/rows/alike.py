"""What several expressions have in common, with holes where they differ: anti-unification."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archspec.targets.python.tree import (
    Argument as CallArgument,
)
from archspec.targets.python.tree import (
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    Generator,
    Keyword,
    Name,
    Starred,
    dotted,
    names_in,
)
from archspec.targets.torch.rows.unit import Argument

SEQUENTIAL = dotted("nn.Sequential")

Signature: TypeAlias = Callable[[Expr], Sequence[Argument] | None]
"""The arguments of the class of ours that an expression stands for, None for any other."""


class Different(Exception):
    """There is more between expressions than holes could say."""


@dataclass
class Hole:
    """Where stages differ: what stands there in each, and the argument that is to say that.

    `plain` says that it is all of what an argument is given, and no part of that.
    """

    values: tuple[Expr, ...]
    argument: Argument
    plain: bool


@dataclass
class Alike:
    """What several expressions have in common, with holes where they differ.

    `inner` are names of a loop, which no argument can say. Of an expression's parts, None may be
    anything.
    """

    arguments_of: Signature
    holes: list[Hole] = field(default_factory=list)
    inner: frozenset[str] = frozenset()
    closed: bool = False  # whether no hole may be added
    known: list[str] = field(default_factory=list)  # the arguments of what is made, in their order

    def place(self, hole: Hole) -> int:
        """Where the argument for a hole stands: as in the class, and `depth` behind."""
        name = hole.argument.name
        return self.known.index(name) if name in self.known else len(self.known)

    def named(self) -> Mapping[Name, Name]:
        """What stands for each hole in the method."""
        names = [hole.argument.name for hole in self.holes]
        if len(set(names)) < len(names):
            raise Different
        return {place_of(i): Name(name) for i, name in enumerate(names)}

    def sequence(self, calls: Sequence[Call]) -> Call:
        """`nn.Sequential(…)`, item by item."""
        if len({len(call.arguments) for call in calls}) > 1:
            raise Different
        columns = list(zip(*(call.arguments for call in calls), strict=True))
        columns.sort(
            key=lambda column: not isinstance(column[0], Starred)
        )  # `depth` is known first
        made = {column: self._item(column) for column in columns}
        items = tuple(made[column] for column in zip(*(c.arguments for c in calls), strict=True))
        return Call(SEQUENTIAL, items, spread=calls[0].spread)

    def _item(self, items: Sequence[CallArgument]) -> CallArgument:
        loops = [i.value for i in items if isinstance(i, Starred)]
        made = [loop for loop in loops if isinstance(loop, Generator)]
        if len(made) == len(items):
            return Starred(self._generator(made))
        return self._call(items)

    def _generator(self, loops: Sequence[Generator]) -> Generator:
        """`block(…) for i in range(depth)`."""
        targets = {loop.target for loop in loops} - {Name("_")}
        counts = [loop.iterable.arguments for loop in loops if isinstance(loop.iterable, Call)]
        if len(targets) > 1 or any(len(count) != 1 for count in counts):
            raise Different
        depths: list[Any] = [count[0] for count in counts]
        depth = self._expr(depths, Argument("depth", Name("int")))
        target = targets.pop() if targets else Name("_")
        self.inner = names_in(target)
        made = self._call([loop.element for loop in loops])
        self.inner = frozenset()
        return Generator(made, target, Call(Name("range"), (depth,)))

    def _call(self, items: Sequence[CallArgument]) -> Call:
        """A class called, argument by argument; one that is not given is its default."""
        calls = [item for item in items if isinstance(item, Call)]
        heads = {call.function for call in calls}
        known = self.arguments_of(calls[0].function) if len(heads) == 1 else None
        if known is None or len(calls) < len(items):
            raise Different
        given = [_by_name(call, known) for call in calls]
        self.known += [a.name for a in known if a.name not in self.known]
        named = {a.name for call in calls for a in call.arguments if isinstance(a, Keyword)}
        made: list[CallArgument] = []
        for argument in known:
            if not any(argument.name in values for values in given):
                continue
            parts = [values.get(argument.name, argument.default) for values in given]
            value = self._expr(parts, argument)
            by_name = argument.name in named or any(isinstance(a, Keyword) for a in made)
            made.append(Keyword(argument.name, value) if by_name else value)
        return Call(calls[0].function, tuple(made), spread=calls[0].spread)

    def _expr(
        self, parts: Sequence[Expr | None], argument: Argument, *, plain: bool = True
    ) -> Expr:
        there = [part for part in parts if part is not None]
        if len(set(there)) == 1:
            return there[0]
        if any(names_in(part) & self.inner for part in there):
            return self._inside(parts, argument)
        return self._known(parts, argument, plain=plain) or self._hole(parts, argument, plain=plain)

    def _known(
        self, parts: Sequence[Expr | None], argument: Argument, *, plain: bool
    ) -> Expr | None:
        """What arguments say that the method takes already: `depth - 1`."""
        for i, hole in enumerate(self.holes):
            pairs = zip(hole.values, parts, strict=True)
            if all(part is None or part == value for value, part in pairs):
                if plain and not hole.plain:
                    hole.argument, hole.plain = argument, True
                return place_of(i)
        closed, self.closed = self.closed, True
        try:
            return self._inside(parts, argument)
        except Different:
            return None
        finally:
            self.closed = closed

    def _inside(self, parts: Sequence[Expr | None], argument: Argument) -> Expr:
        """What has the same form everywhere, part by part."""
        kinds = {type(part) for part in parts if part is not None}
        if Conditional in kinds:
            test, body, orelse = self._columns(map(_condition, parts), argument)
            return Conditional(test, body, orelse)
        first = next(part for part in parts if part is not None)
        if len(kinds) == 1 and isinstance(first, Binary):
            left, right = self._columns((_operands(part, first.op) for part in parts), argument)
            return Binary(left, first.op, right)
        if len(kinds) == 1 and isinstance(first, Compare) and len(first.ops) == 1:
            (op,) = first.ops
            return Compare(self._columns((_operands(p, op) for p in parts), argument), first.ops)
        raise Different

    def _columns(self, rows: Any, argument: Argument) -> tuple[Expr, ...]:
        columns = zip(*rows, strict=True)
        return tuple(self._expr(column, argument, plain=False) for column in columns)

    def _hole(self, parts: Sequence[Expr | None], argument: Argument, *, plain: bool) -> Expr:
        values = tuple(part for part in parts if part is not None)
        if self.closed or len(values) < len(parts):
            raise Different
        self.holes.append(Hole(values, argument, plain))
        return place_of(len(self.holes) - 1)


def place_of(number: int) -> Name:
    """What stands for a hole: nothing in Python is called like that."""
    return Name(f"<{number}>")


def _by_name(call: Call, known: Sequence[Argument]) -> dict[str, Expr]:
    """What a call gives to each argument."""
    names = [argument.name for argument in known if not argument.is_flag]
    found: dict[str, Expr] = {}
    for argument in call.arguments:
        if isinstance(argument, Keyword):
            found[argument.name] = argument.value
        elif isinstance(argument, Starred):
            raise Different
        else:
            found[names[len(found)]] = argument
    return found


def _condition(part: Expr | None) -> tuple[Expr | None, Expr | None, Expr | None]:
    """Test and both ends; of what is no condition, both ends are the same."""
    if isinstance(part, Conditional):
        return part.test, part.body, part.orelse
    return None, part, part


def _operands(part: Expr | None, op: str) -> tuple[Expr | None, Expr | None]:
    """Both sides of an operation or comparison of one kind."""
    match part:
        case None:
            return None, None
        case Binary(left=left, op=own, right=right) if own == op:
            return left, right
        case Compare(operands=(left, right), ops=(own,)) if own == op:
            return left, right
    raise Different
