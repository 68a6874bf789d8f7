"""Transposed convolutions: a window that is painted instead of read."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar

from pydantic import PlainValidator

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import NothingLeft, OutputPadding
from archspec.ops.arithmetic import transposed_output
from archspec.ops.base import Counts, Tensor, Text, Unary, require_map, thousands
from archspec.ops.conv import require_groups
from archspec.ops.fields import Pair, PositiveInt, Size, Truth, read_ends, read_whole, spell
from archspec.ops.mixing import Groups
from archspec.ops.shape import Shape, kind_of, show
from archspec.ops.taps import View, painted


def _symmetric(value: object) -> Pair:
    """Padding with equal ends, in any of the ways to write padding, as (height, width)."""
    ends = read_ends(value)
    if any(before != after for before, after in ends):
        problem = f"here padding has to be the same at both ends, not {spell(value)}"
        if isinstance(value, list) and len(value) == 2:
            height, width = (spell(item) for item in value)
            problem += f"; for height and width write {{height: {height}, width: {width}}}"
        raise ValueError(problem)
    return ends[0][0], ends[1][0]


def _pair(value: object) -> Pair:
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(f"output_padding is one number or [height, width], not {spell(value)}")
        return read_whole(value[0], 0, "output_padding"), read_whole(value[1], 0, "output_padding")
    number = read_whole(value, 0, "output_padding")
    return number, number


SymmetricPadding = Annotated[Pair, PlainValidator(_symmetric)]
OutputPair = Annotated[Pair, PlainValidator(_pair)]

AXES = ("height", "width")


class ConvTranspose2d(Unary):
    """A transposed convolution, `nn.ConvTranspose2d`: every input paints a window of the output.

    Output size: `(W − 1)·S − 2P + F + P_out`, F being the dilated kernel; parameters
    `k_h·k_w·C_in·C_out/groups + C_out`; multiply-accumulates `k_h·k_w·C_out/groups` for each of the
    `C_in·H·W` inputs. The padding cuts off the output's ends, and is the same at both.
    """

    op_name: ClassVar = "conv_transpose2d"
    aliases: ClassVar = {"kernel_num": "out_channels"}
    weighted: ClassVar = True
    backward_needs: ClassVar = frozenset({"input"})

    out_channels: PositiveInt
    kernel_size: Size
    stride: Size = (1, 1)
    padding: SymmetricPadding = (0, 0)
    output_padding: OutputPair = (0, 0)
    groups: PositiveInt = 1
    bias: Truth = True
    dilation: Size = (1, 1)

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        require_groups(channels, self.out_channels, self.groups)
        for axis, name in enumerate(AXES):
            most = max(self.stride[axis], self.dilation[axis]) - 1
            extra = self.output_padding[axis]
            if extra > most:
                facts = {"padding": extra, "axis": name, "most": most}
                raise Fault(OutputPadding, "output_padding", **facts)
        sizes = self._sizes(shape)
        for axis, (name, size) in enumerate(zip(AXES, sizes, strict=True)):
            if size < 1:
                most = (size + 2 * self.padding[axis] - 1) // 2
                facts = {"axis": name, "arithmetic": self._formula(axis, shape), "most": most}
                raise Fault(NothingLeft, "padding", **facts)
        return (self.out_channels, *sizes)

    def _sizes(self, shape: Shape) -> Pair:
        height, width = (
            transposed_output(
                size,
                self.kernel_size[axis],
                self.stride[axis],
                self.padding[axis],
                self.dilation[axis],
                self.output_padding[axis],
            )
            for axis, size in enumerate(shape[1:])
        )
        return height, width

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        if kind_of(shape) != "map" or min(self._sizes(shape)) < 1:
            return None
        return (self.out_channels, *self._sizes(shape))

    def ratio(self, shape: Shape) -> None:
        del shape

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        fan = self.out_channels // self.groups
        weight = Tensor("weight", (shape[0], fan, *self.kernel_size))
        return (weight, Tensor("bias", (self.out_channels,))) if self.bias else (weight,)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        kernel = prod(self.kernel_size) * (self.out_channels // self.groups)
        return Counts(macs=prod(shape) * kernel, bias=prod(output) if self.bias else 0)

    def view(self, shape: Shape) -> View:
        """Every output is painted by the inputs that lie below its windows."""
        require_map(self.op_name, shape)
        height, width = map(painted, self.kernel_size, self.stride, self.padding, self.dilation)
        return height, width

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        return Groups(shape[0] // self.groups, output[0] // self.groups)

    def _formula(self, axis: int, shape: Shape) -> str:
        """`(7 − 1)·2 − 2·1 + 4 + 0 = 14`."""
        kernel, dilation = self.kernel_size[axis], self.dilation[axis]
        window = f"({dilation}·({kernel} − 1) + 1)" if dilation > 1 else str(kernel)
        result = str(self._sizes(shape)[axis]).replace("-", "−")
        return (
            f"({shape[1 + axis]} − 1)·{self.stride[axis]} − 2·{self.padding[axis]} + {window} + "
            f"{self.output_padding[axis]} = {result}"
        )

    def output_text(self, shape: Shape) -> Iterator[Text]:
        require_map(self.op_name, shape)
        letters = "(W − 1)·S − 2P + F + P_out"
        height, width = (self._formula(axis, shape) for axis in (0, 1))
        if height == width:
            yield Text("output", f"N = {letters} = {width}")
        else:
            yield Text("height", f"N = {letters} = {height}")
            yield Text("width", f"N = {letters} = {width}")

    def _per_input(self) -> str:
        grouped = (
            f"{self.out_channels}/{self.groups}" if self.groups > 1 else f"{self.out_channels}"
        )
        return f"{self.kernel_size[0]}·{self.kernel_size[1]}·{grouped}"

    @property
    def _letters(self) -> str:
        return "k·k·C_out/g" if self.groups > 1 else "k·k·C_out"

    def params_text(self, shape: Shape) -> Iterator[Text]:
        total = thousands(sum(tensor.numel for tensor in self.state(shape)))
        letters, numbers = f"{self._letters}·C_in", f"{self._per_input()}·{shape[0]}"
        if self.bias:
            letters, numbers = f"{letters} + C_out", f"{numbers} + {self.out_channels}"
        yield Text("parameters", f"{letters} = {numbers} = {total}")

    def macs_text(self, shape: Shape) -> Iterator[Text]:
        total = thousands(self.counts(shape, self.output_shape(shape)).macs)
        each = show(shape).replace("×", "·")
        letters = f"{self._letters} · C_in·H·W"
        yield Text("MACs", f"{letters} = {self._per_input()} · {each} = {total}")
