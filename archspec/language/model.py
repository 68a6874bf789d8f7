"""What was written: a spec as a tree of rows, every value still as it stands in the text."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from archspec.diagnostics import SpecPath
from archspec.language.init import Schemes
from archspec.language.source import Data


class Claim(NamedTuple):
    """A published figure: `metric` is claimed to be `value`, according to `source`.

    `scope` says of what: everything (`training`, the default), or the graph of `evaluation`.
    """

    metric: str
    value: Data
    at: SpecPath
    source: str | None = None
    convention: str | None = None
    tolerance: Data = None
    scope: str | None = None


class Control(NamedTuple):
    """What decides whether and how often a step is run: `when`, `repeat`, `each`, as written.

    `beside` makes branches of one. `otherwise`, behind `else`, is what the step's name stands for
    where it is left out.
    """

    when: Data = None
    repeat: Data = None
    each: Data = None
    beside: Data = None
    otherwise: str | None = None


class Step(NamedTuple):
    """One row: an op or block with its attributes, or a named group with a body of its own.

    `columns` are the names of the cells when the row is written as a list. `inputs` are the names
    behind `from`; None is the step before. Where `from` names the inputs of a block, `keys` are
    these, one for each. Each of `branches` is a step (a group or a row, with a name or without),
    or a body whose steps stand beside the row.
    """

    at: SpecPath
    name: str | None
    op: str | None
    attributes: Mapping[str, Data]
    sugar: Mapping[str, Data]
    body: "Body | None" = None
    claims: tuple[Claim, ...] = ()
    columns: tuple[str, ...] | None = None
    inputs: tuple[str, ...] | None = None
    control: Control | None = None
    branches: "tuple[Step | Body, ...] | None" = None
    init: Schemes | None = None
    keys: tuple[str, ...] | None = None

    def where(self, key: str) -> SpecPath:
        """The place of one of the row's values, or the row's where it is not given there."""
        if self.columns is not None:
            return (*self.at, self.columns.index(key)) if key in self.columns else self.at
        return (*self.at, key)

    @property
    def spread(self) -> bool:
        """Whether the step may stand for several."""
        return self.control is not None and (
            self.control.repeat is not None or self.control.each is not None
        )


class Body(NamedTuple):
    """Steps in order."""

    at: SpecPath
    steps: tuple[Step, ...]

    def every_step(self) -> Iterator[Step]:
        """Its steps, and those of all bodies in it."""
        for step in self.steps:
            yield step
            if step.body is not None:
                yield from step.body.every_step()
            for branch in step.branches or ():
                inner = branch if isinstance(branch, Body) else Body(branch.at, (branch,))
                yield from inner.every_step()


OPTIONAL_INPUT = "optional"
"""What `inputs` say of one that need not be given."""


class Block(NamedTuple):
    """A body with a name, used like an op: `args` by name, None where one is required.

    `vars` are computed from the arguments and from `in_channels`, in order. `inputs` are the names
    of what arrives, each with None for one value, `optional`, or an expression for the length of a
    list; there are none where one value arrives that needs no name. `outputs` are what it gives,
    by name, the first of them also without; the last step where there are none.
    """

    name: str
    at: SpecPath
    args: Mapping[str, Data]
    vars: Mapping[str, Data]
    body: Body
    description: str | None = None
    inputs: Mapping[str, Data] = MappingProxyType({})
    outputs: "tuple[Output, ...]" = ()
    inputs_listed: bool = False

    @property
    def lists(self) -> frozenset[str]:
        """The names of inputs that stand for several values."""
        kinds = self.inputs.items()
        return frozenset(name for name, kind in kinds if kind not in (None, OPTIONAL_INPUT))


class Output(NamedTuple):
    """What a network, or a block, gives back under a name: the output of the step `of`.

    One that is `training_only` is left out in evaluation; one that is `optional` may be missing.
    """

    name: str
    of: str
    at: SpecPath
    training_only: bool = False
    optional: bool = False

    @property
    def is_list(self) -> bool:
        """Whether a block gives several values under this name: all places of a step."""
        return self.of.endswith(".*")


class Variant(NamedTuple):
    """One member of a family: what it sets in the spec's `vars`, and its own figures."""

    name: str
    at: SpecPath
    vars: Mapping[str, Data]
    claims: tuple[Claim, ...] = ()
    title: str | None = None
    input: Data = None
    source: str | None = None
    description: str | None = None
    reference: str | None = None


class Spec(NamedTuple):
    """A whole spec: `input` is (C, H, W), `defaults` are attributes by op, `vars` in order.

    `variant` is the member of the family that is meant, if one is, `family` the whole's spec.
    """

    name: str
    input: Data
    body: Body
    source: str | None = None
    description: str | None = None
    vars: Mapping[str, Data] = MappingProxyType({})
    defaults: Mapping[str, Mapping[str, Data]] = MappingProxyType({})
    claims: tuple[Claim, ...] = ()
    blocks: Mapping[str, Block] = MappingProxyType({})
    variants: Mapping[str, Variant] = MappingProxyType({})
    outputs: tuple[Output, ...] = ()
    init: Mapping[str, Schemes] = MappingProxyType({})
    reference: str | None = None
    variant: Variant | None = None
    family: "Spec | None" = None

    def of(self, variant: Variant) -> "Spec":
        """The spec of one member of the family."""
        return self._replace(
            name=variant.title or f"{self.name} ({variant.name})",
            source=variant.source or self.source,
            description=variant.description or self.description,
            reference=variant.reference or self.reference,
            input=self.input if variant.input is None else variant.input,
            claims=(*self.claims, *variant.claims),
            variant=variant,
            family=self,
        )

    @property
    def input_at(self) -> SpecPath:
        """Where the input is written that holds."""
        own = self.variant is not None and self.variant.input is not None
        return (*self.variant.at, "input") if own and self.variant else ("input",)
