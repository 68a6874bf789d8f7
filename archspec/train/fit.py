"""The training loop."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor

from archspec.train.blame import blame
from archspec.train.device import is_out_of_memory
from archspec.train.errors import TrainError
from archspec.train.evaluation import Evaluation, add_up
from archspec.train.feeding.feeder import Batch, Bounds, Feeder, training_bounds
from archspec.train.feeding.plan import Plan, derive_seed, evaluation_plan, num_crops, training_plan
from archspec.train.finite import is_finite
from archspec.train.interrupt import Interrupt
from archspec.train.learner import Learner, NotFinite, StepResult, Wishes, train_step
from archspec.train.metrics import EpochMetrics, Progress, Reading, Tally
from archspec.train.recipe import EarlyStopping, Recipe, TestCrops
from archspec.train.schedules import learning_rate
from archspec.train.spread import share_buffers

SHOW_EVERY = 0.5  # seconds between two looks at the tally
EVALUATED_AT_ONCE = 64  # crops, of each process
DIVERGED = "the training has diverged; a lower learning rate (--lr) or a warm-up may mend it"


class Display(Protocol):
    """Who shows a person how training goes."""

    def tell(self, message: str) -> None:
        """Something that a person should know before training begins."""

    def warn(self, message: str) -> None:
        """Something is wrong, and training goes on all the same."""

    def begin_epoch(self, epoch: int, num_images: int) -> None:
        """Epoch number `epoch`, from 1, begins."""

    def show(self, reading: Reading) -> None:
        """The epoch is this far; called a few times a second at most."""

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """The epoch is over and measured."""


@dataclass
class Watch:
    """Who is asked and told between steps: the person, and the disk.

    `save` writes a checkpoint; within an epoch it is called when `save_every` seconds have passed
    since the last time.
    """

    display: Display
    interrupt: Interrupt
    save: Callable[[Progress], None]
    save_every: float = float("inf")
    saved_at: float = field(default_factory=perf_counter)
    shown_at: float = 0.0

    def wishes(self) -> Wishes:
        """What this process would like to happen after the next step."""
        is_due = perf_counter() - self.saved_at >= self.save_every
        return Wishes(stop=self.interrupt.requested, save=is_due)

    def keep(self, progress: Progress, tally: Tally | None = None) -> None:
        """Save the run; within an epoch, with its tally so far."""
        progress.tally = None if tally is None else tally.state_dict()
        self.save(progress)
        self.saved_at = perf_counter()

    def show(self, tally: Tally) -> None:
        """Let the person see how far the epoch is, if they have not just seen it."""
        now = perf_counter()
        if now - self.shown_at > SHOW_EVERY:
            self.shown_at = now
            self.display.show(tally.read())


def fit(
    learner: Learner,
    feeder: Feeder,
    train: Tensor,
    val: Tensor,
    recipe: Recipe,
    progress: Progress,
    watch: Watch,
) -> None:
    """Train until the recipe's epochs are done, it says to stop early, or somebody asks to stop.

    `train` and `val` [N] are places of pictures in the feeder; `progress` is brought forward in
    place and kept after every epoch and where one is broken off. Raises TrainError, before
    anything is saved, when a loss or a weight is not a finite number.
    """
    assert isinstance(recipe.batch_size, int)
    bounds = training_bounds(len(train), recipe.batch_size)
    while progress.epoch < recipe.epochs and not is_enough(progress, recipe.early_stopping):
        plan = training_plan(
            feeder.pictures,
            train,
            feeder.input_size,
            seed=recipe.seed,
            epoch=progress.epoch,
            augment=recipe.augment,
        )
        tally = Tally(bounds)
        if progress.tally is not None:
            tally.load_state_dict(progress.tally)
        watch.display.begin_epoch(progress.epoch + 1, bounds[-1][1])
        asked_to_stop = train_epoch(learner, feeder, plan, bounds, tally, recipe, progress, watch)
        refuse_weights(learner, f"step {tally.step} of epoch {progress.epoch + 1}")
        if tally.step < len(bounds):
            watch.keep(progress, tally)
            return
        metrics = measure(learner, feeder, val, tally, progress.epoch)
        progress.history.append(metrics)
        progress.epoch += 1
        watch.keep(progress)
        watch.display.end_epoch(metrics)
        if asked_to_stop:
            return


def is_enough(progress: Progress, rule: EarlyStopping | None) -> bool:
    """Whether the history has not got better for as many epochs as the rule is patient."""
    if rule is None:
        return False
    sign = -1 if rule.metric == "val_loss" else 1
    best, waited = float("-inf"), 0
    for metrics in progress.history:
        value = sign * float(getattr(metrics, rule.metric))
        is_better = value > best + rule.min_delta
        best, waited = (value, 0) if is_better else (best, waited + 1)
    return waited >= rule.patience


def train_epoch(
    learner: Learner,
    feeder: Feeder,
    plan: Plan,
    bounds: Sequence[Bounds],
    tally: Tally,
    recipe: Recipe,
    progress: Progress,
    watch: Watch,
) -> bool:
    """One pass over the plan, from the tally's step on; True when somebody has asked to stop."""
    learner.train()
    world, epoch = learner.world, progress.epoch
    began, seconds_before, asked_to_stop = perf_counter(), tally.seconds, False
    batches = feeder.batches(plan, bounds[tally.step :], share=(world.rank, world.size))
    for batch in _timed(batches, tally):
        # Dropout's generator, on every device. So no checkpoint needs the state of one.
        torch.manual_seed(derive_seed("step", recipe.seed, epoch, tally.step, world.rank))
        lr = learning_rate(
            recipe.schedule,
            recipe.optimizer.lr,
            step=epoch * len(bounds) + tally.step,
            steps_per_epoch=len(bounds),
            epochs=recipe.epochs,
        )
        where = f"step {tally.step + 1} of epoch {epoch + 1}"
        result = _told_if_diverging(learner, batch, lr, watch.wishes(), where)
        tally.add(result.loss, result.correct)
        tally.seconds = seconds_before + perf_counter() - began
        watch.show(tally)
        asked_to_stop = result.wishes.stop
        if asked_to_stop:
            break
        if result.wishes.save and tally.step < len(bounds):
            refuse_weights(learner, where)
            watch.keep(progress, tally)
    if feeder.device.type == "cuda":
        torch.cuda.synchronize(feeder.device)  # the last steps are only queued
    tally.seconds = seconds_before + perf_counter() - began
    return asked_to_stop


