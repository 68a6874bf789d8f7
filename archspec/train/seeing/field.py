"""What one unit sees: its receptive field, and how much each pixel in it counts."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from math import nan

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor, nn

from archspec.analysis.receptive_field import ReceptiveField
from archspec.train.errors import TrainError
from archspec.train.seeing.colours import Numbers, overlaid
from archspec.train.seeing.drawing import (
    FAINT,
    GRID,
    INK,
    WHOLE_FROM,
    Box,
    Pen,
    fitted,
    magnified,
)
from archspec.train.seeing.layers import as_maps, run_to
from archspec.train.seeing.looking import Shown

Unit = tuple[int, int]
PANEL, MARGIN, HEAD, GAP = 440, 24, 84, 28
BEYOND = 0.35  # of the picture's size that is drawn around it at most
FRAME = (214, 32, 40)


@dataclass(frozen=True)
class UnitField:
    """The pixels from `top` up to `bottom` and `left` up to `right` (both outside) of one unit.

    Computed from a spec, it may reach beyond the picture, and the `stride` to the next unit's is
    known; `measured`, it is what lies inside of it.
    """

    top: int
    left: int
    bottom: int
    right: int
    stride: tuple[int, int] | None = None
    measured: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def within(self, height: int, width: int) -> "UnitField":
        """The part of it that lies inside a picture of this size."""
        rows = (max(self.top, 0), min(self.bottom, height))
        columns = (max(self.left, 0), min(self.right, width))
        return UnitField(rows[0], columns[0], rows[1], columns[1], self.stride, self.measured)


def computed_field(field: ReceptiveField, unit: Unit) -> UnitField | None:
    """The field of the unit (y, x), of the phase that it is; None if it sees nothing."""
    rows, columns = (axis.of(u) for axis, u in zip(field, unit, strict=True))
    if rows is None or columns is None:
        return None
    below, beside = (axis.of(u + 1) for axis, u in zip(field, unit, strict=True))
    stride = below and beside and (below[0] - rows[0], beside[0] - columns[0])
    return UnitField(rows[0], columns[0], rows[1] + 1, columns[1] + 1, stride)


def measured_field(
    network: nn.Module, images: Tensor, layer: str, unit: Unit, *, channels_last: bool = False
) -> UnitField | None:
    """The pixels of the picture [1, C, H, W] that reach the unit; None if it sees only padding.

    Rows and columns are made NaN from each side of the picture, which every arithmetic hands on,
    whatever the weights: where the unit becomes NaN, its field begins. Found by halving, in
    float64 on the CPU: faster convolutions compute neighbours together and spread a NaN.
    """
    plain = deepcopy(network).cpu().double().to(memory_format=torch.contiguous_format)
    picture = images.detach().cpu().double().contiguous()

    def touched(inputs: Tensor) -> list[bool]:
        outputs = run_to(plain, inputs, layer)
        maps = [as_maps(one.unsqueeze(0), layer, channels_last=channels_last) for one in outputs]
        return [bool(m[:, unit[0], unit[1]].isnan().any()) for m in maps]

    with torch.no_grad():
        if not touched(torch.full_like(picture, nan))[0]:
            return None
        top, left, bottom, right = _halve(picture, touched)
    height, width = picture.shape[2:]
    return UnitField(top - 1, left - 1, height - bottom + 1, width - right + 1, measured=True)


def _halve(picture: Tensor, touched: Callable[[Tensor], list[bool]]) -> list[int]:
    """The fewest NaN rows or columns from each side (top, left, bottom, right) that it sees."""
    height, width = picture.shape[2:]
    sizes = (height, width, height, width)
    low, high = [0] * 4, list(sizes)
    while any(most - least > 1 for least, most in zip(low, high, strict=True)):
        middle = [(least + most) // 2 for least, most in zip(low, high, strict=True)]
        inputs = picture.repeat(4, 1, 1, 1)
        inputs[0, :, : middle[0]] = nan
        inputs[1, :, :, : middle[1]] = nan
        inputs[2, :, height - middle[2] :] = nan
        inputs[3, :, :, width - middle[3] :] = nan
        for side, told in enumerate(touched(inputs)):
            if high[side] - low[side] > 1:
                (high if told else low)[side] = middle[side]
    return high


def effective_field(
    network: nn.Module, images: Tensor, layer: str, unit: Unit, *, channels_last: bool = False
) -> Numbers:
    """How much each pixel counts for the unit [H, W]: |∂(sum over channels) / ∂pixel|, its sum 1.

    Of this picture, as the effective receptive field of Luo et al. (2016); all 0 where nothing of
    the unit is alive.
    """
    leaf = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        output = run_to(network, leaf.clone(), layer)  # a clone: the first step may be in place
        maps = as_maps(output, layer, channels_last=channels_last)
        (slope,) = torch.autograd.grad(maps[:, unit[0], unit[1]].sum(), leaf, allow_unused=True)
    if slope is None:
        raise TrainError(f"{layer} does not depend on the picture", exit_code=2)
    heat = slope[0].abs().sum(dim=0).double()
    return (heat / heat.sum().clamp(min=1e-30)).float().cpu().numpy()


def centre_unit(shape: tuple[int, ...]) -> Unit:
    """The middle of maps [.., H, W]."""
    return (shape[-2] // 2, shape[-1] // 2)


def describe_field(field: UnitField, height: int, width: int) -> list[str]:
    """Two lines or three on where a field lies, and how much of it outside of the picture."""
    (tall, wide), inside = field.size, field.within(height, width)
    how = " (measured)" if field.measured else ""
    where = f"rows {field.top} to {field.bottom - 1}, columns {field.left} to {field.right - 1}"
    lines = [f"sees {tall} x {wide} pixels{how}: {where}"]
    if field.stride is not None:
        down, across = field.stride
        step = str(down) if down == across else f"{down} x {across}"
        lines.append(f"the next unit's begins {step} pixels further")
    outside = 1 - max(inside.size[0], 0) * max(inside.size[1], 0) / (tall * wide)
    if inside.size == (height, width):
        lines.append("that is all of the picture")
    if outside > 0:
        sides = {
            "above": -field.top,
            "left": -field.left,
            "below": field.bottom - height,
            "right": field.right - width,
        }
        told = ", ".join(f"{n} {side}" for side, n in sides.items() if n > 0)
        lines.append(f"{outside:.0%} of it outside of the picture: {told}")
    return lines


def concentration(heat: Numbers, field: UnitField) -> float | None:
    """The share of a field's pixels, the weightiest, that make half of the heat; None if all 0."""
    inside = field.within(*heat.shape)
    values = np.sort(heat[inside.top : inside.bottom, inside.left : inside.right].ravel())[::-1]
    total = float(values.sum())
    if not total:
        return None
    return (int(np.searchsorted(np.cumsum(values), total / 2)) + 1) / len(values)


