"""The receptive field where several paths meet: the hull of what they see."""

from collections.abc import Iterator, Sequence

from archspec.analysis.receptive_field import Field, ReceptiveField, as_numbers, at_meeting, place
from archspec.analysis.results import Results
from archspec.graph.network import Network, Node
from archspec.ops import Text
from archspec.report import figures
from archspec.report.rows import fields_at


def explain_meeting(
    network: Network, results: Results, node: Node, names: Sequence[str]
) -> Iterator[Text]:
    """What each input of a node sees, and what that is together; `names` are the inputs'."""
    seen, ungated = fields_at(results, node.output)
    pairs = [fields_at(results, value) for value in node.inputs]
    inputs = _arriving(network, node, [field for field, _ in pairs])
    inner = _arriving(network, node, [local for _, local in pairs])
    gates = [name for name, local in zip(names, inner, strict=True) if local == "global"]
    if figures.is_gated(seen, ungated):
        through = ", ".join(gates) or "gates before"
        yield Text("field", f"global, through {through}; without gates:")
        inputs, seen = inner, ungated
    elif seen == "global":
        yield Text("field", "global, as some of what arrives")
        return
    paths = {
        name: field
        for name, field in zip(names, inputs, strict=True)
        if isinstance(field, ReceptiveField)
    }
    if seen is None and len({field.stride for field in paths.values()}) > 1:
        strides = (f"{name} {figures.pair(as_numbers(f.stride))}" for name, f in paths.items())
        why = f"neighbouring units lie differently far apart ({', '.join(strides)})"
        yield Text("field", f"unknown: {why}")
    elif isinstance(seen, ReceptiveField):
        yield from _hull(paths, seen)


def _arriving(
    network: Network, node: Node, fields: Sequence[Field | None]
) -> Sequence[Field | None]:
    """What the node's units see through its inputs, which have these fields."""
    shapes = network.arriving(node)
    if node.op is None or shapes is None or network.input_shape is None:
        return fields
    return at_meeting(fields, node.op.views(shapes), network.input_shape)


def _hull(paths: dict[str, ReceptiveField], seen: ReceptiveField) -> Iterator[Text]:
    if len(paths) > 1:
        for name, field in paths.items():
            yield Text("field", f"{name} sees {spans(field)}")
    yield Text("field", f"r' = {figures.field(seen)}: together they see {spans(seen)}")


def spans(field: ReceptiveField) -> str:
    """`8·u − 17 to 8·u + 25`, of height and width where they differ."""
    axes = list(dict.fromkeys(_span(field, axis) for axis in (0, 1)))
    return axes[0] if len(axes) == 1 else f"{axes[0]} (height), {axes[1]} (width)"


def _span(field: ReceptiveField, axis: int) -> str:
    start, stride = field.offset[axis], field.stride[axis]
    return f"{place(stride, start)} to {place(stride, start + field.size[axis] - 1)}"
