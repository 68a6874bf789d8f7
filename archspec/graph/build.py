"""Spec → Network: variables bound, sugar unfolded, inputs resolved, shapes inferred."""

from collections.abc import Mapping, Sequence
from keyword import iskeyword
from math import prod
from typing import Any

from archspec.diagnostics import Diagnostic, Fault, SpecPath
from archspec.diagnostics.language import (
    DuplicateName,
    InvalidName,
    InvalidValue,
    TooManySteps,
    UnknownKey,
    UnknownOp,
    UnknownVariable,
    WrongType,
)
from archspec.diagnostics.shapes import TooBig
from archspec.diagnostics.wording import describe, suggest
from archspec.expressions import CONSTANTS, FUNCTIONS, Value
from archspec.graph.names import problem_with
from archspec.graph.network import INPUT, Network, Node, Scope
from archspec.graph.values import OpFactory, evaluate
from archspec.language.model import Body, Claim, Spec, Step
from archspec.language.parse import MAX_FAULTS, SUGAR
from archspec.language.source import Data
from archspec.ops import OPS, OPS_BY_NAME, Op, Shape
from archspec.ops.fields import spell

MAX_STEPS = 500_000
MAX_ELEMENTS = 10**15
RESERVED_VARS = frozenset({"in_channels", "i", *FUNCTIONS, *CONSTANTS})


def build(
    spec: Spec, overrides: Mapping[str, Data] | None = None
) -> tuple[Network, list[Diagnostic]]:
    """The network a spec means, with `overrides` in place of its variables, and every fault."""
    faults: list[Diagnostic] = []
    names = _bind(spec, overrides or {}, faults)
    shape = _input_shape(spec, names, faults)
    builder = _Builder(spec, names, shape, faults)
    root = builder.scope(spec.body, "", "", claims=spec.claims)
    nodes = tuple(builder.nodes)
    outputs = {nodes[-1].path: nodes[-1].index} if nodes else {}
    network = Network(spec, shape, names, root, nodes, tuple(builder.shapes), outputs)
    return network, faults


def _bind(spec: Spec, overrides: Mapping[str, Data], faults: list[Diagnostic]) -> dict[str, Value]:
    """The variables' values, in order: a later one may use those before it."""
    names: dict[str, Value] = {}
    for name, written in spec.vars.items():
        where: SpecPath = ("vars", name)
        problem = "this name has a meaning of its own" if name in RESERVED_VARS else None
        if not (name.isascii() and name.isidentifier()) or name.startswith("_") or iskeyword(name):
            problem = "a variable's name is a Python identifier, in ASCII"
        if problem:
            faults.append(
                InvalidName(where, on_key=True, what="variable", name=name, reason=problem)
            )
            continue
        value = evaluate(overrides.get(name, written), names, where, faults)
        if isinstance(value, int | float | list):
            names[name] = value
        elif value is not None or written is None:
            wanted = "a number, true or false, or a list of them"
            faults.append(WrongType(where, what=f"`{name}`", wanted=wanted, found=describe(value)))
    unknown = (name for name in overrides if name not in spec.vars)
    faults += [
        UnknownVariable(
            ("vars",), on_key=True, name=n, help=suggest(n, spec.vars) or "it has no `vars`"
        )
        for n in unknown
    ]
    return names


def _input_shape(spec: Spec, names: Mapping[str, Value], faults: list[Diagnostic]) -> Shape | None:
    if spec.input is None:
        return None  # told already
    value = evaluate(spec.input, names, ("input",), faults)
    if value is None:
        return None
    sizes: Sequence[Any] = value if isinstance(value, list) else ()
    sizes = [int(s) if isinstance(s, float) and s.is_integer() else s for s in sizes]
    whole = [size for size in sizes if type(size) is int and 1 <= size <= 10**6]
    if len(whole) != len(sizes) or len(sizes) not in (1, 3):
        problem = "input has to be [channels, height, width], for example [3, 224, 224]"
        faults.append(InvalidValue(("input",), problem=problem))
        return None
    return tuple(whole)


