"""The one place where pictures are put before a trained network, to see what it makes of them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from archspec.train.data.dataset import Dataset
from archspec.train.data.pictures import Image, in_memory
from archspec.train.evaluation import Evaluation
from archspec.train.feeding.feeder import Feeder, batch_bounds
from archspec.train.feeding.plan import centre_plan
from archspec.train.recipe import TestCrops
from archspec.train.trained import TrainedRun, evaluate_run, looked_at, match_classes


@dataclass(frozen=True)
class Looked:
    """What a run made of each picture: `places` [N] in the dataset, `labels` [N] as the run's.

    `probabilities` [N, classes] are on the CPU; `evaluation` is what they come to.
    """

    places: Tensor
    labels: Tensor
    probabilities: Tensor
    evaluation: Evaluation


def look(
    run: TrainedRun,
    dataset: Dataset,
    device: torch.device,
    *,
    only_held_out: bool,
    crops: TestCrops | None = None,
) -> Looked:
    """Measure a run on all pictures of a dataset, or on those that it held out, one by one.

    `crops` are the run's own if None. Raises TrainError for unknown classes, missing pictures, or
    a loss that is not finite.
    """
    dataset = match_classes(dataset, run.config.classes)
    places = looked_at(run, dataset, only_held_out=only_held_out)
    result = evaluate_run(run, dataset, device, only_held_out=only_held_out, crops=crops, keep=True)
    assert result.probabilities is not None
    return Looked(places, torch.tensor(dataset.labels)[places], result.probabilities, result)


@dataclass(frozen=True)
class Shown:
    """A picture as a network sees it: `pixels` [H, W, 3] for people, `images` [1, C, H, W] for it.

    `images` lie on the network's device.
    """

    pixels: Image
    images: Tensor


def show_picture(run: TrainedRun, picture: Image, device: torch.device) -> Shown:
    """The part of a picture (height × width × channels) that the network is shown of it."""
    config = run.config
    pictures = in_memory([picture], config.source.input_shape[0])
    size = config.source.input_shape[1:]
    feeder = Feeder(pictures, [0], size, device, config.normalize)
    try:
        plan = centre_plan(pictures, torch.arange(1), size)
        (batch,) = feeder.batches(plan, batch_bounds(1, 1))
    finally:
        feeder.close()
    mean, std = (
        torch.tensor(values, device=device).view(-1, 1, 1)
        for values in (config.normalize.mean, config.normalize.std)
    )
    pixels = ((batch.images[0] * std + mean) * 255).round().clamp(0, 255).byte().cpu()
    return Shown(in_colour(pixels.permute(1, 2, 0).numpy()), batch.images)


def in_colour(picture: Image) -> Image:
    """A picture of one or three channels as height × width × 3."""
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))
