"""Leaves of a network: rows of ops, what they carry along, and the shapes they give."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from math import prod
from typing import Any

from archspec.diagnostics import Diagnostic, Fault, SpecPath
from archspec.diagnostics.foreign import is_foreign, suggest_key, suggest_op
from archspec.diagnostics.language import (
    DuplicateName,
    InvalidValue,
    MissingKey,
    OneInput,
    UnknownKey,
    UnknownOp,
    WrongType,
)
from archspec.diagnostics.shapes import TooBig
from archspec.diagnostics.wording import describe, did_you_mean
from archspec.expressions import Configured, Reference, Word
from archspec.expressions import Value as Worth
from archspec.graph.arriving import seen
from archspec.graph.frame import Frame, Given
from archspec.graph.inherited import inherited
from archspec.graph.init import bind, check_row, parameters_of
from archspec.graph.network import INPUT, INPUT_NAME, Memory, Module, Node, Value
from archspec.graph.values import PLAIN, OpFactory, cause_at, evaluate, shorten
from archspec.graph.words import words_in
from archspec.language.init import Schemes
from archspec.language.model import Spec, Step
from archspec.language.rows import MAX_FAULTS, SUGAR
from archspec.language.source import Data
from archspec.ops import OPS, OPS_BY_NAME, Op, Shape, Tensor, show
from archspec.ops.fields import spell

MAX_ELEMENTS = 10**15
MAX_INPUTS = 200
"""A sum of more would be an expression too deep for Python, and a line that nobody reads."""

Merged = tuple[dict[str, Data], dict[str, SpecPath]]


class Leaves:
    """Keeps the nodes so far, and makes the next one of a row."""

    def __init__(
        self,
        spec: Spec,
        shape: Shape | None,
        faults: list[Diagnostic],
        memory: Memory,
        init: Mapping[str, Schemes],
        names: Mapping[str, Worth],
    ) -> None:
        self.spec = spec
        self.faults = faults
        # The names of the spec are kept as they are: what a body sees is hidden in places.
        self.factory = OpFactory(faults, memory.ops, dict(names))
        self.nodes: list[Node] = []
        self.shapes: list[tuple[Shape, ...] | None] = []
        # What a node gives on: its shapes, or behind a fault what those would have been.
        self.flows: list[tuple[Shape, ...] | None] = []
        self.twins: list[int] = []
        self.known: dict[Any, int] = {}  # the first node with an op on shapes, where that fits
        self.tensors: dict[tuple[Tensor, ...], tuple[Tensor, ...]] = {}  # equal ones are one
        self.inputs = {INPUT_NAME: shape}
        self.arriving = (shape,)
        self.merged: dict[tuple[SpecPath, type[Op], str], Merged] = {}
        self.literal: dict[Any, Op] = {}  # by attributes that are numbers, all of them
        self.init = init  # of the spec, by op
        self.parameters: dict[str, dict[str, Shape]] = {}  # met so far, of the ops in there

    def read_by_defaults(self) -> dict[str, Worth]:
        """The values of the spec's variables that its defaults may read, wherever they are used."""
        words, known = words_in(self.spec.defaults), self.factory.names
        return {name: known[name] for name in self.spec.vars if name in words & known.keys()}

    def flow(self, value: Value) -> Shape | None:
        """The shape that is given on as a value, or that of an input of the network."""
        node, port = value
        shapes = self.arriving if node == INPUT else self.flows[node]
        return None if shapes is None else shapes[port]

    def row(
        self,
        step: Step,
        cls: type[Op] | None,
        name: str,
        inputs: tuple[Value, ...],
        frame: Frame,
        head: Configured | None = None,
    ) -> None:
        """A row's own node, then those of its norm, activation and dropout, in that order.

        `head` is the value that names the op, where that has attributes.
        """
        path = frame.inner(name)
        frame.previous = self._own_node(step, cls, name, path, inputs, frame, head)
        if cls is None:
            return
        defaults = self.spec.defaults.get(cls.op_name)
        if not step.sugar and defaults is None:
            return
        for role in SUGAR:
            at_default = role not in step.sugar
            value = (defaults or {}).get(role) if at_default else step.sugar[role]
            where = ("defaults", cls.op_name, role) if at_default else step.where(role)
            names = self.factory.names if at_default else frame.names
            if value is None or value is False or self._is_off(role, value, where, names):
                continue
            if not cls.weighted:
                problem = f"{role} goes with convolutions and linear layers, not with {step.op}"
                self.faults.append(InvalidValue(where, problem=problem))
                continue
            own = f"{name}_{role}" if step.name is not None else frame.number
            if own in frame.taken:
                self.faults.append(DuplicateName(step.at, name=own))
            frame.taken.add(own)
            frame.previous = self._sugar(role, value, where, own, step, frame, names)

    def _own_node(
        self,
        step: Step,
        cls: type[Op] | None,
        name: str,
        path: str,
        inputs: tuple[Value, ...],
        frame: Frame,
        head: Configured | None,
    ) -> Value:
        op, written = None, step.attributes
        if cls is not None and cls.arity == "one" and len(inputs) > 1:
            where = step.where("from" if step.inputs else "branches")
            self.faults.append(OneInput(where, path=path, op=cls.op_name, count=len(inputs)))
        elif cls is not None and cls.arity == "several" and _is_alone(step):
            self.faults.append(_without_inputs(step, cls))
        elif cls is not None and len(inputs) > MAX_INPUTS:
            problem = f"a row reads at most {MAX_INPUTS} steps, not {len(inputs)}"
            where = step.where("from" if step.inputs else "branches")
            self.faults.append(InvalidValue(where, problem=problem))
        elif cls is not None:
            key = (step.at, cls, "" if head is None else repr(head))
            written, places = self._attributes(step, key, head, frame)
            kinds = tuple(map(type, written.values()))
            literal = (cls, *written.items(), *kinds) if PLAIN.issuperset(kinds) else None
            op = None if literal is None else self.literal.get(literal)
            if op is None:
                arriving = self.flow(inputs[0])
                op = self.factory.make(cls, written, places, step.at, arriving, frame)
                if op is not None and not written.keys() <= cls.model_fields.keys():
                    written = {key: written[key] for key in written if key in cls.model_fields}
                elif op is not None and literal is not None:
                    self.literal[literal] = op
        return self.add(step, name, path, step.op or "", op, written, inputs, frame, head=head)

    def _attributes(
        self,
        step: Step,
        key: tuple[SpecPath, type[Op], str],
        head: Configured | None,
        frame: Frame,
    ) -> Merged:
        """What is written of a row's op; `key` tells bodies that are walked again what is equal."""
        known = self.merged.get(key) if frame.shared else None
        if known is None:
            cls = key[1]
            defaults = self.spec.defaults.get(cls.op_name, {})
            known = _merge(step, cls, defaults, head, self.faults)
            if frame.shared:
                self.merged[key] = known
        return known

    def _sugar(
        self,
        role: str,
        value: Data,
        where: SpecPath,
        name: str,
        step: Step,
        frame: Frame,
        names: Mapping[str, Worth],
    ) -> Value:
        """What a row carries as `role`; `names` are the spec's where its defaults say so."""
        path, inputs = frame.inner(name), (frame.previous,)
        own: Mapping[str, Data] = {}
        op_name: Data = value
        if isinstance(value, dict):
            own = {k: v for k, v in value.items() if k != "op"}
            op_name = value.get("op", "dropout" if role == "dropout" else None)
        elif role == "dropout" and not isinstance(names.get(str(value)), Configured):
            op_name, own = "dropout", {"p": value}
        op_name = self.referred(op_name, where, names)
        head = op_name if isinstance(op_name, Configured) else None
        cls = OPS_BY_NAME.get(str(op_name))
        if cls is not None and where[0] == "defaults":
            own = {key: inherited(cls, key, written) for key, written in own.items()}
        attributes = own if head is None else {**head.attributes, **own}
        if not isinstance(op_name, str):
            wanted = "the name of an op, or a mapping with `op`"
            fault = WrongType(where, what=f"`{role}`", wanted=wanted, found=describe(op_name))
            self.faults.append(fault)
            return self.add(step, name, path, role, None, attributes, inputs, frame, where, role)
        op_name = str(op_name)
        if cls is None or cls.role != role:
            unknown = _no_such(role, op_name, where, names.get(op_name))
            unknown.help = hidden_op(op_name, names) or unknown.help
            self.faults.append(unknown)
            return self.add(step, name, path, op_name, None, attributes, inputs, frame, where, role)
        inside = own if isinstance(value, dict) else ()
        places = {key: (*where, key) if key in inside else where for key in attributes}
        for key, default in self.spec.defaults.get(op_name, {}).items():
            if key not in attributes and key not in SUGAR:
                attributes = {**attributes, key: inherited(cls, key, default)}
                places[key] = ("defaults", op_name, key)
        op = self.factory.make(cls, attributes, places, where, self.flow(inputs[0]), frame)
        return self.add(step, name, path, op_name, op, attributes, inputs, frame, where, role, head)

    def _is_off(self, role: str, value: Data, where: SpecPath, names: Mapping[str, Worth]) -> bool:
        """Whether what a row carries is an expression for `false`, or one that is faulty."""
        if not isinstance(value, str) or value in OPS_BY_NAME:
            return False
        if role == "dropout":  # a probability, most often
            chosen = " if " in value
            return (evaluate(value, names, where, []) if chosen else names.get(value)) is False
        return self.referred(value, where, names) in (None, False)

    def referred(self, written: Data, where: SpecPath, names: Mapping[str, Worth]) -> Data:
        """The op that a text stands for: its name, or an expression that gives one, or `false`.

        None where the expression cannot be computed, which is told.
        """
        if not isinstance(written, str) or written in OPS_BY_NAME:
            return written
        if written not in names and " " not in written and is_foreign(written):
            return written
        if written in names or (written.strip() and not written.isidentifier()):
            value = evaluate(written, names, where, self.faults)
            if value is None or value is False:
                return value
            return value if isinstance(value, Reference) else written
        return written

    def add(
        self,
        step: Step,
        name: str,
        path: str,
        op_name: str,
        op: Op | None,
        written: Mapping[str, Data],
        inputs: tuple[Value, ...],
        frame: Frame,
        carried_at: SpecPath | None = None,
        role: str = "",
        head: Configured | None = None,
    ) -> Value:
        """Append a node with a module; `carried_at` is the place of one that a row carries.

        Behind a fault the walk goes on with what the outputs would have been, where that can be
        said, so that one wrong row does not hide the next; nothing computed from it is kept.
        """
        index = len(self.nodes)
        arriving = [self.flow(value) for value in inputs]
        key = _kind(op, arriving)
        twin, init, fault = self.known.get(key), None, None
        if twin is None:
            given, tensors, fault = give(op, arriving)
        else:
            *_, tensors, init = self.nodes[twin].module
            given = self.flows[twin]
        shapes = given if fault is None and self._are_known(inputs) else None
        if shapes is None:
            tensors, twin = None, None
        elif twin is None:
            self.known[key] = index
            tensors = self.tensors.setdefault(tensors, tensors) if tensors else tensors
        said = step.init is not None and not role  # by the row itself
        settled = twin is not None and not (said or self.nodes[twin].has_init)
        node = Node(  # by position: by name takes twice as long
            index,
            name,
            Module(index, path, op, tensors, init if settled else None),
            op_name if op is None else op.op_name,
            inputs,
            step.at,
            carried_at or step.at,
            step.name is not None,
            written,
            step,
            role,
            head,
        )
        if fault is not None:
            self._tell(fault, node, frame)
        if not settled and (self.init or said):
            node = self._initialised(node, frame)
        self.shapes.append(shapes)
        self.twins.append(index if twin is None else twin)
        self.flows.append(given)
        self.nodes.append(node)
        frame.children.append(node)
        return Value(index)

    def _are_known(self, values: Iterable[Value]) -> bool:
        """Whether the shapes of values are those of nodes without a fault, or of the input."""
        shapes = self.shapes
        return None not in [shapes[node] for node, _ in values if node != INPUT]

    def _initialised(self, node: Node, frame: Frame) -> Node:
        """The node with how its module's parameters begin: as its row says, or as the spec does."""
        arriving = [self.flow(value) for value in node.inputs]
        if node.op is None or None in arriving:
            return node
        tensors = node.module.tensors
        if tensors is None:  # behind a fault
            tensors = node.op.tensors(arriving)  # type: ignore[arg-type]  # none of them is None
        known = parameters_of(tensors)
        self._see_parameters(node.op_name, known)
        schemes = self.init.get(node.op_name, {})
        schemes = {name: scheme for name, scheme in schemes.items() if name in known}
        if node.has_init:
            assert node.step is not None
            assert node.step.init is not None
            if not frame.fixed:
                frame.names.update(seen(arriving[0]))
            check_row(node.step.init, node, known, self.faults)
            schemes |= bind(node.step.init, frame.names, self.faults)
        return node._replace(module=node.module._replace(init=schemes)) if schemes else node

    def _see_parameters(self, op_name: str, known: Mapping[str, Shape]) -> None:
        """Note the parameters of an op that the spec's `init` speaks of."""
        if op_name in self.init:
            seen = self.parameters.setdefault(op_name, {})
            for name, shape in known.items():
                seen[name] = min(seen.get(name, shape), shape, key=len)

    def adopt(self, node: Node) -> None:
        """Note of a node that another network gave what is noted of one that is made here."""
        kind = _kind(node.op, [self.flow(value) for value in node.inputs])
        twin = self.known.setdefault(kind, node.index)
        self.twins.append(twin)
        if twin == node.index:
            self._see_parameters(node.op_name, parameters_of(node.module.tensors or ()))

    def _tell(self, fault: Fault, node: Node, frame: Frame) -> None:
        """Say of a node what its op refuses."""
        where = node.where(fault.attribute) if fault.attribute else node.source
        facts = fault.facts
        if node.op is not None and node.op.arity == "several":
            facts = {**facts, "op": node.op_name, "sides": self._sides(node, frame)}
        self.faults.append(fault.kind(where, path=node.path, **facts))

    def _sides(self, node: Node, frame: Frame) -> str:
        """`bn3 gives 256×56×56, downsample gives 256×28×28`."""
        sides = []
        for value in node.inputs:
            arrives = value in frame.sources
            name = self._arriving(value, frame) if arrives else self._called(value, frame)
            verb = "is" if arrives else "gives"
            sides.append(f"{name} {verb} {show(self.flow(value) or ())}")
        return ", ".join(sides)

    def _arriving(self, value: Value, frame: Frame) -> str:
        """What arrives at a body: `skip (e)` where a block has a name for it, and who gave it."""
        for key in frame.inputs:
            given = frame.outputs.get(key)
            listed = given.places if isinstance(given, Given) else None
            if value == given or value in (listed or ()):
                name = key if listed is None else f"{key}.{listed.index(value)}"
                outer = "" if value.node == INPUT else self.nodes[value.node].path
                return f"{name} ({outer or 'the input'})"
        return "the input"

    def _called(self, value: Value, frame: Frame) -> str:
        """What rows of a body call the value of a node: its row, the group it ends, or its path."""
        node, around = self.nodes[value.node], frame.lookup
        first, *_ = node.path.removeprefix(f"{around.path}.").split(".")
        for name in (node.step.name if node.step is not None else None, first):
            if name is not None and around.value_of(name) == value:
                return name
        return node.path.removeprefix(f"{frame.path}.")


