"""Probabilities are told from scores by what a network does, wherever its softmax stands."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.train.outputs import Outputs, recognise

SHAPE = (3, 4, 4)


class Net(nn.Module):
    """A linear layer, a gate of softmax in the middle, and an ending of one's choice."""

    def __init__(self, ending: str) -> None:
        super().__init__()
        self.gate = nn.Softmax(dim=1)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.Dropout(0.5))
        self.ending = ending
        self.last_registered = nn.Softmax(dim=1)  # which is not what comes last

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x * self.gate(x))
        return ENDINGS[self.ending](self, x)


ENDINGS: dict[str, Callable[[Net, Tensor], Tensor]] = {
    "scores": lambda _, x: x,
    "relu": lambda _, x: F.relu(x),
    "sigmoid": lambda _, x: x.sigmoid(),
    "function": lambda _, x: F.softmax(x, dim=1),
    "module": lambda net, x: net.last_registered(x),
    "log": lambda _, x: F.log_softmax(x, dim=1),
}


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("scores", Outputs.SCORES),
        ("relu", Outputs.SCORES),
        ("sigmoid", Outputs.SCORES),
        ("function", Outputs.PROBABILITIES),
        ("module", Outputs.PROBABILITIES),
        ("log", Outputs.LOG_PROBABILITIES),
    ],
)
def test_what_a_network_puts_out_is_seen(ending: str, expected: Outputs) -> None:
    network = Net(ending)
    before = torch.get_rng_state()
    assert recognise(network, SHAPE) is expected
    assert network.training
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("outputs", Outputs)
def test_every_kind_of_output_has_the_same_loss(outputs: Outputs) -> None:
    scores = torch.randn(6, 5, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    given = {
        Outputs.SCORES: scores,
        Outputs.PROBABILITIES: scores.softmax(dim=1),
        Outputs.LOG_PROBABILITIES: scores.log_softmax(dim=1),
    }[outputs]
    for smoothing in (0.0, 0.1):
        expected = F.cross_entropy(scores, labels, reduction="none", label_smoothing=smoothing)
        assert torch.allclose(outputs.losses(given, labels, smoothing), expected)
    assert torch.allclose(outputs.log_probabilities(given).exp(), scores.softmax(dim=1))


def test_a_probability_of_nothing_has_a_finite_loss_and_gradient() -> None:
    scores = torch.tensor([[0.0, 500.0]], requires_grad=True)
    (loss,) = Outputs.PROBABILITIES.losses(scores.softmax(dim=1), torch.tensor([0]))
    loss.backward()
    assert math.isfinite(loss.item())
    assert scores.grad is not None
    assert bool(scores.grad.isfinite().all())
