"""Poolings: they keep the channels and have no parameters."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar

from pydantic import PlainValidator

from archspec.diagnostics import Fault
from archspec.diagnostics.language import InvalidValue
from archspec.diagnostics.shapes import AxisMissing, NeitherMapNorVector, NotAMap, PoolingPadding
from archspec.ops.arithmetic import extent, straddles
from archspec.ops.base import Counts, Ratio, Text, Unary, all_channels, require_map
from archspec.ops.fields import OptionalSize, Pair, Size, Truth, spell
from archspec.ops.mixing import EACH, Groups
from archspec.ops.shape import Shape, channel_axis, like, show
from archspec.ops.sliding import Axis, Sliding
from archspec.ops.taps import View, bins


class Pool(Sliding):
    """A pooling; the stride is the window's size unless given, as in PyTorch."""

    backward_needs: ClassVar = frozenset({"input"})

    stride: OptionalSize = None
    ceil_mode: Truth = False

    @property
    def strides(self) -> Pair:
        return self.stride or self.kernel_size

    @property
    def rounds_up(self) -> bool:
        return self.ceil_mode

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        for axis in self.axes(shape):
            _require_input(axis)
        return (channels, *self.map_size(shape))

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return self.with_map_size(shape[0], shape)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del shape
        channels, height, width = output
        return Counts(pool=channels * height * width * self.kernel_size[0] * self.kernel_size[1])


def _require_input(axis: Axis) -> None:
    """A `Fault` where a window could read nothing of the input."""
    span = extent(axis.kernel, axis.dilation)
    padding = max(axis.before, axis.after)
    if padding >= span:
        side = "before" if axis.before >= span else "after"
        what = f"padding {padding} {side} a window of {span}"
        help_ = f"use a padding smaller than the window ({span})"
        raise Fault(PoolingPadding, "padding", what=what, help=help_)
    if straddles(axis.size, axis.stride, axis.before, axis.dilation, axis.output):
        what = f"a {axis.name} of {axis.size} fits between elements {axis.dilation} apart"
        help_ = f"use a dilation of at most {axis.size}, or no padding"
        raise Fault(PoolingPadding, "dilation", what=what, help=help_)


class MaxPool2d(Pool):
    """Max pooling, `nn.MaxPool2d`; padding counts as −∞, so it is never the maximum."""

    op_name: ClassVar = "max_pool"


class AvgPool2d(Pool):
    """Average pooling, `nn.AvgPool2d`; padding counts as zeros if `count_include_pad`."""

    op_name: ClassVar = "avg_pool"

    count_include_pad: Truth = True
    dilation: ClassVar = (1, 1)  # type: ignore[misc]  # PyTorch's average pooling has none


class AdaptivePool(Unary):
    """A pooling to a given output size, whatever arrives."""

    backward_needs: ClassVar = frozenset({"input"})

    output_size: Size = (1, 1)

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        return (channels, *self.output_size)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del output
        channels, height, width = shape
        return Counts(pool=channels * height * width)

    def view(self, shape: Shape) -> View:
        _, *sizes = require_map(self.op_name, shape)
        if self.output_size == (1, 1):
            return "global"
        height, width = map(bins, sizes, self.output_size)
        return height, width

    def output_text(self, shape: Shape) -> Iterator[Text]:
        _, *sizes = require_map(self.op_name, shape)
        yield Text("output", f"output_size = {show(self.output_size)}")
        for name, size, count in zip(("height", "width"), sizes, self.output_size, strict=True):
            if size % count == 0:
                yield Text(name, f"each of {count} outputs pools {size // count} of {size}")
            else:
                exact = f"{size}/{count} = {size / count:.4g}"
                yield Text(name, f"each of {count} outputs pools {exact}, rounded outwards")


class AdaptiveAvgPool2d(AdaptivePool):
    """Average pooling to a given output size, `nn.AdaptiveAvgPool2d`; global unless that is given.

    Output *i* of *n* averages the input from ⌊i·W/n⌋ to ⌈(i+1)·W/n⌉.
    """

    op_name: ClassVar = "adaptive_avg_pool"


