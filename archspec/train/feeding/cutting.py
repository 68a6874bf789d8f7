"""One picture on a CPU: the part that a plan shows of it, in the network's input size."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.train.data.pictures import Image, Pictures
from archspec.train.feeding.affine import fineness, sampling_maps
from archspec.train.feeding.boxes import Size
from archspec.train.feeding.plan import Plan


def cut_out(picture: Image, box: Sequence[int], size: Size, *, mirror: bool) -> Image:
    """The `box` (top, left, height, width) of a picture, resized to `size` = (height, width).

    Bilinear with antialiasing, as torchvision's `resized_crop`.
    """
    top, left, height, width = box
    crop = np.ascontiguousarray(picture[top : top + height, left : left + width])
    # As a batch of one with channels last, in its strides too, torch resizes bytes 4 × faster.
    tensor = torch.from_numpy(crop.reshape(1, *crop.shape)).permute(0, 3, 1, 2)
    if (height, width) != size:
        tensor = F.interpolate(tensor, size, mode="bilinear", align_corners=False, antialias=True)
    if mirror:
        tensor = tensor.flip(3)
    return tensor[0].permute(1, 2, 0).numpy()


def sample(picture: Image, mapped: Sequence[Sequence[float]], size: Size, fine: int) -> Image:
    """The picture at the places that an affine map (see `sampling_maps`) gives for the input.

    Bilinear; each pixel is the mean of `fine` × `fine` samples.
    """
    reached = [
        _reached(row, size, length)
        for row, length in zip(mapped, (picture.shape[1], picture.shape[0]), strict=True)
    ]
    (left, right), (top, bottom) = reached
    region = torch.from_numpy(np.ascontiguousarray(picture[top:bottom, left:right]))
    grid = torch.stack(
        [
            _along(row, begin, end - begin, size, fine)
            for row, (begin, end) in zip(mapped, reached, strict=True)
        ],
        dim=2,
    )
    pixels = region.permute(2, 0, 1).contiguous().float().unsqueeze(0)
    sampled = F.grid_sample(
        pixels, grid.unsqueeze(0), mode="bilinear", padding_mode="reflection", align_corners=False
    )
    if fine > 1:
        sampled = F.avg_pool2d(sampled, fine)
    return sampled[0].round_().byte().permute(1, 2, 0).numpy()


def _reached(row: Sequence[float], size: Size, length: int) -> tuple[int, int]:
    """The part of a picture's side that a map reaches, with what is reflected into it.

    Less has to become numbers then; the reflection at its ends is that at the picture's.
    """
    across, down, offset = row
    corners = [offset + x * across + y * down for x in (0, size[1]) for y in (0, size[0])]
    low, high = int(min(corners)) - 2, int(max(corners)) + 2
    return max(0, min(low, 2 * length - high)), min(length, max(high, -low))


def _along(row: Sequence[float], begin: int, length: int, size: Size, fine: int) -> Tensor:
    """One coordinate of all samples [H, W], from −1 to 1 over the `length` pixels from `begin`."""
    across, down, offset = row
    x = (torch.arange(size[1] * fine, dtype=torch.float64) + 0.5) * (across / fine)
    y = (torch.arange(size[0] * fine, dtype=torch.float64) + 0.5) * (down / fine)
    scale = 2 / length
    xs, ys = (x * scale).float(), ((y + (offset - begin)) * scale - 1).float()
    return xs + ys.unsqueeze(1)


class Cutter:
    """What a plan shows of each picture, one by one; `Cutter(…)(i)` is the plan's row i."""

    def __init__(self, pictures: Pictures, plan: Plan, size: Size) -> None:
        self.pictures, self.size = pictures, size
        self.places = plan.places.tolist()
        self.boxes, self.mirrored = plan.boxes.tolist(), plan.mirrored.tolist()
        self.maps: list[list[list[float]]] | None = None
        if plan.is_moved:
            maps = sampling_maps(plan, size)
            self.maps, self.fine = maps.tolist(), fineness(maps).tolist()

    def __call__(self, row: int) -> Image:
        picture = self.pictures[self.places[row]]
        if self.maps is None:
            return cut_out(picture, self.boxes[row], self.size, mirror=self.mirrored[row])
        return sample(picture, self.maps[row], self.size, self.fine[row])
