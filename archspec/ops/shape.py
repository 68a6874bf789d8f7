"""Shapes: the sizes of what flows through a network, and what they are the sizes of."""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

Shape = tuple[int, ...]
"""A tensor's sizes without the batch.

A plain tuple is a vector (F,), or a map with its channels first, (C, H, W) in a picture. What is
neither has a class of its own that says so; it is equal to the plain tuple of its sizes.
"""

Shapes = Sequence[Shape]
"""Those of everything that arrives at an op, or that leaves it, in order."""

Kind = Literal["features", "map", "channels_last"]
"""A vector of features, a map, or a map that was turned round."""


class ChannelsLast(tuple[int, ...]):
    """The shape of a map that was turned round, (H, W, C), as `permute` gives it."""

    __slots__ = ()
    kind: ClassVar[Kind] = "channels_last"


def kind_of(shape: Shape) -> Kind:
    """What the sizes are the sizes of."""
    if isinstance(shape, ChannelsLast):
        return shape.kind
    return "features" if len(shape) == 1 else "map"


def is_map(shape: Shape) -> bool:
    """Whether there are places that each have channels, whichever way round."""
    return kind_of(shape) != "features"


def channel_axis(shape: Shape) -> int:
    """Where among the sizes the channels are, or the features of a vector."""
    return len(shape) - 1 if kind_of(shape) == "channels_last" else 0


def channels_of(shape: Shape) -> int:
    """The channels of a map, whichever way round it is, or the features of a vector."""
    return shape[channel_axis(shape)]


def places_of(shape: Shape) -> Shape:
    """The sizes of a map beside its channels, (H, W) in a picture; none of a vector."""
    axis = channel_axis(shape)
    return (*shape[:axis], *shape[axis + 1 :])


def like(shape: Shape, sizes: Iterable[int]) -> Shape:
    """Other sizes of the same kind."""
    return type(shape)(sizes)


def with_channels(shape: Shape, channels: int) -> Shape:
    """The same places with so many channels each."""
    axis = channel_axis(shape)
    return like(shape, (*shape[:axis], channels, *shape[axis + 1 :]))


def read_shape(text: str) -> list[int] | None:
    """A shape that is written as in papers, `28×28×8` or `28x28x8`, with its channels first."""
    parts = re.split("[xX×]", text)
    if len(parts) < 2 or not all(part.strip().isdecimal() and len(part) < 12 for part in parts):
        return None
    *places, channels = map(int, parts)
    return [channels, *places]


def show(shape: Iterable[object]) -> str:
    """A shape as text: `96×55×55`."""
    return "×".join(map(str, shape))
