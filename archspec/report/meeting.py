"""The receptive field where several paths meet: the hull of what they see."""

from collections.abc import Iterator, Sequence

from archspec.analysis.receptive_field import ReceptiveField, as_numbers
from archspec.analysis.results import Results
from archspec.graph.network import Node
from archspec.ops import Text
from archspec.report import figures
from archspec.report.field_steps import spans
from archspec.report.rows import fields_at


def explain_meeting(results: Results, node: Node, names: Sequence[str]) -> Iterator[Text]:
    """What each input of a node sees, and what that is together; `names` are the inputs'."""
    seen, ungated = fields_at(results, node.output)
    pairs = [fields_at(results, value) for value in node.inputs]
    inputs = [field for field, _ in pairs]
    gates = [name for name, (_, local) in zip(names, pairs, strict=True) if local == "global"]
    if figures.is_gated(seen, ungated):
        through = ", ".join(gates) or "gates before"
        yield Text("field", f"global, through {through}; without gates:")
        inputs, seen = [local for _, local in pairs], ungated
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


def _hull(paths: dict[str, ReceptiveField], seen: ReceptiveField) -> Iterator[Text]:
    if len(paths) > 1:
        for name, field in paths.items():
            yield Text("field", f"{name} sees {spans(field)}")
    yield Text("field", f"r' = {figures.field(seen)}: together they see {spans(seen)}")
