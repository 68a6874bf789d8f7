"""What expressions see of what arrives: `in_channels`, `in_height`, `in_width`."""

from typing import Any

from archspec.expressions import UNKNOWN, Missing, Value
from archspec.ops import Shape, channels_of
from archspec.ops.shape import places_of

CHANNELS = "in_channels"
SIZES = ("in_height", "in_width")
"""They differ with the size of the pictures, so that code is for one."""
NAMES = frozenset({CHANNELS, *SIZES})
_OF_VECTORS: dict[str, Any] = {
    name: Missing(f"what arrives is a vector, which has no {name.removeprefix('in_')}")
    for name in SIZES
}


def seen(shape: Shape | None) -> dict[str, Value]:
    """The names for a shape that arrives; UNKNOWN where it is not known, which has been told."""
    if shape is None:
        return dict.fromkeys(NAMES, UNKNOWN)
    return {CHANNELS: channels_of(shape), **sizes_of(shape)}


def sizes_of(shape: Shape) -> dict[str, Value]:
    """The names for height and width alone."""
    places = places_of(shape)
    return dict(zip(SIZES, places, strict=True)) if places else _OF_VECTORS
