"""Tensors for a network's state_dict: random ones for comparisons, positive ones for tracing."""

from collections.abc import Mapping
from math import prod, sqrt

import torch
from torch import Tensor, nn

POOL = 1_048_573
"""Of so many numbers, a prime, large tensors are made again and again: no two rows are the same."""


def random_state(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Random tensors in place of all of a network's, so that no fault hides behind zeros and ones.

    Weights keep the size of what goes through (He et al. 2015); statistics of batch norm are drawn
    too. The same seed gives the same numbers for the same names and shapes.
    """
    generator = torch.Generator().manual_seed(seed)
    shapes = network.state_dict()
    pool = torch.empty(POOL).uniform_(-1, 1, generator=generator)
    return {name: _random(name, shapes[name], generator, pool) for name in sorted(shapes)}


def _random(name: str, like: Tensor, generator: torch.Generator, pool: Tensor) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    made = torch.empty(like.shape, dtype=like.dtype)
    last = name.rpartition(".")[2]
    if like.dim() >= 2:
        bound = sqrt(6 / prod(like.shape[1:]))
        if like.numel() <= POOL:
            return made.uniform_(-bound, bound, generator=generator)
        flat = made.view(-1)
        for start in range(0, len(flat), POOL):
            torch.mul(pool[: len(flat) - start], bound, out=flat[start : start + POOL])
        return made
    if last == "weight" or last.endswith("var"):
        return made.uniform_(0.5, 1.5, generator=generator)
    return made.uniform_(-0.2, 0.2, generator=generator)


def in_precision(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors in another precision; whole numbers stay what they are."""
    return {name: t.to(dtype) if t.is_floating_point() else t for name, t in state.items()}


def positive_state(network: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """Tensors that make every layer an average: what goes in stays finite, however deep.

    They take no memory: each is one number, seen everywhere.
    """
    return {name: _positive(name, like, dtype) for name, like in network.state_dict().items()}


def _positive(name: str, like: Tensor, dtype: torch.dtype) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    last = name.rpartition(".")[2]
    if like.dim() >= 2:
        value = 1 / prod(like.shape[1:])
    else:
        value = 0.0 if last in {"bias", "running_mean"} else 1.0
    return torch.full((), value, dtype=dtype).expand(like.shape)
