"""Which variables of a spec stay open as arguments of the constructor, and which are bound.

A variable that only sets widths or rates is open: whoever uses the class may change it. One that
a geometry attribute reads (a kernel, a stride, …) is bound to its value, since the shapes were
checked for that value only.
"""

from collections.abc import Iterable

from archspec import expressions
from archspec.graph.network import Network
from archspec.language.source import Data
from archspec.ops import Op
from archspec.targets.torch.names import usable_argument

OUTPUT_WIDTHS = ("out_channels", "out_features")
WIDTHS = frozenset({*OUTPUT_WIDTHS, "groups", "size"})
RATES = frozenset({"p", "negative_slope", "alpha", "beta", "k", "eps", "momentum"})


def names_in(value: Data) -> frozenset[str]:
    """Every name in the expressions of a written value, at any depth."""
    if type(value) is str:
        try:
            return expressions.parse(value).names
        except expressions.ExpressionError:
            return frozenset()  # a word, no expression
    if isinstance(value, list | dict):
        items: Iterable[Data] = value.values() if isinstance(value, dict) else value
        return frozenset().union(*map(names_in, items))
    return frozenset()


def sets_width(op: Op | None) -> bool:
    """Whether an op decides how many channels leave it."""
    return any(width in type(op).model_fields for width in OUTPUT_WIDTHS) if op else False


def bound_variables(network: Network) -> frozenset[str]:
    """Variables that are no argument: geometry reads them, or Python could not name them so."""
    sources = _Sources(network)
    bound = set(sources.of(names_in(network.spec.input)))
    bound.update(name for name, value in network.vars.items() if not isinstance(value, int | float))
    bound.update(name for name in network.vars if not usable_argument(name))
    arriving: frozenset[str] = frozenset()  # what the number of channels that arrive depends on
    for node in network.nodes:
        leaving = frozenset[str]()
        for attribute, value in node.written.items():
            names = names_in(value)
            read = sources.of(names) | (arriving if "in_channels" in names else frozenset())
            if attribute in OUTPUT_WIDTHS:
                leaving = read
            elif attribute not in WIDTHS | RATES:
                bound |= read
        if sets_width(node.op):
            arriving = leaving
    return frozenset(bound)


class _Sources:
    """Which variables a variable is computed from."""

    def __init__(self, network: Network) -> None:
        written = network.spec.vars
        self.direct = {name: names_in(written[name]) for name in network.vars}

    def of(self, names: Iterable[str]) -> frozenset[str]:
        """The variables among `names`, and those they are computed from."""
        found: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name in self.direct and name not in found:
                found.add(name)
                pending.extend(self.direct[name])
        return frozenset(found)
