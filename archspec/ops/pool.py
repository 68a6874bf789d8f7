"""Poolings: they keep the channels and have no parameters."""

from collections.abc import Iterator
from typing import ClassVar

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import PoolingPadding
from archspec.ops.arithmetic import extent
from archspec.ops.base import Counts, Op, Shape, Text, View, Window, require_map, show
from archspec.ops.fields import OptionalSize, Pair, Size, Truth
from archspec.ops.sliding import Sliding


class Pool(Sliding):
    """A pooling; the stride is the window's size unless given, as in PyTorch."""

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
            span = extent(axis.kernel, axis.dilation)
            if max(axis.before, axis.after) >= span:
                side = "before" if axis.before >= span else "after"
                padding = max(axis.before, axis.after)
                raise Fault(PoolingPadding, "padding", padding=padding, side=side, kernel=span)
        return (channels, *self.map_size(shape))

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return self.with_map_size(shape)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del shape
        channels, height, width = output
        return Counts(pool=channels * height * width * self.kernel_size[0] * self.kernel_size[1])


class MaxPool2d(Pool):
    """Max pooling, `nn.MaxPool2d`; padding counts as −∞, so it is never the maximum."""

    op_name: ClassVar = "max_pool"


class AvgPool2d(Pool):
    """Average pooling, `nn.AvgPool2d`; padding counts as zeros if `count_include_pad`."""

    op_name: ClassVar = "avg_pool"

    count_include_pad: Truth = True
    dilation: ClassVar = (1, 1)  # type: ignore[misc]  # PyTorch's average pooling has none


class AdaptiveAvgPool2d(Op):
    """Average pooling to a given output size, `nn.AdaptiveAvgPool2d`.

    Output *i* of *n* averages the input from ⌊i·W/n⌋ to ⌈(i+1)·W/n⌉.
    """

    op_name: ClassVar = "adaptive_avg_pool"

    output_size: Size

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
        height, width = (
            _bin(size, bins) for size, bins in zip(sizes, self.output_size, strict=True)
        )
        return height, width

    def explain_output(self, shape: Shape) -> Iterator[Text]:
        yield Text("output", f"output_size = {show(self.output_size)}")
        for name, size, bins in zip(("height", "width"), shape[1:], self.output_size, strict=True):
            if size % bins == 0:
                yield Text(name, f"each of {bins} outputs averages {size // bins} of {size}")
            else:
                exact = f"{size}/{bins} = {size / bins:.4g}"
                yield Text(name, f"each of {bins} outputs averages {exact}, rounded outwards")


def _bin(size: int, bins: int) -> Window:
    """What an output sees: exact where the bins divide the input, else the tightest hull.

    Bin i begins at ⌊i·size/bins⌋ and ends before ⌈(i+1)·size/bins⌉. Uneven bins have no common
    stride in whole pixels; in rationals it is size/bins, and rounding outwards adds at most
    1 − 1/d at either end, d being the reduced denominator.
    """
    if size % bins == 0:
        return Window(size // bins, size // bins)
    from fractions import Fraction  # rarely needed, and slow to import

    stride = Fraction(size, bins)
    slack = 1 - Fraction(1, stride.denominator)
    return Window(stride + 2 * slack, stride, slack)
