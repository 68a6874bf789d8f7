"""Ops that take channels apart or bring them into another order."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import NoSuchChannel
from archspec.ops.base import (
    Ratio,
    Text,
    Unary,
    all_channels,
    require_channels_first,
    require_map,
    require_parts,
)
from archspec.ops.fields import OptionalPlace, Place, PositiveInt, whole
from archspec.ops.mixing import Groups, Shifted
from archspec.ops.shape import Shape, kind_of
from archspec.ops.taps import View, Window, laid_out

Index = Annotated[int, whole(0)]


class ChannelShuffle(Unary):
    """Mixes the channels of groups, `nn.ChannelShuffle` (Zhang et al., ShuffleNet, 2017).

    Channels g·n + i become i·groups + g: the next grouped convolution sees some of every group.
    """

    op_name: ClassVar = "channel_shuffle"
    backward_needs: ClassVar = frozenset()

    groups: PositiveInt

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        require_parts("groups", "channels", channels, self.groups)
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape:
        return shape

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        """What is next to each other comes from every group."""
        return all_channels(shape, output)


class Chunk(Unary):
    """One of several equal parts of the channels, by its index from 0, as `torch.chunk` cuts them.

    No `nn.Module` does that in PyTorch; a generated module brings its own where it needs one.
    """

    op_name: ClassVar = "chunk"
    backward_needs: ClassVar = frozenset()
    is_view: ClassVar = True

    chunks: PositiveInt
    index: Index

    def output_shape(self, shape: Shape) -> Shape:
        require_channels_first(self.op_name, shape)
        require_parts("chunks", "channels", shape[0], self.chunks)
        if self.index >= self.chunks:
            what = f"part {self.index} of {self.chunks} is asked for"
            facts = {"channels": shape[0], "last": shape[0] - 1}
            help_ = f"the parts are counted from 0 to {self.chunks - 1}"
            raise Fault(NoSuchChannel, "index", what=what, help=help_, **facts)
        return (shape[0] // self.chunks, *shape[1:])

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        if kind_of(shape) == "channels_last" or shape[0] % self.chunks:
            return None
        return (shape[0] // self.chunks, *shape[1:])

    def ratio(self, shape: Shape) -> Ratio:
        del shape
        return Ratio(divisor=self.chunks)

    def view(self, shape: Shape) -> View:
        return None if len(shape) == 3 else "global"

    def mixing(self, shape: Shape, output: Shape) -> Shifted:
        return Shifted(self.index * output[0], shape[0])

    def output_text(self, shape: Shape) -> Iterator[Text]:
        part = shape[0] // self.chunks
        first = self.index * part
        which = f"channels {first} to {first + part - 1}"
        yield Text("output", f"C/chunks = {shape[0]}/{self.chunks} = {part}: {which}")


class Slice(Unary):
    """The channels from `start` up to, but not with, `stop`: `x[:, start:stop]`.

    Without `stop` to the last one, and as in Python a negative number counts from the end. No
    `nn.Module` does that in PyTorch; a generated module brings its own where it needs one.
    """

    op_name: ClassVar = "slice"
    backward_needs: ClassVar = frozenset()
    is_view: ClassVar = True

    start: Place = 0
    stop: OptionalPlace = None

    def ends(self, shape: Shape) -> tuple[int, int]:
        """The first channel that is taken and the first behind it, counted from 0."""
        start, stop = self.start, shape[0] if self.stop is None else self.stop
        return start + shape[0] * (start < 0), stop + shape[0] * (stop < 0)

    def output_shape(self, shape: Shape) -> Shape:
        require_channels_first(self.op_name, shape)
        start, stop = self.ends(shape)
        facts = {"channels": shape[0], "last": shape[0] - 1}
        if stop > shape[0]:
            raise Fault(NoSuchChannel, "stop", what=f"channels up to {self.stop}", **facts)
        if start < 0:
            raise Fault(NoSuchChannel, "start", what=f"channels from {self.start} on", **facts)
        if start >= stop:
            up_to = "" if self.stop is None else f" up to {self.stop}"
            what = f"there are no channels from {self.start}{up_to or ' on'}"
            raise Fault(NoSuchChannel, "start", what=what, **facts)
        return (stop - start, *shape[1:])

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        start, stop = self.ends(shape)
        if kind_of(shape) == "channels_last" or start >= stop:
            return None
        return (stop - start, *shape[1:])

    def ratio(self, shape: Shape) -> None:
        del shape

    def view(self, shape: Shape) -> View:
        return None if len(shape) == 3 else "global"

    def mixing(self, shape: Shape, output: Shape) -> Shifted:
        del output
        return Shifted(self.ends(shape)[0], shape[0])

    def output_text(self, shape: Shape) -> Iterator[Text]:
        start, stop = self.ends(shape)
        yield Text("output", f"stop − start = {stop} − {start} = {stop - start}")


class PadChannels(Unary):
    """Zeros before and after the channels, `nn.ZeroPad3d`.

    With a stride in front of it a shortcut without parameters where channels are added, option A
    of He et al., Deep Residual Learning for Image Recognition, 2016.
    """

    op_name: ClassVar = "pad_channels"
    backward_needs: ClassVar = frozenset()
    divides: ClassVar = True

    before: Index = 0
    after: Index = 0

    def output_shape(self, shape: Shape) -> Shape:
        require_channels_first(self.op_name, shape)
        return (self.before + shape[0] + self.after, *shape[1:])

    def ratio(self, shape: Shape) -> None:
        del shape

    def view(self, shape: Shape) -> View:
        return None if len(shape) == 3 else "global"

    def mixing(self, shape: Shape, output: Shape) -> Shifted:
        """Channels that are added read nothing."""
        del output
        return Shifted(-self.before, shape[0])

    def output_text(self, shape: Shape) -> Iterator[Text]:
        terms = f"{self.before} + {shape[0]} + {self.after}"
        yield Text("output", f"before + C + after = {terms} = {self.output_shape(shape)[0]}")


class PixelShuffle(Unary):
    """Lays channels out in space, `nn.PixelShuffle`: (C·r², H, W) becomes (C, H·r, W·r).

    Shi et al., Real-Time Single Image and Video Super-Resolution, 2016.
    """

    op_name: ClassVar = "pixel_shuffle"
    backward_needs: ClassVar = frozenset()

    upscale_factor: PositiveInt

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = require_map(self.op_name, shape)
        factor = self.upscale_factor
        parts = factor * factor
        help_ = f"give the layer before a multiple of {parts}"
        require_parts("upscale_factor", "channels", channels, parts, help_)
        return (channels // (factor * factor), height * factor, width * factor)

    def ratio(self, shape: Shape) -> Ratio:
        del shape
        return Ratio(divisor=self.upscale_factor**2)

    def view(self, shape: Shape) -> View:
        """Output u lies in the input's place ⌊u/r⌋."""
        del shape
        reading = laid_out(self.upscale_factor)
        return reading, reading

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        """Of r² channels, a different one for each of r×r places."""
        del shape, output
        return Groups(self.upscale_factor**2, 1, exact=self.upscale_factor == 1)

    def output_text(self, shape: Shape) -> Iterator[Text]:
        channels, height, width = require_map(self.op_name, shape)
        r, (depth, high, wide) = self.upscale_factor, self.output_shape(shape)
        yield Text("output", f"C/r² = {channels}/{r * r} = {depth}")
        yield Text("height", f"H·r = {height}·{r} = {high}")
        yield Text("width", f"W·r = {width}·{r} = {wide}")