def give(
    op: Op | None, arriving: Sequence[Shape | None]
) -> tuple[tuple[Shape, ...] | None, tuple[Tensor, ...] | None, Fault | None]:
    """An op's outputs and tensors, None where unknown, and the fault where there is one.

    With a fault the outputs are what they would have been without it.
    """
    if op is None or None in arriving:
        return None, None, None
    known: Sequence[Shape] = arriving  # type: ignore[assignment]  # none of them is None
    try:
        shapes = op.infer(known)
    except Fault as fault:
        return op.infer_in_spite(known), None, fault
    tensors = op.tensors(known)
    largest = max(map(prod, shapes))
    weight = sum([tensor.numel for tensor in tensors]) if tensors else 0
    if largest > MAX_ELEMENTS or weight > MAX_ELEMENTS:
        what = "the output" if largest > MAX_ELEMENTS else "the weight"
        return None, None, Fault(TooBig, what=what, count=f"{max(largest, weight):.1e}")
    return shapes, tensors, None


def _kind(op: Op | None, arriving: Sequence[Shape | None]) -> tuple[Any, ...]:
    """What twins have in common: op and shapes; equal ones may be of different kinds."""
    return (id(op), *arriving, *map(type, arriving))


def _is_alone(step: Step) -> bool:
    """Whether a row does not say what it brings together."""
    return step.inputs is None and step.branches is None and not step.spread


