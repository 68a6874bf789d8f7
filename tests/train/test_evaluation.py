"""Evaluation: who is taken for whom, counted by hand."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from archspec.train.evaluation import evaluate, probabilities
from archspec.train.feeder import Feeder
from archspec.train.outputs import Outputs
from archspec.train.pictures import in_memory
from archspec.train.plan import centre_plan

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
