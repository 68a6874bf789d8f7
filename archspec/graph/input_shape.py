"""The shape of what arrives at a network, and what was probably meant by one that is none."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.language import ChannelsLastInput, InvalidValue
from archspec.expressions import Value as Worth
from archspec.graph.values import evaluate
from archspec.language.model import Spec
from archspec.language.source import Data
from archspec.ops import Shape
from archspec.ops.shape import read_shape

MOST_COLOURS = 4
"""Channels of a picture: one, or three colours, and how opaque it is."""
LEAST_SIDE = 16
MOST_SIDE = 10**6
_LONGEST = 80
"""Characters of a text that is looked at."""
_UNKNOWN = (None, "None", "none", "N", "B", "b", "batch", "batch_size", "?", "H", "W", -1)
"""How a size that is not known, the batch's for one, is written elsewhere."""
_OPEN = re.compile(r"\s*[(]?(?:\s*(?:\d+|None|null|-1)\s*,)+(?:\s*(?:\d+|None|null|-1))?\s*[)]?\s*")
_WANTED = "input has to be [channels, height, width], for example [3, 224, 224]"


def input_shape(spec: Spec, names: Mapping[str, Worth], faults: list[Diagnostic]) -> Shape | None:
    """The shape of a spec's input without the batch, None where there is none; faults collected."""
    if spec.input is None:
        return None  # told already
    written = _listed(spec.input)
    if isinstance(written, list) and any(_is_open(size, names) for size in written):
        faults.append(InvalidValue(spec.input_at, problem=_WANTED, help=_closed(written, names)))
        return None
    if isinstance(written, dict):
        faults.append(InvalidValue(spec.input_at, problem=_WANTED, help=_by_name(written)))
        return None
    as_papers = read_shape(written) if isinstance(written, str) else None
    value = as_papers or evaluate(written, names, spec.input_at, faults)
    if value is None:
        return None
    sizes: Sequence[Any] = value if isinstance(value, list) else ()
    sizes = [int(s) if isinstance(s, float) and s.is_integer() else s for s in sizes]
    whole = [size for size in sizes if _is_size(size)]
    if len(whole) != len(sizes) or len(sizes) not in (1, 3):
        in_order = [*whole[1:], whole[0]] if as_papers else whole
        help_ = _meant(in_order if len(whole) == len(sizes) else [], value)
        faults.append(InvalidValue(spec.input_at, problem=_WANTED, help=help_))
        return None
    picture = _channels_first([*whole[1:], whole[0]] if as_papers else whole)
    if picture and picture != whole:
        how = "a text is height×width×channels" if as_papers else "a list is channels first"
        channels, height, width = whole
        facts = {"channels": channels, "height": height, "width": width, "how": how}
        faults.append(ChannelsLastInput(spec.input_at, picture=picture, **facts))
    return tuple(whole)


def _listed(written: Data) -> Data:
    """The list that a text means which is a tuple with open sizes, `(None, 224, 224, 3)`."""
    if not isinstance(written, str) or len(written) > _LONGEST or not _OPEN.fullmatch(written):
        return written
    sizes = [size.strip() for size in written.strip(" ()").split(",") if size.strip()]
    return [int(size) if size.isdigit() else None if size != "-1" else -1 for size in sizes]


def _by_name(written: Mapping[str, Data]) -> str:
    """Help for a shape whose sizes have names."""
    sizes = {key.lower()[:1]: size for key, size in written.items()}
    return (
        f"write `input: [{sizes['c']}, {sizes['h']}, {sizes['w']}]`" if {*"chw"} <= {*sizes} else ""
    )


def _is_size(size: object) -> bool:
    return type(size) is int and 1 <= size <= MOST_SIDE


def _is_open(size: Data, names: Mapping[str, Worth]) -> bool:
    """Whether a size is left open; what is the name of a variable is not."""
    return size in _UNKNOWN and (size == "none" or size not in names)


def _closed(written: Sequence[Data], names: Mapping[str, Worth]) -> str:
    """Help for a shape in which sizes are left open: the first may be that of the batch."""
    rest = written[1:]
    if len(rest) in (1, 3) and all(_is_size(size) for size in rest):
        return f"write it without the batch: {_channels_first(rest) or rest}"
    batch = ", without the batch" if len(written) == 4 and _is_open(written[0], names) else ""
    return f"every size is a number{batch}: shapes are computed from it"


def _meant(sizes: Sequence[int], value: object) -> str | None:
    """Help for numbers that are no shape, in the order in which they are written."""
    if _is_size(value):
        return f"a vector of so many features is `input: [{value}]`"
    if len(sizes) == 2 and sizes[0] == 1:
        return f"write it without the batch: [{sizes[1]}]"
    if len(sizes) == 2 and sizes[0] <= MOST_COLOURS and sizes[1] >= LEAST_SIDE:
        return f"a square picture is `input: [{sizes[0]}, {sizes[1]}, {sizes[1]}]`"
    if len(sizes) == 2:
        return f"a picture of one channel is `input: [1, {sizes[0]}, {sizes[1]}]`"
    if len(sizes) == 4:
        return f"write it without the batch: {_channels_first(sizes[1:]) or [*sizes[1:]]}"
    return None


def _channels_first(sizes: Sequence[int]) -> list[int] | None:
    """A picture's shape, where one end looks like its channels, and both others like its sides."""
    for picture in (list(sizes), [sizes[-1], *sizes[:-1]]):
        if len(picture) == 3 and picture[0] <= MOST_COLOURS and min(picture[1:]) >= LEAST_SIDE:
            return picture
    return None
