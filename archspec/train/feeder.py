"""From a plan to batches: cut out, resized, mirrored and normalised, on the network's device."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.train.pictures import Image, Pictures
from archspec.train.plan import Plan

Bounds = tuple[int, int]
MEAN, STD = 0.5, 0.5  # of pixels in 0 … 1, for every channel: the input is in −1 … 1
MAX_WORKERS = 8  # more threads than this only wait for Python's lock


def cut_out(picture: Image, box: Sequence[int], size: tuple[int, int], *, mirror: bool) -> Image:
    """The `box` (top, left, height, width) of a picture, resized to `size` = (height, width).

    Bilinear without antialiasing, as torchvision's `resized_crop(..., antialias=False)`: pictures
    are stored little larger than the input, so a crop hardly ever shrinks.
    """
    top, left, height, width = box
    crop = np.ascontiguousarray(picture[top : top + height, left : left + width])
    # As a batch of one with channels last, in its strides too, torch resizes bytes 4 × faster.
    tensor = torch.from_numpy(crop.reshape(1, *crop.shape)).permute(0, 3, 1, 2)
    if (height, width) != size:
        tensor = F.interpolate(tensor, size, mode="bilinear", align_corners=False)
    if mirror:
        tensor = tensor.flip(3)
    return tensor[0].permute(1, 2, 0).numpy()


@dataclass(frozen=True)
class DevicePictures:
    """Pictures whose pixels lie on an accelerator; the fields are those of Pictures."""

    pixels: Tensor
    offsets: Tensor
    widths: Tensor
    channels: int

    def cut_out(self, plan: Plan, size: tuple[int, int]) -> Tensor:
        """The boxes of a plan, resized to `size` and mirrored: float [N, C, H, W] in 0 … 255.

        All pictures at once, where a kernel launch costs more than arithmetic: for every output
        pixel its four neighbours are gathered from the flat buffer and blended. The same function
        as `cut_out` above, without its rounding to whole numbers.
        """
        device = self.pixels.device
        places, mirrored = plan.places.to(device), plan.mirrored.to(device)
        boxes = plan.boxes.to(device)
        tops, lefts, heights, widths = boxes.unbind(1)
        above, below, down = _neighbours(tops, heights, size[0])
        before, after, right = _neighbours(lefts, widths, size[1])
        flip = mirrored.unsqueeze(1)
        before, after, right = (
            torch.where(flip, columns.flip(1), columns) for columns in (before, after, right)
        )

        origins = self.offsets[places].view(-1, 1, 1)
        strides = self.widths[places].view(-1, 1, 1)
        pixels = self.pixels.view(-1, self.channels)

        def row(ys: Tensor) -> Tensor:
            starts = origins // self.channels + ys.unsqueeze(2) * strides
            first = pixels[starts + before.unsqueeze(1)].float()
            second = pixels[starts + after.unsqueeze(1)].float()
            return first.lerp(second, right.view(-1, 1, size[1], 1))

        blended = row(above).lerp(row(below), down.view(-1, size[0], 1, 1))
        return blended.permute(0, 3, 1, 2)


def _neighbours(begin: Tensor, length: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """For `number` samples spread over each span: the pixels around each and its way between them.

    Pixel centres lie at half coordinates, and nothing outside the span is touched.
    """
    steps = torch.arange(number, device=begin.device) + 0.5
    at = (steps * (length.unsqueeze(1) / number) - 0.5).clamp(min=0)
    low = at.long()
    high = torch.minimum(low + 1, length.unsqueeze(1) - 1)
    begin = begin.unsqueeze(1)
    return begin + low, begin + high, at - low


class Feeder:
    """Batches for one device: `images` [N, C, H, W] in −1 … 1 and `labels` [N].

    On a CPU the threads that will compute the step cut the batch out first; nothing is gained by
    doing both at once on busy cores. On an accelerator the pictures lie there, if they take less
    than half of its free memory; else threads cut out the next batch during the step.
    """

    def __init__(
        self,
        pictures: Pictures,
        labels: Sequence[int],
        input_size: tuple[int, int],
        device: torch.device,
    ) -> None:
        self.pictures = pictures
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.input_size = input_size
        self.device = device
        self.resident = _resident(pictures, device)
        self.num_workers = min(MAX_WORKERS, torch.get_num_threads())
        self._pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="cut-out")

    def batches(self, plan: Plan, bounds: Iterable[Bounds]) -> Iterator[tuple[Tensor, Tensor]]:
        """The parts of the plan from begin to end of each of `bounds`, one batch a part."""
        parts = [plan.part(*bound) for bound in bounds]
        if self.resident is not None:
            for part in parts:
                images = self.resident.cut_out(part, self.input_size)
                yield self._normalised(images), self._labels(part)
            return
        ahead = self.device.type != "cpu"
        started = None
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            current = started or self._start(part)
            started = self._start(following) if following and ahead else None
            yield self._finish(part, *current)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self, plan: Plan) -> tuple[Tensor, list[Future[None]]]:
        """Begin to fill a buffer [N, H, W, C] with the plan's cut-outs, a share a thread."""
        shape = (len(plan), *self.input_size, self.pictures.channels)
        buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        places, boxes = plan.places.tolist(), plan.boxes.tolist()
        mirrored, out = plan.mirrored.tolist(), buffer.numpy()

        def fill(first: int) -> None:
            for i in range(first, len(out), self.num_workers):
                picture = self.pictures[places[i]]
                out[i] = cut_out(picture, boxes[i], self.input_size, mirror=mirrored[i])

        return buffer, [self._pool.submit(fill, first) for first in range(self.num_workers)]

    def _finish(
        self, plan: Plan, buffer: Tensor, shares: list[Future[None]]
    ) -> tuple[Tensor, Tensor]:
        for share in shares:
            share.result()
        images = buffer.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        return self._normalised(images), self._labels(plan)

    def _normalised(self, images: Tensor) -> Tensor:
        return images.float().sub_(255 * MEAN).div_(255 * STD)

    def _labels(self, plan: Plan) -> Tensor:
        return self.labels[plan.places].to(self.device, non_blocking=True)


def batch_bounds(number: int, batch_size: int) -> list[Bounds]:
    """Begin and end of every batch of `number` pictures; the last one may be smaller."""
    return [(begin, min(begin + batch_size, number)) for begin in range(0, number, batch_size)]


def training_bounds(number: int, batch_size: int) -> list[Bounds]:
    """As `batch_bounds`, but without a last batch of one picture: batch norm cannot train on it."""
    bounds = batch_bounds(number, batch_size)
    lonely = batch_size > 1 and len(bounds) > 1 and bounds[-1][0] == number - 1
    return bounds[:-1] if lonely else bounds


def _resident(pictures: Pictures, device: torch.device) -> DevicePictures | None:
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if pictures.num_bytes > free // 2:
        return None
    return on_device(pictures, device)


def on_device(pictures: Pictures, device: torch.device) -> DevicePictures:
    """A copy of the pictures on `device`."""

    def moved(array: NDArray[np.uint8] | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(device)

    offsets, widths = moved(pictures.offsets), moved(pictures.widths)
    return DevicePictures(moved(pictures.pixels), offsets, widths, pictures.channels)
