"""What a spec means: one frozen structure, as a tree of scopes and as a list of nodes."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from archspec.diagnostics import SpecPath
from archspec.expressions import Configured
from archspec.expressions import Value as Worth
from archspec.graph.least import Counter
from archspec.language.init import Schemes
from archspec.language.model import Block, Claim, Spec, Step
from archspec.language.source import Data
from archspec.ops import Op, Shape, Tensor

T = TypeVar("T")

INPUT = -1
"""What stands for the network itself where a value comes from: its ports are the inputs."""


INPUT_NAME = "input"
"""What a body calls what arrives at it; no step may have that name."""


class Value(NamedTuple):
    """One output of a node, by its port; or with `INPUT` as the node, an input of the network.

    Which of the inputs that is, in their order, is the port.
    """

    node: int
    port: int = 0


class Module(NamedTuple):
    """What holds parameters and stands at a path; a node is a call of one.

    `path` is its name in PyTorch (`features.0`), `index` its place among the network's modules.
    `op` is None where the row is faulty, `tensors` where it or what arrives is: nothing is known
    then. `init` says how its parameters begin, options evaluated; one that is not in it begins as
    PyTorch has it.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples that no module needs
    path: str
    op: Op | None
    tensors: tuple[Tensor, ...] | None = None
    init: Schemes | None = None


class Node(NamedTuple):
    """One executed step: a call of `module`, which other nodes may call as well.

    `inputs` are the values it reads. `written` are the attributes as they stand in the spec,
    expressions included, after defaults. `at` is the row; `source` the place of what defines the
    step, which for one that a row carries along (`activation: relu`) is that value; `role` says as
    what it is carried, and `step` is still the row. `head` is the value that names its op where
    that has attributes: they are among those `written`.
    """

    index: int  # type: ignore[assignment]  # hides a method of tuples that no node needs
    name: str
    module: Module
    op_name: str
    inputs: tuple[Value, ...]
    at: SpecPath
    source: SpecPath
    named: bool
    written: Mapping[str, Data]
    step: Step | None = None
    role: str = ""
    head: Configured | None = None

    @property
    def path(self) -> str:
        """The path of the module that it calls."""
        return self.module.path

    @property
    def op(self) -> Op | None:
        """What it computes; None where the row is faulty."""
        return self.module.op

    @property
    def output(self) -> Value:
        """Its first output; most nodes have no other."""
        return Value(self.index)

    @property
    def has_init(self) -> bool:
        """Whether its row says itself how the parameters of its module begin."""
        return self.step is not None and self.step.init is not None and not self.role

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

    `sources` are the values that arrive at it, `outputs` those that leave it. `given` are the names
    of the inputs that a block has for its sources, one for each, `gives` those of its outputs. A
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
    arguments: Mapping[str, Worth] = MappingProxyType({})
    sources: tuple[Value, ...] = (Value(INPUT),)
    outputs: tuple[Value, ...] = (Value(INPUT),)
    given: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()

    @property
    def output(self) -> Value:
        """The first value that leaves it."""
        return self.outputs[0]

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


class Memory:
    """What walks of one spec made, whatever its variables are: equal ops, and blocks as a whole.

    `words` are those in each row of the network's own body, and under () those around it. `sized`
    says which blocks speak of height and width. `counter` counts its rows. `work` is what all these
    walks took.
    """

    __slots__ = ("blocks", "counter", "ops", "sized", "words", "work")

    def __init__(self) -> None:
        self.ops: dict[Any, Op] = {}
        self.blocks: dict[str, dict[Any, Any]] = {}  # by how parameters begin, which blocks see
        self.words: dict[SpecPath, frozenset[str]] = {}
        self.sized: dict[str, bool] = {}
        self.counter: Counter | None = None
        self.work = 0

    def __repr__(self) -> str:
        return "Memory()"


class Network(NamedTuple):
    """A spec with its variables bound and every step resolved.

    `inputs` are the shapes of what arrives, by name, without the batch. `shapes[i]` are those of
    the outputs of `nodes[i]`, a port each. Either is None where it cannot be known. Shapes are
    inferred while the network is built, since what a row means may depend on the channels that
    arrive (`groups: in_channels`).

    `twins[i]` is the first node with the same op on the same shapes, or `i` itself where none is
    before it: what follows from these two is computed once (`of_twins`).

    `outputs` are the values that the network gives back, by name; those among `training_only` are
    left out in evaluation, and with them the nodes that are not `evaluated`. A node from which no
    output follows is not `run` at all: its module is there, with its parameters, and not called.
    `memory` is for whoever builds it once more, with other variables.
    """

    spec: Spec
    inputs: Mapping[str, Shape | None]
    vars: Mapping[str, Worth]
    root: Scope
    nodes: tuple[Node, ...]
    shapes: tuple[tuple[Shape, ...] | None, ...]
    twins: tuple[int, ...]
    outputs: Mapping[str, Value]
    training_only: frozenset[str] = frozenset()
    evaluated: tuple[bool, ...] | None = None
    run: tuple[bool, ...] | None = None
    memory: Memory | None = None

    @property
    def input_shape(self) -> Shape | None:
        """The shape of the first input."""
        return next(iter(self.inputs.values()))

    @property
    def output(self) -> Value:
        """The first output that evaluation has: the network's result."""
        kept = (value for name, value in self.outputs.items() if name not in self.training_only)
        return next(kept, Value(INPUT))

    @property
    def modules(self) -> tuple[Module, ...]:
        """The modules in the order of their first calls, each of them once."""
        return tuple({node.module.index: node.module for node in self.nodes}.values())

    def is_evaluated(self, node: Node) -> bool:
        """Whether evaluation runs a node; what leads to training-only outputs alone it does not."""
        return self.evaluated is None or self.evaluated[node.index]

    def is_run(self, node: Node) -> bool:
        """Whether any output follows from a node; without that nothing calls its module."""
        return self.run is None or self.run[node.index]

    def shape_of(self, value: Value) -> Shape | None:
        """The shape of a value."""
        node, port = value
        if node == INPUT:
            return self.input_shape if port == 0 else tuple(self.inputs.values())[port]
        shapes = self.shapes[node]
        return None if shapes is None else shapes[port]

    def input_shapes(self, node: Node) -> tuple[Shape | None, ...]:
        """The shapes that arrive at a node."""
        return tuple([self.shape_of(value) for value in node.inputs])

    def arriving(self, node: Node) -> tuple[Shape, ...] | None:
        """The shapes that arrive at a node, None where one of them is unknown."""
        shapes = tuple([self.shape_of(value) for value in node.inputs])
        return None if None in shapes else shapes  # type: ignore[return-value]  # just asked

    def of_twins(self, compute: Callable[[Node], T]) -> list[T]:
        """What follows from the op of each node and what arrives, computed once for all twins."""
        found = {first: compute(self.nodes[first]) for first in dict.fromkeys(self.twins)}
        return [found[twin] for twin in self.twins]

    def name_of(self, value: Value) -> str:
        """The path of the module that gives a value, or the name of the network's input."""
        return (
            tuple(self.inputs)[value.port] if value.node == INPUT else self.nodes[value.node].path
        )
