"""One step of training: forward, backward, update. All that a recipe says of it stands here."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from archspec.train.averaging import Average
from archspec.train.feeding.feeder import Batch
from archspec.train.optimizers import add_l1
from archspec.train.outputs import Outputs, as_outputs
from archspec.train.recipe import Loss
from archspec.train.spread import reshard
from archspec.train.transfer.freeze import Frozen
from archspec.train.world import ALONE, World

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Learner:
    """A network, and everything that a step changes or needs.

    `network` is the bare module, whose state is saved; `forward` is the same one as training calls
    it: compiled, or spread over processes.
    """

    network: nn.Module
    forward: nn.Module
    outputs: Outputs
    num_classes: int
    optimizer: Optimizer
    device: torch.device
    loss: Loss = field(default_factory=Loss)
    accumulate: int = 1
    clip_grad_norm: float | None = None
    l1: float = 0.0
    amp: str = "off"
    average: Average | None = None
    frozen: Frozen | None = None
    scaler: torch.amp.GradScaler | None = None
    world: World = ALONE

    def train(self) -> None:
        """Put the network into training mode, except what is frozen."""
        self.forward.train()
        if self.frozen is not None:
            self.frozen.hold(self.network)

    def autocast(self) -> AbstractContextManager[object]:
        """Within it, matrix products and convolutions are done in the recipe's precision."""
        return autocast(self.amp, self.device)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Within it, the network has the weights that are to be evaluated and kept as the best."""
        with nullcontext() if self.average is None else self.average.swapped(self.network):
            yield
            reshard(self.network)

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]


def autocast(amp: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a network is run with `amp` (off, bf16 or fp16)."""
    if amp == "off":
        return nullcontext()
    return torch.autocast(device.type, AMP_DTYPES[amp])


@dataclass(frozen=True)
class Wishes:
    """What a process would like to happen after a step; one process's wish is all processes'."""

    stop: bool = False
    save: bool = False


@dataclass(frozen=True)
class StepResult:
    """What a step has measured, over all processes: mean loss, and pictures named right."""

    loss: float
    correct: int
    wishes: Wishes


class NotFinite(Exception):
    """The loss of a step is infinite or not a number; nothing has been changed by the step."""

    def __init__(self, loss: float) -> None:
        super().__init__(f"the loss is {loss}")
        self.loss = loss


class Readback:
    """Numbers on their way from the device.

    `values` waits for them and not for what was queued after them: while the device is busy with
    the backward pass, the loss of the forward pass is here already.
    """

    def __init__(self, numbers: Tensor) -> None:
        self.host, self.event = numbers, None
        if numbers.device.type == "cuda":
            self.host = torch.empty_like(numbers, device="cpu", pin_memory=True)
            self.host.copy_(numbers, non_blocking=True)
            self.event = torch.cuda.Event()  # type: ignore[no-untyped-call] # torch leaves it so
            self.event.record()

    def values(self) -> list[float]:
        """The numbers."""
        if self.event is not None:
            self.event.synchronize()
        values: list[float] = self.host.tolist()
        return values


def train_step(
    learner: Learner,
    batch: Batch,
    lr: float,
    wishes: Wishes = Wishes(),
) -> StepResult:
    """One step of gradient descent on this process's share of a batch, with the learning rate `lr`.

    The gradient is that of the mean loss over the whole batch, however many processes share it
    and in however many parts each works its share off. Raises NotFinite before anything is changed.
    """
    for group in learner.optimizer.param_groups:
        group["lr"] = lr
    learner.optimizer.zero_grad(set_to_none=True)
    totals = torch.zeros(4, dtype=torch.float64, device=learner.device)
    totals[2], totals[3] = float(wishes.stop), float(wishes.save)
    parts = batch.parts(learner.accumulate)
    for number, part in enumerate(parts, start=1):
        is_last = number == len(parts)
        with gathering(learner.forward, now=is_last):
            loss, correct = forward(learner, part)
            totals[0] += loss.detach()
            totals[1] += correct
            if is_last:
                heard = Readback(learner.world.add_up(totals))
            backward(learner, loss)
    mean, correct_sum, stop, save = heard.values()
    if not isfinite(mean):
        raise NotFinite(mean)
    update(learner)
    return StepResult(mean, round(correct_sum), Wishes(stop > 0, save > 0))


def forward(learner: Learner, part: Batch) -> tuple[Tensor, Tensor]:
    """The part's share of the batch's mean loss, and how many of its pictures are named right.

    Heads that a network only has in training add to the loss with the recipe's weight.
    """
    with learner.autocast():
        output, *heads = as_outputs(learner.forward(part.images))
    loss = batch_loss(learner, output, part)
    for head in heads:
        loss = loss + learner.loss.auxiliary * batch_loss(learner, head, part)
    return loss, (output.detach().argmax(dim=1) == part.labels).sum()


def batch_loss(learner: Learner, output: Tensor, part: Batch) -> Tensor:
    """The sum of the pictures' losses over the number of pictures in the whole batch.

    A picture that is mixed with another one has λ times the loss with its own label, and 1 − λ
    times that with the other's.
    """
    smoothing = learner.loss.label_smoothing
    losses = learner.outputs.losses(output.float(), part.labels, smoothing)
    if part.partners is not None:
        assert part.weights is not None
        others = learner.outputs.losses(output.float(), part.partners, smoothing)
        losses = part.weights * losses + (1 - part.weights) * others
    return losses.sum() / part.num_global


def backward(learner: Learner, loss: Tensor) -> None:
    """Add the loss's gradients to those that are there."""
    loss = loss * learner.world.size  # processes average their gradients; the loss is a sum
    if learner.scaler is not None:
        loss = learner.scaler.scale(loss)
    loss.backward()  # type: ignore[no-untyped-call] # torch leaves it so


def update(learner: Learner) -> None:
    """Change the weights by the gradients."""
    if learner.scaler is not None:
        learner.scaler.unscale_(learner.optimizer)
    if learner.l1:
        add_l1(learner.parameters(), learner.l1)
    if learner.clip_grad_norm is not None:
        clip_grad_norm_(learner.parameters(), learner.clip_grad_norm)
    if learner.scaler is not None:
        learner.scaler.step(learner.optimizer)
        learner.scaler.update()
    else:
        learner.optimizer.step()
    if learner.average is not None:
        learner.average.update(learner.network)


@contextmanager
def gathering(module: nn.Module, *, now: bool) -> Iterator[None]:
    """Within it, gradients are averaged over the processes `now`, or left for a later part."""
    if isinstance(module, DistributedDataParallel) and not now:
        with module.no_sync():
            yield
        return
    if hasattr(module, "set_requires_gradient_sync"):  # what fully_shard adds
        cast("Any", module).set_requires_gradient_sync(now)
    yield
