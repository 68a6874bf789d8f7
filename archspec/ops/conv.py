"""Convolutions."""

from abc import abstractmethod
from collections.abc import Iterator
from math import gcd
from typing import ClassVar

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import GroupsMismatch
from archspec.ops.base import Counts, Ratio, Tensor, Text, require_map, thousands
from archspec.ops.fields import Pair, PositiveInt, Size, Truth
from archspec.ops.mixing import Groups
from archspec.ops.shape import Shape, show
from archspec.ops.sliding import Sliding


class Convolution(Sliding):
    """A convolution; a subclass says how wide it is and how its channels are grouped."""

    weighted: ClassVar = True
    backward_needs: ClassVar = frozenset({"input"})

    stride: Size = (1, 1)
    bias: Truth = True

    @abstractmethod
    def width(self, shape: Shape) -> int:
        """How many channels leave."""

    @abstractmethod
    def group_count(self, shape: Shape) -> int:
        """Into how many groups the channels are divided."""

    @property
    def strides(self) -> Pair:
        return self.stride

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        width = self.width(shape)
        require_groups(channels, width, self.group_count(shape))
        return (width, *self.map_size(shape))

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return self.with_map_size(self.width(shape), shape)

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        width, fan = self.width(shape), shape[0] // self.group_count(shape)
        weight = Tensor("weight", (width, fan, *self.kernel_size))
        return (weight, Tensor("bias", (width,))) if self.bias else (weight,)

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        groups = self.group_count(shape)
        return Groups(shape[0] // groups, output[0] // groups)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        channels, height, width = output
        outputs = channels * height * width
        fan = shape[0] // self.group_count(shape)
        kernel = self.kernel_size[0] * self.kernel_size[1] * fan
        return Counts(macs=outputs * kernel, bias=outputs if self.bias else 0)

    def _letters(self, shape: Shape) -> str:
        return "k·k·C_in/g" if self.group_count(shape) > 1 else "k·k·C_in"

    def _per_output(self, shape: Shape) -> str:
        groups = self.group_count(shape)
        channels = f"{shape[0]}/{groups}" if groups > 1 else str(shape[0])
        return f"{self.kernel_size[0]}·{self.kernel_size[1]}·{channels}"

    def params_text(self, shape: Shape) -> Iterator[Text]:
        total = sum(tensor.numel for tensor in self.state(shape))
        kernel, letters = self._per_output(shape), self._letters(shape)
        kernel = f"({kernel} + 1)" if self.bias else kernel
        letters = f"({letters} + 1)·C_out" if self.bias else f"{letters}·C_out"
        yield Text("parameters", f"{letters} = {kernel}·{self.width(shape)} = {thousands(total)}")

    def macs_text(self, shape: Shape) -> Iterator[Text]:
        output = self.output_shape(shape)
        total = thousands(self.counts(shape, output).macs)
        each = show(output).replace("×", "·")
        letters = f"{self._letters(shape)} · C_out·H·W"
        yield Text("MACs", f"{letters} = {self._per_output(shape)} · {each} = {total}")


class Conv2d(Convolution):
    """A 2-d convolution, `nn.Conv2d`, with every kind of zero padding.

    Output size: `⌊(W − F + P_before + P_after)/S⌋ + 1`; parameters
    `(k_h·k_w·C_in/groups + 1)·C_out`; multiply-accumulates `k_h·k_w·C_in/groups` for each of the
    `C_out·H·W` outputs.
    """

    op_name: ClassVar = "conv2d"
    aliases: ClassVar = {"kernel_num": "out_channels"}

    out_channels: PositiveInt
    groups: PositiveInt = 1

    def width(self, shape: Shape) -> int:
        del shape
        return self.out_channels

    def group_count(self, shape: Shape) -> int:
        del shape
        return self.groups

    def ratio(self, shape: Shape) -> None:
        del shape


class DepthwiseConv2d(Convolution):
    """A convolution of each channel by itself, `nn.Conv2d` with as many groups as channels arrive.

    Channel i gives the outputs from `i·channel_multiplier` on (Howard et al., MobileNets, 2017);
    parameters `(k_h·k_w + 1)·C_in·channel_multiplier`.
    """

    op_name: ClassVar = "depthwise_conv2d"

    channel_multiplier: PositiveInt = 1

    def width(self, shape: Shape) -> int:
        return shape[0] * self.channel_multiplier

    def group_count(self, shape: Shape) -> int:
        return shape[0]

    def ratio(self, shape: Shape) -> Ratio:
        del shape
        return Ratio((self.channel_multiplier,))


def require_groups(channels: int, out_channels: int, groups: int) -> None:
    """A `Fault` where the channels that arrive, or leave, cannot be divided among the groups."""
    for which, count in (("input", channels), ("output", out_channels)):
        if count % groups:
            common = gcd(channels, out_channels)
            divisors = ", ".join(str(d) for d in range(1, min(common, 64) + 1) if common % d == 0)
            facts = {"which": which, "channels": count, "groups": groups, "divisors": divisors}
            raise Fault(GroupsMismatch, "groups", **facts)
