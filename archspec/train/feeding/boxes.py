"""Boxes in pictures, for all pictures at once: crops, random and fixed, and what is erased.

A box is top, left, height, width, in whole pixels. Sizes are of pictures as they are stored.
"""

from math import log

import torch
from torch import Tensor

from archspec.train.data.decode import CENTRE_FRACTION

Size = tuple[int, int]  # height, width
Range = tuple[float, float]  # least, most
SCALE: Range = (0.08, 1.0)  # the share of a picture's area, as torchvision's RandomResizedCrop
RATIO: Range = (3 / 4, 4 / 3)  # width / height of a crop
ERASED_SCALE: Range = (0.02, 0.33)  # of the input's area, as torchvision's RandomErasing
ERASED_RATIO: Range = (0.3, 3.3)
ATTEMPTS = 10  # to draw a box that fits; after which a crop is the largest of an allowed ratio


def random_resized_boxes(
    heights: Tensor,
    widths: Tensor,
    generator: torch.Generator,
    scale: Range = SCALE,
    ratio: Range = RATIO,
) -> Tensor:
    """A random box [N, 4] in each picture of these sizes [N].

    The area's share is uniform in `scale`, the logarithm of width / height uniform in `ratio`'s;
    the distribution is that of torchvision's RandomResizedCrop, drawn for all pictures at once.
    """
    box_heights, box_widths = _largest_sides(heights, widths, ratio)
    waiting = torch.ones(len(heights), dtype=torch.bool)
    for _ in range(ATTEMPTS):
        tried_heights, tried_widths = _tried_sides(heights * widths, scale, ratio, generator)
        fits = (tried_heights <= heights) & (tried_widths <= widths)
        taken = waiting & fits & (tried_heights > 0) & (tried_widths > 0)
        box_heights = torch.where(taken, tried_heights, box_heights)
        box_widths = torch.where(taken, tried_widths, box_widths)
        waiting &= ~taken
    tops, lefts = heights - box_heights, widths - box_widths
    tops = torch.where(waiting, tops // 2, whole(tops, generator))
    lefts = torch.where(waiting, lefts // 2, whole(lefts, generator))
    return torch.stack([tops, lefts, box_heights, box_widths], dim=1)


def scaled_boxes(
    heights: Tensor,
    widths: Tensor,
    size: Size,
    short_side: tuple[int, int],
    generator: torch.Generator,
) -> Tensor:
    """A box [N, 4] anywhere that is the input, if the short side is L, uniform in `short_side`.

    Simonyan & Zisserman 2014, section 3.1. An L too short for the input counts as one that fits.
    """
    least, most = short_side
    drawn = least + whole(torch.full_like(heights, most - least), generator)
    box_heights, box_widths = box_sides(size, scale_of_short_side(heights, widths, size, drawn))
    tops = whole(heights - box_heights, generator)
    lefts = whole(widths - box_widths, generator)
    return torch.stack([tops, lefts, box_heights, box_widths], dim=1)


def corner_boxes(heights: Tensor, widths: Tensor, size: Size, scale: Tensor) -> Tensor:
    """Boxes [N, 5, 4] in the corners (top left, top right, bottom left, bottom right) and centre.

    `scale` [N] is the side of a pixel of the input, in stored pixels. As torchvision's FiveCrop.
    """
    box_heights, box_widths = box_sides(size, scale)
    down, right = heights - box_heights, widths - box_widths
    nothing = torch.zeros_like(down)
    tops = torch.stack([nothing, nothing, down, down, _half(down)], dim=1)
    lefts = torch.stack([nothing, right, nothing, right, _half(right)], dim=1)
    sides = torch.stack([box_heights, box_widths], dim=1).unsqueeze(1).expand(-1, 5, 2)
    return torch.cat([tops.unsqueeze(2), lefts.unsqueeze(2), sides], dim=2)


def centre_boxes(heights: Tensor, widths: Tensor, size: Size) -> Tensor:
    """The box [N, 4] in the centre of each picture: 7/8 of what fits, as for evaluation."""
    scale = largest_scale(heights, widths, size) * CENTRE_FRACTION
    return corner_boxes(heights, widths, size, scale)[:, 4]


def erased_boxes(number: int, size: Size, probability: float, generator: torch.Generator) -> Tensor:
    """For each of `number` pictures a box [N, 4] in the input, or, mostly, one without a size.

    Zhong et al. 2020, with the numbers and the distribution of torchvision's RandomErasing.
    """
    height, width = size
    box_heights = torch.zeros(number, dtype=torch.int64)
    box_widths = torch.zeros_like(box_heights)
    waiting = uniform(number, 0, 1, generator) < probability
    area = torch.full((number,), height * width)
    for _ in range(ATTEMPTS):
        tried_heights, tried_widths = _tried_sides(area, ERASED_SCALE, ERASED_RATIO, generator)
        taken = waiting & (tried_heights < height) & (tried_widths < width)
        box_heights = torch.where(taken, tried_heights, box_heights)
        box_widths = torch.where(taken, tried_widths, box_widths)
        waiting &= ~taken
    tops = whole(height - box_heights, generator)
    lefts = whole(width - box_widths, generator)
    return torch.stack([tops, lefts, box_heights, box_widths], dim=1)


def largest_scale(heights: Tensor, widths: Tensor, size: Size) -> Tensor:
    """Stored pixels per pixel of the input [N], if its box is the largest that fits."""
    return torch.minimum(heights / size[0], widths / size[1]).double()


def scale_of_short_side(
    heights: Tensor, widths: Tensor, size: Size, short_sides: Tensor | int
) -> Tensor:
    """Stored pixels per pixel of the input [N], if the picture's short side is `short_sides`."""
    scale = torch.minimum(heights, widths).double() / short_sides
    return torch.minimum(scale, largest_scale(heights, widths, size))


def box_sides(size: Size, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths [N] of boxes that become the input, in whole stored pixels."""
    # At the stored size a box is the input itself, and cutting it out needs no resampling.
    box_heights = (size[0] * scale).round().long().clamp(min=1)
    return box_heights, (size[1] * scale).round().long().clamp(min=1)


def uniform(number: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`number` values uniform in `low` … `high`."""
    return torch.rand(number, generator=generator, dtype=torch.float64) * (high - low) + low


def whole(most: Tensor, generator: torch.Generator) -> Tensor:
    """Whole numbers uniform in 0 … m, for each element m of `most`."""
    return (uniform(len(most), 0, 1, generator) * (most + 1)).long()


def _largest_sides(heights: Tensor, widths: Tensor, ratio: Range) -> tuple[Tensor, Tensor]:
    """Heights and widths of the largest boxes whose width / height lies in `ratio`."""
    box_heights = torch.minimum(heights, (widths / ratio[0]).round().long())
    box_widths = torch.minimum(widths, (heights * ratio[1]).round().long())
    return box_heights.clamp(min=1), box_widths.clamp(min=1)


def _tried_sides(
    area: Tensor, scale: Range, ratio: Range, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Heights and widths of boxes with a random share of `area` and a random width / height."""
    share = uniform(len(area), *scale, generator)
    shape = uniform(len(area), log(ratio[0]), log(ratio[1]), generator).exp()
    tried_heights = (area * share / shape).sqrt().round().long()
    return tried_heights, (area * share * shape).sqrt().round().long()


def _half(room: Tensor) -> Tensor:
    """Half of each, halves of pixels rounded as torchvision's CenterCrop does."""
    return (room / 2).round().long()
