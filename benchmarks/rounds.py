"""Rounds of the trainer, and of a bare loop of the same steps: what benchmarks of it share.

A round of the trainer is `fit` itself over whole epochs, from stored pictures. The bare loop does
nothing but forward, backward and update, on batches that lie ready on the device, with the same
network, optimiser, precision and loss. Gradients are clipped and scaled as the recipe says. What
else a recipe may ask of a step (averaged weights, an L1 penalty, accumulating, mixed pictures) the
bare loop leaves out: it counts as the trainer's cost.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.nn.utils import clip_grad_norm_

from archspec import generate
from archspec.language import loader
from archspec.train import fit as fit_module
from archspec.train.assemble import Ways, assemble
from archspec.train.data.cache import cache_folder
from archspec.train.data.dataset import load_dataset
from archspec.train.data.decode import stored_short_side
from archspec.train.data.split import Split, dataset_split
from archspec.train.device import pick_amp
from archspec.train.display import Bar
from archspec.train.feeding.colour import resolve_normalize
from archspec.train.feeding.feeder import Batch, Bounds, Feeder, training_bounds
from archspec.train.feeding.plan import Plan, training_plan
from archspec.train.fit import Watch, fit
from archspec.train.interrupt import Interrupt
from archspec.train.learner import Learner
from archspec.train.metrics import Progress
from archspec.train.outputs import as_outputs
from archspec.train.recipe import Recipe
from archspec.train.run import Run, feeding, measured, saving, with_batch_size
from archspec.train.run_folder import RunConfig
from archspec.train.source import ModuleSource, read_module, read_module_file

NUM_READY = 4  # batches that the bare loop goes round
CLOCKS = {"wall": perf_counter, "cpu": process_time}


@dataclass(frozen=True)
class Setting:
    """Everything a round needs: the epochs of the run's recipe over the pictures at `train`."""

    run: Run
    learner: Learner
    feeder: Feeder
    train: Tensor
    val: Tensor

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return self.run.config.recipe

    @property
    def device(self) -> torch.device:
        """Where."""
        return self.learner.device

    @property
    def bounds(self) -> list[Bounds]:
        """The batches of an epoch."""
        assert isinstance(self.recipe.batch_size, int)
        return training_bounds(len(self.train), self.recipe.batch_size)

    @property
    def num_images(self) -> int:
        """Pictures in a round."""
        return self.recipe.epochs * len(self.train)

    def plan(self) -> Plan:
        """What an epoch shows."""
        feeder, recipe = self.feeder, self.recipe
        return training_plan(
            feeder.pictures,
            self.train,
            feeder.input_size,
            seed=recipe.seed,
            epoch=0,
            augment=recipe.augment,
        )

    def ready(self) -> list[Batch]:
        """A few batches on the device."""
        return list(self.feeder.batches(self.plan(), self.bounds[:NUM_READY]))


@dataclass(frozen=True)
class Round:
    """Seconds of `fit`: all but what follows, evaluation, saving; `waited` is within the first."""

    training: float
    evaluation: float
    saving: float
    waited: float


