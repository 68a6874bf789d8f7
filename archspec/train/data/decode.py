"""Picture files to pixels: upright, in the network's channels, no larger than it needs."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TypeVar
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from archspec.train.data.pictures import Image
from archspec.train.errors import TrainError
from archspec.train.recipe import NO_AUGMENT, Augment, ScaledCrop, TestCrops

MODES = {1: "L", 3: "RGB"}  # channels → Pillow's mode
CENTRE_FRACTION = 7 / 8  # the centre crop's share of the short side: 224 of 256
AHEAD = 64  # pictures decoded before the first of them is fetched: bounds the memory
Result = TypeVar("Result")


@dataclass(frozen=True)
class BrokenPicture:
    """A file that could not be decoded, and why."""

    name: str
    reason: str


def stored_short_side(
    input_shape: tuple[int, int, int],
    augment: Augment = NO_AUGMENT,
    crops: TestCrops = TestCrops(),  # noqa: B008 - frozen
) -> int:
    """The short side, in pixels, at which pictures are kept for a network of this input (C, H, W).

    8/7 of the longer input side (256 for 224), so that the centre crop needs no resampling; more
    if a crop of training or testing is to be cut from a larger picture.
    """
    wanted = [ceil(max(input_shape[1:]) / CENTRE_FRACTION)]
    if isinstance(augment.crop, ScaledCrop):
        wanted.append(augment.crop.short_side[1])
    if crops.name == "scales":
        wanted.extend(crops.short_sides)
    return max(wanted)


def decode_picture(path: Path, short_side: int, channels: int) -> Image:
    """The picture at `path` as height × width × channels, its short side at most `short_side`.

    EXIF orientation is applied, transparency is laid on white, the aspect ratio is kept and
    nothing is enlarged. Raises whatever Pillow raises for a broken file (see `decode_or_blame`).
    """
    with PillowImage.open(path) as file:
        file.draft(MODES[channels], (short_side, short_side))  # a JPEG shrinks while it decodes
        upright = ImageOps.exif_transpose(file)
        picture = _opaque(upright).convert(MODES[channels])
        size = _reduced(picture.size, short_side)
        if size != picture.size:
            picture = picture.resize(size, PillowImage.Resampling.BICUBIC)
    return np.asarray(picture).reshape(picture.height, picture.width, channels)


def _reduced(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Width and height, reduced to this short side if it is longer."""
    scale = short_side / min(size)
    if scale >= 1:
        return size
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def decoded_bytes(path: Path, short_side: int, channels: int) -> int:
    """The bytes that `decode_picture` will give, from the file's head alone; 0 if it is broken."""
    try:
        with PillowImage.open(path) as file:
            file.draft(MODES[channels], (short_side, short_side))
            width, height = _reduced(file.size, short_side)  # turned or not: as many pixels
    except Exception:  # noqa: BLE001 - see `decode_or_blame`, which will tell
        return 0
    return width * height * channels


def _opaque(picture: PillowImage.Image) -> PillowImage.Image:
    if picture.mode.startswith("I;16"):  # 16 bits a pixel: Pillow would clip, not scale
        return PillowImage.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in {"F", "I"}:  # of any range
        return PillowImage.fromarray(_spread(np.asarray(picture, np.float64)))
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    white = PillowImage.new("RGBA", layer.size, "white")
    return PillowImage.alpha_composite(white, layer)


def _spread(values: NDArray[np.float64]) -> Image:
    """Values of any range as bytes: the least is black, the greatest white."""
    if not np.isfinite(values).all():
        raise ValueError("holds values that are not finite numbers")
    least, span = values.min(), np.ptp(values)
    if not span:
        return np.clip(values, 0, 255).astype(np.uint8)  # of one shade: nothing to spread
    spread: Image = ((values - least) * (255 / span)).round().astype(np.uint8)
    return spread


def decode_or_blame(path: Path, name: str, short_side: int, channels: int) -> Image | BrokenPicture:
    """The decoded picture, or the BrokenPicture that says why there is none."""
    try:
        return decode_picture(path, short_side, channels)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise anything on broken files
        return BrokenPicture(name, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that can be read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def decode_all(
    root: Path, names: Sequence[str], short_side: int, channels: int
) -> Iterator[Image | BrokenPicture]:
    """Decode the files `names` below `root` on all cores; yields in their order."""
    return _on_all_cores(
        lambda name: decode_or_blame(root / name, name, short_side, channels), names
    )


def measure_all(root: Path, names: Sequence[str], short_side: int, channels: int) -> Iterator[int]:
    """`decoded_bytes` of the files `names` below `root`, on all cores."""
    return _on_all_cores(lambda name: decoded_bytes(root / name, short_side, channels), names)


def _on_all_cores(work: Callable[[str], Result], names: Sequence[str]) -> Iterator[Result]:
    with catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        simplefilter("ignore")  # Pillow's remarks on odd but readable files
        for begin in range(0, len(names), AHEAD):
            yield from pool.map(work, names[begin : begin + AHEAD])


def read_picture(path: Path, short_side: int, channels: int) -> Image:
    """The picture at `path` (see `decode_picture`); raises TrainError when it is broken."""
    decoded = decode_or_blame(path, str(path), short_side, channels)
    if isinstance(decoded, BrokenPicture):
        raise TrainError(f"{decoded.name}: {decoded.reason}", exit_code=2)
    return decoded
