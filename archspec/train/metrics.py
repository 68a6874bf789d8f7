"""What is measured while a network trains."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from archspec.train.feeding.feeder import Bounds

# What a clock has measured: two runs with one seed differ in nothing else.
TIMINGS = ("images_per_second", "seconds", "val_seconds", "data_wait")


@dataclass(frozen=True)
class EpochMetrics:
    """One line of metrics.jsonl. `epoch` counts from 1, `step` all steps since the start.

    `lr` is that of the epoch's last step. `seconds` is the training part of the epoch, `data_wait`
    the fraction of it that the step waited for its batch; `val_seconds` is the evaluation after it.
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


@dataclass(frozen=True)
class Reading:
    """A tally read so far: means over the `num_images` seen in this epoch."""

    loss: float
    accuracy: float
    num_images: int
    images_per_second: float
    data_wait: float


class Tally:
    """Sums over one epoch's steps, of all processes."""

    def __init__(self, bounds: Sequence[Bounds]) -> None:
        self.sizes = torch.tensor([end - begin for begin, end in bounds], dtype=torch.float64)
        self.losses = torch.zeros(len(bounds), dtype=torch.float64)
        self.correct = 0
        self.step = 0
        self.seconds = 0.0
        self.waited = 0.0

    def add(self, loss: float, correct: int) -> None:
        """Count one step: its mean loss, and how many of its pictures were named right."""
        self.losses[self.step] = loss
        self.correct += correct
        self.step += 1

    def read(self) -> Reading:
        """The means so far."""
        sizes = self.sizes[: self.step]
        number = int(sizes.sum())
        return Reading(
            loss=float(self.losses[: self.step] @ sizes) / max(number, 1),
            accuracy=self.correct / max(number, 1),
            num_images=number,
            images_per_second=number / self.seconds if self.seconds else 0.0,
            data_wait=self.waited / self.seconds if self.seconds else 0.0,
        )

    def state_dict(self) -> dict[str, Tensor | float]:
        """All that another Tally needs to go on from here."""
        return {
            "losses": self.losses.clone(),
            "correct": self.correct,
            "step": self.step,
            "seconds": self.seconds,
            "waited": self.waited,
        }

    def load_state_dict(self, state: dict[str, Tensor | float]) -> None:
        """Go on from where `state_dict` was taken."""
        self.losses.copy_(torch.as_tensor(state["losses"]))
        self.correct, self.step = int(state["correct"]), int(state["step"])
        self.seconds, self.waited = float(state["seconds"]), float(state["waited"])
