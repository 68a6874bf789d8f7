"""What an epoch shows: which pictures in which order, and what is cut out of each.

A plan is a pure function of the seed, the epoch and the pictures' sizes. So a run that stops
anywhere can go on as if it had not, and workers can take parts of a plan without talking.
"""

from dataclasses import dataclass
from hashlib import sha256
from math import log

import torch
from torch import Tensor

from archspec.train.decode import CENTRE_FRACTION
from archspec.train.pictures import Pictures

SCALE = (0.08, 1.0)  # the share of a picture's area, as torchvision's RandomResizedCrop
RATIO = (3 / 4, 4 / 3)  # width / height of a crop
ATTEMPTS = 10  # after which the crop is the largest central one of an allowed ratio


@dataclass(frozen=True)
class Plan:
    """For each picture shown: its place, its box and whether it is mirrored.

    `places` [N]; `boxes` [N, 4] as top, left, height, width in pixels of the stored picture;
    `mirrored` [N], truth values.
    """

    places: Tensor
    boxes: Tensor
    mirrored: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def part(self, begin: int, end: int) -> "Plan":
        """The pictures from `begin` up to `end`."""
        chosen = slice(begin, end)
        return Plan(self.places[chosen], self.boxes[chosen], self.mirrored[chosen])


def derive_seed(*parts: object) -> int:
    """A seed of 63 bits that is another one for every sequence of parts."""
    digest = sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def training_plan(
    pictures: Pictures,
    places: Tensor,
    input_size: tuple[int, int],
    *,
    seed: int,
    epoch: int,
    augment: bool = True,
) -> Plan:
    """A random order of `places`; random resized crops, every other one mirrored, if `augment`."""
    generator = torch.Generator().manual_seed(derive_seed("plan", seed, epoch))
    places = places[torch.randperm(len(places), generator=generator)]
    if not augment:
        return centre_plan(pictures, places, input_size)
    heights, widths = _sizes(pictures, places)
    boxes = random_resized_boxes(heights, widths, generator)
    mirrored = torch.rand(len(places), generator=generator) < 0.5
    return Plan(places, boxes, mirrored)


def centre_plan(pictures: Pictures, places: Tensor, input_size: tuple[int, int]) -> Plan:
    """`places` in their order, each cut to its centre: 7/8 of what fits, as for evaluation."""
    heights, widths = _sizes(pictures, places)
    height, width = input_size
    scale = torch.minimum(heights / height, widths / width) * CENTRE_FRACTION
    # At the stored size the box is the input itself, and cutting it out needs no resampling.
    box_heights = (height * scale).round().long().clamp(min=1)
    box_widths = (width * scale).round().long().clamp(min=1)
    tops, lefts = (heights - box_heights) // 2, (widths - box_widths) // 2
    boxes = torch.stack([tops, lefts, box_heights, box_widths], dim=1)
    return Plan(places, boxes, torch.zeros(len(places), dtype=torch.bool))


def random_resized_boxes(
    heights: Tensor,
    widths: Tensor,
    generator: torch.Generator,
    scale: tuple[float, float] = SCALE,
    ratio: tuple[float, float] = RATIO,
) -> Tensor:
    """A random box [N, 4] (top, left, height, width) in each picture of these sizes [N].

    The area's share is uniform in `scale`, the logarithm of width / height uniform in `ratio`'s;
    the distribution is that of torchvision's RandomResizedCrop, drawn for all pictures at once.
    """
    box_heights, box_widths = _largest_boxes(heights, widths, ratio)
    waiting = torch.ones(len(heights), dtype=torch.bool)
    for _ in range(ATTEMPTS):
        share = _uniform(len(heights), *scale, generator)
        shape = _uniform(len(heights), log(ratio[0]), log(ratio[1]), generator).exp()
        area = heights * widths * share
        tried_heights = (area / shape).sqrt().round().long()
        tried_widths = (area * shape).sqrt().round().long()
        fits = (tried_heights <= heights) & (tried_widths <= widths)
        taken = waiting & fits & (tried_heights > 0) & (tried_widths > 0)
        box_heights = torch.where(taken, tried_heights, box_heights)
        box_widths = torch.where(taken, tried_widths, box_widths)
        waiting &= ~taken
    tops = _offsets(heights - box_heights, generator)
    lefts = _offsets(widths - box_widths, generator)
    tops = torch.where(waiting, (heights - box_heights) // 2, tops)
    lefts = torch.where(waiting, (widths - box_widths) // 2, lefts)
    return torch.stack([tops, lefts, box_heights, box_widths], dim=1)


def _largest_boxes(
    heights: Tensor, widths: Tensor, ratio: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Heights and widths of the largest boxes whose width / height lies in `ratio`."""
    box_heights = torch.minimum(heights, (widths / ratio[0]).round().long())
    box_widths = torch.minimum(widths, (heights * ratio[1]).round().long())
    return box_heights.clamp(min=1), box_widths.clamp(min=1)


def _uniform(number: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(number, generator=generator, dtype=torch.float64) * (high - low) + low


def _offsets(room: Tensor, generator: torch.Generator) -> Tensor:
    """Whole numbers uniform in 0 … room, for each element of `room`."""
    unit = torch.rand(len(room), generator=generator, dtype=torch.float64)
    return (unit * (room + 1)).long()


def _sizes(pictures: Pictures, places: Tensor) -> tuple[Tensor, Tensor]:
    heights = torch.from_numpy(pictures.heights)[places]
    return heights, torch.from_numpy(pictures.widths)[places]
