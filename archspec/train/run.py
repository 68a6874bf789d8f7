"""A whole run, from a network's source and pictures to a run folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from zlib import crc32

import torch
from torch import nn
from torch.optim import Optimizer

from archspec.train import run_folder
from archspec.train.curves import write_curves
from archspec.train.dataset import Dataset
from archspec.train.errors import TrainError
from archspec.train.feeder import Feeder, training_bounds
from archspec.train.files import write_json
from archspec.train.fit import Display, Progress, fit
from archspec.train.interrupt import listening
from archspec.train.outputs import Outputs, recognise
from archspec.train.plan import derive_seed
from archspec.train.recipe import Recipe, build_optimizer, check_recipe
from archspec.train.run_folder import RunConfig, code_digest
from archspec.train.source import ModuleSource, build_network, told_if_failing
from archspec.train.split import Split, names_digest, stratified_split


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its history, and whether a person broke it off."""

    folder: Path
    progress: Progress
    interrupted: bool


def begin_run(
    source: ModuleSource,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    folder: Path,
    *,
    spec: str | None,
    overwrite: bool,
    display: Display,
) -> Outcome:
    """Train a new network in a new run folder.

    Everything that can be wrong with the wishes is found before the folder is touched.
    """
    check_recipe(recipe)
    if len(dataset.classes) < 2:
        raise TrainError(f"{dataset.source} has one class: nothing to tell apart", exit_code=2)
    split = stratified_split(dataset.names, dataset.labels, recipe.seed)
    config = RunConfig(source, dataset.classes, dataset.source, recipe)
    network, outputs = make_network(config, split)
    _tell_outputs(outputs, display)
    run_folder.claim_folder(folder, overwrite=overwrite)
    run_folder.write_config(folder, config, spec, describe_split(dataset, split))
    return _train(config, network, outputs, dataset, split, device, folder, display, resume=False)


def resume_run(
    config: RunConfig,
    dataset: Dataset,
    device: torch.device,
    folder: Path,
    *,
    display: Display,
) -> Outcome:
    """Go on with the run in `folder` where its last checkpoint was saved, or from the beginning.

    `config` is the folder's own, possibly with more epochs. Raises TrainError when the pictures
    are not those that it was begun with.
    """
    check_recipe(config.recipe)
    split = stratified_split(dataset.names, dataset.labels, config.recipe.seed)
    if describe_split(dataset, split) != run_folder.read_run_json(folder, run_folder.SPLIT):
        raise TrainError(f"the pictures in {dataset.source} have changed since the run began", 2)
    network, outputs = make_network(config, split)
    run_folder.write_recipe(folder, config.recipe)
    return _train(config, network, outputs, dataset, split, device, folder, display, resume=True)


def make_network(config: RunConfig, split: Split) -> tuple[nn.Module, Outputs]:
    """The network with its seeded weights, tried out, and what it puts out."""
    bounds = training_bounds(len(split.train), config.recipe.batch_size)
    smallest = min(end - begin for begin, end in bounds)
    torch.manual_seed(derive_seed("network", config.recipe.seed))
    network = build_network(config.source, len(config.classes), smallest)
    with told_if_failing(config.source, "cannot be run"):
        return network, recognise(network, config.source.input_shape)


def _tell_outputs(outputs: Outputs, display: Display) -> None:
    if outputs is not Outputs.SCORES:
        display.tell(f"the network puts out {outputs.value}: the loss takes no softmax of them")


def describe_split(dataset: Dataset, split: Split) -> dict[str, Any]:
    """What split.json holds: the names held out, and digests to recognise the rest by."""
    train = [dataset.names[place] for place in split.train]
    val = [dataset.names[place] for place in split.val]
    return {
        "num_train": len(train),
        "train_digest": names_digest(train),
        "pixels_crc32": crc32(dataset.pictures.pixels.data),
        "val": val,
    }


def _train(
    config: RunConfig,
    network: nn.Module,
    outputs: Outputs,
    dataset: Dataset,
    split: Split,
    device: torch.device,
    folder: Path,
    display: Display,
    *,
    resume: bool,
) -> Outcome:
    recipe, digest, began = config.recipe, code_digest(config.source), perf_counter()
    network = place_network(network, device)
    optimizer = build_optimizer(
        recipe.optimizer, network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    progress = Progress()
    if resume and (folder / run_folder.LAST).exists():
        progress = run_folder.restore_last(folder, network, optimizer, digest)
    run_folder.reopen_folder(folder, finished=progress.epoch >= recipe.epochs)
    run_folder.write_metrics(folder, progress.history)
    with feeding(dataset, config.source.input_shape, device) as feeder, listening() as interrupt:
        fit(
            network,
            outputs,
            optimizer,
            feeder,
            torch.tensor(split.train),
            torch.tensor(split.val),
            num_classes=len(config.classes),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            augment=recipe.augment,
            progress=progress,
            interrupt=interrupt,
            display=display,
            save=saver(folder, network, optimizer, digest),
        )
    if progress.history:
        write_curves(folder / run_folder.CURVES, progress.history, config.source.name)
    if progress.epoch < recipe.epochs:
        return Outcome(folder, progress, interrupted=True)
    summary = summarise(config, network, split, progress, device, perf_counter() - began)
    write_json(folder / run_folder.SUMMARY, summary)
    return Outcome(folder, progress, interrupted=False)


def place_network(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on its device, channels last: the faster layout for convolutions everywhere."""
    return network.to(device).to(memory_format=torch.channels_last)


@contextmanager
def feeding(
    dataset: Dataset, input_shape: tuple[int, int, int], device: torch.device
) -> Iterator[Feeder]:
    """A feeder of the dataset's pictures, whose threads end with the block."""
    feeder = Feeder(dataset.pictures, dataset.labels, input_shape[1:], device)
    try:
        yield feeder
    finally:
        feeder.close()


def saver(
    folder: Path, network: nn.Module, optimizer: Optimizer, digest: str
) -> Callable[[Progress], None]:
    """What `fit` is to call: writes the last, perhaps the best weights, and a line of metrics."""

    def save(progress: Progress) -> None:
        finished_epoch = progress.tally is None
        if finished_epoch and progress.best is progress.history[-1]:
            run_folder.save_best(folder, network, progress.epoch, digest)
        run_folder.save_last(folder, network, optimizer, progress, digest)
        if finished_epoch:
            run_folder.append_metrics(folder, progress.history[-1])

    return save


def summarise(
    config: RunConfig,
    network: nn.Module,
    split: Split,
    progress: Progress,
    device: torch.device,
    seconds: float,
) -> dict[str, Any]:
    """What summary.json holds; `seconds` is the time since the start or the last resume."""
    history = progress.history
    assert progress.best is not None
    trained = sum(metrics.seconds for metrics in history)
    return {
        "name": config.source.name,
        "data": config.data,
        "classes": list(config.classes),
        "num_train": len(split.train),
        "num_val": len(split.val),
        "num_params": sum(parameter.numel() for parameter in network.parameters()),
        "epochs": len(history),
        "best": asdict(progress.best),
        "last": asdict(history[-1]),
        "images_per_second": sum(m.images_per_second * m.seconds for m in history) / trained,
        "data_wait": sum(m.data_wait * m.seconds for m in history) / trained,
        "train_seconds": trained,
        "val_seconds": sum(metrics.val_seconds for metrics in history),
        "seconds": seconds,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
