"""Ops that change a map's height and width without a window: upsampling and padding."""

from collections.abc import Iterator
from math import gcd, prod
from typing import Annotated, ClassVar, Literal

from pydantic import PlainValidator, ValidationInfo

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import SizeOrScale
from archspec.ops.arithmetic import quotient
from archspec.ops.base import Counts, Text, Unary, View, Window, require_map
from archspec.ops.fields import Ends, OptionalSize, Pair, spell
from archspec.ops.shape import Shape, kind_of, show

AXES = ("height", "width")


def _mode(value: object) -> str:
    if value not in ("nearest", "bilinear"):
        raise ValueError(f"mode has to be nearest or bilinear, not {spell(value)}")
    return str(value)


def _aligned(value: object, info: ValidationInfo) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"this has to be true or false, not {spell(value)}")  # noqa: TRY004 - pydantic collects ValueErrors
    if value and info.data.get("mode") == "nearest":
        raise ValueError("align_corners goes with `mode: bilinear`")
    return value


Alignment = Annotated[bool, PlainValidator(_aligned)]


class Upsample(Unary):
    """Resizes a map, `nn.Upsample`: by a whole `scale_factor`, or to a `size`.

    `nearest` repeats what arrives: output u is input ⌊u·W/N⌋. `bilinear` blends the two nearest on
    either axis, around (u + ½)·W/N − ½, or u·(W − 1)/(N − 1) with `align_corners`.
    """

    op_name: ClassVar = "upsample"
    words: ClassVar = {"mode": frozenset({"nearest", "bilinear"})}
    backward_needs: ClassVar = frozenset()

    scale_factor: OptionalSize = None
    size: OptionalSize = None
    mode: Annotated[Literal["nearest", "bilinear"], PlainValidator(_mode)] = "nearest"
    align_corners: Alignment = False

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        if (self.size is None) == (self.scale_factor is None):
            given = "has neither" if self.size is None else "has both"
            raise Fault(SizeOrScale, given=given)
        return (channels, *self._sizes(shape))

    def _sizes(self, shape: Shape) -> Pair:
        if self.size is not None:
            return self.size
        down, across = self.scale_factor or (1, 1)
        return shape[1] * down, shape[2] * across

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        given = self.size or self.scale_factor
        return (shape[0], *self._sizes(shape)) if kind_of(shape) == "map" and given else None

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del shape
        return Counts(elementwise=prod(output) if self.mode == "bilinear" else 0)

    def view(self, shape: Shape) -> View:
        _, *sizes = require_map(self.op_name, shape)
        height, width = (
            self._window(size, output)
            for size, output in zip(sizes, self._sizes(shape), strict=True)
        )
        return height, width

    def _window(self, size: int, output: int) -> Window:
        if self.mode == "nearest":
            return _nearest(size, output)
        return _aligned_corners(size, output) if self.align_corners else _bilinear(size, output)

    def output_text(self, shape: Shape) -> Iterator[Text]:
        _, *sizes = self.output_shape(shape)
        if self.scale_factor is None:
            yield Text("output", f"size = {show(sizes)}")
            return
        for axis, name in enumerate(AXES):
            size, factor = shape[1 + axis], self.scale_factor[axis]
            yield Text(name, f"{size}·{factor} = {size * factor}")


def _reduced(numerator: int, denominator: int) -> Pair:
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common


def _nearest(size: int, output: int) -> Window:
    """Output u is input ⌊u·a/b⌋: it lies between u·a/b − (b − 1)/b and u·a/b."""
    a, b = _reduced(size, output)
    return Window(quotient(2 * b - 1, b), quotient(a, b), quotient(b - 1, b))


def _bilinear(size: int, output: int) -> Window:
    """Output u blends the inputs around s = u·a/b + (a − b)/2b.

    Over all u the fraction of s is every multiple of 1/b, or is that and 1/2b more where a − b is
    odd; rounding outwards adds so much at most at either end.
    """
    a, b = _reduced(size, output)
    slack = 2 * b - 2 if (a - b) % 2 == 0 else 2 * b - 1  # in halves of 1/b
    return Window(
        quotient(2 * b + 2 * slack, 2 * b), quotient(a, b), quotient(slack - (a - b), 2 * b)
    )


def _aligned_corners(size: int, output: int) -> Window:
    """Output u blends the inputs around u·(W − 1)/(N − 1); a single output is the first input."""
    if output == 1:
        return Window(1, 0)
    a, b = _reduced(size - 1, output - 1)
    return Window(quotient(3 * b - 2, b), quotient(a, b), quotient(b - 1, b))


class ZeroPad2d(Unary):
    """Zeros around a map, `nn.ZeroPad2d`; written as the padding of a convolution."""

    op_name: ClassVar = "zero_pad2d"
    backward_needs: ClassVar = frozenset()

    padding: Ends

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = require_map(self.op_name, shape)
        return (channels, height + sum(self.padding[0]), width + sum(self.padding[1]))

    def view(self, shape: Shape) -> View:
        del shape
        (top, _), (left, _) = self.padding
        return Window(1, before=top), Window(1, before=left)

    def output_text(self, shape: Shape) -> Iterator[Text]:
        output = self.output_shape(shape)
        for axis, name in enumerate(AXES):
            before, after = self.padding[axis]
            yield Text(name, f"{shape[1 + axis]} + {before} + {after} = {output[1 + axis]}")
