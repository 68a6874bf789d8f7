"""A finished or unfinished run, taken up again to look at pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor, nn

from archspec.train import run_folder
from archspec.train.assemble import place_network
from archspec.train.checkpoint import UNFIT, load_checkpoint, load_weights
from archspec.train.checkpoint_files import BEST, BEST_FILE, LAST, Checkpoint, candidates
from archspec.train.data.dataset import Dataset
from archspec.train.data.pictures import Image, in_memory
from archspec.train.errors import TrainError
from archspec.train.evaluation import Evaluation, evaluate, probabilities
from archspec.train.feeding.feeder import Feeder
from archspec.train.feeding.plan import evaluation_plan, num_crops
from archspec.train.outputs import Outputs, recognise
from archspec.train.recipe import TestCrops
from archspec.train.run import feeding
from archspec.train.run_folder import RunConfig, code_digest
from archspec.train.source import build_network, told_if_failing

BATCH_SIZE = 32


@dataclass(frozen=True)
class TrainedRun:
    """A run's network with its weights after `epoch` epochs; `held_out` are its val pictures."""

    config: RunConfig
    network: nn.Module
    outputs: Outputs
    epoch: int
    held_out: frozenset[str]


def load_run(folder: Path, device: torch.device, checkpoint: str = "best") -> TrainedRun:
    """The network of the run in `folder`, with its `best` or `last` weights.

    Raises TrainError when `folder` is not a run, or is incomplete or damaged.
    """
    config = run_folder.read_config(folder)
    held_out = run_folder.read_run_json(folder, run_folder.SPLIT).get("val", [])
    path = _path_of(folder, checkpoint)
    found = load_checkpoint(path, code_digest(config.source))
    epoch, weights = _measured(found, path)
    network = build_network(config.source, len(config.classes))
    with told_if_failing(config.source, "cannot be run"):
        outputs = recognise(network, config.source.input_shape)
    load_weights(network, weights, path)
    placed = place_network(network, device)
    return TrainedRun(config, placed, outputs, epoch, frozenset(held_out))


def _measured(found: Checkpoint, path: Path) -> tuple[int, Checkpoint]:
    """A checkpoint's epoch, and the weights that were measured in training: averages, if any."""
    try:
        average = found["average"]["tensors"] if "average" in found else {}
        return int(found["epoch"]), {"network": dict(found["network"]) | average}
    except UNFIT as error:
        raise TrainError(f"{path} does not fit the run's network: {error}", 2) from error


def _path_of(folder: Path, checkpoint: str) -> Path:
    if checkpoint == BEST:
        return folder / BEST_FILE
    return next(candidates(folder), folder / f"{LAST}.pt")


def match_classes(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The dataset with its labels in the order of a run's `classes`, matched by name.

    Raises TrainError for a class that the run does not know.
    """
    unknown = sorted(set(dataset.classes) - set(classes))
    if unknown:
        raise TrainError(
            f"{dataset.source} has a class {unknown[0]!r} that the run does not know: "
            f"it knows {', '.join(classes)}",
            exit_code=2,
        )
    place = [list(classes).index(name) for name in dataset.classes]
    labels = tuple(place[label] for label in dataset.labels)
    return replace(dataset, classes=tuple(classes), labels=labels)


def evaluate_run(
    run: TrainedRun,
    dataset: Dataset,
    device: torch.device,
    *,
    only_held_out: bool,
    crops: TestCrops | None = None,
    keep: bool = False,
) -> Evaluation:
    """Measure a run on all pictures of a dataset, or on those that it held out.

    `crops` are the recipe's own if None; with `keep` every picture's probabilities are kept, in the
    order of `looked_at`.
    """
    dataset = match_classes(dataset, run.config.classes)
    places = looked_at(run, dataset, only_held_out=only_held_out)
    crops = crops or run.config.recipe.test
    with feeding(dataset, run.config, device) as feeder:
        result = evaluate(
            run.network,
            run.outputs,
            feeder,
            evaluation_plan(dataset.pictures, places, feeder.input_size, crops),
            len(dataset.classes),
            BATCH_SIZE,
            crops=num_crops(crops),
            keep=keep,
        )
    if not isfinite(result.loss):
        raise TrainError(
            f"the loss on {dataset.source} is {result.loss}: the network has overflown"
        )
    return result


def looked_at(run: TrainedRun, dataset: Dataset, *, only_held_out: bool) -> Tensor:
    """The places of the pictures that an evaluation looks at, in its order."""
    if not only_held_out:
        return torch.arange(len(dataset.names))
    names = run.held_out
    missing = sorted(names - set(dataset.names))
    if missing:
        raise TrainError(
            f"{len(missing)} of the {len(names)} pictures held out are not in {dataset.source}, "
            f"first {missing[0]}",
            exit_code=2,
        )
    return torch.tensor([place for place, name in enumerate(dataset.names) if name in names])


def predict(
    run: TrainedRun,
    images: Sequence[Image],
    device: torch.device,
    crops: TestCrops | None = None,
) -> list[list[float]]:
    """For each picture (height × width × channels) the probability of each of the run's classes.

    `crops` are the recipe's own if None.
    """
    config, crops = run.config, crops or run.config.recipe.test
    pictures = in_memory(images, config.source.input_shape[0])
    size, places = config.source.input_shape[1:], torch.arange(len(images))
    feeder = Feeder(pictures, [0] * len(images), size, device, config.normalize)
    try:
        plan = evaluation_plan(pictures, places, size, crops)
        number = num_crops(crops)
        found = probabilities(run.network, run.outputs, feeder, plan, BATCH_SIZE, crops=number)
    finally:
        feeder.close()
    if not bool(found.isfinite().all()):
        raise TrainError("the network's outputs are not finite numbers")
    rows: list[list[float]] = found.tolist()
    return rows
