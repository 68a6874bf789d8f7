"""How the parameters of a network begin: `init` of the spec and of rows, evaluated and checked."""

from collections.abc import Collection, Mapping, Sequence

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.language import InvalidValue, UnknownKey, UnknownOp
from archspec.diagnostics.wording import suggest
from archspec.expressions import Value
from archspec.graph.network import Node
from archspec.graph.values import evaluate
from archspec.language.init import SCHEMES, Scheme, Schemes, problem_with
from archspec.language.model import Spec
from archspec.ops import OPS_BY_NAME, Op, Shapes


def bind(schemes: Schemes, names: Mapping[str, Value], faults: list[Diagnostic]) -> Schemes:
    """Schemes with their options computed; one with a fault is left out."""
    bound = {}
    for parameter, scheme in schemes.items():
        before = len(faults)
        options = {key: _option(scheme, key, names, faults) for key in scheme.options}
        if len(faults) == before and None not in options.values():
            bound[parameter] = scheme._replace(options=options)
    return bound


def _option(
    scheme: Scheme, key: str, names: Mapping[str, Value], faults: list[Diagnostic]
) -> Value | None:
    form, written, where = SCHEMES[scheme.name][key], scheme.options[key], (*scheme.at, key)
    value = written if form.words else evaluate(written, names, where, faults)
    problem = None if value is None else problem_with(key, form, value)
    if problem:
        help_ = suggest(value, form.words) if form.words and isinstance(value, str) else ""
        faults.append(InvalidValue(where, problem=problem, help=help_))
        return None
    return value  # type: ignore[no-any-return]  # a number or a word


def parameters_of(op: Op, arriving: Shapes) -> tuple[str, ...]:
    """The names of an op's parameters; the one of an op that is a parameter itself is `weight`."""
    return tuple(tensor.name or "weight" for tensor in op.tensors(arriving) if tensor.trainable)


def check_row(schemes: Schemes, node: Node, known: Sequence[str], faults: list[Diagnostic]) -> None:
    """A row begins only parameters that it has."""
    assert node.step is not None
    for parameter in schemes:
        if parameter not in known:
            where = (*node.step.where("init"), parameter)
            owner, help_ = f"this {node.op_name}", suggest(parameter, known)
            fault = UnknownKey(where, on_key=True, path=node.path, owner=owner, key=parameter)
            fault.help = help_ or "it has no parameters"
            faults.append(fault)


def check_spec(spec: Spec, seen: Mapping[str, Collection[str]], faults: list[Diagnostic]) -> None:
    """A spec begins only parameters that its ops have; `seen` are those met, by op."""
    for name, schemes in spec.init.items():
        cls = OPS_BY_NAME.get(name)
        where = ("init", name)
        if cls is None:
            help_ = suggest(name, OPS_BY_NAME)
            if name in spec.blocks:
                help_ = "a block has no parameters of its own; write it for the ops in it"
            faults.append(UnknownOp(where, on_key=True, op=name, help=help_))
            continue
        if not cls.has_tensors():
            problem = f"{name} has no parameters"
            faults.append(InvalidValue(where, on_key=True, problem=problem))
            continue
        possible = {"weight", "bias"}
        known = (possible & cls.model_fields.keys()) | set(seen[name]) if name in seen else possible
        for parameter in schemes:
            if parameter not in known:
                fault = UnknownKey((*where, parameter), on_key=True, owner=name, key=parameter)
                fault.help = suggest(parameter, sorted(known, reverse=True))
                faults.append(fault)