def _timed(batches: Iterator[Batch], tally: Tally) -> Iterator[Batch]:
    """The batches, with the time that each was waited for added to the tally."""
    while True:
        began = perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        tally.waited += perf_counter() - began
        yield batch


def _told_if_diverging(
    learner: Learner, batch: Batch, lr: float, wishes: Wishes, where: str
) -> StepResult:
    try:
        return train_step(learner, batch, lr, wishes)
    except NotFinite as error:
        raise TrainError(f"{error} at {where}: {blame(learner, batch)}\n{DIVERGED}") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainError(
            f"there is not enough memory for {len(batch.labels)} pictures at once: a smaller "
            "batch_size, or accumulate, may do"
        ) from error


def refuse_weights(learner: Learner, where: str) -> None:
    """Raise TrainError when a weight of any process is not finite: no loss has seen it yet."""
    bad = [
        name
        for name, tensor in chain(
            learner.network.named_parameters(), learner.network.named_buffers()
        )
        if not is_finite(tensor)
    ]
    number = learner.world.add_up(torch.tensor(len(bad), device=learner.device))
    if int(number):
        names = ", ".join(bad[:3]) or "of another process"
        raise TrainError(f"weights are not finite after {where}: {names}\n{DIVERGED}")


def measure(
    learner: Learner, feeder: Feeder, val: Tensor, tally: Tally, epoch: int
) -> EpochMetrics:
    """The figures of an epoch that has been trained, after an evaluation of all processes."""
    began = perf_counter()
    share_buffers(learner.network, learner.world)
    result = evaluate_learner(learner, feeder, val, TestCrops())
    if not isfinite(result.loss):
        raise TrainError(
            f"the validation loss is {result.loss} after epoch {epoch + 1}\n{DIVERGED}"
        )
    reading = tally.read()
    return EpochMetrics(
        epoch=epoch + 1,
        step=(epoch + 1) * len(tally.losses),
        lr=learner.optimizer.param_groups[0]["lr"],
        train_loss=reading.loss,
        train_accuracy=reading.accuracy,
        val_loss=result.loss,
        val_accuracy=result.accuracy,
        images_per_second=reading.images_per_second,
        seconds=tally.seconds,
        val_seconds=perf_counter() - began,
        data_wait=reading.data_wait,
    )


def evaluate_learner(
    learner: Learner, feeder: Feeder, places: Tensor, crops: TestCrops
) -> Evaluation:
    """Measure the network, with its averaged weights if it has them; all processes share in."""
    plan = evaluation_plan(feeder.pictures, places, feeder.input_size, crops)
    world = learner.world
    with learner.measured():
        sums = add_up(
            learner.network,
            learner.outputs,
            feeder,
            plan,
            learner.num_classes,
            EVALUATED_AT_ONCE,
            crops=num_crops(crops),
            autocast=learner.autocast,
            share=(world.rank, world.size),
        )
    world.add_up(sums.loss)
    world.add_up(sums.counts)
    return sums.evaluation()
