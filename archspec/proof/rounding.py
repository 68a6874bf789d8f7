"""Rounding, made larger: what it does to a network's numbers is no fault of its code."""

import torch
from torch import Tensor

ROUNDING = 1e-14
"""45 times that of a double: more than the few that one step makes, whatever their order is."""
RUNS = 8
"""A number that decides which way to go goes the other way in one of so many runs."""
LUCK = 16
"""The largest of so many random errors may lie so far below the largest that there can be.

Each of several norms in a row that leave nothing but rounding has its share in it.
"""


class Rounding:
    """Errors for every step of an interpretation, the same for a seed.

    Gradients are off as well: they go back through the errors, and each is rounded itself before
    it goes through a step. What a norm leaves of a gradient may be nothing but that.

    With every second seed only gradients are off, and numbers are exact. That may take gradients
    further: from equal numbers, whose deviation is 0, a norm makes of a gradient one that is
    1 / sqrt(eps) times as large, but not from numbers that an error has made unequal.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self.is_of_gradients_only = seed % 2 == 1

    def of(self, value: Tensor) -> Tensor:
        """What a step puts out, off by some roundings of it."""
        drawn = self._drawn(value)
        rounded = value * (1 + drawn) + drawn / 10
        if rounded.requires_grad:
            rounded.register_hook(self._off)  # type: ignore[no-untyped-call]  # torch's own
        return rounded

    def of_difference(self, value: Tensor, minuend: Tensor) -> Tensor:
        """A difference, off by some roundings of what was subtracted from, however small it is."""
        return value + self._drawn(value) * minuend

    def _off(self, gradient: Tensor) -> Tensor:
        return gradient * (1 + self._drawn(gradient))

    def _drawn(self, like: Tensor) -> Tensor:
        return ROUNDING * torch.randn(like.shape, generator=self._generator, dtype=like.dtype)
