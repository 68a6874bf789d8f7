"""A finished or unfinished run, taken up again to look at pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor, nn

from archspec.train import run_folder
from archspec.train.dataset import Dataset
from archspec.train.errors import TrainError
from archspec.train.evaluation import Evaluation, evaluate, probabilities
from archspec.train.feeder import Feeder
from archspec.train.outputs import Outputs, recognise
from archspec.train.pictures import Image, in_memory
from archspec.train.plan import centre_plan
from archspec.train.run import feeding, place_network
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
    path = folder / (run_folder.BEST if checkpoint == "best" else run_folder.LAST)
    found = run_folder.load_checkpoint(path, code_digest(config.source))
    network = build_network(config.source, len(config.classes))
    with told_if_failing(config.source, "cannot be run"):
        outputs = recognise(network, config.source.input_shape)
    run_folder.load_weights(network, found, path)
    placed = place_network(network, device)
    return TrainedRun(config, placed, outputs, int(found["epoch"]), frozenset(held_out))


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
    run: TrainedRun, dataset: Dataset, device: torch.device, *, only_held_out: bool
) -> Evaluation:
    """Measure a run on all pictures of a dataset, or on those that it held out."""
    dataset = match_classes(dataset, run.config.classes)
    places = torch.arange(len(dataset.names))
    if only_held_out:
        places = _places_of(dataset, run.held_out)
    with feeding(dataset, run.config.source.input_shape, device) as feeder:
        plan = centre_plan(dataset.pictures, places, feeder.input_size)
        num_classes = len(dataset.classes)
        result = evaluate(run.network, run.outputs, feeder, plan, num_classes, BATCH_SIZE)
    if not isfinite(result.loss):
        raise TrainError(
            f"the loss on {dataset.source} is {result.loss}: the network has overflown"
        )
    return result


def _places_of(dataset: Dataset, names: frozenset[str]) -> Tensor:
    missing = sorted(names - set(dataset.names))
    if missing:
        raise TrainError(
            f"{len(missing)} of the {len(names)} pictures held out are not in {dataset.source}, "
            f"first {missing[0]}",
            exit_code=2,
        )
    return torch.tensor([place for place, name in enumerate(dataset.names) if name in names])


def predict(run: TrainedRun, images: Sequence[Image], device: torch.device) -> list[list[float]]:
    """For each picture (height × width × channels) the probability of each of the run's classes."""
    pictures = in_memory(images, run.config.source.input_shape[0])
    feeder = Feeder(pictures, [0] * len(images), run.config.source.input_shape[1:], device)
    try:
        plan = centre_plan(pictures, torch.arange(len(images)), feeder.input_size)
        found = probabilities(run.network, run.outputs, feeder, plan, BATCH_SIZE)
    finally:
        feeder.close()
    if not bool(found.isfinite().all()):
        raise TrainError("the network's outputs are not finite numbers")
    rows: list[list[float]] = found.tolist()
    return rows
