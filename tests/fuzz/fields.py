"""Receptive fields beside where a NaN of the input arrives, pixel by pixel."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from archspec.analysis.phases import Span
from archspec.analysis.receptive_field import Field, ReceptiveField
from archspec.api import Check
from archspec.graph.network import Network, Node
from archspec.ops.norm import BatchNorm
from archspec.ops.resize import Upsample
from archspec.ops.shape import places_of
from archspec.proof.interpreter import interpret
from archspec.proof.weights import positive_state
from tests.fuzz import facts
from tests.fuzz.failure import Failure

SAMPLED = 6
"""Pixels that are tried one by one where pictures of a batch see each other, or are large."""
MOST = 400
"""Pixels that are all tried."""


def compare_fields(check: Check, module: nn.Module) -> list[Failure]:
    """Where units see pixels outside their fields, or not the ends of them."""
    network, results = check.network, check.results
    assert network is not None
    assert results is not None
    ops = [node.op for node in network.nodes]
    shape = network.input_shape
    if shape is None or len(shape) != 3:
        return []
    mixes = any(isinstance(op, BatchNorm) and not op.track_running_stats for op in ops)
    blends = any(isinstance(op, Upsample) and op.mode == "bilinear" for op in ops)
    pixels = [(row, column) for row in range(shape[1]) for column in range(shape[2])]
    few = mixes or len(pixels) > MOST
    if few:
        pixels = pixels[:: max(1, len(pixels) // SAMPLED)]
    touched = _touched(network, module, pixels, one_by_one=few)
    if touched is None:
        return []
    borders = [_border(network, results.fields, axis) for axis in (0, 1)]
    failures = []
    for node, field in zip(network.nodes, results.fields, strict=True):
        seen = touched[node.index]
        if isinstance(field, ReceptiveField) and seen is not None:
            lines = [_computed(field, seen, borders, axis, blends=blends) for axis in (0, 1)]
            problem = _problem(lines, pixels, seen, complete=not few and not field.bound)
            if problem:
                failures.append(Failure("field differs", f"{node.op_name}: {problem}"))
    return failures[:1]


class Border(NamedTuple):
    """Where fields lie that nothing cuts: from the first pixel to the last."""

    first: int
    last: int


def _border(network: Network, fields: Sequence[Field | None], axis: int) -> Border:
    """What units outside of any map would see is cut, and so what sees it."""
    assert network.input_shape is not None
    first, last = 0, network.input_shape[1 + axis] - 1
    for node, field in zip(network.nodes, fields, strict=True):
        shape = facts.given(network, node)
        if not isinstance(field, ReceptiveField) or shape is None or len(shape) != 3:
            continue
        along, count = field[axis], places_of(shape)[axis]
        before = [along.of(unit) for unit in range(-along.period, 0)]
        behind = [along.of(unit) for unit in range(count, count + along.period)]
        first = max(first, *(span[0] + 1 for span in before if span), first)
        last = min(last, *(span[1] - 1 for span in behind if span), last)
    return Border(first, last)


class Computed(NamedTuple):
    """A unit's field along an axis, and whether it holds, and is seen as a whole."""

    span: Span | None
    holds: bool
    is_whole: bool


def _computed(
    field: ReceptiveField, seen: Tensor, borders: list[Border], axis: int, *, blends: bool
) -> list[Computed]:
    """What units are computed to see; a blend at a border reads another pixel with weight 0."""
    along, border = field[axis], borders[axis]
    found = []
    for span in map(along.of, range(seen.shape[1 + axis])):
        is_whole = span is None or (span[0] >= border.first and span[1] <= border.last)
        found.append(Computed(span, is_whole or not blends, is_whole))
    # Where no unit of some kind is whole, something of what units see may be cut across.
    if sum(each.is_whole and each.span is not None for each in found) < 2 * along.period:
        return [each._replace(is_whole=False) for each in found]
    return found


def _touched(
    network: Network, module: nn.Module, pixels: list[tuple[int, int]], *, one_by_one: bool
) -> list[Tensor | None] | None:
    """For each node, which of its units are NaN when a pixel is: (pixels, height, width).

    None for a network whose units are NaN without that: it divides by 0.
    """
    assert network.input_shape is not None
    state = positive_state(module, torch.float64)
    pictures = torch.ones(len(pixels), *network.input_shape, dtype=torch.float64)
    for picture, (row, column) in zip(pictures, pixels, strict=True):
        picture[:, row, column] = torch.nan
    batches = [picture[None] for picture in pictures] if one_by_one else [pictures]
    with torch.no_grad():
        clean = interpret(network, state, torch.ones_like(pictures[:1]), training=False).values
        if any(value is not None and bool(value.isnan().any()) for value in clean):
            return None
        runs = [interpret(network, state, batch, training=False).values for batch in batches]
    return [
        None if any(value is None for value in values) else _units(network, node, values)
        for node, values in zip(network.nodes, zip(*runs, strict=True), strict=True)
    ]


def _units(network: Network, node: Node, values: tuple[Tensor | None, ...]) -> Tensor | None:
    shape = facts.given(network, node)
    if shape is None or len(shape) != 3:
        return None
    dim = 3 if facts.is_last(shape) else 1
    return torch.cat([value.isnan().any(dim) for value in values if value is not None])


def _problem(
    computed: list[list[Computed]], pixels: list[tuple[int, int]], seen: Tensor, *, complete: bool
) -> str:
    """What is wrong with a field, along one axis after the other."""
    for axis, name in enumerate(("rows", "columns")):
        lines = torch.tensor([pixel[axis] for pixel in pixels])
        along = seen.any(2 - axis)  # (pixels, units along the axis)
        across = any(each.is_whole for each in computed[1 - axis])
        for unit, (span, holds, is_whole) in enumerate(computed[axis]):
            found = lines[along[:, unit]]
            low, high = (int(found.min()), int(found.max())) if len(found) else (0, -1)
            if holds and len(found) and (span is None or low < span[0] or high > span[1]):
                return f"a unit sees {name} outside of its field"
            if complete and is_whole and across and span is not None and (low, high) != span:
                return f"a unit does not see the first or last of its {name}"
    return ""