def _without_inputs(step: Step, cls: type[Op]) -> Diagnostic:
    """The fault of a merge that does not say what it brings together, or says it otherwise."""
    for key in islice(step.attributes, MAX_FAULTS):
        if suggest_key(key, ("from",)) == did_you_mean("from"):
            fault = UnknownKey(step.where(key), on_key=True, owner=cls.op_name, key=key)
            fault.help = did_you_mean("from")
            return fault
    help_ = "name what meets here, `from: [conv2, input]`, or give it `branches`"
    return MissingKey(step.at, owner=cls.op_name, key="from", help=help_)


def hidden_op(written: str, names: Mapping[str, Worth]) -> str:
    """Help for an expression in which something else is called as the op that it means."""
    for word in words_in(written) & OPS_BY_NAME.keys() & names.keys():
        if not isinstance(names[word], Reference) and written != word:
            worth = spell(names[word])
            return f"`{word}` is a name of your own here, {worth}, which hides the op: rename it"
    return ""


def _no_such(role: str, written: str, where: SpecPath, worth: Worth | None) -> Diagnostic:
    """The fault of a norm, activation or dropout that is none; `worth` is that of a variable."""
    if worth is not None and not isinstance(worth, Reference | Word):
        return _no_role(role, written, worth, where)
    if isinstance(worth, Word) and written != worth:
        return _no_role(role, written, worth, where)
    help_ = suggest_op(written, [op.op_name for op in OPS if op.role == role])
    if written in ("no", "none", "None", "off"):
        help_ = f"for no {role} write `{role}: false`"
    if (role, written) == ("activation", "linear"):
        help_ = "leave it out; where `defaults` give one, write `activation: false`"
    if written not in OPS_BY_NAME:
        return UnknownOp(where, op=spell(written), help=help_)
    return InvalidValue(where, problem=f"{written} is no {role}", help=help_)


