"""Rounding, made larger: what it does to a network's numbers is no fault of its code."""

import torch
from torch import Tensor

ROUNDING = 1e-14
"""45 times that of a double: more than the few that one step makes, whatever their order is."""
RUNS = 8
"""A number that decides which way to go goes the other way in one of so many runs."""
LUCK = 4
"""The largest of so many random errors may lie so far below the largest that there can be."""


class Rounding:
    """Errors for every step of an interpretation, the same for a seed.

    Gradients are off in the same way: they go back through the errors.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def of(self, value: Tensor) -> Tensor:
        """What a step puts out, off by some roundings of it."""
        drawn = self._drawn(value)
        return value * (1 + drawn) + drawn / 10

    def of_difference(self, value: Tensor, minuend: Tensor) -> Tensor:
        """A difference, off by some roundings of what was subtracted from, however small it is."""
        return value + self._drawn(value) * minuend

    def _drawn(self, like: Tensor) -> Tensor:
        return ROUNDING * torch.randn(like.shape, generator=self._generator, dtype=like.dtype)
