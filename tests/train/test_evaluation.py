"""Evaluation: who is taken for whom, counted by hand."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archspec.train.data.pictures import in_memory
from archspec.train.evaluation import Sums, add_up, evaluate, probabilities
from archspec.train.feeding.feeder import Feeder
from archspec.train.feeding.plan import centre_plan, evaluation_plan, num_crops
from archspec.train.outputs import Outputs
from archspec.train.recipe import TestCrops

CPU = torch.device("cpu")
CLASSES = ("black", "grey", "white")


class ByBrightness(nn.Module):
    """Calls dark pictures class 0 and all others class 2, with odds of e² to 1."""

    def forward(self, images: Tensor) -> Tensor:
        light = (images.mean(dim=(1, 2, 3)) > -0.5).double()
        return torch.stack([2 * (1 - light), torch.zeros_like(light), 2 * light], dim=1)


def feeder(greys: list[int], labels: list[int]) -> Feeder:
    pictures = in_memory((np.full((8, 8, 1), grey, np.uint8) for grey in greys), channels=1)
    return Feeder(pictures, labels, (4, 4), CPU)


def test_everything_is_counted_where_it_belongs() -> None:
    fed = feeder([0, 0, 128, 128, 128, 255, 0], [0, 0, 1, 1, 1, 2, 2])
    plan = centre_plan(fed.pictures, torch.arange(7), (4, 4))
    result = evaluate(ByBrightness(), Outputs.SCORES, fed, plan, 3, batch_size=3)
    assert result.confusion == [[2, 0, 0], [0, 0, 3], [1, 0, 1]]
    assert result.num_images == 7
    assert result.accuracy == 3 / 7
    right = math.log(2 + math.e**2) - 2  # the loss of a picture named right; of others, 2 more
    assert math.isclose(result.loss, (3 * right + 4 * (right + 2)) / 7, rel_tol=1e-6)
    assert result.per_class(CLASSES) == {
        "black": {"precision": 2 / 3, "recall": 1.0, "num_images": 2},
        "grey": {"precision": None, "recall": 0.0, "num_images": 3},
        "white": {"precision": 1 / 4, "recall": 1 / 2, "num_images": 2},
    }
    fed.close()


def test_probabilities_add_up_and_keep_the_plans_order() -> None:
    fed = feeder([255, 0, 255], [0, 0, 0])
    plan = centre_plan(fed.pictures, torch.tensor([1, 2, 0]), (4, 4))
    found = probabilities(ByBrightness(), Outputs.SCORES, fed, plan, batch_size=2)
    assert torch.allclose(found.sum(dim=1), torch.ones(3, dtype=found.dtype))
    assert found.argmax(dim=1).tolist() == [0, 2, 2]
    fed.close()


class Linear(nn.Module):
    """Every crop has its own opinion."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(3, 16, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T


def noisy(number: int) -> Feeder:
    pictures = np.random.default_rng(0).integers(0, 256, (number, 9, 11, 1), dtype=np.uint8)
    return Feeder(in_memory(pictures, 1), [i % 3 for i in range(number)], (4, 4), CPU)


TEN = TestCrops(name="ten")


@pytest.mark.parametrize("batch_size", [1, 3, 10, 16, 100])
def test_crops_are_averaged_wherever_batches_end(batch_size: int) -> None:
    fed, network = noisy(5), Linear()
    plan = evaluation_plan(fed.pictures, torch.tensor([4, 0, 1, 3, 2]), (4, 4), TEN)
    images = torch.cat([batch.images for batch in fed.batches(plan, [(0, 50)])])
    expected = network(images).softmax(dim=1).view(5, 10, 3).mean(dim=1)
    found = probabilities(network, Outputs.SCORES, fed, plan, batch_size, crops=num_crops(TEN))
    assert torch.allclose(found, expected, atol=1e-6)
    result = evaluate(
        network, Outputs.SCORES, fed, plan, 3, batch_size, crops=num_crops(TEN), keep=True
    )
    labels = torch.tensor([1, 0, 1, 0, 2])
    assert result.loss == pytest.approx(float(-expected[range(5), labels].log().mean()))
    counts = torch.zeros(3, 3, dtype=torch.int64)
    for label, row in zip(labels.tolist(), expected, strict=True):
        counts[label, int(row.argmax())] += 1
    assert result.confusion == counts.tolist()
    assert result.probabilities is not None
    assert torch.equal(result.probabilities, found)
    fed.close()


@pytest.mark.parametrize("world", [2, 3, 9])
def test_sums_of_shares_are_the_whole(world: int) -> None:
    fed, network = noisy(7), Linear()
    plan = evaluation_plan(fed.pictures, torch.arange(7), (4, 4), TEN)
    whole = evaluate(network, Outputs.SCORES, fed, plan, 3, 4, crops=10, keep=True)
    shares = [
        add_up(network, Outputs.SCORES, fed, plan, 3, 4, crops=10, share=(rank, world), keep=True)
        for rank in range(world)
    ]
    loss = torch.stack([share.loss for share in shares]).sum()
    counts = torch.stack([share.counts for share in shares]).sum(dim=0)
    result = Sums(loss, counts).evaluation()
    assert result.confusion == whole.confusion
    assert result.loss == pytest.approx(whole.loss, rel=1e-6)
    kept = [share.probabilities for share in shares if share.probabilities is not None]
    assert whole.probabilities is not None
    assert torch.allclose(torch.cat(kept), whole.probabilities, atol=1e-6)
    fed.close()


def test_the_network_runs_in_the_context_that_is_given() -> None:
    fed, entered = noisy(5), []

    @contextmanager
    def half() -> Iterator[None]:
        with torch.autocast("cpu", torch.bfloat16):
            entered.append(True)
            yield

    plan = centre_plan(fed.pictures, torch.arange(5), (4, 4))
    exact = evaluate(Linear(), Outputs.SCORES, fed, plan, 3, 2, keep=True)
    rough = evaluate(Linear(), Outputs.SCORES, fed, plan, 3, 2, autocast=half, keep=True)
    assert len(entered) == 3
    assert rough.probabilities is not None
    assert exact.probabilities is not None
    assert rough.probabilities.dtype == torch.float32
    difference = (rough.probabilities - exact.probabilities).abs().max()
    assert 0 < float(difference) < 0.1
    sums = rough.probabilities.sum(dim=1)  # a softmax of halves would miss 1 by more
    assert torch.allclose(sums, torch.ones(5), atol=1e-6)
    fed.close()


def test_nothing_is_kept_unless_asked() -> None:
    fed = noisy(2)
    plan = centre_plan(fed.pictures, torch.arange(2), (4, 4))
    result = evaluate(Linear(), Outputs.SCORES, fed, plan, 3, 2)
    assert result.probabilities is None
    kept = evaluate(Linear(), Outputs.SCORES, fed, plan, 3, 2, keep=True)
    assert result == kept  # what was measured is the same
    fed.close()