def _no_role(role: str, name: str, worth: Worth, where: SpecPath) -> Diagnostic:
    """The fault of a variable whose value is no norm, activation or dropout."""
    problem = f"`{shorten(name)}` is {spell(worth)}, which is no {role}"
    help_ = f"for no {role} give `{shorten(name)}` the value `false`"
    fault = InvalidValue(where, problem=problem, help=help_ if worth == "none" else "")
    fault.cause = cause_at(where, name)
    return fault


def _merge(
    step: Step,
    cls: type[Op],
    defaults: Mapping[str, Data],
    head: Configured | None,
    faults: list[Diagnostic],
) -> tuple[dict[str, Data], dict[str, SpecPath]]:
    """A row's attributes over those of its op's value, and these over the spec's defaults.

    By canonical name, and where each stands.
    """
    written: dict[str, Data] = {}
    places: dict[str, SpecPath] = {}
    own = {*step.attributes, *(head.attributes if head is not None else ())} & cls.either
    for key, value in defaults.items():
        if key not in SUGAR and not (own and key in cls.either):
            canonical = cls.aliases.get(key, key)
            written[canonical] = inherited(cls, canonical, value)
            places[canonical] = ("defaults", cls.op_name, key)
    if head is not None:
        written.update(head.attributes)
        places.update(dict.fromkeys(head.attributes, step.where("op")))
    for key, value in step.attributes.items():
        canonical = cls.aliases.get(key, key)
        if canonical != key and canonical in step.attributes:
            problem = f"{key} is another name of {canonical}, which is given too"
            faults.append(InvalidValue(step.where(key), problem=problem))
            continue
        written[canonical], places[canonical] = value, step.where(key)
    return written, places