class PixelUnshuffle(Unary):
    """Puts r×r places into channels, `nn.PixelUnshuffle`: (C, H·r, W·r) becomes (C·r², H, W)."""

    op_name: ClassVar = "pixel_unshuffle"
    backward_needs: ClassVar = frozenset()
    divides: ClassVar = True

    downscale_factor: PositiveInt

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = require_map(self.op_name, shape)
        factor = self.downscale_factor
        require_parts("downscale_factor", "rows", height, factor)
        require_parts("downscale_factor", "columns", width, factor)
        return (channels * factor * factor, height // factor, width // factor)

    def ratio(self, shape: Shape) -> Ratio:
        del shape
        return Ratio((self.downscale_factor**2,))

    def view(self, shape: Shape) -> View:
        """The channels of an output hold, between them, r×r places."""
        del shape
        window = Window(self.downscale_factor, self.downscale_factor)
        return window, window

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        del shape, output
        return Groups(1, self.downscale_factor**2)

    def places(self) -> Iterator[tuple[Window, Window]]:
        """What each of the r² channels sees that are made of one: a place in r×r."""
        r = self.downscale_factor
        for place in range(r * r):
            row, column = divmod(place, r)
            yield Window(1, r, -row), Window(1, r, -column)

    def output_text(self, shape: Shape) -> Iterator[Text]:
        channels, height, width = require_map(self.op_name, shape)
        r, (depth, high, wide) = self.downscale_factor, self.output_shape(shape)
        yield Text("output", f"C·r² = {channels}·{r * r} = {depth}")
        yield Text("height", f"H/r = {height}/{r} = {high}")
        yield Text("width", f"W/r = {width}/{r} = {wide}")
