"""What the instances of each row have in common, over all the networks that a module is for."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from archspec import expressions
from archspec.analysis.results import Results
from archspec.diagnostics import SpecPath
from archspec.expressions import Value
from archspec.graph.declared import references
from archspec.graph.inherited import Inherited
from archspec.graph.network import INPUT, Network, Node, Scope
from archspec.graph.network import Value as Source
from archspec.graph.values import as_rows, evaluate
from archspec.graph.words import words_in
from archspec.language.model import Spec, Step
from archspec.language.rows import SUGAR
from archspec.ops import Op, Shape, Tensor
from archspec.ops.base import Ratio
from archspec.ops.norm import BatchNorm
from archspec.targets.python.arithmetic import Unknown, value_of
from archspec.targets.python.tree import Expr, Name
from archspec.targets.torch.rows.kinds import Kinds
from archspec.targets.torch.rows.refusal import CannotWrite

KINDS = ("group", "block", "repeat")
"""The scopes that a row may stand for."""


class Member(NamedTuple):
    """One network of a family, under the name of its variant (or of its spec)."""

    name: str
    network: Network
    results: Results


class Leaf(NamedTuple):
    """A node in its network, in the scope of the class it belongs to."""

    node: Node
    network: Network
    owner: Scope

    @property
    def op(self) -> Op:
        """Its op; a network that is written has no faulty row."""
        op = self.node.module.op
        assert op is not None
        return op

    @property
    def arriving(self) -> Shape:
        """The shape of its first input."""
        shape = self.network.shape_of(self.node.inputs[0])
        assert shape is not None
        return shape

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of all its inputs."""
        shapes = self.network.arriving(self.node)
        assert shapes is not None
        return shapes

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Its module's parameters and buffers."""
        return self.node.module.tensors or ()

    @property
    def output(self) -> Shape:
        """The shape of its output."""
        shape = self.network.shape_of(self.node.output)
        assert shape is not None
        return shape


class Inner(NamedTuple):
    """A scope in its network, in the scope of the class it belongs to."""

    scope: Scope
    network: Network
    owner: Scope


