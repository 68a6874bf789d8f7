"""What a spec means: one frozen structure, as a tree of scopes and as a list of nodes."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from archspec.diagnostics import SpecPath
from archspec.expressions import Value
from archspec.language.init import Schemes
from archspec.language.model import Block, Claim, Spec, Step
from archspec.language.source import Data
from archspec.ops import Op, Shape

INPUT = -1
"""The index that stands for the network's own input among a node's inputs."""


class Node(NamedTuple):
    """One executed step.

    `path` is the module's name in PyTorch (`features.0`). `inputs` are indices of the nodes it
    reads, or `INPUT`. `op` is None where the row is faulty: everything about it is unknown then.
    `written` are the attributes as they stand in the spec, expressions included, after defaults.
    `at` is the row; `source` the place of what defines the step, which for one that a row carries
    along (`activation: relu`) is that value; `role` says as what it is carried, and `step` is
    still the row. `init` says how its parameters begin, options evaluated; one that is
    not in it begins as PyTorch has it.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples that no node needs
    name: str
    path: str
    op_name: str
    op: Op | None
    inputs: tuple[int, ...]
    at: SpecPath
    source: SpecPath
    named: bool
    written: Mapping[str, Data]
    step: Step | None = None
    role: str = ""
    init: Schemes | None = None

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is claimed of this step."""
        return self.step.claims if self.step and not self.role else ()

    def where(self, attribute: str) -> SpecPath:
        """Where an attribute is written; the step's own place when it is not in its row."""
        given = self.step is not None and not self.role and attribute in self.step.attributes
        return self.step.where(attribute) if given and self.step else self.source


Kind = Literal["network", "group", "block", "repeat"]


class Scope(NamedTuple):
    """A body with a name: the network itself (path ""), a group, a block, or a repeated step.

    `source` is the node that its first step reads, `output` the one whose output leaves it. A
    block's `arguments` are the values it was given, `in_channels` among them. `step` is the row it
    stands for; the scopes and nodes in a repeated one all have that step.
    """

    name: str
    path: str
    at: SpecPath
    named: bool
    children: tuple["Scope | Node", ...]
    claims: tuple[Claim, ...] = ()
    kind: Kind = "network"
    step: Step | None = None
    block: Block | None = None
    arguments: Mapping[str, Value] = MappingProxyType({})
    source: int = INPUT
    output: int = INPUT

    def walk(self) -> Iterator["Scope | Node"]:
        """The scope itself and everything inside, in the order of the text."""
        pending: list[Scope | Node] = [self]
        while pending:
            item = pending.pop()
            yield item
            if isinstance(item, Scope):
                pending.extend(reversed(item.children))

    def nodes(self) -> Iterator[Node]:
        """All nodes inside, in execution order."""
        return (item for item in self.walk() if isinstance(item, Node))


class Network(NamedTuple):
    """A spec with its variables bound and every step resolved.

    `shapes[i]` is the output shape of `nodes[i]`, without the batch, None where it cannot be
    known. Shapes are inferred while the network is built, since what a row means may depend on
    the channels that arrive (`groups: in_channels`).

    `outputs` are the nodes whose outputs the network gives back, by name; those among
    `training_only` are left out in evaluation, and with them the nodes that are not `evaluated`.
    """

    spec: Spec
    input_shape: Shape | None
    vars: Mapping[str, Value]
    root: Scope
    nodes: tuple[Node, ...]
    shapes: tuple[Shape | None, ...]
    outputs: Mapping[str, int]
    training_only: frozenset[str] = frozenset()
    evaluated: tuple[bool, ...] | None = None

    @property
    def output(self) -> int:
        """The node of the first output that evaluation has: the network's result."""
        kept = (index for name, index in self.outputs.items() if name not in self.training_only)
        return next(kept, INPUT)

    def is_evaluated(self, node: Node) -> bool:
        """Whether evaluation runs a node; what leads to training-only outputs alone it does not."""
        return self.evaluated is None or self.evaluated[node.index]

    def shape_of(self, index: int) -> Shape | None:
        """The shape of a node's output, or of the network's input (`INPUT`)."""
        return self.input_shape if index == INPUT else self.shapes[index]

    def input_shapes(self, node: Node) -> tuple[Shape | None, ...]:
        """The shapes that arrive at a node."""
        return tuple(self.shape_of(index) for index in node.inputs)

    def arriving(self, node: Node) -> tuple[Shape, ...] | None:
        """The shapes that arrive at a node, None where one of them is unknown."""
        shapes = tuple(self.shape_of(index) for index in node.inputs)
        return None if None in shapes else shapes  # type: ignore[return-value]  # just asked
