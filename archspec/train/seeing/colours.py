"""Numbers as colours."""

import numpy as np
from numpy.typing import NDArray

from archspec.train.data.pictures import Image

Numbers = NDArray[np.float32]
Stops = tuple[tuple[int, int, int], ...]

# Colours at even distances, mixed linearly between. Each grows evenly lighter or darker, so that
# it also tells its order in grey: viridis and inferno are matplotlib's (Smith & van der Walt
# 2015), the others ColorBrewer's Blues, Oranges and RdBu (Brewer 2002).
VIRIDIS: Stops = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
    (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
)  # fmt: skip
INFERNO: Stops = (
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
    (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
)  # fmt: skip
BLUES: Stops = (
    (255, 255, 255), (222, 235, 247), (158, 202, 225), (107, 174, 214), (49, 130, 189), (8, 81, 156)
)  # fmt: skip
ORANGES: Stops = (
    (255, 255, 255), (254, 230, 206), (253, 190, 133), (253, 141, 60), (230, 85, 13), (166, 54, 3)
)  # fmt: skip
RED_BLUE: Stops = (
    (178, 24, 43), (214, 96, 77), (244, 165, 130), (253, 219, 199), (247, 247, 247),
    (209, 229, 240), (146, 197, 222), (67, 147, 195), (33, 102, 172),
)  # fmt: skip


def coloured(values: Numbers, stops: Stops) -> Image:
    """Values [..., H, W] in 0 … 1 as colours [..., H, W, 3]; what lies beyond is clipped."""
    table = np.asarray(stops, np.float32)
    at = np.clip(np.nan_to_num(values), 0, 1) * (len(table) - 1)
    low = np.minimum(at.astype(np.int64), len(table) - 2)
    part = (at - low)[..., np.newaxis]
    mixed = table[low] * (1 - part) + table[low + 1] * part
    colours: Image = mixed.round().astype(np.uint8)
    return colours


def spread(values: Numbers) -> Numbers:
    """Values [H, W] from their least, 0, to their greatest, 1; all 0 where they are all one."""
    least, greatest = float(values.min()), float(values.max())
    if greatest <= least:
        return np.zeros_like(values)
    return (values - least) / (greatest - least)


def signed(values: Numbers) -> Numbers:
    """Values around 0 as 0 … 1: 0 is 0.5, and what is farthest from 0 lies at an end."""
    farthest = float(np.abs(values).max()) or 1.0
    return values / (2 * farthest) + 0.5


def overlaid(picture: Image, heat: Numbers) -> Image:
    """Heat [H, W] in 0 … 1 as colour on the grey picture [H, W, 3]: the hotter, the less of it."""
    grey = picture.astype(np.float32).mean(axis=2, keepdims=True)
    cover = (0.25 + 0.6 * np.clip(heat, 0, 1))[..., np.newaxis]
    mixed = grey * (1 - cover) + coloured(heat, INFERNO).astype(np.float32) * cover
    colours: Image = mixed.round().astype(np.uint8)
    return colours
