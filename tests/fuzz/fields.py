"""Receptive fields beside where a NaN of the input arrives, pixel by pixel."""

import torch
from torch import Tensor, nn

from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import Check
from archspec.graph.network import Network, Node
from archspec.ops.channels import Chunk, PadChannels, PixelShuffle, Slice
from archspec.ops.lenet import PartialConv2d
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


def compare_fields(
    check: Check, module: nn.Module, *, behind_upsampling: bool = False
) -> list[Failure]:
    """Where units see pixels outside their fields, or not the ends of them."""
    network, results = check.network, check.results
    assert network is not None
    assert results is not None
    ops = [node.op for node in network.nodes]
    shape = network.input_shape
    if shape is None or len(shape) != 3:
        return []
    if not behind_upsampling and any(isinstance(op, BEYOND) for op in ops):
        return []
    is_whole = not any(isinstance(op, PARTS) for op in ops) and _looks_at_whole_pixels(network)
    pixels = [(row, column) for row in range(shape[1]) for column in range(shape[2])]
    touched = _touched(network, module, pixels)
    failures = []
    for node, field in zip(network.nodes, results.fields, strict=True):
        seen = touched[node.index]
        if isinstance(field, ReceptiveField) and seen is not None:
            problem = _problem(field, pixels, seen, shape, complete=is_whole)
            if problem:
                failures.append(Failure("field differs", f"{node.op_name}: {problem}"))
    return failures[:1]


def _looks_at_whole_pixels(network: Network) -> bool:
    """Whether no op looks through windows that are hulls: those of uneven bins have fractions."""
    views = [
        view
        for node in network.nodes
        for view in facts.op_of(node).views(facts.arriving(network, node))
        if isinstance(view, tuple)
    ]
    return all(number == int(number) for view in views for window in view for number in window)


def _touched(
    network: Network, module: nn.Module, pixels: list[tuple[int, int]]
) -> list[Tensor | None]:
    """For each node, which of its units are NaN when a pixel is: (pixels, height, width)."""
    assert network.input_shape is not None
    state = positive_state(module, torch.float64)
    generator = torch.Generator().manual_seed(3)
    whole = 1 + torch.rand(network.input_shape, generator=generator, dtype=torch.float64)
    pictures = whole.repeat(len(pixels), 1, 1, 1)  # no constant: its variance may be 0
    for picture, (row, column) in zip(pictures, pixels, strict=True):
        picture[:, row, column] = torch.nan
    with torch.no_grad():
        values = interpret(network, state, pictures, training=False).values
    return [_units(network, *pair) for pair in zip(network.nodes, values, strict=True)]


def _units(network: Network, node: Node, value: Tensor | None) -> Tensor | None:
    shape = facts.given(network, node)
    if value is None or shape is None or len(shape) != 3:
        return None
    return value.isnan().any(3 if facts.is_last(shape) else 1)


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
