"""A recipe's optimiser, as PyTorch has it."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop
from torch.optim import Adam as TorchAdam

from archspec.train.recipe import Adam, RmsProp, Sgd
from archspec.train.recipe import AdamW as AdamWRecipe
from archspec.train.recipe import Optimizer as OptimizerRecipe
from archspec.train.spread import is_sharded


def build_optimizer(recipe: OptimizerRecipe, network: nn.Module) -> Optimizer:
    """The optimiser of a recipe for the parameters of `network` that are trained.

    `fused` updates all parameters in one pass: of an AlexNet's step on a CPU, Adam's part halves.
    """
    groups = parameter_groups(network, recipe)
    match recipe:
        case Sgd():
            return _sgd(groups, recipe, fused=not is_sharded(network))
        case Adam():
            return TorchAdam(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, fused=True)
        case AdamWRecipe():
            return AdamW(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, fused=True)
        case RmsProp():
            return RMSprop(
                groups,
                lr=recipe.lr,
                alpha=recipe.alpha,
                eps=recipe.eps,
                momentum=recipe.momentum,
                foreach=True,
            )
        case _:
            raise TypeError(f"no optimiser is built from {type(recipe).__name__}")


def parameter_groups(network: nn.Module, recipe: OptimizerRecipe) -> list[dict[str, Any]]:
    """The trained parameters with their weight decay: one group, or those without it apart.

    With `weight_decay_on: weights`, biases and the parameters of norms, which are all those with
    fewer than two dimensions, are not drawn towards 0.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if recipe.weight_decay_on == "all" or not recipe.weight_decay:
        return [{"params": trained, "weight_decay": recipe.weight_decay}]
    weights = [parameter for parameter in trained if parameter.dim() > 1]
    others = [parameter for parameter in trained if parameter.dim() <= 1]
    groups = ((weights, recipe.weight_decay), (others, 0.0))
    return [{"params": group, "weight_decay": decay} for group, decay in groups if group]


def _sgd(groups: list[dict[str, Any]], recipe: Sgd, *, fused: bool) -> Optimizer:
    """PyTorch's SGD; the averaged form v ← βv + (1 − β)g is its `dampening`, begun at v = 0."""
    averaged = recipe.form == "averaged"
    optimizer = SGD(
        groups,
        lr=recipe.lr,
        momentum=recipe.momentum,
        dampening=recipe.momentum if averaged else 0.0,
        nesterov=recipe.form == "nesterov",
        fused=fused,  # PyTorch has no fused SGD of sharded parameters
        foreach=not fused,
    )
    if averaged:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                # Left to itself PyTorch would begin with v = g, ten times as much for β = 0.9.
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def add_l1(parameters: Iterable[nn.Parameter], strength: float) -> None:
    """Add the gradient of `strength` · Σ|w| to the gradients that are there."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.add_(parameter.detach().sign(), alpha=strength)
