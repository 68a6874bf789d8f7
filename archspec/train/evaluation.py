"""How good a network is: loss, accuracy, and who is taken for whom."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.train.feeding.feeder import WHOLE, Bounds, Feeder, Share, even_bounds, share_bounds
from archspec.train.feeding.plan import Plan
from archspec.train.outputs import Outputs

Autocast = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Evaluation:
    """`loss` is the mean cross-entropy; `confusion[t][p]` counts pictures of t taken for p.

    `probabilities` [N, classes], on the CPU and in the plan's order, are there if they were kept.
    """

    loss: float
    confusion: list[list[int]]
    probabilities: Tensor | None = field(default=None, compare=False, repr=False)

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


@dataclass(frozen=True)
class Sums:
    """What an evaluation adds up, on the device; those of several processes can be added, too.

    `loss` is the sum of the pictures' cross-entropies, `counts` [classes, classes] the confusion.
    """

    loss: Tensor
    counts: Tensor
    probabilities: Tensor | None = None

    def evaluation(self) -> Evaluation:
        """What the sums come to."""
        confusion: list[list[int]] = self.counts.tolist()
        return Evaluation(float(self.loss) / int(self.counts.sum()), confusion, self.probabilities)


def evaluate(
    network: nn.Module,
    outputs: Outputs,
    feeder: Feeder,
    plan: Plan,
    num_classes: int,
    batch_size: int,
    *,
    crops: int = 1,
    autocast: Autocast = nullcontext,
    keep: bool = False,
) -> Evaluation:
    """Measure `network` on the pictures of `plan`; it is left in evaluation mode.

    The plan has `crops` rows a picture, whose probabilities are averaged. With `keep`, every
    picture's are in the result.
    """
    sums = add_up(
        network,
        outputs,
        feeder,
        plan,
        num_classes,
        batch_size,
        crops=crops,
        autocast=autocast,
        keep=keep,
    )
    return sums.evaluation()


def add_up(
    network: nn.Module,
    outputs: Outputs,
    feeder: Feeder,
    plan: Plan,
    num_classes: int,
    batch_size: int,
    *,
    crops: int = 1,
    autocast: Autocast = nullcontext,
    share: Share = WHOLE,
    keep: bool = False,
) -> Sums:
    """As `evaluate`, but the sums alone, over a process's share of the pictures."""
    loss = torch.zeros((), device=feeder.device, dtype=torch.float64)
    counts = torch.zeros(num_classes**2, device=feeder.device, dtype=torch.int64)
    rows = [torch.zeros(0, num_classes)]
    begin, end = share_bounds(0, len(plan) // crops, share)
    part = plan.part(begin * crops, end * crops)
    # A sharded network's processes run it together: as often each, though one has a picture more.
    most = -(-(len(plan) // crops) // share[1]) * crops
    bounds = even_bounds(len(part), -(-most // batch_size))
    with torch.inference_mode():
        for found, labels in _found(network, outputs, feeder, part, bounds, crops, autocast):
            loss += F.nll_loss(found, labels, reduction="sum")
            pairs = labels * num_classes + found.argmax(dim=1)
            counts += torch.bincount(pairs, minlength=num_classes**2)
            if keep:
                rows.append(found.exp().cpu())
    return Sums(loss, counts.view(num_classes, num_classes), torch.cat(rows) if keep else None)


def probabilities(
    network: nn.Module,
    outputs: Outputs,
    feeder: Feeder,
    plan: Plan,
    batch_size: int,
    *,
    crops: int = 1,
    autocast: Autocast = nullcontext,
) -> Tensor:
    """The probability of every class for every picture of `plan`, averaged: [N, classes]."""
    bounds = even_bounds(len(plan), -(-len(plan) // batch_size))
    with torch.inference_mode():
        found = _found(network, outputs, feeder, plan, bounds, crops, autocast)
        return torch.cat([rows.exp().cpu() for rows, _ in found])


def _found(
    network: nn.Module,
    outputs: Outputs,
    feeder: Feeder,
    plan: Plan,
    bounds: Sequence[Bounds],
    crops: int,
    autocast: Autocast,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logarithms of the mean probabilities of pictures [N, classes], and their labels [N].

    A batch may end amid the crops of a picture: those wait for the others.
    """
    network.eval()
    waiting: list[Tensor] = []
    labels = feeder.labels[plan.places[::crops]].to(feeder.device)
    begin = 0
    for batch in feeder.batches(plan, bounds):
        with autocast():
            output = network(batch.images)
        exact = torch.promote_types(output.dtype, torch.float32)
        rows = torch.cat([*waiting, outputs.log_probabilities(output.to(exact))])
        number = len(rows) // crops
        whole, waiting = rows[: number * crops], [rows[number * crops :]]
        if number:
            # At one crop, the mean is the value itself to the last bit.
            means = whole.view(number, crops, -1).logsumexp(dim=1) - log(crops)
            yield means, labels[begin : begin + number]
            begin += number
