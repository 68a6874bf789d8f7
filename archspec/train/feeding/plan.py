"""What an epoch shows: which pictures in which order, and everything that is done to each.

A plan is a pure function of the seed, the epoch and the pictures' sizes. So a run that stops
anywhere can go on as if it had not, and workers can take parts of a plan without talking.
"""

from dataclasses import dataclass, fields
from hashlib import sha256

import torch
from torch import Tensor

from archspec.train.data.decode import CENTRE_FRACTION
from archspec.train.data.pictures import Pictures
from archspec.train.feeding.boxes import (
    Size,
    centre_boxes,
    corner_boxes,
    erased_boxes,
    largest_scale,
    random_resized_boxes,
    scale_of_short_side,
    scaled_boxes,
    uniform,
)
from archspec.train.feeding.mixing import draw_mixing
from archspec.train.recipe import Augment, CentreCrop, RandomResizedCrop, ScaledCrop, TestCrops


@dataclass(frozen=True)
class Plan:
    """A row for each picture shown; what nobody asked for is None.

    `places` [N] of the pictures; `boxes` [N, 4] as top, left, height, width in pixels of the
    stored picture; `mirrored` [N], truth values. Of the crop: `rotations` [N] in degrees, counter-
    clockwise, `shifts` [N, 2] to the right and down in shares of its sides, `stretches` [N, 2] of
    its width and height, as factors. Of colours: `factors` [N, 3] of brightness, contrast and
    saturation, `hues` [N] in full turns, `alphas` [N, 3] of AlexNet's noise. `erased` [N, 4] are
    boxes in the input, without a size for most. A batch that begins at a row is mixed by that
    row's `weights` [N], the share λ that a picture keeps, and `pasted` [N, 4], a box in the input
    that comes from its partner; where it has no size, λ blends all pixels.
    """

    places: Tensor
    boxes: Tensor
    mirrored: Tensor
    rotations: Tensor | None = None
    shifts: Tensor | None = None
    stretches: Tensor | None = None
    factors: Tensor | None = None
    hues: Tensor | None = None
    alphas: Tensor | None = None
    erased: Tensor | None = None
    weights: Tensor | None = None
    pasted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def is_moved(self) -> bool:
        """Whether crops are rotated, shifted or stretched."""
        return any(move is not None for move in (self.rotations, self.shifts, self.stretches))

    @property
    def is_coloured(self) -> bool:
        """Whether colours are changed other than by adding noise."""
        return self.factors is not None or self.hues is not None

    def part(self, begin: int, end: int) -> "Plan":
        """The pictures from `begin` up to `end`."""
        return self._taken(slice(begin, end))

    def rows(self, chosen: Tensor) -> "Plan":
        """The pictures at the rows `chosen`, in that order."""
        return self._taken(chosen)

    def _taken(self, chosen: "slice | Tensor") -> "Plan":
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return Plan(
            **{name: column[chosen] for name, column in columns.items() if column is not None}
        )


def derive_seed(*parts: object) -> int:
    """A seed of 63 bits that is another one for every sequence of parts."""
    digest = sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def training_plan(
    pictures: Pictures,
    places: Tensor,
    input_size: Size,
    *,
    seed: int,
    epoch: int,
    augment: Augment,
) -> Plan:
    """A random order of `places` and everything random that `augment` asks for.

    Each column has a generator of its own, so what is drawn for one does not depend on whether
    another is asked for.
    """

    def seed_of(column: str) -> int:
        return derive_seed("plan", column, seed, epoch)

    def drawn(column: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(column))

    number = len(places)
    places = places[torch.randperm(number, generator=drawn("places"))]
    weights, pasted = draw_mixing(number, input_size, augment.mixup, augment.cutmix, seed_of)
    return Plan(
        places,
        _crops(augment, pictures, places, input_size, drawn("boxes")),
        uniform(number, 0, 1, drawn("mirrored")) < augment.mirror,
        rotations=_around(0, augment.rotation, number, drawn("rotations")),
        shifts=_pairs(0, augment.shift, number, drawn("shifts")),
        stretches=_pairs(1, augment.stretch, number, drawn("stretches")),
        factors=_factors(augment, number, [drawn(name) for name in FACTORS]),
        hues=_around(0, augment.hue, number, drawn("hues")),
        alphas=_normal(augment.pca, number, drawn("alphas")),
        erased=_erased(augment.erase, number, input_size, drawn("erased")),
        weights=weights,
        pasted=pasted,
    )


