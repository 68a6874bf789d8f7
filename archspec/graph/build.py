"""Spec → Network: variables bound, the bodies walked, outputs resolved."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from keyword import iskeyword

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.collector import told_once
from archspec.diagnostics.foreign import as_step
from archspec.diagnostics.language import (
    EmptyBody,
    InvalidName,
    InvalidValue,
    OutputMissing,
    UnknownStep,
    UnknownVariable,
    UnusedStep,
    VariableUnset,
    WrongType,
)
from archspec.diagnostics.wording import describe, suggest
from archspec.expressions import UNKNOWN
from archspec.expressions import Value as Worth
from archspec.graph.declared import references, reserved
from archspec.graph.input_shape import input_shape
from archspec.graph.network import INPUT, INPUT_NAME, Memory, Network, Node, Value
from archspec.graph.values import as_rows, depends_on_unknown, evaluate, shorten
from archspec.graph.walk import Walker
from archspec.language.model import Spec, Step
from archspec.language.rows import MAX_FAULTS
from archspec.language.source import Data

WORK_AROUND = 200
"""What a network takes beside its rows."""


def build(
    spec: Spec, overrides: Mapping[str, Data] | None = None, memory: Memory | None = None
) -> tuple[Network, list[Diagnostic]]:
    """The network a spec means, with `overrides` in place of its variables, and every fault.

    With the `memory` of a network of the same spec, its family included, what is equal is shared.
    """
    faults: list[Diagnostic] = []
    names = bind(spec, overrides or {}, faults)
    shape = input_shape(spec, names, faults)
    memory = memory or Memory()
    walker = Walker(spec, names, shape, faults, memory)
    root = walker.root()
    memory.work += WORK_AROUND + len(spec.vars) + walker.bounds.work
    if spec.body.steps and not walker.leaves.nodes and not walker.faults:
        help_ = "its conditions leave out every row"
        faults.append(EmptyBody(spec.body.at, owner="the network", help=help_))
    outputs, training_only = _outputs(spec, walker, faults)
    nodes = tuple(walker.leaves.nodes)
    evaluated = run = None
    if walker.resolver.branching or spec.outputs:
        kept = [value for name, value in outputs.items() if name not in training_only]
        evaluated = _leading_to(nodes, kept)
        trained = _leading_to(nodes, outputs.values()) if training_only else evaluated
        if not all(trained):
            faults += _unused(nodes, trained)
            run = trained
        evaluated = None if all(evaluated) else evaluated
    known = (name for name in spec.vars if names.get(name, UNKNOWN) is not UNKNOWN)
    variables = {name: names[name] for name in known}
    network = Network(
        spec=spec,
        inputs=walker.leaves.inputs,
        vars=variables,
        root=root,
        nodes=nodes,
        shapes=tuple(walker.leaves.shapes),
        twins=tuple(walker.leaves.twins),
        outputs=outputs,
        training_only=training_only,
        evaluated=evaluated,
        run=run,
        memory=memory,
    )
    return network, told_once(faults)


VARIABLE = "a number, true or false, the name of an op or a block, a list of these, or a table"


def bind(spec: Spec, overrides: Mapping[str, Data], faults: list[Diagnostic]) -> dict[str, Worth]:
    """The values of the variables and of the names of ops and blocks.

    Variables are computed in order: a later one may use those before it.
    """
    names: dict[str, Worth] = references(spec)
    own = spec.variant.vars if spec.variant else {}
    for name, default in spec.vars.items():
        where: SpecPath = ("vars", name)
        problem = reserved(name)
        if name.startswith("_") or iskeyword(name):
            problem = "it becomes a name in Python"
        if problem:
            faults.append(
                InvalidName(where, on_key=True, what="a variable", name=name, reason=problem)
            )
            if not name.isidentifier() or iskeyword(name):
                names[name] = UNKNOWN  # so that what reads it is not told to read nothing
            continue
        written = default
        if spec.variant and name in own:
            where, written = (*spec.variant.at, name), own[name]
        written = overrides.get(name, written)
        nested = own.get("vars")
        if written is None and isinstance(nested, dict) and name in nested:
            names[name] = UNKNOWN  # that they stand in a `vars` of the variant's is told
            continue
        if written is None and default is None:
            who = f"the variant `{spec.variant.name}` does not set it" if spec.variant else ""
            who = who or "nothing sets it"
            faults.append(VariableUnset(where, on_key=True, name=name, who=who))
            names[name] = UNKNOWN
            continue
        before = len(faults)
        if before > MAX_FAULTS:
            names[name] = UNKNOWN
            continue
        value = as_rows(evaluate(written, names, where, faults))
        unsure = isinstance(value, list) and depends_on_unknown(written, names)
        unsure = unsure or value is None or len(faults) > before
        names[name] = UNKNOWN if unsure else value
        if isinstance(value, dict) or written is None:
            found = describe(value)
            faults.append(WrongType(where, what=f"`{name}`", wanted=VARIABLE, found=found))
    _unknown(spec, own, overrides, faults)
    return names


def _unknown(
    spec: Spec, own: Mapping[str, Data], overrides: Mapping[str, Data], faults: list[Diagnostic]
) -> None:
    """Variables that are set and not declared."""
    help_ = "" if spec.vars else "it has no `vars`"
    for name in islice((name for name in own if name not in spec.vars), MAX_FAULTS):
        if spec.variant:
            where = (*spec.variant.at, name)
            help_ = suggest(name, spec.vars) or help_
            if name == "vars":
                help_ = "a variant sets them itself: `small: {width: 32}`"
            faults.append(UnknownVariable(where, on_key=True, name=name, help=help_))
    for name in overrides:
        if name not in spec.vars:
            help_ = suggest(name, spec.vars) or help_
            faults.append(UnknownVariable(("vars",), on_key=True, name=name, help=help_))


def _outputs(
    spec: Spec, walker: Walker, faults: list[Diagnostic]
) -> tuple[dict[str, Value], frozenset[str]]:
    """What the network gives back, by name, and which of that only in training."""
    body = walker.body
    if not spec.outputs:
        if not walker.leaves.nodes:
            return {}, frozenset()
        last = body.previous
        name = INPUT_NAME if last.node == INPUT else walker.leaves.nodes[last.node].path
        return {name: last}, frozenset()
    outputs: dict[str, Value] = {}
    before = len(faults)
    for output in spec.outputs:
        if output.of in walker.dropped:
            if not output.optional:
                faults.append(OutputMissing(output.at, name=output.name, of=output.of))
            continue
        if output.of.partition(".")[0] not in body.outputs:
            help_ = _meant(output.of, body.outputs)
            problem = f"the network's body has no step `{output.of}`"
            faults.append(UnknownStep(output.at, problem=problem, help=help_))
            continue
        reader = Step(output.at, None, None, {}, {}, inputs=(output.of,))
        read = walker.resolver.read(reader, output.of, output.at, spec.body, body)
        if read is not None and (len(read) != 1 or read[0] is None):
            problem = f"the output `{output.name}` is one step"
            faults.append(InvalidValue(output.at, problem=problem))
        elif read is not None and read[0] is not None:
            outputs[output.name] = read[0]
    training_only = frozenset(o.name for o in spec.outputs if o.training_only and o.name in outputs)
    if len(training_only) == len(outputs) and len(faults) == before:
        problem = "one of the outputs has to be there in evaluation, too"
        faults.append(InvalidValue(("outputs",), problem=problem))
    return outputs, training_only


def _meant(written: str, known: Iterable[str]) -> str:
    """Help for an output that names no step."""
    if " if " in written:
        return f"let a row choose, `{{op: identity, from: {shorten(written)}}}`"
    return as_step(written) or suggest(written, known)


def _leading_to(nodes: Sequence[Node], outputs: Iterable[Value]) -> tuple[bool, ...]:
    """Which nodes the outputs depend on."""
    needed = [False] * len(nodes)
    for index, _ in outputs:
        if index != INPUT:
            needed[index] = True
    for node in reversed(nodes):
        if needed[node.index]:
            for index, _ in node.inputs:
                if index != INPUT:
                    needed[index] = True
    return tuple(needed)


def _unused(nodes: Sequence[Node], needed: Sequence[bool]) -> list[Diagnostic]:
    """Warnings for the ends of paths that lead nowhere."""
    read = {value.node for node in nodes for value in node.inputs}
    return [
        UnusedStep(node.at, path=node.path, step=f"`{node.path}`")
        for node in nodes
        if not needed[node.index] and node.index not in read
    ]
