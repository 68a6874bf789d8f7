"""Initialisation by a recipe: variances as in the papers, and nothing else touched."""

from math import sqrt
from typing import get_args

import pytest
import torch
from torch import nn

from archspec.train.initialise import SCHEMES, initialise
from archspec.train.recipe import Recipe

FAN_IN, FAN_OUT = 64 * 9, 128 * 9


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(64, 128, 3), nn.BatchNorm2d(128), nn.Linear(400, 300))


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("kaiming_normal", sqrt(2 / FAN_IN)),
        ("kaiming_uniform", sqrt(2 / FAN_IN)),
        ("xavier_normal", sqrt(2 / (FAN_IN + FAN_OUT))),
        ("xavier_uniform", sqrt(2 / (FAN_IN + FAN_OUT))),
    ],
)
def test_weights_have_the_variance_of_the_paper(scheme: str, deviation: float) -> None:
    conv, norm, linear = network()
    initialise(nn.Sequential(conv, norm, linear), scheme)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(linear, nn.Linear)
    assert float(conv.weight.detach().std()) == pytest.approx(deviation, rel=0.02)
    assert not conv.bias.any()  # type: ignore[union-attr] # it has one
    assert not linear.bias.any()
    assert isinstance(norm.weight, torch.Tensor)
    assert torch.equal(norm.weight, torch.ones(128))


def test_orthogonal_keeps_lengths() -> None:
    layers = network()
    initialise(layers, "orthogonal")
    weight = layers[2].weight
    assert isinstance(weight, torch.Tensor)
    torch.testing.assert_close(weight @ weight.T, torch.eye(300), atol=1e-4, rtol=0)


def test_the_networks_own_way_is_left_alone() -> None:
    left, reference = network(), network()
    initialise(left, "network")
    for one, other in zip(left.parameters(), reference.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_schema_has_every_scheme() -> None:
    assert set(get_args(Recipe.model_fields["init"].annotation)) == {"network", *SCHEMES}
