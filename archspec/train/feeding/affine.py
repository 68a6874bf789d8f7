"""Rotation, shift and stretch of a crop: the map from the input's pixels to the stored picture's.

Everything is sampled once, from the stored picture: what a rotated crop needs from beyond its box
is there. Beyond the picture's edge lies its reflection, which has the picture's own textures.
"""

import torch
from torch import Tensor

from archspec.train.feeding.boxes import Size
from archspec.train.feeding.plan import Plan


def sampling_maps(plan: Plan, size: Size) -> Tensor:
    """For each picture the affine map [N, 2, 3] from a place (x, y, 1) in the input to the picture.

    Places are in pixels from the top left corner: the first pixel's centre is at ½. What is shown
    is the crop rotated in the picture's own geometry, then stretched, shifted and mirrored.
    """
    number, (height, width) = len(plan), size
    boxes = plan.boxes.double()
    turned = _turns(plan.rotations, number)
    shifts = torch.zeros(number, 2) if plan.shifts is None else plan.shifts
    stretches = torch.ones(number, 2) if plan.stretches is None else plan.stretches
    # From the input's middle, in shares of its sides, to the box's middle, in stored pixels.
    spans = boxes[:, [3, 2]] / stretches
    flips = torch.stack([1 - 2 * plan.mirrored.double(), torch.ones(number)], dim=1)
    steps = spans * flips / torch.tensor([width, height])
    linear = turned * steps.unsqueeze(1)
    middles = boxes[:, [1, 0]] + boxes[:, [3, 2]] / 2
    half = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    offsets = middles - linear @ half - (turned @ (shifts * spans).unsqueeze(2)).squeeze(2)
    return torch.cat([linear, offsets.unsqueeze(2)], dim=2)


def _turns(degrees: Tensor | None, number: int) -> Tensor:
    """Matrices [N, 2, 2] that take what is shown back; y points down."""
    if degrees is None:
        return torch.eye(2, dtype=torch.float64).expand(number, 2, 2)
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    rows = torch.stack([cos, -sin, sin, cos], dim=1)
    return rows.view(number, 2, 2)


def fineness(maps: Tensor) -> Tensor:
    """How many samples a side [N] each pixel is the mean of: a crop that shrinks would flicker.

    They lie about one stored pixel apart.
    """
    steps = maps[:, :, :2].square().sum(dim=1).sqrt().amax(dim=1)
    return steps.round().long().clamp(min=1)
