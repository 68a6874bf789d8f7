"""How far rounding takes what a network computes: beyond that, a number is another number."""

from collections.abc import Callable, Mapping
from math import inf

import torch
from torch import Tensor

from archspec.graph.network import Network
from archspec.proof.interpreter import interpret
from archspec.proof.rounding import LUCK, RUNS, Rounding

MOST = 1e30
"""What is far above this, or no number at all, says nothing."""

Numbers = Mapping[str, Tensor]


def roundings(
    network: Network,
    state: Mapping[str, Tensor],
    x: Tensor,
    compute: Callable[[Network, Mapping[str, Tensor], Tensor, Rounding | None], Numbers],
) -> dict[str, float]:
    """For each tensor that `compute` gives, how far roundings in all steps may take its numbers.

    There is no bound where numbers grow without end.
    """
    exact = compute(network, state, x, None)
    if _grows(network, state, x):
        return dict.fromkeys(exact, inf)
    bounds = dict.fromkeys(exact, 0.0)
    for seed in range(RUNS):
        rounded = compute(network, state, x, Rounding(seed))
        for place, tensor in exact.items():
            error = (rounded[place].double() - tensor.double()).abs().nan_to_num(inf)
            bounds[place] = max(bounds[place], float(error.max()) if error.numel() else 0.0)
    return {place: LUCK * bound for place, bound in bounds.items()}


def _grows(network: Network, state: Mapping[str, Tensor], x: Tensor) -> bool:
    """Whether there are numbers that say nothing."""
    with torch.no_grad():
        values = interpret(network, state, x, training=False).values
    return not all(bool((value.abs() < MOST).all()) for value in values if value is not None)
