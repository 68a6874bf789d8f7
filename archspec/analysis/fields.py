"""The pass over a network that finds what the units of every step see."""

from collections.abc import Sequence
from typing import NamedTuple

from archspec.analysis.parts import (
    COARSE,
    MAX_PARTS,
    Part,
    Parts,
    Source,
    divided,
    merged,
    side_by_side,
)
from archspec.analysis.receptive_field import (
    Field,
    ReceptiveField,
    in_one_phase,
    seen_through,
    seen_together,
    spans_of,
)
from archspec.graph.network import INPUT, Network, Node
from archspec.ops import Op, Shapes, View, channels_of
from archspec.ops.channels import PixelUnshuffle
from archspec.ops.merge import STRETCHED, Concat

MAX_SPANS = 2**18
"""So many spans are kept for all steps together; what comes behind them has one for all units."""


class Fields(NamedTuple):
    """The field of each node's units, None where unknown: `all_paths`, and without gates.

    Where paths meet, `all_paths` is what they see together. `without_gates` leaves out paths that
    have seen the whole map, as that of squeeze-and-excitation: what remains is what a unit sees of
    its surroundings.
    """

    all_paths: tuple[Field | None, ...]
    without_gates: tuple[Field | None, ...]


def receptive_fields(network: Network) -> Fields:
    """The field of each node's units; `global` once a unit sees the whole map; None if unknown."""
    flow, local = _Flow(network), None
    flows = [flow]

    def views_of(node: Node) -> tuple[View, ...] | None:
        arriving = network.arriving(node)
        if node.op is None or arriving is None or network.shapes[node.index] is None:
            return None
        return node.op.views(arriving) if node.op.looks_around() else (None,) * len(arriving)

    for node, views in zip(network.nodes, network.of_twins(views_of), strict=True):
        op, arriving, outputs = node.op, network.arriving(node), network.shapes[node.index]
        if views is None or op is None or arriving is None or outputs is None:
            for each in flows:
                each.fields.append(None)
            continue
        if local is None and len(views) > 1 and flow.meets_gate(node, views):
            local = flow.without_gates()
            flows.append(local)
        for each in flows:
            each.follow(op, node, arriving, outputs, views)
    fields = tuple(flow.fields)
    return Fields(fields, fields if local is None else tuple(local.fields))


class _Flow:
    """Fields as they come along, with those of parts of the channels where these differ."""

    def __init__(self, network: Network, *, gates: bool = True) -> None:
        self.network, self.gates = network, gates
        self.start: Field | None = None if network.input_shape is None else ReceptiveField()
        self.fields: list[Field | None] = []
        self.parts: dict[int, Parts] = {}
        self.spans = 0

    def without_gates(self) -> "_Flow":
        """The same so far; from here on paths that see everything are left out of a meeting."""
        other = _Flow(self.network, gates=False)
        other.fields, other.parts, other.spans = [*self.fields], dict(self.parts), self.spans
        return other

    def meets_gate(self, node: Node, views: tuple[View, ...]) -> bool:
        """Whether of what arrives some may see everything, and some does not."""
        arriving = [self.at(index) for index, _ in node.inputs]
        some = "global" in arriving or STRETCHED in views
        return some and any(field != "global" for field in arriving)

    def at(self, index: int) -> Field | None:
        """What the units of a node see, or the pixels themselves."""
        return self.start if index == INPUT else self.fields[index]

    def follow(
        self, op: Op, node: Node, arriving: Shapes, outputs: Shapes, views: tuple[View, ...]
    ) -> None:
        """Add what a node's units see."""
        inputs, parts = node.inputs, self.parts
        if op.divides or (parts and not parts.keys().isdisjoint([index for index, _ in inputs])):
            self._keep(*self._in_parts(op, node, arriving, outputs, views))
        elif len(views) > 1:
            paths = zip(inputs, views, strict=True)
            self._keep(self._together([self._seen(index, view) for (index, _), view in paths]))
        else:
            before, (view,) = self.at(inputs[0].node), views
            if before is None or before == "global" or view is None:
                self.fields.append(before)  # without another span to keep
            else:
                self._keep(seen_through(before, view))

    def _keep(self, field: Field | None, parts: Parts | None = None) -> None:
        """Keep what the units of the next node see, in fewer words where there are too many."""
        phases = type(field) is ReceptiveField and (len(field[0].spans) + len(field[1].spans) > 2)
        if phases or parts is not None:
            self.spans += spans_of([field, *(part.field for part in parts or ())])
            if self.spans > MAX_SPANS:
                field, parts = in_one_phase(field), None if parts is None else COARSE
        if parts is not None:
            self.parts[len(self.fields)] = parts
        self.fields.append(field)

    def _seen(self, index: int, view: View) -> Field | None:
        """What is seen along one of several paths."""
        before = self.at(index)
        return "global" if self._is_all(before, view) else seen_through(before, view)

    def _in_parts(
        self, op: Op, node: Node, arriving: Shapes, outputs: Shapes, views: tuple[View, ...]
    ) -> tuple[Field | None, Parts | None]:
        sources = []
        mixings = op.mixings(arriving, outputs)
        for (index, _), shape, view, mixing in zip(
            node.inputs, arriving, views, mixings, strict=True
        ):
            field, parts = self.at(index), self.parts.get(index)
            if self._is_all(field, view):
                field, parts = "global", None
            sources.append(Source(channels_of(shape), field, parts, view, mixing))
        if isinstance(op, Concat) and len(outputs[0]) == 3:
            return side_by_side(sources, self._together)
        if isinstance(op, PixelUnshuffle):
            return self._unshuffled(op, sources[0])
        if len(outputs) > 1 or len(outputs[0]) != 3:
            paths = [seen_through(source.field, source.view) for source in sources]
            return self._together(paths), None
        return divided(sources, channels_of(outputs[0]), self._together)

    def _unshuffled(self, op: PixelUnshuffle, source: Source) -> tuple[Field | None, Parts | None]:
        """Every channel that arrives becomes several, each of which sees other places."""
        field = seen_through(source.field, source.view)
        count = source.channels * op.downscale_factor**2
        if count > MAX_PARTS or source.parts == COARSE:
            return field, COARSE if op.downscale_factor > 1 else source.parts
        parts = source.parts or (Part(source.channels, source.field),)
        fields = [
            seen_through(next(p.field for p in parts if channel < p.stop), view)
            for channel in range(source.channels)
            for view in op.places()
        ]
        return merged([Part(i, seen) for i, seen in enumerate(fields, 1)], self._together)

    def _together(self, fields: Sequence[Field | None]) -> Field | None:
        if not self.gates:
            fields = [field for field in fields if field != "global"] or ["global"]
        return seen_together(fields)

    def _is_all(self, field: Field | None, view: View) -> bool:
        """Whether a single place is stretched over a map that sees all of the input."""
        if view is None or view == "global" or not isinstance(field, ReceptiveField):
            return False
        sizes = self.network.input_shape
        if sizes is None or len(sizes) != 3 or view != STRETCHED:
            return False
        spans = zip((field.height.of(0), field.width.of(0)), sizes[1:], strict=True)
        return all(span and span[0] <= 0 and span[1] >= size - 1 for span, size in spans)
