"""Which variables of a spec stay open as arguments of the constructor, and which are bound.

A variable that only sets widths or rates is open: whoever uses the class may change it. One that
a geometry attribute reads (a kernel, a stride, …), or the structure (`when`, `repeat`), is bound to
its value, since the shapes were checked for that value only; unless the members of the family
differ in it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from archspec import expressions
from archspec.graph.inherited import read_by
from archspec.language.model import Body, Spec, Step
from archspec.language.rows import SUGAR
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME
from archspec.targets.torch.names import usable_argument

if TYPE_CHECKING:
    from archspec.targets.torch.rows.facts import Facts

OUTPUT_WIDTHS = ("out_channels", "out_features")
WIDTHS = frozenset(
    {*OUTPUT_WIDTHS, "kernel_num", "groups", "size", "num_groups", "before", "after"}
)
RATES = frozenset({"p", "negative_slope", "alpha", "beta", "k", "eps", "momentum", "init_value"})


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


def bound_variables(facts: "Facts") -> frozenset[str]:
    """Variables that are no argument: geometry reads them, or Python could not name them so."""
    spec = facts.spec
    sources = _Sources(spec)
    geometry = _Geometry(spec)
    read = geometry.of(spec.body) | _read_by_defaults(spec)
    bound = set(sources.of({*names_in(spec.input), *read}))
    if "in_channels" in read:
        bound |= sources.of(geometry.widths(spec.body))
    for member in facts.members:
        for name, value in member.network.vars.items():
            if not isinstance(value, int | float) or not usable_argument(name):
                bound.add(name)
    return frozenset(bound)


def _read_by_defaults(spec: Spec) -> set[str]:
    """The variables that decide the geometry of a row in the spec's defaults."""
    found: set[str] = set()
    for op, defaults in spec.defaults.items():
        for key, value in defaults.items():
            if key not in WIDTHS | RATES and key not in SUGAR and op in OPS_BY_NAME:
                found |= names_in(value) - read_by(OPS_BY_NAME[op], key, value, spec.vars).keys()
    return found


class _Geometry:
    """Which names decide the geometry or the structure of a body."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.blocks: dict[str, frozenset[str]] = {}

    def of(self, body: Body) -> set[str]:
        """The names that a body's geometry reads."""
        found: set[str] = set()
        for step in body.every_step():
            if step.control is not None:
                for value in step.control:
                    found |= names_in(value)
            block = self.spec.blocks.get(step.op or "")
            if block is None and step.op not in OPS_BY_NAME:
                found |= names_in(step.op)
            rates = self.block_rates(step.op) if block else WIDTHS | RATES
            for attribute, value in {
                **step.attributes,
                **_sugar_of(step, is_row=block is None),
            }.items():
                if attribute not in rates:
                    found |= names_in(value)
        return found

    def widths(self, body: Body) -> set[str]:
        """The names that set how many channels leave a row."""
        found: set[str] = set()
        for step in body.every_step():
            for attribute in OUTPUT_WIDTHS:
                found |= names_in(step.attributes.get(attribute))
        return found

    def block_rates(self, name: str | None) -> frozenset[str]:
        """The arguments of a block that its geometry does not read."""
        if name is None or name not in self.spec.blocks:
            return frozenset()
        if name not in self.blocks:
            block = self.spec.blocks[name]
            self.blocks[name] = frozenset()  # of a block that is met inside itself nothing is known
            read = self.of(block.body)
            for local, value in reversed(list(block.vars.items())):
                if local in read:
                    read |= names_in(value)
            self.blocks[name] = frozenset(block.args) - read
        return self.blocks[name]


def _sugar_of(step: Step, *, is_row: bool) -> dict[str, Data]:
    """What a row carries along: rates of ops, or arguments of a block."""
    if not is_row:
        return dict(step.sugar)
    found: dict[str, Data] = {}
    for value in step.sugar.values():
        if isinstance(value, dict):
            found.update((key, item) for key, item in value.items() if key != "op")
    return found


class _Sources:
    """Which variables a variable is computed from."""

    def __init__(self, spec: Spec) -> None:
        written = {**spec.vars, **(spec.variant.vars if spec.variant else {})}
        self.direct = {name: names_in(written[name]) for name in spec.vars}

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
