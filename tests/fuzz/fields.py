"""Receptive fields beside where a NaN of the input arrives, pixel by pixel."""

import torch
from torch import Tensor, nn

from archspec.analysis.receptive_field import Field, ReceptiveField
from archspec.api import Check
from archspec.graph.network import Network, Node
from archspec.ops.channels import Chunk, PadChannels, PixelShuffle, Slice
from archspec.ops.lenet import PartialConv2d
from archspec.ops.norm import BatchNorm
from archspec.ops.pool import AdaptivePool
from archspec.ops.resize import Upsample
from archspec.ops.transposed import ConvTranspose2d
from archspec.proof.interpreter import interpret
from archspec.proof.weights import positive_state
from tests.fuzz import facts
from tests.fuzz.failure import Failure

BEYOND = (ConvTranspose2d, Upsample, PixelShuffle)
"""Fields behind these are compared on demand only."""
PARTS = (Chunk, Slice, PadChannels, PartialConv2d)
"""Behind these a path may be cut off, and a field be larger than what is seen."""
SAMPLED = 6
"""Pixels that are tried one by one where pictures of a batch see each other, or are large."""
MOST = 400
"""Pixels that are all tried."""


def compare_fields(
    check: Check, module: nn.Module, *, behind_upsampling: bool = False
) -> list[Failure]:
    """Where units see pixels outside their fields, or not the ends of them."""
    network, results = check.network, check.results
    assert network is not None
    assert results is not None
    shape = network.input_shape
    if shape is None or len(shape) != 3:
        return []
    if not behind_upsampling and is_behind_upsampling(network):
        return []
    is_whole = all(map(_whole, results.fields)) and not any(
        isinstance(node.op, PARTS) or _is_uneven(network, node) or _stretches(network, node)
        for node in network.nodes
    )
    ops = [node.op for node in network.nodes]
    mixes = any(isinstance(op, BatchNorm) and not op.track_running_stats for op in ops)
    pixels = [(row, column) for row in range(shape[1]) for column in range(shape[2])]
    few = mixes or len(pixels) > MOST
    if few:
        pixels = pixels[:: max(1, len(pixels) // SAMPLED)]
    touched = _touched(network, module, pixels, one_by_one=few)
    if touched is None:
        return []
    failures = []
    for node, field in zip(network.nodes, results.fields, strict=True):
        seen = touched[node.index]
        if isinstance(field, ReceptiveField) and seen is not None:
            problem = _problem(field, pixels, seen, shape, complete=is_whole and not few)
            if problem:
                failures.append(Failure("field differs", f"{node.op_name}: {problem}"))
    return failures[:1]


def is_behind_upsampling(network: Network) -> bool:
    """Whether there are fields that differ from one unit to the next."""
    return any(isinstance(node.op, BEYOND) for node in network.nodes)


def _is_uneven(network: Network, node: Node) -> bool:
    """Whether a node pools into bins of several sizes: its field is the hull of them."""
    if not isinstance(node.op, AdaptivePool):
        return False
    sides = facts.arriving(network, node)[0][1:]
    return any(side % bins for side, bins in zip(sides, node.op.output_size, strict=True))


def _stretches(network: Network, node: Node) -> bool:
    """Whether a node stretches what arrives: its field is the hull over all of its units."""
    sides = [facts.places(shape) for shape in facts.arriving(network, node)]
    return any(side != sides[0] for side in sides)


def _whole(field: Field | None) -> bool:
    """Whether a field is one of whole pixels, and no hull of several."""
    if not isinstance(field, ReceptiveField):
        return True
    return all(number == int(number) for pair in field for number in pair)


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
    field: ReceptiveField,
    pixels: list[tuple[int, int]],
    seen: Tensor,
    shape: tuple[int, ...],
    *,
    complete: bool,
) -> str:
    """What is wrong with a field, along one axis after the other."""
    for axis, name in enumerate(("rows", "columns")):
        size, stride, offset = (pair[axis] for pair in field)
        lines = torch.tensor([pixel[axis] for pixel in pixels])
        along = seen.any(2 - axis)  # (pixels, units along the axis)
        for unit in range(along.shape[1]):
            first, last = unit * stride + offset, unit * stride + offset + size - 1
            found = lines[along[:, unit]]
            if len(found) == 0:
                continue
            low, high = int(found.min()), int(found.max())
            if low < first or high > last:
                return f"a unit sees {name} outside of its field"
            inside = first >= 0 and last < shape[1 + axis]
            if complete and inside and (low > first or high < last):
                return f"a unit does not see the first or last of its {name}"
    return ""
