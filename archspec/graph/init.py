"""How the parameters of a network begin: `init` of the spec and of rows, evaluated and checked."""

from collections.abc import Mapping, Sequence

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.foreign import suggest_op
from archspec.diagnostics.language import InvalidValue, UnknownKey, UnknownOp
from archspec.diagnostics.wording import suggest
from archspec.expressions import Value
from archspec.graph.network import Node
from archspec.graph.values import evaluate
from archspec.language.init import RANGES, SCHEMES, WITH_FANS, Scheme, Schemes, problem_with
from archspec.language.model import Spec
from archspec.language.rows import MAX_FAULTS
from archspec.ops import OPS_BY_NAME, Shape, Tensor


def bind(schemes: Schemes, names: Mapping[str, Value], faults: list[Diagnostic]) -> Schemes:
    """Schemes with their options computed; one with a fault is left out."""
    bound = {}
    for parameter, scheme in schemes.items():
        before = len(faults)
        options = {key: _option(scheme, key, names, faults) for key in scheme.options}
        if len(faults) > before or None in options.values():
            continue
        bound[parameter] = scheme._replace(options=options)
        _check_range(bound[parameter], faults)
    return bound


def _check_range(scheme: Scheme, faults: list[Diagnostic]) -> None:
    """Numbers between `a` and `b` need the two in that order."""
    if scheme.name not in RANGES:
        return
    a, b = (scheme.options.get(key, at) for key, at in zip("ab", RANGES[scheme.name], strict=True))
    if a > b:
        where = (*scheme.at, "b" if "b" in scheme.options else "a")
        problem = f"{scheme.name} draws from a to b, and a is {a:g}, above b, which is {b:g}"
        faults.append(InvalidValue(where, problem=problem))


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


def parameters_of(tensors: Sequence[Tensor]) -> dict[str, Shape]:
    """An op's parameters by name; the one of an op that is a parameter itself is `weight`."""
    return {tensor.name or "weight": tensor.shape for tensor in tensors if tensor.trainable}


def _check_fans(
    scheme: Scheme, parameter: str, shape: Shape, faults: list[Diagnostic], path: str = ""
) -> None:
    """A scheme that goes by fans needs a parameter that has them."""
    if scheme.name not in WITH_FANS or len(shape) > 1:
        return
    problem = f"{scheme.name} goes by the fans of two dimensions or more, and this {parameter} has "
    problem += f"one, of {shape[0]}" if shape else "none"
    on_key, help_ = scheme.at[-1] == scheme.name, "`zeros`, `ones` or `normal` need none"
    faults.append(InvalidValue(scheme.at, on_key=on_key, path=path, problem=problem, help=help_))


def check_row(
    schemes: Schemes, node: Node, known: Mapping[str, Shape], faults: list[Diagnostic]
) -> None:
    """A row begins only parameters that it has, in a way in which they can."""
    assert node.step is not None
    for parameter, scheme in schemes.items():
        if parameter in known:
            _check_fans(scheme, parameter, known[parameter], faults, node.path)
        else:
            where = (*node.step.where("init"), parameter)
            owner, help_ = f"this {node.op_name}", suggest(parameter, known)
            fault = UnknownKey(where, on_key=True, path=node.path, owner=owner, key=parameter)
            fault.help = help_ or "it has no parameters"
            faults.append(fault)


def check_spec(
    spec: Spec, seen: Mapping[str, Mapping[str, Shape]], faults: list[Diagnostic]
) -> None:
    """A spec begins only parameters that its ops have; `seen` are those met, by op and name.

    Of the parameters of one name those count that have the fewest dimensions.
    """
    room = len(faults) + MAX_FAULTS
    for name, schemes in spec.init.items():
        cls = OPS_BY_NAME.get(name)
        where = ("init", name)
        if len(faults) > room:
            break
        if cls is None:
            help_ = suggest_op(name, OPS_BY_NAME)
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
        for parameter, scheme in schemes.items():
            shape = seen.get(name, {}).get(parameter)
            if shape is not None:
                _check_fans(scheme, parameter, shape, faults)
            elif parameter not in known:
                fault = UnknownKey((*where, parameter), on_key=True, owner=name, key=parameter)
                fault.help = suggest(parameter, sorted(known, reverse=True))
                faults.append(fault)
