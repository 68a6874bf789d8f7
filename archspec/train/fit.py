"""The training loop."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from archspec.train.errors import TrainError
from archspec.train.evaluation import evaluate
from archspec.train.feeder import Bounds, Feeder, training_bounds
from archspec.train.interrupt import Interrupt
from archspec.train.metrics import EpochMetrics, Reading, Tally
from archspec.train.outputs import Outputs
from archspec.train.plan import Plan, centre_plan, derive_seed, training_plan

AUXILIARY_WEIGHT = 0.3  # of a head that only training has (Szegedy et al. 2014, section 5)
READ_EVERY = 0.5  # seconds between two looks at the tally: the device is not waited for each step


class Display(Protocol):
    """Who shows a person how training goes."""

    def tell(self, message: str) -> None:
        """Something that a person should know before training begins."""

    def begin_epoch(self, epoch: int, num_images: int) -> None:
        """Epoch number `epoch`, from 1, begins."""

    def show(self, reading: Reading) -> None:
        """The epoch is this far; called a few times a second at most."""

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """The epoch is over and measured."""


@dataclass
class Progress:
    """Where a run stands, besides its weights: whole epochs done, and the tally of one begun."""

    epoch: int = 0
    tally: dict[str, Tensor | float] | None = None
    history: list[EpochMetrics] = field(default_factory=list)

    @property
    def best(self) -> EpochMetrics | None:
        """The epoch of the highest validation accuracy; of two equals, that of the lower loss."""
        rank = lambda metrics: (metrics.val_accuracy, -metrics.val_loss)  # noqa: E731 - a key
        return max(self.history, key=rank, default=None)


def fit(
    network: nn.Module,
    outputs: Outputs,
    optimizer: Optimizer,
    feeder: Feeder,
    train: Tensor,
    val: Tensor,
    *,
    num_classes: int,
    epochs: int,
    batch_size: int,
    seed: int,
    augment: bool,
    progress: Progress,
    interrupt: Interrupt,
    display: Display,
    save: Callable[[Progress], None],
) -> None:
    """Train until `epochs` epochs are done, or an interrupt is requested.

    `train` and `val` [N] are places of pictures in the feeder; `progress` is brought forward in
    place, and `save` is called with it after every epoch and when an epoch is broken off. Raises
    TrainError, before anything is saved, when a loss or a weight is not a finite number.
    """
    bounds = training_bounds(len(train), batch_size)
    val_plan = centre_plan(feeder.pictures, val, feeder.input_size)
    for epoch in range(progress.epoch, epochs):
        display.begin_epoch(epoch + 1, bounds[-1][1])
        plan = training_plan(
            feeder.pictures, train, feeder.input_size, seed=seed, epoch=epoch, augment=augment
        )
        tally = _begin_tally(progress, bounds, feeder.device, seed=seed, epoch=epoch)
        train_epoch(network, outputs, optimizer, feeder, plan, bounds, tally, interrupt, display)
        _refuse_divergence(tally, network, epoch)
        if tally.step < len(bounds):
            progress.tally = tally.state_dict()
            save(progress)
            return
        reading, began = tally.read(), perf_counter()
        result = evaluate(network, outputs, feeder, val_plan, num_classes, batch_size)
        if not isfinite(result.loss):
            raise _diverged(f"the validation loss is {result.loss} after epoch {epoch + 1}")
        metrics = EpochMetrics(
            epoch=epoch + 1,
            step=(epoch + 1) * len(bounds),
            lr=optimizer.param_groups[0]["lr"],
            train_loss=reading.loss,
            train_accuracy=reading.accuracy,
            val_loss=result.loss,
            val_accuracy=result.accuracy,
            images_per_second=reading.images_per_second,
            seconds=tally.seconds,
            val_seconds=perf_counter() - began,
            data_wait=reading.data_wait,
        )
        progress.epoch, progress.tally = epoch + 1, None
        progress.history.append(metrics)
        save(progress)
        display.end_epoch(metrics)
        if interrupt.requested:
            return


def train_epoch(
    network: nn.Module,
    outputs: Outputs,
    optimizer: Optimizer,
    feeder: Feeder,
    plan: Plan,
    bounds: Sequence[Bounds],
    tally: Tally,
    interrupt: Interrupt,
    display: Display,
) -> None:
    """One pass over the plan, from the tally's step on; stops early on an interrupt."""
    network.train()
    began = last_read = perf_counter()
    seconds_before = tally.seconds
    for images, labels in _timed(feeder.batches(plan, bounds[tally.step :]), tally):
        loss, output = train_step(network, outputs, optimizer, images, labels)
        tally.add(loss, output, labels)
        now = perf_counter()
        tally.seconds = seconds_before + now - began
        if now - last_read > READ_EVERY:
            last_read = now
            display.show(tally.read())
            if tally.first_bad_step() is not None:
                break
        if interrupt.requested:
            break
    if feeder.device.type == "cuda":
        torch.cuda.synchronize(feeder.device)  # the last steps are only queued
    tally.seconds = seconds_before + perf_counter() - began


def as_outputs(result: Tensor | tuple[Tensor | None, ...]) -> tuple[Tensor, ...]:
    """What a network gives back as a tuple: its scores, then those of its auxiliary heads."""
    if isinstance(result, Tensor):
        return (result,)
    return tuple(output for output in result if output is not None)


def train_step(
    network: nn.Module, outputs: Outputs, optimizer: Optimizer, images: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of gradient descent; returns the batch's mean loss, and the network's output.

    Heads that a network only has in training add to the loss with `AUXILIARY_WEIGHT`.
    """
    optimizer.zero_grad(set_to_none=True)
    output, *heads = as_outputs(network(images))
    loss = outputs.loss(output, labels)
    for head in heads:
        loss = loss + AUXILIARY_WEIGHT * outputs.loss(head, labels)
    loss.backward()  # type: ignore[no-untyped-call] # torch leaves it so
    optimizer.step()
    return loss.detach(), output.detach()


def _timed(
    batches: Iterator[tuple[Tensor, Tensor]], tally: Tally
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches, with the time that each was waited for added to the tally."""
    while True:
        began = perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        tally.waited += perf_counter() - began
        yield batch


def _begin_tally(
    progress: Progress, bounds: Sequence[Bounds], device: torch.device, *, seed: int, epoch: int
) -> Tally:
    """An epoch's tally: a new one, or the broken-off epoch's, whose generators are restored too."""
    tally = Tally(bounds, device)
    if progress.tally is not None:
        tally.load_state_dict(progress.tally)
        return tally
    torch.manual_seed(derive_seed("step", seed, epoch))  # dropout, on every device
    return tally


def _refuse_divergence(tally: Tally, network: nn.Module, epoch: int) -> None:
    step = tally.first_bad_step()
    if step is not None:
        value = float(tally.losses[step])
        raise _diverged(f"the loss is {value} at step {step + 1} of epoch {epoch + 1}")
    # The last update comes after the last loss: nobody has seen what it did.
    state = chain(network.parameters(), network.buffers())
    if not all(bool(tensor.isfinite().all()) for tensor in state):
        raise _diverged(f"weights are not finite after step {tally.step} of epoch {epoch + 1}")


def _diverged(what: str) -> TrainError:
    return TrainError(f"{what}: the training has diverged; a lower --lr may mend it")