class _Builder:
    """Walks the bodies in order, keeping the nodes so far and what the next one reads."""

    def __init__(
        self,
        spec: Spec,
        names: Mapping[str, Value],
        shape: Shape | None,
        faults: list[Diagnostic],
    ) -> None:
        self.spec = spec
        self.faults = faults
        self.factory = OpFactory(names, faults)
        self.nodes: list[Node] = []
        self.shapes: list[Shape | None] = []
        self.previous = INPUT
        self.flow = shape  # what the next step reads; behind a fault, what it would have been
        self.certain = True
        self._check_defaults()

    def _check_defaults(self) -> None:
        for name, attributes in self.spec.defaults.items():
            where: SpecPath = ("defaults", name)
            cls = OPS_BY_NAME.get(name)
            if cls is None:
                help_ = suggest(name, OPS_BY_NAME)
                self.faults.append(UnknownOp(where, on_key=True, op=name, help=help_))
                continue
            known = [*cls.model_fields, *cls.aliases, *SUGAR]
            for key in attributes:  # also those of ops that no row uses
                if key not in known:
                    fault = UnknownKey((*where, key), on_key=True, owner=name, key=key)
                    fault.help = suggest(key, known)
                    self.faults.append(fault)

    def scope(
        self,
        body: Body,
        name: str,
        path: str,
        *,
        named: bool = True,
        claims: tuple[Claim, ...] = (),
    ) -> Scope:
        """A body's steps as the children of one scope."""
        children: list[Scope | Node] = []
        taken: set[str] = set()
        for step in body.steps:
            if len(self.faults) >= MAX_FAULTS:
                break
            if len(self.nodes) >= MAX_STEPS:
                self.faults.append(TooManySteps(step.at, limit=MAX_STEPS))
                break
            own = self._name(step, len(children), taken)
            inner = f"{path}.{own}" if path else own
            if step.body is not None:
                group = self.scope(
                    step.body, own, inner, named=step.name is not None, claims=step.claims
                )
                children.append(group)
            else:
                self._row(step, own, inner, path, children, taken)
        return Scope(name, path, body.at, named, tuple(children), claims)

    def _name(self, step: Step, index: int, taken: set[str]) -> str:
        if step.name is None:
            own = str(index)
        else:
            own = step.name
            problem = problem_with(own)
            if problem:
                where = step.where("name")
                self.faults.append(InvalidName(where, what="step", name=own[:64], reason=problem))
        if own in taken:
            where = step.where("name") if step.name is not None else step.at
            self.faults.append(DuplicateName(where, name=own))
        taken.add(own)
        return own

    def _row(
        self,
        step: Step,
        name: str,
        path: str,
        outer: str,
        children: list[Scope | Node],
        taken: set[str],
    ) -> None:
        """A row's own node, then those of its norm, activation and dropout, in that order."""
        cls = None if step.op is None else self.factory.op_class(step.op, step.where("op"))
        defaults = self.spec.defaults.get(step.op or "", {})
        children.append(self._own_node(step, cls, defaults, name, path))
        if cls is None:
            return
        for role in SUGAR:
            at_default = role not in step.sugar
            value = defaults.get(role) if at_default else step.sugar[role]
            if value is None or value is False:
                continue
            where = ("defaults", cls.op_name, role) if at_default else step.where(role)
            if not cls.weighted:
                problem = f"{role} goes with convolutions and linear layers, not with {step.op}"
                self.faults.append(InvalidValue(where, problem=problem))
                continue
            own = f"{name}_{role}" if step.name is not None else str(len(children))
            if own in taken:
                self.faults.append(DuplicateName(step.at, name=own))
            taken.add(own)
            inner = f"{outer}.{own}" if outer else own
            children.append(self._sugar(role, value, where, own, inner, step))

    def _own_node(
        self, step: Step, cls: type[Op] | None, defaults: Mapping[str, Data], name: str, path: str
    ) -> Node:
        op, written = None, step.attributes
        if cls is not None:
            written, places = _merge(step, cls, defaults, self.faults)
            op = self.factory.make(cls, written, places, step.at, self.flow)
        return self._add(step, name, path, step.op or "", op, written)

    def _sugar(
        self, role: str, value: Data, where: SpecPath, name: str, path: str, step: Step
    ) -> Node:
        attributes: Mapping[str, Data] = {}
        op_name: Data = value
        if role == "dropout" and not isinstance(value, dict):
            op_name, attributes = "dropout", {"p": value}
        elif isinstance(value, dict):
            attributes = {k: v for k, v in value.items() if k != "op"}
            op_name = value.get("op", "dropout" if role == "dropout" else None)
        if not isinstance(op_name, str):
            wanted = "the name of an op, or a mapping with `op`"
            fault = WrongType(where, what=f"`{role}`", wanted=wanted, found=describe(op_name))
            self.faults.append(fault)
            return self._add(step, name, path, role, None, attributes, where)
        cls = OPS_BY_NAME.get(op_name)
        if cls is None or cls.role != role:
            self.faults.append(_no_such(role, op_name, where))
            return self._add(step, name, path, op_name, None, attributes, where)
        places = {key: (*where, key) if isinstance(value, dict) else where for key in attributes}
        for key, default in self.spec.defaults.get(op_name, {}).items():
            if key not in attributes and key not in SUGAR:
                attributes = {**attributes, key: default}
                places[key] = ("defaults", op_name, key)
        op = self.factory.make(cls, attributes, places, where, self.flow)
        return self._add(step, name, path, op_name, op, attributes, where)

    def _add(
        self,
        step: Step,
        name: str,
        path: str,
        op_name: str,
        op: Op | None,
        written: Mapping[str, Data],
        carried_at: SpecPath | None = None,
    ) -> Node:
        """Append a node; `carried_at` is the place of one that a row carries along."""
        node = Node(
            index=len(self.nodes),
            name=name,
            path=path,
            op_name=op_name,
            op=op,
            inputs=(self.previous,),
            at=step.at,
            source=carried_at or step.at,
            named=step.name is not None,
            written=written,
            step=None if carried_at else step,
        )
        shape = self._infer(node, self.flow)
        self.certain = self.certain and shape is not None
        self.nodes.append(node)
        self.shapes.append(shape)
        self.previous = node.index
        return node

    def _infer(self, node: Node, arriving: Shape | None) -> Shape | None:
        """The node's output shape, None where a fault makes it unknown.

        Behind a fault the walk goes on with what the output would have been, where that can be
        said, so that one wrong row does not hide the next; nothing computed from it is kept.
        """
        self.flow = None
        if node.op is None or arriving is None:
            return None
        try:
            shape = node.op.output_shape(arriving)
        except Fault as fault:
            where = node.where(fault.attribute) if fault.attribute else node.source
            self.faults.append(fault.kind(where, path=node.path, **fault.facts))
            self.flow = node.op.shape_in_spite(arriving)
            return None
        weight = sum(tensor.numel for tensor in node.op.tensors(arriving))
        if max(prod(shape), weight) > MAX_ELEMENTS:
            what = "the output" if prod(shape) > MAX_ELEMENTS else "the weight"
            count = f"{max(prod(shape), weight):.1e}"
            self.faults.append(TooBig(node.source, path=node.path, what=what, count=count))
            return None
        self.flow = shape
        return shape if self.certain else None


