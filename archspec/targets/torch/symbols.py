"""The widths of a network in terms of its constructor's arguments, followed from step to step."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from archspec import expressions
from archspec.graph.network import Network, Node
from archspec.ops import Shape
from archspec.ops.reshape import Flatten
from archspec.targets.torch.arguments import (
    OUTPUT_WIDTHS,
    RATES,
    WIDTHS,
    bound_variables,
    names_in,
    sets_width,
)
from archspec.targets.torch.text import is_whole, product, spell
from archspec.targets.torch.text import names_in as names_in_text

MAX_EXPRESSION = 59
"""Longer ones would not fit on a line; their variables are bound instead."""
MAX_INLINE = 20
"""A width that is longer, or computed, gets a name where a later step needs it again."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of the constructor: its name, annotation and default, as Python text."""

    name: str
    annotation: str
    default: str


@dataclass(frozen=True, slots=True)
class Symbols:
    """What stands for the numbers of one step.

    `channels` is the text of the channels (or features) that arrive; `attributes` has the text of
    those attributes that depend on an argument.
    """

    channels: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bindings:
    """A network's arguments, its local names with their expressions, and each node's symbols."""

    arguments: tuple[Argument, ...]
    local_names: Mapping[str, str]
    symbols: tuple[Symbols, ...]


def bind(network: Network) -> Bindings:
    """Decide which variables stay open, and spell every width with them."""
    bound = bound_variables(network)
    while True:
        try:
            return _Walk(network, bound).bindings()
        except _TooLong as error:
            bound |= error.names  # at least one of them was open, so this comes to an end


class _TooLong(Exception):
    """An expression would not fit on a line; `names` are the open variables in it."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names


class _Walk:
    """Follows the channels through a network, spelling them with the variables left open."""

    def __init__(self, network: Network, bound: frozenset[str]) -> None:
        self.network = network
        self.open = frozenset(network.vars) - bound
        self.literals = {name: spell(network.vars[name]) for name in bound & network.vars.keys()}
        self.used: set[str] = set()
        self.widths: dict[str, str] = {}  # local name → its expression
        self.origins: dict[str, frozenset[str]] = {}  # local name → the variables behind it
        self.derived: dict[str, str] = dict(self._derive())

    def bindings(self) -> Bindings:
        symbols = tuple(self._symbols())
        values = self.network.vars
        arguments = tuple(
            Argument(name, type(values[name]).__name__, spell(values[name]))
            for name in values
            if name in self.used and name not in self.derived
        )
        derived = {name: text for name, text in self.derived.items() if name in self.used}
        return Bindings(arguments, derived | self.widths, symbols)

    def _derive(self) -> Iterator[tuple[str, str]]:
        """Open variables that are computed from other open ones, with their expressions."""
        for name, written in self.network.spec.vars.items():
            if name not in self.open or type(written) is not str:
                continue
            expression = expressions.parse(written)
            free = expression.names & self.open
            if free and not self._is_overridden(name, expression):
                text = expressions.to_python(expression, self.literals)
                self._require_short(f"{name} = {text}", free)
                yield name, text

    def _is_overridden(self, name: str, expression: expressions.Expression) -> bool:
        """Whether a variable was set to another value than the spec's expression gives it."""
        try:
            value = expressions.evaluate(expression, self.network.vars)
        except expressions.ExpressionError:
            return True
        return value != self.network.vars[name]

    def _require_short(self, text: str, free: frozenset[str]) -> None:
        if len(text) > MAX_EXPRESSION:
            raise _TooLong(free)

    def _symbols(self) -> Iterator[Symbols]:
        shape = self.network.input_shape
        assert shape is not None
        channels = str(shape[0])
        for node, output in zip(self.network.nodes, self.network.shapes, strict=True):
            assert output is not None
            attributes = dict(self._attributes(node, channels))
            yield Symbols(channels, attributes)
            channels = self._leaving(node, shape, output, channels, attributes)
            shape = output

    def _attributes(self, node: Node, channels: str) -> Iterator[tuple[str, str]]:
        for attribute, written in node.written.items():
            if type(written) is not str or attribute not in WIDTHS | RATES:
                continue
            text = self._spell(written, channels)
            if text is None:
                continue
            if attribute in WIDTHS and not is_whole(text, self._is_whole_name):
                text = f"int({text})"
            if attribute in OUTPUT_WIDTHS and self._needs_name(node, text):
                text = self._named(text, attribute.removeprefix("out_"))
            yield attribute, text

    def _spell(self, written: str, channels: str) -> str | None:
        """An expression as Python, None where it depends on no argument."""
        bindings = {**self.literals, "in_channels": channels}
        text = expressions.to_python(expressions.parse(written), bindings)
        free = self._free(text)
        if not free:
            return None
        self._require_short(text, free)
        self._use(free)
        return text

    def _free(self, text: str) -> frozenset[str]:
        """The open variables in a Python text, those behind local names included."""
        names = names_in_text(text)
        behind = (self.origins[name] for name in names if name in self.origins)
        return (names & self.open).union(*behind)

    def _use(self, names: Iterable[str]) -> None:
        pending = set(names)
        while pending:
            name = pending.pop()
            self.used.add(name)
            if name in self.derived:
                pending |= self._free(self.derived[name]) - self.used

    def _needs_name(self, node: Node, text: str) -> bool:
        """Whether a width is too much to be read twice, and will have to be."""
        computed = "(" in text or " if " in text or len(text) > MAX_INLINE
        return computed and self._is_read_later(node)

    def _is_read_later(self, node: Node) -> bool:
        for later in self.network.nodes[node.index + 1 :]:
            arriving = self.network.shapes[later.index - 1]
            assert later.op is not None
            assert arriving is not None
            if later.op.tensors(arriving) or "in_channels" in names_in(dict(later.written)):
                return True
        return False

    def _named(self, text: str, kind: str) -> str:
        """A local name for an expression: the one it has, or a new one, `channels1`."""
        for name, expression in self.widths.items():
            if expression == text:
                return name
        taken = self.network.vars.keys() | self.widths.keys()
        name = next(f"{kind}{i}" for i in range(1, len(taken) + 2) if f"{kind}{i}" not in taken)
        self.widths[name] = text
        self.origins[name] = self._free(text)
        return name

    def _leaving(
        self, node: Node, shape: Shape, output: Shape, channels: str, attributes: Mapping[str, str]
    ) -> str:
        """The text of the channels that a node gives on."""
        for width in OUTPUT_WIDTHS:
            if width in attributes:
                return attributes[width]
        if isinstance(node.op, Flatten):
            return product(channels, shape[1:])
        kept = output[0] == shape[0] and not sets_width(node.op)
        return channels if kept else str(output[0])

    def _is_whole_name(self, name: str) -> bool:
        if name in self.derived:
            return is_whole(self.derived[name], self._is_whole_name)
        return name in self.widths or isinstance(self.network.vars.get(name), int)
