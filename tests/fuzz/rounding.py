"""How far rounding takes what a network computes: beyond that, a number is another number."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from unittest.mock import patch

import torch
from torch import Tensor

from archspec.graph.network import Network
from archspec.proof import interpreter, semantics_norms
from archspec.proof.call import Call
from archspec.proof.semantics import SEMANTICS, Semantics

MOST = 1e30
"""What is far above this, or no number at all, says nothing."""
ROUNDING = 1e-14
"""45 times that of a double: more than the few that one step makes, whatever their order is."""
RUNS = 8
"""A number that decides which way to go goes the other way in one of so many runs."""
LUCK = 4
"""The largest of so many random errors may lie so far below the largest that there can be."""

Numbers = Mapping[str, Tensor]


def roundings(
    network: Network,
    state: Mapping[str, Tensor],
    x: Tensor,
    compute: Callable[[Network, Mapping[str, Tensor], Tensor], Numbers],
) -> dict[str, float]:
    """For each tensor that `compute` gives, how far roundings in all steps may take its numbers.

    They are taken as far where a norm or a softplus divides by next to 0. Without a bound where
    numbers grow without end.
    """
    exact = compute(network, state, x)
    if _grows(network, state, x):
        return dict.fromkeys(exact, inf)
    bounds = dict.fromkeys(exact, 0.0)
    for seed in range(RUNS):
        with _noise(seed):
            noisy = compute(network, state, x)
        for place, tensor in exact.items():
            error = (noisy[place].double() - tensor.double()).abs().nan_to_num(inf)
            bounds[place] = max(bounds[place], float(error.max()) if error.numel() else 0.0)
    return {place: LUCK * bound for place, bound in bounds.items()}


def _grows(network: Network, state: Mapping[str, Tensor], x: Tensor) -> bool:
    """Whether there are numbers that say nothing."""
    with torch.no_grad():
        values = interpreter.interpret(network, state, x, training=False).values
    return not all(bool((value.abs() < MOST).all()) for value in values if value is not None)


@contextmanager
def _noise(seed: int) -> Iterator[None]:
    """Inside, every step of the interpreter rounds a little otherwise.

    What a step puts out is off by some roundings of it; that of a norm by some roundings of what
    arrives as well, over √(variance + eps): it subtracts a mean from numbers that may be much
    larger than the difference, and eps may be all there is in the root. Gradients are off in the
    same way: they go back through these errors.
    """
    generator = torch.Generator().manual_seed(seed)
    exact = semantics_norms.standardised

    def noise(like: Tensor) -> Tensor:
        return ROUNDING * torch.randn(like.shape, generator=generator, dtype=like.dtype)

    def rounded(semantics: Semantics) -> Semantics:
        def compute(op: object, call: Call) -> Tensor:
            value = semantics(op, call)
            drawn = noise(value)
            return value * (1 + drawn) + drawn / 10

        return compute

    def subtracted(x: Tensor, dims: list[int], eps: float) -> Tensor:
        spread = torch.sqrt(x.detach().var(dims, correction=0, keepdim=True) + eps)
        return exact(x, dims, eps) + noise(x) * x / spread

    noisy = {cls: rounded(semantics) for cls, semantics in SEMANTICS.items()}
    with (
        patch.object(interpreter, "SEMANTICS", noisy),
        patch.object(semantics_norms, "standardised", subtracted),
    ):
        yield
