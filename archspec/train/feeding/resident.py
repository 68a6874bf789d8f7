"""Pictures that lie on an accelerator, and what a plan shows of them, gathered there."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archspec.train.data.pictures import Pictures
from archspec.train.feeding.affine import fineness, sampling_maps
from archspec.train.feeding.boxes import Size
from archspec.train.feeding.plan import Plan


@dataclass(frozen=True)
class DevicePictures:
    """Pictures whose pixels lie on an accelerator; the fields are those of Pictures.

    What is shown is the same as on a CPU, up to rounding. All pictures are worked off at once,
    where a kernel launch costs more than arithmetic: output pixels gather what they are made of
    from the flat buffer.
    """

    pixels: Tensor
    offsets: Tensor
    heights: Tensor
    widths: Tensor
    channels: int

    def shown(self, plan: Plan, size: Size) -> Tensor:
        """What the plan shows, in the size of the input: bytes [N, C, H, W]."""
        return self.sampled(plan, size) if plan.is_moved else self.cut_out(plan, size)

    def cut_out(self, plan: Plan, size: Size) -> Tensor:
        """The boxes of a plan, resized to `size` and mirrored."""
        # How many pixels a pixel is made of is asked on the CPU: the device is not waited for.
        counts = [_num_taps(plan.boxes[:, 2 + axis], size[axis]) for axis in range(2)]
        tops, lefts, heights, widths = self._moved(plan.boxes).unbind(1)
        rows, down = _taps(tops, heights, size[0], counts[0])
        columns, right = _taps(lefts, widths, size[1], counts[1])
        mirrored = self._moved(plan.mirrored).view(-1, 1, 1)
        columns = torch.where(mirrored, columns.flip(1), columns)
        right = torch.where(mirrored, right.flip(1), right)

        places = self._moved(plan.places)
        shown = torch.zeros(len(plan), *size, self.channels, device=self.pixels.device)
        for j in range(counts[0]):
            row = torch.zeros_like(shown)
            for i in range(counts[1]):
                there = self._at(places, rows[:, :, j].unsqueeze(2), columns[:, :, i].unsqueeze(1))
                row += there * right[:, :, i].view(-1, 1, size[1], 1)
            shown += row * down[:, :, j].view(-1, size[0], 1, 1)
        return _as_bytes(shown)

    def sampled(self, plan: Plan, size: Size) -> Tensor:
        """The pictures at the places that their affine maps give for the input."""
        maps = sampling_maps(plan, size)
        fine = fineness(maps)
        shown = torch.empty(len(plan), *size, self.channels, device=self.pixels.device)
        for number in sorted(set(fine.tolist())):
            chosen = (fine == number).nonzero().squeeze(1)
            places, those = self._moved(plan.places[chosen]), self._moved(maps[chosen])
            shown[self._moved(chosen)] = self._sampled(places, those, size, number)
        return _as_bytes(shown)

    def _sampled(self, places: Tensor, maps: Tensor, size: Size, fine: int) -> Tensor:
        """Means of `fine` × `fine` bilinear samples a pixel: [N, H, W, C]."""
        total = torch.zeros(len(places), *size, self.channels, device=self.pixels.device)
        y, x = (torch.arange(side, device=maps.device, dtype=maps.dtype) for side in size)
        for step in range(fine * fine):
            right, down = (step % fine + 0.5) / fine, (step // fine + 0.5) / fine
            across = maps[:, :, 0].view(-1, 2, 1, 1) * (x + right)
            along = maps[:, :, 1].view(-1, 2, 1, 1) * (y + down).unsqueeze(1)
            xs, ys = (across + along + maps[:, :, 2].view(-1, 2, 1, 1) - 0.5).unbind(1)
            total += self._blended(places, ys, xs)
        return total / (fine * fine)

    def _blended(self, places: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
        """The pixels around each place [N, H, W], reflected at the edges and blended."""
        above, before = ys.floor(), xs.floor()
        down, right = ((ys - above).float().unsqueeze(3), (xs - before).float().unsqueeze(3))
        heights = self.heights[places].view(-1, 1, 1)
        widths = self.widths[places].view(-1, 1, 1)
        rows = [_reflected(above.long() + i, heights) for i in range(2)]
        columns = [_reflected(before.long() + i, widths) for i in range(2)]
        upper, lower = (
            self._at(places, row, columns[0]).lerp(self._at(places, row, columns[1]), right)
            for row in rows
        )
        return upper.lerp(lower, down)

    def _at(self, places: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The pixels at rows and columns that broadcast to [N, H, W], as numbers [N, H, W, C]."""
        origins = (self.offsets[places] // self.channels).view(-1, 1, 1)
        strides = self.widths[places].view(-1, 1, 1)
        pixels = self.pixels.view(-1, self.channels)
        return pixels[origins + rows * strides + columns].float()

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.pixels.device, non_blocking=True)


def on_device(pictures: Pictures, device: torch.device) -> DevicePictures:
    """A copy of the pictures on `device`."""

    def moved(array: NDArray[np.uint8] | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(device)

    return DevicePictures(
        moved(pictures.pixels),
        moved(pictures.offsets),
        moved(pictures.heights),
        moved(pictures.widths),
        pictures.channels,
    )


def _num_taps(lengths: Tensor, number: int) -> int:
    """How many pixels, at most, one of `number` samples spread over each length is made of."""
    return ceil(2 * max(1.0, float(lengths.max()) / number)) if len(lengths) else 0


def _taps(begin: Tensor, length: Tensor, number: int, count: int) -> tuple[Tensor, Tensor]:
    """For `number` samples spread over each span: `count` pixels and their weights [N, number, …].

    Weights fall linearly to 0 at the distance of a pixel, or of a sample where those are farther
    apart: PyTorch's bilinear interpolation with antialiasing. Nothing outside the span counts.
    """
    steps = torch.arange(number, device=begin.device) + 0.5
    length = length.view(-1, 1, 1)
    scale = length / number
    reach = scale.clamp(min=1)
    middle = steps.view(1, -1, 1) * scale
    first = (middle - reach + 0.5).floor().clamp(min=0)
    pixels = first + torch.arange(count, device=begin.device)
    weights = (1 - (pixels + 0.5 - middle).abs() / reach).clamp(min=0) * (pixels < length)
    inside = torch.minimum(pixels.long(), length - 1)
    return begin.view(-1, 1, 1) + inside, weights / weights.sum(dim=2, keepdim=True)


def _reflected(at: Tensor, length: Tensor) -> Tensor:
    """Whole numbers as places in 0 … length − 1: before 0 1 2 … come … 2 1 0."""
    folded = at % (2 * length)
    return torch.minimum(folded, 2 * length - 1 - folded)


def _as_bytes(shown: Tensor) -> Tensor:
    return shown.round_().byte().permute(0, 3, 1, 2)
