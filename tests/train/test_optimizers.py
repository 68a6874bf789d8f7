"""Every optimiser of a recipe takes the steps of its paper's formula, written down again here."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from archspec.train.optimizers import add_l1, build_optimizer, parameter_groups
from archspec.train.recipe import Adam, AdamW, Optimizer, RmsProp, Sgd

Array = NDArray[np.float64]
Steps = Iterator[Array]
Formula = Callable[[Array, Callable[[Array], Array]], Steps]
NUM_STEPS = 6
LR = 0.05

# The loss is Σ (c·w² / 2 + sin w): its gradient is another one at every step.
CURVATURE = np.linspace(0.5, 3.0, 12).reshape(3, 4)


def slope(w: Array) -> Array:
    return CURVATURE * w + np.cos(w)


def walked(recipe: Optimizer, start: Array) -> list[Array]:
    """The weights after each step of the optimiser that the recipe gives."""
    network = nn.Linear(4, 3, bias=False, dtype=torch.float64)
    with torch.no_grad():
        network.weight.copy_(torch.from_numpy(start))
    optimizer = build_optimizer(recipe, network)
    path = []
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        network.weight.grad = torch.from_numpy(slope(network.weight.detach().numpy()).copy())
        if recipe.l1:
            add_l1(network.parameters(), recipe.l1)
        optimizer.step()
        path.append(network.weight.detach().numpy().copy())
    return path


def descent(w: Array, gradient: Callable[[Array], Array]) -> Steps:
    while True:
        w = w - LR * gradient(w)
        yield w


def classic(w: Array, gradient: Callable[[Array], Array]) -> Steps:
    v = np.zeros_like(w)
    while True:
        v = 0.9 * v + gradient(w)
        w = w - LR * v
        yield w


def nesterov(w: Array, gradient: Callable[[Array], Array]) -> Steps:
    v = np.zeros_like(w)
    while True:
        g = gradient(w)
        v = 0.9 * v + g
        w = w - LR * (g + 0.9 * v)
        yield w


def averaged(w: Array, gradient: Callable[[Array], Array]) -> Steps:
    """Of the course notes: v = βv + (1 − β)g, from v = 0 and without bias correction."""
    v = np.zeros_like(w)
    while True:
        v = 0.9 * v + (1 - 0.9) * gradient(w)
        w = w - LR * v
        yield w


def adam_with(
    decoupled: float = 0.0, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> Formula:
    """Kingma & Ba 2015, algorithm 1; the decay of Loshchilov & Hutter 2019, algorithm 2."""

    def formula(w: Array, gradient: Callable[[Array], Array]) -> Steps:
        m, v, t = np.zeros_like(w), np.zeros_like(w), 0
        while True:
            g, t = gradient(w), t + 1
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
            w = w - LR * (m_hat / (np.sqrt(v_hat) + eps) + decoupled * w)
            yield w

    return formula


def rmsprop_with(momentum: float = 0.0) -> Formula:
    def formula(w: Array, gradient: Callable[[Array], Array]) -> Steps:
        square, buffer = np.zeros_like(w), np.zeros_like(w)
        while True:
            g = gradient(w)
            square = 0.9 * square + 0.1 * g**2
            buffer = momentum * buffer + g / (np.sqrt(square) + 1e-6)
            w = w - LR * buffer
            yield w

    return formula


def with_l2(w: Array) -> Array:
    return slope(w) + 0.1 * w


def with_l1(w: Array) -> Array:
    return slope(w) + 0.1 * np.sign(w)


@pytest.mark.parametrize(
    ("recipe", "formula", "gradient"),
    [
        (Sgd(lr=LR), descent, slope),
        (Sgd(lr=LR, weight_decay=0.1), descent, with_l2),
        (Sgd(lr=LR, l1=0.1), descent, with_l1),
        (Sgd(lr=LR, momentum=0.9), classic, slope),
        (Sgd(lr=LR, momentum=0.9, weight_decay=0.1), classic, with_l2),
        (Sgd(lr=LR, momentum=0.9, form="nesterov"), nesterov, slope),
        (Sgd(lr=LR, momentum=0.9, form="nesterov", weight_decay=0.1), nesterov, with_l2),
        (Sgd(lr=LR, momentum=0.9, form="averaged"), averaged, slope),
        (Sgd(lr=LR, momentum=0.9, form="averaged", weight_decay=0.1), averaged, with_l2),
        (Adam(lr=LR), adam_with(), slope),
        (Adam(lr=LR, betas=(0.5, 0.6), eps=0.1), adam_with(betas=(0.5, 0.6), eps=0.1), slope),
        (Adam(lr=LR, weight_decay=0.1), adam_with(), with_l2),
        (Adam(lr=LR, l1=0.1), adam_with(), with_l1),
        (AdamW(lr=LR), adam_with(), slope),
        (AdamW(lr=LR, weight_decay=0.1), adam_with(decoupled=0.1), slope),
        (AdamW(lr=LR, weight_decay=0.1, l1=0.1), adam_with(decoupled=0.1), with_l1),
        (RmsProp(lr=LR, alpha=0.9, eps=1e-6), rmsprop_with(), slope),
        (RmsProp(lr=LR, alpha=0.9, eps=1e-6, weight_decay=0.1), rmsprop_with(), with_l2),
        (RmsProp(lr=LR, alpha=0.9, eps=1e-6, momentum=0.7), rmsprop_with(0.7), slope),
    ],
)
def test_steps_are_those_of_the_formula(
    recipe: Optimizer, formula: Formula, gradient: Callable[[Array], Array]
) -> None:
    start = np.random.default_rng(0).normal(size=(3, 4))
    expected = formula(start, gradient)
    for step, w in enumerate(walked(recipe, start)):
        assert np.allclose(w, next(expected), rtol=1e-9, atol=1e-12), f"step {step + 1}"


def test_the_averaged_form_goes_on_from_a_checkpoint() -> None:
    recipe = Sgd(lr=LR, momentum=0.9, form="averaged")
    network = nn.Linear(4, 3)
    optimizer = build_optimizer(recipe, network)

    def step(network: nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        network.weight.grad, network.bias.grad = network.weight.sin(), network.bias.cos()
        optimizer.step()

    step(network, optimizer)
    twin = deepcopy(network)
    other = build_optimizer(recipe, twin)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    step(network, optimizer)
    step(twin, other)
    assert torch.equal(network.weight, twin.weight)
    assert torch.equal(network.bias, twin.bias)


def small_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4, 2)
    )


RECIPES: list[Any] = [Sgd, Adam, AdamW, RmsProp]


@pytest.mark.parametrize("kind", RECIPES)
def test_decay_may_leave_norms_and_biases_alone(kind: type[Optimizer]) -> None:
    network = small_network()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    recipe = kind(lr=0.1, weight_decay=0.5, weight_decay_on="weights")
    optimizer = build_optimizer(recipe, network)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"0.weight", "4.weight"}


@pytest.mark.parametrize("kind", RECIPES)
def test_decay_on_all_is_on_all(kind: type[Optimizer]) -> None:
    network = small_network()
    optimizer = build_optimizer(kind(lr=0.01, weight_decay=0.5), network)
    for parameter in network.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in network.named_parameters():
        assert bool(((parameter > 0.5) & (parameter < 1)).all()), name


def test_frozen_parameters_are_in_no_group() -> None:
    network = small_network()
    network[0].requires_grad_(requires_grad=False)
    for on in ("all", "weights"):
        recipe = Sgd.model_validate({"lr": 0.1, "weight_decay": 0.1, "weight_decay_on": on})
        found = {id(p) for group in parameter_groups(network, recipe) for p in group["params"]}
        assert found == {id(p) for p in network.parameters() if p.requires_grad}


def test_l1_is_the_gradient_of_the_sum_of_magnitudes() -> None:
    network = small_network()
    loss = sum((p.abs().sum() for p in network.parameters()), start=torch.zeros(()))
    (0.3 * loss).backward()  # type: ignore[no-untyped-call] # torch leaves it so
    expected = [p.grad for p in network.parameters()]
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    network[0].bias.grad = None  # a frozen one has none, and gets none
    add_l1(network.parameters(), 0.3)
    assert network[0].bias.grad is None
    for parameter, wanted in zip(network.parameters(), expected, strict=True):
        if parameter.grad is not None:
            assert wanted is not None
            assert torch.allclose(parameter.grad, wanted)
