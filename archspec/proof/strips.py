"""Strips of pixels that are NaN up to an edge, or from one on, and what units show behind them."""

from collections.abc import Iterator
from math import nan
from typing import NamedTuple

import torch
from torch import Tensor

from archspec.analysis.phases import Axis

CHUNK = 60_000
"""Pixels that are traced at a time, a picture's worth."""


class Edge(NamedTuple):
    """Where NaN ends or begins on a strip: all before `at` are NaN, or all from it on."""

    before: bool
    at: int


class Trace(NamedTuple):
    """A strip of pixels along an axis: its length and breadth, and where edges lie in it.

    Before an edge of `begins`, or from one of `ends` on, all pixels are NaN. Units count whose
    fields lie between `start` and `stop`: no border of any map cuts them.
    """

    axis: int
    length: int
    breadth: int
    start: int
    stop: int
    begins: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def pixels(self) -> int:
        """Pixels of all strips together."""
        return self.length * self.breadth * (len(self.begins) + len(self.ends))

    def strips(self, channels: int) -> Iterator[tuple[list[Edge], Tensor]]:
        """Inputs (N, C, H, W), a picture's worth at a time, with the edge that lies in each."""
        edges = [Edge(before=True, at=at) for at in self.begins]
        edges += [Edge(before=False, at=at) for at in self.ends]
        step = max(1, CHUNK // (self.length * self.breadth))
        for start in range(0, len(edges), step):
            chosen = edges[start : start + step]
            strips = torch.ones(len(chosen), channels, self.length, self.breadth)
            for strip, edge in zip(strips, chosen, strict=True):
                strip[:, slice(0, edge.at) if edge.before else slice(edge.at, None)] = nan
            yield chosen, strips if self.axis == 0 else strips.transpose(2, 3).contiguous()


class Units(NamedTuple):
    """What the units along an axis are computed to see, a number for each.

    `sees` is False of one that sees nothing.
    """

    phase: Tensor
    first: Tensor
    last: Tensor
    sees: Tensor

    @classmethod
    def of(cls, axis: Axis, count: int) -> "Units":
        """So many units, from 0 on."""
        unit = torch.arange(count)
        phase = unit % axis.period
        spans = torch.tensor([span or (0, 0) for span in axis.spans])[phase]
        start = unit // axis.period * int(axis.stride)
        sees = torch.tensor([span is not None for span in axis.spans])[phase]
        return cls(phase, start + spans[:, 0], start + spans[:, 1], sees)


class Deviations(NamedTuple):
    """How far from where they should the fields of units begin and end, by the units' phase.

    What is as computed is not in it. `unseen` are phases that see something and should not.
    """

    first: dict[int, int]
    last: dict[int, int]
    unseen: set[int]


def look(touched: Tensor, edge: Edge, units: Units, trace: Trace, found: Deviations) -> None:
    """Add what one strip shows of one module, whose units are NaN or not.

    A unit that is NaN sees a pixel before the edge; one that is not begins behind it. So both
    bound where fields begin, and likewise where they end.
    """
    shown = units.sees & (units.first >= trace.start) & (units.last < trace.stop)
    if edge.before:
        begins = torch.where(
            touched, (edge.at - 1 - units.first).clamp(max=0), (edge.at - units.first).clamp(min=0)
        )
        _keep_worst(begins * shown, units.phase, found.first)
    else:
        ends = torch.where(
            touched, (edge.at - units.last).clamp(min=0), (edge.at - 1 - units.last).clamp(max=0)
        )
        _keep_worst(ends * shown, units.phase, found.last)
    found.unseen.update(units.phase[touched & ~units.sees].tolist())


def _keep_worst(numbers: Tensor, phases: Tensor, worst: dict[int, int]) -> None:
    """Keep for each phase the number farthest from 0."""
    for unit in numbers.nonzero().flatten().tolist():
        phase, number = int(phases[unit]), int(numbers[unit])
        worst[phase] = max(worst.get(phase, 0), number, key=abs)
