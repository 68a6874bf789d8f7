"""What is measured while a network trains."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archspec.train.feeder import Bounds


@dataclass(frozen=True)
class EpochMetrics:
    """One line of metrics.jsonl. `epoch` counts from 1, `step` all steps since the start.

    `seconds` is the training part of the epoch, `data_wait` the fraction of it that the step
    waited for its batch; `val_seconds` is the evaluation after it.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    images_per_second: float
    seconds: float
    val_seconds: float
    data_wait: float


@dataclass(frozen=True)
class Reading:
    """A tally read so far: means over the `num_images` seen in this epoch."""

    loss: float
    accuracy: float
    num_images: int
    images_per_second: float
    data_wait: float


class Tally:
    """Sums over one epoch's steps, kept on the device: adding to them never waits for it."""

    def __init__(self, bounds: Sequence[Bounds], device: torch.device) -> None:
        self.sizes = torch.tensor([end - begin for begin, end in bounds], dtype=torch.float64)
        self.losses = torch.zeros(len(bounds), device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.step = 0
        self.seconds = 0.0
        self.waited = 0.0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count one step: its mean loss, and how many of its pictures were named right."""
        self.losses[self.step] = loss
        self.correct += (logits.argmax(dim=1) == labels).sum()
        self.step += 1

    def read(self) -> Reading:
        """The means so far; this waits for the device."""
        sizes = self.sizes[: self.step]
        number = int(sizes.sum())
        loss_sum = float(self.losses[: self.step].cpu().double() @ sizes)
        return Reading(
            loss=loss_sum / max(number, 1),
            accuracy=int(self.correct) / max(number, 1),
            num_images=number,
            images_per_second=number / self.seconds if self.seconds else 0.0,
            data_wait=self.waited / self.seconds if self.seconds else 0.0,
        )

    def first_bad_step(self) -> int | None:
        """The first step, from 0, whose loss is not a number or infinite."""
        bad = (~torch.isfinite(self.losses[: self.step])).nonzero()
        return int(bad[0]) if len(bad) else None

    def state_dict(self) -> dict[str, Tensor | float]:
        """All that another Tally needs to go on from here."""
        return {
            "losses": self.losses.cpu(),
            "correct": self.correct.cpu(),
            "step": self.step,
            "seconds": self.seconds,
            "waited": self.waited,
        }

    def load_state_dict(self, state: dict[str, Tensor | float]) -> None:
        """Go on from where `state_dict` was taken."""
        self.losses.copy_(torch.as_tensor(state["losses"]))
        self.correct.copy_(torch.as_tensor(state["correct"]))
        self.step = int(state["step"])
        self.seconds, self.waited = float(state["seconds"]), float(state["waited"])
