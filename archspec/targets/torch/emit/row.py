"""What an emitter may know of a step, and what it says: the ways to write it in PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archspec.ops import Shape
from archspec.ops.fields import Pair
from archspec.targets.python.tree import (
    Argument,
    Binary,
    Call,
    Expr,
    Keyword,
    Literal,
    Tuple,
    call,
    literal,
)

Written: TypeAlias = Expr | Sequence["Written"] | Mapping[str, "Written"]
"""An attribute as its row has it, with trees in place of expressions: `[1, width // 2]`."""
Wrap: TypeAlias = Callable[[Sequence[Expr]], Expr]
"""Applies a step to what it reads: `x` becomes `F.relu(x)`."""
Options: TypeAlias = tuple[Keyword, ...]


_LONG = 12
"""Nobody writes down more digits than about so many."""


@dataclass(frozen=True, slots=True)
class Row:
    """A step beside its op: the shapes that arrive, and what stands for its numbers.

    `channels` are those of the first input (or its features). `attributes` has those attributes
    that depend on something that the class is given; all others are what the op has.
    """

    shapes: tuple[Shape, ...]
    channels: Expr
    attributes: Mapping[str, Written] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """The shape of the first input: whoever asks is asked anew for one of other sizes."""
        return self.shapes[0]

    @property
    def dimensions(self) -> int:
        """How many sizes the first input has, without the batch."""
        return len(self.shapes[0])

    def is_open(self, *attributes: str) -> bool:
        """Whether one of the attributes depends on what the class is given."""
        return any(attribute in self.attributes for attribute in attributes)

    def value(self, attribute: str, value: Any) -> Expr:
        """An attribute: a tree where it is open, else its value."""
        if attribute not in self.attributes:
            return _number(value)
        return tree_of(self.attributes[attribute])

    def size(self, attribute: str, pair: Pair) -> Expr:
        """A size, `3` or `(3, 2)`; a tree where it is open."""
        if attribute in self.attributes:
            return pair_of(self.attributes[attribute])
        height, width = pair
        return literal(height) if height == width else literal(pair)

    def sizes(self, attribute: str, pair: Pair | None, default: Pair | None) -> Options:
        """`attribute=size`, or nothing where that is PyTorch's default."""
        if attribute not in self.attributes and (pair is None or pair == default):
            return ()
        return (Keyword(attribute, self.size(attribute, pair or (1, 1))),)

    def option(self, attribute: str, value: Any, default: Any = None) -> Options:
        """`attribute=value`, or nothing where that is PyTorch's default."""
        if attribute not in self.attributes and value == default:
            return ()
        return (Keyword(attribute, self.value(attribute, value)),)


class WatchedRow(Row):
    """A row without open attributes, that notes what its emitter asks of the shapes."""

    __slots__ = ("asks_channels", "asks_sizes", "first", "number")
    first: Shape
    number: Expr
    asks_channels: bool
    asks_sizes: bool

    def __init__(self, first: Shape, channels: int) -> None:
        told = {"shapes": (), "attributes": {}, "first": first, "number": Literal(channels)}
        for name, value in {**told, "asks_channels": False, "asks_sizes": False}.items():
            object.__setattr__(self, name, value)  # the class is frozen

    @property
    def channels(self) -> Expr:
        """The channels of the first input."""
        object.__setattr__(self, "asks_channels", True)
        return self.number

    @property
    def shape(self) -> Shape:
        """The shape of the first input."""
        object.__setattr__(self, "asks_sizes", True)
        return self.first

    @property
    def dimensions(self) -> int:
        """How many sizes the first input has."""
        return len(self.first)


@dataclass(frozen=True, slots=True)
class Spelling:
    """The ways to write a step, of which one at least is there.

    `module` is right wherever a module stands: the call that makes it. `function` applies the step
    to what it reads, without any state. `padding`, where it is given, pads what arrives by hand;
    `bare` is then the module that takes what was padded. `overwrites` says that the module can work
    in place. `width` are the channels that leave, where they are not those that arrive in a ratio
    that the op knows.
    """

    module: Call | None
    function: Wrap | None = None
    padding: Wrap | None = None
    bare: Call | None = None
    overwrites: bool = False
    width: Expr | None = None


def function(name: str, *options: Argument) -> Wrap:
    """`name(x, options)` of the one value that a step reads."""
    return lambda values: call(name, values[0], *options)


def _number(value: Any) -> Expr:
    """A known value; a long number is what a short one leaves of 1, where it is: `1 - 0.9997`."""
    if type(value) is float and 0 < value < 1 and len(repr(value)) > _LONG:
        rest = round(1 - value, 6)
        if 1 - rest == value:
            return Binary(Literal(1), "-", Literal(rest))
    return literal(value)


def tree_of(written: Written) -> Expr:
    """A written value as one tree: a list becomes a tuple."""
    if isinstance(written, Mapping):
        return Tuple(tuple(tree_of(part) for part in written.values()))
    if isinstance(written, list | tuple):
        return Tuple(tuple(tree_of(part) for part in written))
    return written  # type: ignore[return-value]  # neither of the two others


def pair_of(written: Written) -> Expr:
    """A size, as one tree: of equal height and width, as one number."""
    if isinstance(written, Mapping):
        zero = Literal(0)
        height, width = (tree_of(written.get(key, zero)) for key in ("height", "width"))
    elif isinstance(written, list | tuple) and len(written) == 2:
        height, width = map(tree_of, written)
    else:
        return tree_of(written)
    return height if height == width else Tuple((height, width))
