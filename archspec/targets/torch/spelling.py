"""How one step is written in PyTorch: as a module, and as a function where there is one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from archspec.ops import Shape
from archspec.ops.fields import Pair
from archspec.targets.torch.layout import Bracketed, Comprehension, Expr, Keyword, tuple_of
from archspec.targets.torch.text import spell

Wrap = Callable[[Expr], Expr]
"""Makes a call out of its first argument: `x` becomes `F.relu(x)`."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """What stands for the numbers of one step.

    `channels` is the text of the channels (or features) that arrive; `attributes` has the text of
    those attributes that depend on an argument.
    """

    channels: str
    attributes: Mapping[str, Expr]


@dataclass(frozen=True, slots=True)
class Row:
    """What an emitter may know beside the op: the shape that arrives, and what stands for what.

    `owns_input` says that nothing else needs the values that arrive, so they may be overwritten;
    `dynamic` that the padding has to follow the size of what arrives.
    """

    shape: Shape
    symbols: Symbols
    owns_input: bool
    dynamic: bool = False

    def is_open(self, attribute: str) -> bool:
        """Whether an attribute depends on an argument."""
        return attribute in self.symbols.attributes

    def value(self, attribute: str, value: object) -> str:
        """An attribute's text: an expression where it depends on an argument, else its value."""
        text = self.symbols.attributes.get(attribute)
        return text if isinstance(text, str) else spell(value)

    def size(self, attribute: str, pair: Pair) -> Expr:
        """A size's text, `3` or `(3, 2)`; an expression where it depends on an argument."""
        return self.symbols.attributes.get(attribute) or size(pair)

    def size_keyword(
        self, attribute: str, pair: Pair | None, default: Pair | None
    ) -> list[Keyword]:
        """`attribute=size`, or nothing where that is PyTorch's default."""
        text = self.symbols.attributes.get(attribute)
        return [Keyword(attribute, text)] if text else size_keyword(attribute, pair, default)

    def keyword(self, attribute: str, value: object, default: object = None) -> list[Keyword]:
        """`attribute=value`, or nothing where that is PyTorch's default."""
        if attribute not in self.symbols.attributes and value == default:
            return []
        return [Keyword(attribute, self.value(attribute, value))]


@dataclass(frozen=True, slots=True)
class Spelling:
    """The ways to write a step.

    `module` is right wherever a module stands. `function` applies the step to an expression, and
    is None where only a module will do. `padding`, where it is given, pads an expression by hand;
    `bare` is then the module that takes what was padded. `is_activation` lets a function be
    wrapped around the step before it.
    """

    module: Bracketed
    function: Wrap | None = None
    padding: Wrap | None = None
    bare: Bracketed | None = None
    is_activation: bool = False


def call(head: str, *groups: Expr | Iterable[Expr | Keyword]) -> Bracketed:
    """A call of `head`; each argument is an expression, or several items."""
    items: list[Expr | Keyword] = []
    for group in groups:
        items += [group] if isinstance(group, str | Bracketed | Comprehension) else group
    return Bracketed(head, tuple(items))


def function(name: str, *groups: Expr | Iterable[Expr | Keyword]) -> Wrap:
    """`F.name(x, …)` as a function of what stands for x."""
    arguments = [
        group if isinstance(group, str | Bracketed | Comprehension) else list(group)
        for group in groups
    ]
    return lambda x: call(name, x, *arguments)


def size(pair: Pair) -> Expr:
    """A size as one writes it: `3` for a square, `(3, 2)` otherwise."""
    height, width = pair
    return str(height) if height == width else tuple_of(str(height), str(width))


def size_keyword(name: str, pair: Pair | None, default: Pair | None) -> list[Keyword]:
    """`name=size`, or nothing where that is PyTorch's default."""
    return [] if pair is None or pair == default else [Keyword(name, size(pair))]