class AdaptiveMaxPool2d(AdaptivePool):
    """Max pooling to a given output size, `nn.AdaptiveMaxPool2d`; global unless that is given.

    Output *i* of *n* is the maximum of the input from ⌊i·W/n⌋ to ⌈(i+1)·W/n⌉.
    """

    op_name: ClassVar = "adaptive_max_pool"


def _dims(value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    dims = []
    for dim in value if isinstance(value, list | tuple) else [value]:
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise ValueError(f"dim has to be a dimension or a list of them, not {spell(value)}")  # noqa: TRY004 - pydantic collects ValueErrors
        dims.append(dim)
    if not dims:
        raise ValueError("dim is an empty list: over height and width is `~`")
    return tuple(dims)


Dimensions = Annotated[tuple[int, ...] | None, PlainValidator(_dims)]


class Mean(Unary):
    """The mean over height and width, or over other dimensions `dim`, `torch.mean`.

    Dimension 0 is the batch. A generated module brings its own `nn.Module` where it needs one.
    """

    op_name: ClassVar = "mean"
    backward_needs: ClassVar = frozenset()

    dim: Dimensions = None
    keepdim: Truth = False

    def output_shape(self, shape: Shape) -> Shape:
        gone = self.axes(shape)
        if self.keepdim:
            return like(shape, (1 if axis in gone else s for axis, s in enumerate(shape, 1)))
        kept = [size for axis, size in enumerate(shape, 1) if axis not in gone]
        if len(kept) != 1:
            left = show(kept) or "a single number"
            facts = {"shape": show(shape), "dims": spell(gone), "left": left}
            raise Fault(NeitherMapNorVector, "dim", **facts)
        return tuple(kept)

    def axes(self, shape: Shape) -> tuple[int, ...]:
        """The dimensions it is over, counted from the batch (0) and in their order."""
        rank = len(shape)
        if self.dim is None:
            if rank != 3:
                raise Fault(NotAMap, op=self.op_name, shape=show(shape))
            return tuple(axis for axis in range(1, rank + 1) if axis != channel_axis(shape) + 1)
        for dim in self.dim:
            if not (1 <= dim <= rank or -rank <= dim <= -1):
                facts = {"shape": show(shape), "first": 1, "last": rank}
                raise Fault(AxisMissing, "dim", op=self.op_name, dim=dim, **facts)
        axes = [dim % (rank + 1) for dim in self.dim]
        for index, axis in enumerate(axes):
            if axis in axes[:index]:
                first = self.dim[axes.index(axis)]
                also = "" if first == self.dim[index] else f", and as {self.dim[index]}"
                problem = f"dimension {first} of {show(shape)} is named twice{also}"
                raise Fault(InvalidValue, "dim", problem=problem)
        return tuple(sorted(axes))

    def ratio(self, shape: Shape) -> Ratio | None:
        """The channels stay as many, unless the mean is over them."""
        return None if channel_axis(shape) + 1 in self.axes(shape) else Ratio()

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del output
        return Counts(pool=prod(shape))

    def view(self, shape: Shape) -> View:
        """Over the channels of a map each place sees itself; over anything else, all of it."""
        over_channels = self.axes(shape) == (channel_axis(shape) + 1,)
        return None if len(shape) == 3 and over_channels else "global"

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        """Over the channels, every one is read; else each is by itself."""
        over_channels = channel_axis(shape) + 1 in self.axes(shape)
        return all_channels(shape, output) if over_channels else EACH

    def output_text(self, shape: Shape) -> Iterator[Text]:
        output, dims = show(self.output_shape(shape)), spell(self.axes(shape))
        what = "with a size of 1 along" if self.keepdim else "without"
        yield Text("output", f"{show(shape)} {what} dim {dims}: {output}")
