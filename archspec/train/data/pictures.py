"""Decoded pictures: one flat buffer of bytes, every picture in its own size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # height × width × channels
Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Pictures:
    """Pictures one after another in `pixels`, each as height × width × channels.

    A random resized crop may reach any part of a picture, so none is cut or squeezed into a
    square; a flat buffer with offsets holds them without padding. `num_bytes` is the memory.
    Where `is_streamed`, nothing lies in `pixels`: pictures are decoded when they are asked for.
    """

    is_streamed: ClassVar[bool] = False

    pixels: Bytes
    offsets: Integers
    heights: Integers
    widths: Integers
    channels: int

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, index: int) -> Image:
        """The picture, height × width × channels: a view, or a copy of pixels mapped read-only."""
        begin, height, width = self.offsets[index], self.heights[index], self.widths[index]
        flat = self.pixels[begin : begin + height * width * self.channels]
        picture = flat.reshape(height, width, self.channels)
        return picture if picture.flags.writeable else np.array(picture)

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(len(self)))

    @property
    def num_bytes(self) -> int:
        """The memory (or, for a mapped file, the disk) that the pixels take."""
        return int(self.pixels.nbytes)


def locate(pixels: Bytes, heights: Iterable[int], widths: Iterable[int], channels: int) -> Pictures:
    """The pictures of these sizes that lie in `pixels` without gaps."""
    rows = np.asarray(list(heights), dtype=np.int64)
    columns = np.asarray(list(widths), dtype=np.int64)
    ends = np.cumsum(rows * columns * channels)
    offsets = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(ends) else ends
    return Pictures(pixels, offsets, rows, columns, channels)


def in_memory(images: Iterable[Image], channels: int) -> Pictures:
    """The `images` (height × width × channels each) as one buffer."""
    buffer = BytesIO()
    sizes = []
    for image in images:
        buffer.write(np.ascontiguousarray(image).data)
        sizes.append(image.shape[:2])
    pixels = np.frombuffer(buffer.getbuffer(), dtype=np.uint8)
    return locate(pixels, (h for h, _ in sizes), (w for _, w in sizes), channels)