class Facts:
    """Nodes and scopes by the row they come from.

    `units` are the scopes that become objects of a class: by block name, "" being the network. The
    blocks to be `split` are several, one for each kind of use.
    """

    def __init__(
        self, members: Sequence[Member], split: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self.members = members
        self._kinds = Kinds([member.network for member in members], split)
        self.spec: Spec = self._kinds.spec
        self.references = references(self.spec)
        blocks = self.spec.blocks.values()
        self.plain_blocks = {b.name for b in blocks if not b.inputs and not b.outputs}
        """The blocks that take one value and give one."""
        self.leaves: dict[tuple[SpecPath, str], list[Leaf]] = defaultdict(list)
        self.scopes: dict[tuple[SpecPath, str], list[Inner]] = defaultdict(list)
        self.units: dict[str, list[Inner]] = defaultdict(list)
        self._read: dict[int, list[int]] = {}
        self._first: dict[tuple[SpecPath, str], list[Leaf]] = {}
        self._widths: dict[str, frozenset[str]] = {}
        self._environments: dict[str, list[dict[str, Value]]] = {}
        for member in members:
            root = member.network.root
            self.units[""].append(Inner(root, member.network, root))
            self._collect(root, root, "", member.network)

    def _collect(self, scope: Scope, owner: Scope, block: str, network: Network) -> None:
        for child in scope.children:
            assert child.step is not None
            at = Kinds.place(child.step.at, block) if block else child.step.at
            if isinstance(child, Node):
                self.leaves[at, child.role].append(Leaf(child, network, owner))
                continue
            inner = Inner(child, network, owner)
            self.scopes[at, child.kind].append(inner)
            if child.block is None:
                self._collect(child, owner, block, network)
                continue
            name = self.block_name(child)
            self.units[name].append(inner)
            self._collect(child, child, name, network)

    def block_name(self, scope: Scope) -> str:
        """The name of the block that a scope is of."""
        return self._kinds.name_of(scope)

    def kinds_of(self, step: Step, role: str = "") -> list[Leaf]:
        """The nodes of a row in which op or shapes differ: the first of each kind in a network."""
        return self._kinds_at((step.at, role))

    def all_kinds(self) -> Iterator[Leaf]:
        """The same for every row."""
        return (leaf for place in self.leaves for leaf in self._kinds_at(place))

    def _kinds_at(self, place: tuple[SpecPath, str]) -> list[Leaf]:
        if place not in self._first:
            first: dict[tuple[int, int], Leaf] = {}
            for leaf in self.leaves.get(place, ()):
                node, network, _ = leaf
                first.setdefault((id(network), network.twins[node.index]), leaf)
            self._first[place] = list(first.values())
        return self._first[place]

    def nodes_of(self, step: Step, role: str = "") -> list[Leaf]:
        """The nodes of a row, or of what it carries along as `role`."""
        return self.leaves.get((step.at, role), [])

    def is_there(self, step: Step) -> bool:
        """Whether any network has the step, and does anything in it."""
        scopes = (inner.scope for kind in KINDS for inner in self.scopes.get((step.at, kind), ()))
        return bool(self.nodes_of(step)) or any(any(scope.nodes()) for scope in scopes)

    def scopes_at(self, step: Step) -> list[Inner]:
        """The groups, blocks and repetitions that a row stands for."""
        return [inner for kind in KINDS for inner in self.scopes.get((step.at, kind), ())]

    def is_of_its_kind(self, step: Step, block: str) -> bool:
        """Whether a row is there in every object because of the kind of block that the class is."""
        return block in self._kinds.several and self.is_always_there(step, block)

    def is_always_there(self, step: Step, block: str) -> bool:
        """Whether a row is there in every object of a class."""
        found = [*self.leaves.get((step.at, ""), ())]
        found += [i for kind in KINDS for i in self.scopes.get((step.at, kind), ())]
        owners = {(id(item.network), item.owner.path) for item in found}
        return owners >= {(id(unit.network), unit.scope.path) for unit in self.units[block]}

    def is_in(self, step: Step, network: Network) -> bool:
        """Whether one network has the step, and does anything in it."""
        if any(leaf.network is network for leaf in self.nodes_of(step)):
            return True
        inner = (i for kind in KINDS for i in self.scopes.get((step.at, kind), ()))
        return any(i.network is network and any(i.scope.nodes()) for i in inner)

    def blocks_of(self, step: Step) -> list[str]:
        """The names of the blocks that a row stands for, in the order in which they appear."""
        found = self.scopes.get((step.at, "block"), [])
        return list(dict.fromkeys(self.block_name(i.scope) for i in found))

    def given_to(self, step: Step) -> tuple[str, ...]:
        """The inputs of a block that a row gives it, each as often as it has values."""
        found = {inner.scope.given for inner in self.scopes.get((step.at, "block"), ())}
        return _the_same(found, step.at)

    def inputs_of(self, block: str) -> tuple[str, ...]:
        """The inputs that a block is given, by all that use it, each as often as it has values."""
        found = {inner.scope.given for inner in self.units[block]}
        return _the_same(found, ("blocks", block))

    def arguments_of(self, block: str, name: str) -> list[Value]:
        """The values that an argument of a block is given, in any network.

        Where all are whole, `48.0` is 48, as it is wherever the language wants a whole number.
        """
        given = (inner.scope.arguments for inner in self.units[block])
        values = _distinct(arguments[name] for arguments in given if name in arguments)
        if any(type(v) is int for v in values) or name in self.widths(block):
            whole = [int(v) for v in values if type(v) is int or _is_whole_float(v)]
            return _distinct(whole) if len(whole) == len(values) else values
        return values

    def widths(self, block: str) -> frozenset[str]:
        """The arguments of a block of which rows make sizes: whole numbers."""
        if block not in self._widths:
            self._widths[block] = frozenset(
                written
                for places, leaves in self.leaves.items()
                if places[0][:2] == ("blocks", block) and leaves
                for attribute, written in leaves[0].node.written.items()
                if isinstance(written, str) and type(getattr(leaves[0].op, attribute, 0)) is int
            )
        return self._widths[block]

    def environments(self, block: str) -> list[dict[str, Value]]:
        """What the names of a class stand for, in each of its objects (equal ones once)."""
        if block not in self._environments:
            found: dict[str, dict[str, Value]] = {}
            for inner in self.units[block]:
                names = self._environment(inner)
                found.setdefault(repr(names), names)
            self._environments[block] = list(found.values())
        return self._environments[block]

    def _environment(self, inner: Inner) -> dict[str, Value]:
        if inner.scope.block is None:
            return dict(inner.network.vars)
        names = dict(inner.scope.arguments)
        for local, written in inner.scope.block.vars.items():
            names[local] = evaluate(written, {**self.references, **names}, (), [])
        return names

    def owns_input(self, leaf: Leaf) -> bool:
        """Whether nothing else needs the values that arrive, so they may be overwritten."""
        source = leaf.node.inputs[0].node
        if source == INPUT or self._readers(leaf.network)[source] > 1:
            return False
        op = leaf.network.nodes[source].op
        return op is not None and is_overwritable(op)

    def _readers(self, network: Network) -> list[int]:
        """How often each node is read, being an output of the network included."""
        if id(network) not in self._read:
            counts = [0] * len(network.nodes)
            for node in network.nodes:
                for index, _ in node.inputs:
                    if index != INPUT:
                        counts[index] += 1
            for index, _ in network.outputs.values():
                if index != INPUT:
                    counts[index] += 1
            self._read[id(network)] = counts
        return self._read[id(network)]

    def is_read_later(self, leaf: Leaf) -> bool:
        """Whether a later step of the same object needs the number of channels."""
        return _needs_channels(leaf.owner, leaf.node.index)

    def is_used_behind(self, step: Step) -> bool:
        """The same for a block: whether any step behind its last one needs the channels."""
        for inner in self.scopes[step.at, "block"]:
            last = max((node.index for node in inner.scope.nodes()), default=-1)
            if _needs_channels(inner.owner, last):
                return True
        return False

    def agree(self, unit: Any, when: Expr, there: Expr, absent: Expr) -> bool:
        """Whether two widths are equal in every object in which a condition does not hold."""
        there, absent, when = map(unit.expanded, (there, absent, when))
        written = {expr.id: name for name, expr in unit.bound.items() if isinstance(expr, Name)}
        for environment in self.environments(unit.block):
            known = {
                **environment,
                **{own: environment[n] for own, n in written.items() if n in environment},
            }
            try:
                if value_of(when, known):
                    continue
                if value_of(there, known) != value_of(absent, known):
                    return False
            except Unknown:
                return False
        return True

    def rows_of(self, step: Step, block: str) -> list[dict[str, Any]]:
        """The rows of a step's table, in the first object that has them."""
        assert step.control is not None
        for environment in self.environments(block):
            names = {**self.references, **environment}
            rows = as_rows(evaluate(step.control.each, names, (), []))
            if isinstance(rows, list) and rows:
                return rows
        return []

    def value_of(self, written: Any, names: Mapping[str, Value]) -> Any:
        """What an expression is worth where these names are known, None where it is not."""
        return evaluate(written, {**self.references, **names}, (), [])

    def shape(self, network: Network, source: Source) -> Shape:
        """The shape of a node's output or of the input."""
        return shape_at(network, source)

    def arriving_at(self, step: Step) -> list[Shape]:
        """The shapes that arrive first at the blocks that a row stands for."""
        scopes = self.scopes.get((step.at, "block"), [])
        found = (self.shape(i.network, i.scope.sources[0]) for i in scopes if i.scope.sources)
        return list(dict.fromkeys(found))

    def common_of(self, name: str) -> Value:
        """The value of a variable in all networks; where it differs there is no form."""
        found = _distinct(member.network.vars[name] for member in self.members)
        if len(found) > 1:
            raise CannotWrite(("vars", name), "a default follows from what is no argument here")
        value: Value = found[0]
        return value

    @cached_property
    def varying(self) -> frozenset[str]:
        """The variables in which the members of the family differ."""
        return frozenset(
            name
            for name in self.spec.vars
            if len({repr(member.network.vars.get(name)) for member in self.members}) > 1
        )

    def written_of(self, name: str) -> Any:
        """A variable as the first member's spec has it written."""
        spec = self.spec
        own = spec.variant.vars if spec.variant else {}
        return own.get(name, spec.vars.get(name))

    def default_of(self, name: str) -> Any:
        """A variable's value where no variant sets it; None where all have to."""
        if name in self.varying:
            default = self.spec.vars[name]
            return None if isinstance(default, str | dict) else default
        return self.members[0].network.vars[name]

    def is_optional_op(self, name: str) -> bool:
        """Whether a variable is an op in some members of the family, and false in others."""
        values = [member.network.vars.get(name) for member in self.members]
        missing = any(value is False for value in values)
        return missing and any(isinstance(v, expressions.Reference) for v in values)

    def is_computed(self, name: str) -> bool:
        """Whether every member has the value that the spec's expression gives."""
        written = self.spec.vars[name]
        if not isinstance(written, str):
            return False
        everything = (member.network.vars for member in self.members)
        return all(
            evaluate(written, {**self.references, **values}, (), []) == values[name]
            for values in everything
        )

    def spec_outputs(self, unit: Any) -> bool:
        """Whether the network gives back several values."""
        return unit.block == "" and bool(self.spec.outputs)

    def holds_tensors(self, step: Step) -> bool:
        """Whether a row, or what it carries along, has parameters or buffers."""
        return any(has_parameters(self.kinds_of(step, role)) for role in ("", *SUGAR))

    def holds_names(self, step: Step) -> bool:
        """Whether the name of a step stands before any other name, or before parameters."""
        for kind in KINDS:
            for inner in self.scopes.get((step.at, kind), []):
                for node in inner.scope.nodes():
                    if node.named or node.module.tensors:
                        return True
        return self.holds_tensors(step)

    def is_evaluated(self, step: Step) -> bool:
        """Whether evaluation runs any node of the step."""
        for leaf in self.nodes_of(step):
            if leaf.network.is_evaluated(leaf.node):
                return True
        for kind in KINDS:
            for inner in self.scopes.get((step.at, kind), []):
                if any(inner.network.is_evaluated(node) for node in inner.scope.nodes()):
                    return True
        return False


def _is_whole_float(value: Value) -> bool:
    return isinstance(value, float) and value.is_integer()


def _the_same(found: set[tuple[str, ...]], at: SpecPath) -> tuple[str, ...]:
    if len(found) != 1:
        raise CannotWrite(at, "it is not given the same inputs everywhere")
    return next(iter(found))


def _needs_channels(owner: Scope, after: int) -> bool:
    for node in owner.nodes():
        if node.index <= after or node.op is None:
            continue
        if node.module.tensors or any(
            "in_channels" in words_in(value.written if isinstance(value, Inherited) else value)
            for value in node.written.values()
        ):
            return True
    return False


def shape_at(network: Network, source: Source) -> Shape:
    """The shape of a node's output or of the input, in a network without faults."""
    shape = network.shape_of(source)
    assert shape is not None
    return shape


def is_overwritable(op: Op) -> bool:
    """Whether the next op may work in place: on what layers put out, if no backward pass needs it.

    It is nobody else's memory then. What other ops put out is left alone.
    """
    made = op.weighted or isinstance(op, BatchNorm)
    return made and not op.is_view and "output" not in op.backward_needs


def scopes_of(root: Scope) -> Iterator[Scope]:
    """A scope and all inside."""
    return (item for item in root.walk() if isinstance(item, Scope))


def common(values: Iterable[Any]) -> Any:
    """The one value that all have, or None."""
    distinct = _distinct(values)
    return distinct[0] if len(distinct) == 1 else None


_EXACT = (int, Ratio)
"""What prints alike where it is equal, and only there."""


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Values that print alike, each once; most are whole numbers, or one object many times."""
    given = {id(value): value for value in values}
    found = {value if type(value) in _EXACT else repr(value): value for value in given.values()}
    return list(found.values())


def has_parameters(leaves: Iterable[Leaf]) -> bool:
    """Whether any of the nodes holds tensors."""
    return any(leaf.tensors for leaf in leaves)


__all__ = [
    "INPUT",
    "Facts",
    "Inner",
    "Leaf",
    "Member",
    "common",
    "has_parameters",
    "scopes_of",
    "shape_at",
]
