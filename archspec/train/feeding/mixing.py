"""Batches of mixed pictures: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from archspec.train.feeding.boxes import Size, uniform


def draw_mixing(
    number: int, size: Size, mixup: float, cutmix: float, seed_of: Callable[[str], int]
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """What a batch is mixed by, if it begins at one of `number` rows; None for two α of 0.

    The share λ [N] that a picture keeps, of a Beta(α, α) distribution with mixup's or cutmix's α,
    and the box [N, 4] that is pasted, without a size for mixup. With both, either is as likely.
    """
    if not mixup and not cutmix:
        return None, None
    weights = torch.ones(number, dtype=torch.float64)
    pasted = torch.zeros(number, 4, dtype=torch.int64)
    if mixup:
        weights = _beta(mixup, number, seed_of("mixup"))
    if not cutmix:
        return weights, pasted
    boxes = pasted_boxes(_beta(cutmix, number, seed_of("cutmix")), size, seed_of("pasted"))
    generator = torch.Generator().manual_seed(seed_of("mixing"))
    is_pasted = uniform(number, 0, 1, generator) < (0.5 if mixup else 1)
    # A box that reaches over the edge is cut, so λ is what is left of the picture in truth.
    kept = 1 - boxes[:, 2] * boxes[:, 3] / (size[0] * size[1])
    weights = torch.where(is_pasted, kept.double(), weights)
    return weights, torch.where(is_pasted.unsqueeze(1), boxes, pasted)


def _beta(alpha: float, number: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, number))


def pasted_boxes(shares: Tensor, size: Size, seed: int) -> Tensor:
    """A box [N, 4] of 1 − λ of the input's area for each λ of `shares`, cut where it reaches out.

    Its centre is uniform over the pixels, its shape the input's, as in the paper's algorithm 1.
    """
    generator = torch.Generator().manual_seed(seed)
    spans = []
    for side in size:
        middle = uniform(len(shares), 0, side, generator).floor()
        half = ((1 - shares).sqrt() * side / 2).floor()
        begin = (middle - half).clamp(min=0).long()
        spans.append((begin, (middle + half).clamp(max=side).long() - begin))
    (tops, heights), (lefts, widths) = spans
    return torch.stack([tops, lefts, heights, widths], dim=1)


def mix(images: Tensor, before: Tensor, weight: float, box: Sequence[int]) -> Tensor:
    """The `images` [N, C, H, W] mixed each with its partner in `before`, as a new tensor.

    The `box` is pasted from the partner; if it has no size, the sum is λ · own + (1 − λ) · other.
    """
    top, left, height, width = box
    if not height or not width:
        return images * weight + before * (1 - weight)
    mixed = images.clone()
    inside = (..., slice(top, top + height), slice(left, left + width))
    mixed[inside] = before[inside]
    return mixed


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """`images` [N, C, H, W] with the pixels in `boxes` [N, 4] set to 0, in place."""
    for image, (top, left, height, width) in zip(images, boxes.tolist(), strict=True):
        if height:
            image[:, top : top + height, left : left + width] = 0
    return images
