"""How good a network is: loss, accuracy, and who is taken for whom."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archspec.train.feeder import Feeder, batch_bounds
from archspec.train.outputs import Outputs
from archspec.train.plan import Plan


@dataclass(frozen=True)
class Evaluation:
    """`loss` is the mean cross-entropy; `confusion[t][p]` counts pictures of t taken for p."""

    loss: float
    confusion: list[list[int]]

    @property
    def num_images(self) -> int:
        """How many pictures were looked at."""
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """The share of them that was named right."""
        return sum(row[i] for i, row in enumerate(self.confusion)) / self.num_images

    def per_class(self, classes: tuple[str, ...]) -> dict[str, dict[str, float | int | None]]:
        """Precision, recall and number of pictures of each class; None for a ratio of nothing."""
        columns = list(zip(*self.confusion, strict=True))
        return {
            name: {
                "precision": _ratio(self.confusion[i][i], sum(columns[i])),
                "recall": _ratio(self.confusion[i][i], sum(self.confusion[i])),
                "num_images": sum(self.confusion[i]),
            }
            for i, name in enumerate(classes)
        }

    def as_json(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """The object that `archspec eval --format json` prints."""
        return {
            "accuracy": self.accuracy,
            "loss": self.loss,
            "num_images": self.num_images,
            "per_class": self.per_class(classes),
            "confusion": self.confusion,
        }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def evaluate(
    network: nn.Module,
    outputs: Outputs,
    feeder: Feeder,
    plan: Plan,
    num_classes: int,
    batch_size: int,
) -> Evaluation:
    """Measure `network` on the pictures of `plan`; it is left in evaluation mode."""
    network.eval()
    loss_sum = torch.zeros((), device=feeder.device, dtype=torch.float64)
    counts = torch.zeros(num_classes * num_classes, device=feeder.device, dtype=torch.int64)
    with torch.inference_mode():
        for images, labels in feeder.batches(plan, batch_bounds(len(plan), batch_size)):
            output = network(images)
            loss_sum += outputs.loss(output, labels, reduction="sum")
            pairs = labels * num_classes + output.argmax(dim=1)
            counts += torch.bincount(pairs, minlength=num_classes * num_classes)
    confusion: list[list[int]] = counts.view(num_classes, num_classes).tolist()
    return Evaluation(float(loss_sum) / len(plan), confusion)


def probabilities(
    network: nn.Module, outputs: Outputs, feeder: Feeder, plan: Plan, batch_size: int
) -> Tensor:
    """The probability of every class for every picture of `plan`: [N, classes]."""
    network.eval()
    with torch.inference_mode():
        batches = feeder.batches(plan, batch_bounds(len(plan), batch_size))
        rows = [outputs.log_probabilities(network(images)).exp().cpu() for images, _ in batches]
        return torch.cat(rows)
