"""Ops that change a map's height and width without a window: upsampling and padding."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import PlainValidator, ValidationInfo

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import SizeOrScale, SmallerUpsample
from archspec.ops.base import Counts, Remark, Text, Unary, require_map
from archspec.ops.fields import Ends, OptionalSize, Pair, spell
from archspec.ops.shape import Shape, kind_of, show
from archspec.ops.taps import View, Window, blended, blended_between_corners, nearest

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
    either: ClassVar = frozenset({"scale_factor", "size"})

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

    def remarks_on(self, shape: Shape) -> Iterator[Remark]:
        if self.size is not None and (self.size[0] < shape[1] or self.size[1] < shape[2]):
            size = spell(self.size[0] if self.size[0] == self.size[1] else list(self.size))
            facts = {"before": show(shape[1:]), "after": show(self.size), "size": size}
            yield Remark(SmallerUpsample, "size", facts)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del shape
        return Counts(elementwise=prod(output) if self.mode == "bilinear" else 0)

    def view(self, shape: Shape) -> View:
        _, *sizes = require_map(self.op_name, shape)
        reading = nearest
        if self.mode == "bilinear":
            reading = blended_between_corners if self.align_corners else blended
        height, width = map(reading, sizes, self._sizes(shape))
        return height, width

    def output_text(self, shape: Shape) -> Iterator[Text]:
        _, *sizes = self.output_shape(shape)
        if self.scale_factor is None:
            yield Text("output", f"size = {show(sizes)}")
            return
        for axis, name in enumerate(AXES):
            size, factor = shape[1 + axis], self.scale_factor[axis]
            yield Text(name, f"{size}·{factor} = {size * factor}")


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