def evaluation_plan(pictures: Pictures, places: Tensor, input_size: Size, crops: TestCrops) -> Plan:
    """`places` in their order, each with its `num_crops(crops)` crops in a row.

    The ten of a scale are those of torchvision's TenCrop: the corners and the centre, then these
    mirrored. AlexNet's (Krizhevsky et al. 2012) are the ten of the scale 8/7, 224 of 256.
    """
    heights, widths = _sizes(pictures, places)
    if crops.name == "centre":
        return centre_plan(pictures, places, input_size)
    scales = [largest_scale(heights, widths, input_size) * CENTRE_FRACTION]
    if crops.name == "scales":
        scales = [scale_of_short_side(heights, widths, input_size, s) for s in crops.short_sides]
    fives = [corner_boxes(heights, widths, input_size, scale) for scale in scales]
    boxes = torch.cat([five for five in fives for _ in range(2)], dim=1)
    mirrored = torch.tensor([False] * 5 + [True] * 5).repeat(len(places) * len(scales))
    return Plan(places.repeat_interleave(boxes.shape[1]), boxes.reshape(-1, 4), mirrored)


def num_crops(crops: TestCrops) -> int:
    """How many crops are taken of each picture."""
    return {"centre": 1, "ten": 10, "scales": 10 * len(crops.short_sides)}[crops.name]


def centre_plan(pictures: Pictures, places: Tensor, input_size: Size) -> Plan:
    """`places` in their order, each cut to its centre: 7/8 of what fits, as for evaluation."""
    boxes = centre_boxes(*_sizes(pictures, places), input_size)
    return Plan(places, boxes, torch.zeros(len(places), dtype=torch.bool))


FACTORS = ("brightness", "contrast", "saturation")


def _crops(
    augment: Augment,
    pictures: Pictures,
    places: Tensor,
    input_size: Size,
    generator: torch.Generator,
) -> Tensor:
    heights, widths = _sizes(pictures, places)
    match augment.crop:
        case RandomResizedCrop(scale=scale, ratio=ratio):
            return random_resized_boxes(heights, widths, generator, scale, ratio)
        case ScaledCrop(short_side=short_side):
            return scaled_boxes(heights, widths, input_size, short_side, generator)
        case CentreCrop():
            return centre_boxes(heights, widths, input_size)


def _around(middle: float, reach: float, number: int, generator: torch.Generator) -> Tensor | None:
    """Values [N] uniform in `middle` ± `reach`; None for a reach of 0."""
    return uniform(number, middle - reach, middle + reach, generator) if reach else None


def _pairs(middle: float, reach: float, number: int, generator: torch.Generator) -> Tensor | None:
    values = _around(middle, reach, 2 * number, generator)
    return None if values is None else values.view(number, 2)


def _factors(augment: Augment, number: int, generators: list[torch.Generator]) -> Tensor | None:
    """Factors [N, 3], each as if it were the only one; 1 where it is not asked for."""
    reaches = [getattr(augment, name) for name in FACTORS]
    if not any(reaches):
        return None
    drawn = zip(reaches, generators, strict=True)
    columns = [uniform(number, 1 - reach, 1 + reach, generator) for reach, generator in drawn]
    return torch.stack(columns, dim=1)


def _normal(deviation: float, number: int, generator: torch.Generator) -> Tensor | None:
    if not deviation:
        return None
    return torch.randn(number, 3, generator=generator, dtype=torch.float64) * deviation


def _erased(
    probability: float, number: int, input_size: Size, generator: torch.Generator
) -> Tensor | None:
    return erased_boxes(number, input_size, probability, generator) if probability else None


def _sizes(pictures: Pictures, places: Tensor) -> tuple[Tensor, Tensor]:
    heights = torch.from_numpy(pictures.heights)[places]
    return heights, torch.from_numpy(pictures.widths)[places]