def _no_such(role: str, written: str, where: SpecPath) -> Diagnostic:
    """The fault of a norm, activation or dropout that is none."""
    help_ = suggest(written, [op.op_name for op in OPS if op.role == role])
    if written in ("no", "none", "None", "off"):
        help_ = f"for no {role} write `{role}: false`"
    if written not in OPS_BY_NAME:
        return UnknownOp(where, op=spell(written), help=help_)
    return InvalidValue(where, problem=f"{written} is no {role}", help=help_)


def _merge(
    step: Step, cls: type[Op], defaults: Mapping[str, Data], faults: list[Diagnostic]
) -> tuple[dict[str, Data], dict[str, SpecPath]]:
    """A row's attributes over the spec's defaults, by canonical name, and where each stands."""
    written: dict[str, Data] = {}
    places: dict[str, SpecPath] = {}
    for key, value in defaults.items():
        if key not in SUGAR:
            canonical = cls.aliases.get(key, key)
            written[canonical], places[canonical] = value, ("defaults", cls.op_name, key)
    for key, value in step.attributes.items():
        canonical = cls.aliases.get(key, key)
        if canonical != key and canonical in step.attributes:
            problem = f"{key} is another name of {canonical}, which is given too"
            faults.append(InvalidValue(step.where(key), problem=problem))
            continue
        written[canonical], places[canonical] = value, step.where(key)
    return written, places