def draw_field(
    shown: Shown, field: UnitField, heat: Numbers, title: str, lines: list[str]
) -> PillowImage.Image:
    """The field as a frame on the picture, and the heat inside of it."""
    height, width = shown.pixels.shape[:2]
    around = _around(field, height, width)
    scale = magnified(height + 2 * around, width + 2 * around, PANEL, WHOLE_FROM)
    w, h = (width + 2 * around) * scale, (height + 2 * around) * scale
    pen = Pen(2 * MARGIN + 2 * w + GAP, HEAD + h + 18 + 19 * len(lines) + MARGIN)
    pen.text((MARGIN, 16), fitted(title, 18, 2 * w), 18)
    left, right = MARGIN, MARGIN + w + GAP
    pen.text((left, HEAD - 10), "receptive field", 13, FAINT, "ls")
    caption = "what counts for it: |gradient|"
    pen.text((right, HEAD - 10), fitted(caption, 13, w), 13, FAINT, "ls")
    heated = overlaid(shown.pixels, _shown_heat(heat))
    for x, pixels in ((left, shown.pixels), (right, heated)):
        pen.fill((x, HEAD, x + w, HEAD + h), GRID)
        corner = (x + around * scale, HEAD + around * scale)
        pen.picture((*corner, corner[0] + width * scale, corner[1] + height * scale), pixels)
        pen.frame(_drawn(field, corner, scale, (x, HEAD, x + w, HEAD + h)), FRAME, 2)
    for place, line in enumerate(lines):
        pen.text((MARGIN, HEAD + h + 16 + 19 * place), fitted(line, 13, 2 * w + GAP), 13, INK)
    return pen.finished()


def _around(field: UnitField, height: int, width: int) -> int:
    """How many pixels beyond the picture are drawn."""
    beyond = max(-field.top, -field.left, field.bottom - height, field.right - width, 0)
    return min(beyond, round(BEYOND * max(height, width)))


def _drawn(field: UnitField, corner: tuple[float, float], scale: float, panel: Box) -> Box:
    """Where the field's frame is drawn; what does not fit lies on the panel's edge."""
    x, y = corner
    return (
        max(x + field.left * scale, panel[0] + 2),
        max(y + field.top * scale, panel[1] + 2),
        min(x + field.right * scale, panel[2] - 2),
        min(y + field.bottom * scale, panel[3] - 2),
    )


def _shown_heat(heat: Numbers) -> Numbers:
    """Heat for the eye: by its root, from 0 to the 99.5th percentile of what is not 0."""
    alive = heat[heat > 0]
    if not len(alive):
        return heat
    shown: Numbers = np.sqrt(np.clip(heat / np.percentile(alive, 99.5), 0, 1))
    return shown
