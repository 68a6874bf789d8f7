"""What is known of the colours of a set of pictures, and how pixels are normalised."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import torch
from torch import Tensor

from archspec.train.data.pictures import Pictures
from archspec.train.errors import TrainError
from archspec.train.recipe import Normalize

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's and torchvision's grey
IMAGENET = Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
HALF = Normalize(mean=(0.5,), std=(0.5,))
NUM_PICTURES = 1 << 13  # that are measured, at most: those of a large set are decoded for it
NUM_PIXELS = 1 << 24  # that are measured, about
LEAST_STD = 1 / 255  # of pictures of one shade


@dataclass(frozen=True)
class Colours:
    """Of pixels in 0 … 1: `mean` and `std` [C], and the principal axes of their covariance.

    `axes` [C, C] has them as columns, longest first, `variances` [C] are the eigenvalues.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    axes: Tensor
    variances: Tensor


def measure_colours(
    pictures: Pictures,
    places: Sequence[int] | Tensor,
    *,
    num_pictures: int = NUM_PICTURES,
    num_pixels: int = NUM_PIXELS,
) -> Colours:
    """The colours of the pictures at `places`, over all of their pixels if these are not too many.

    Else over every n-th picture, so that at most `num_pictures` count, and in them over every n-th
    column of every n-th row, so that about `num_pixels` do. Sums are of whole numbers and exact.
    """
    chosen = [int(place) for place in places[:: ceil(len(places) / num_pictures)]]
    there = int((pictures.heights[chosen] * pictures.widths[chosen]).sum())
    step = max(1, int(sqrt(there / num_pixels)))
    number, total = 0, np.zeros(pictures.channels)
    products = np.zeros((pictures.channels, pictures.channels))
    for place in chosen:
        pixels = pictures[place][::step, ::step].reshape(-1, pictures.channels).astype(np.float64)
        number += len(pixels)
        total += pixels.sum(axis=0)
        products += pixels.T @ pixels
    mean = total / number / 255
    covariance = products / number / 255**2 - np.outer(mean, mean)
    variances, axes = np.linalg.eigh(covariance)  # shortest first
    axes = axes[:, ::-1] * np.sign(axes[np.abs(axes).argmax(axis=0), range(len(axes))])[::-1]
    std = np.sqrt(covariance.diagonal().clip(min=0)).clip(min=LEAST_STD)
    return Colours(
        tuple(mean.tolist()),
        tuple(std.tolist()),
        torch.from_numpy(axes.copy()),
        torch.from_numpy(variances[::-1].clip(min=0)),
    )


def resolve_normalize(
    wanted: str | Normalize, channels: int, colours: Colours | None = None
) -> Normalize:
    """What a recipe's `normalize` comes to for a network of so many channels.

    `colours` are those of the training pictures, for `dataset`. For one channel, three numbers are
    weighted as they are in its grey. Raises TrainError for numbers of another length.
    """
    if isinstance(wanted, Normalize):
        return _fitted(wanted, channels)
    if wanted == "dataset":
        assert colours is not None, "measure_colours first"
        return Normalize(mean=colours.mean, std=colours.std)
    return _fitted({"half": HALF, "imagenet": IMAGENET}[wanted], channels)


def _fitted(found: Normalize, channels: int) -> Normalize:
    mean, std = found.mean, found.std
    if len(mean) == len(std) == channels:
        return found
    if len(mean) == len(std) == 1:
        return Normalize(mean=mean * channels, std=std * channels)
    if len(mean) == len(std) == len(LUMA) and channels == 1:
        return Normalize(mean=(_luma(mean),), std=(_luma(std),))
    raise TrainError(
        f"normalize has {len(mean)} means and {len(std)} deviations for {channels} channels: "
        f"give {channels} of each",
        exit_code=2,
    )


def _luma(values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(LUMA, values, strict=True))