@contextmanager
def prepared(
    network: str,
    data: str,
    recipe: Recipe,
    device: torch.device,
    folder: Path,
    num_train: int,
    cache: Path | None = None,
) -> Iterator[Setting]:
    """A new network with pictures for an epoch of `num_train`, shown again where there are fewer.

    The number is rounded down to whole batches; a batch is kept for evaluation. `folder` is where
    checkpoints go, `cache` where decoded pictures do, if not to the usual place.
    """
    source = read_source(network)
    recipe = recipe.model_copy(update={"amp": pick_amp(recipe.amp, device)})
    dataset = load_dataset(
        data,
        source.input_shape,
        short_side=stored_short_side(source.input_shape, recipe.augment, recipe.test),
        cache_folder=cache or cache_folder(),
    )
    split = dataset_split(dataset, recipe.seed, recipe.val_fraction)
    colours = measured(dataset, split, recipe)
    normalize = resolve_normalize(recipe.normalize, source.input_shape[0], colours)
    config = RunConfig(source, dataset.classes, dataset.source, recipe, normalize)
    ways = Ways(device)
    if recipe.batch_size == "auto":
        config = with_batch_size(config, len(split.train), ways)
    size = config.recipe.batch_size
    assert isinstance(size, int)
    split = Split(repeated(split.train, max(1, num_train // size) * size), split.val[:size])
    learner = assemble(config, len(split.train), ways).learner
    learner.train()
    with feeding(dataset, config, device, colours) as feeder, told_nowhere(config) as display:
        run = Run(config, dataset, split, colours, ways, folder, display)
        yield Setting(run, learner, feeder, torch.tensor(split.train), torch.tensor(split.val))


def read_source(network: str) -> ModuleSource:
    """A generated module's file, or a spec by name."""
    if network.endswith(".py"):
        return read_module_file(Path(network))
    found = loader.find(network)
    member = found.variant is None and found.name in loader.variants_of(found.file)
    return read_module(found.name, generate(f"{network}:{network}" if member else network))


def repeated(places: Sequence[int], number: int) -> tuple[int, ...]:
    """The first `number` of the places, which begin again where there are fewer."""
    return tuple(places[i % len(places)] for i in range(number))


@contextmanager
def told_nowhere(config: RunConfig) -> Iterator[Bar]:
    """The bar of a terminal that nobody sees."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(file=nowhere, force_terminal=True, width=100)
        yield Bar(console, config.recipe.epochs)


# --- measured -------------------------------------------------------------------------------------


def use_clock(name: str) -> None:
    """Measure seconds of the wall clock, or of the processor: waiting for others does not count.

    What `fit` measures itself is measured by that clock, too.
    """
    global _clock  # noqa: PLW0603 - a script has one clock
    _clock = CLOCKS[name]
    fit_module.perf_counter = _clock  # type: ignore[attr-defined] # not for others to import


_clock = perf_counter


def bare_seconds(setting: Setting, ready: Sequence[Batch], steps: int) -> float:
    """Seconds for so many steps on ready batches."""
    setting.learner.train()  # where `fit` leaves it in evaluation

    def loop() -> None:
        for step in range(steps):
            bare_step(setting.learner, ready[step % len(ready)])

    return seconds_of(loop, setting.device)


def bare_step(learner: Learner, batch: Batch) -> None:
    """Forward, backward, update, as one writes them without a trainer."""
    learner.optimizer.zero_grad(set_to_none=True)
    smoothing = learner.loss.label_smoothing
    with learner.autocast():
        output, *heads = as_outputs(learner.forward(batch.images))
        loss = F.cross_entropy(output, batch.labels, label_smoothing=smoothing)
        for head in heads:
            part = F.cross_entropy(head, batch.labels, label_smoothing=smoothing)
            loss = loss + learner.loss.auxiliary * part
    scaler: Any = learner.scaler or torch.amp.GradScaler(enabled=False)
    scaler.scale(loss).backward()
    if learner.clip_grad_norm is not None:
        scaler.unscale_(learner.optimizer)
        clip_grad_norm_(learner.parameters(), learner.clip_grad_norm)
    scaler.step(learner.optimizer)
    scaler.update()


def trainer_round(setting: Setting, *, save_it: bool = True) -> Round:
    """A round of `fit`, drawing its bar, evaluating on a batch and saving after every epoch."""
    progress, run, seconds_saving = Progress(), setting.run, 0.0
    with saving(run, setting.learner, progress) as write:

        def save(progress: Progress) -> None:
            nonlocal seconds_saving
            if not save_it:
                return
            seconds_saving += seconds_of(lambda: write(progress), setting.device)

        def whole() -> None:
            watch = Watch(run.display, Interrupt(), save)
            fit(
                setting.learner,
                setting.feeder,
                setting.train,
                setting.val,
                setting.recipe,
                progress,
                watch,
            )

        seconds = seconds_of(whole, setting.device)
    evaluation = sum(metrics.val_seconds for metrics in progress.history)
    waited = sum(metrics.data_wait * metrics.seconds for metrics in progress.history)
    return Round(seconds - evaluation - seconds_saving, evaluation, seconds_saving, waited)


def making_seconds(setting: Setting) -> float:
    """All batches of an epoch, and nothing done with them."""
    plan, bounds = setting.plan(), setting.bounds

    def make() -> None:
        for _ in setting.feeder.batches(plan, bounds):
            pass

    return seconds_of(make, setting.device)


def with_feeder(setting: Setting, feeder: Feeder) -> Setting:
    """The same, fed by another one."""
    return replace(setting, feeder=feeder)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of `work` by the clock in use, to the end of what it has started on the device."""
    finish(device)
    began = _clock()
    work()
    finish(device)
    return _clock() - began


def finish(device: torch.device) -> None:
    """Wait for what is queued on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# --- told -----------------------------------------------------------------------------------------


def ratios(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """How many times as fast the second of each pair is, from seconds."""
    return [one / other for one, other in zip(before, after, strict=True)]


def spell(values: Sequence[float]) -> str:
    """`0.994 (0.991 … 1.002)`: the median, and the middle half."""
    if len(values) < 2:
        return f"{values[0]:.3f} (one pair)"
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"{median(values):.3f} ({low:.3f} … {high:.3f})"
