"""Convolutions."""

from collections.abc import Iterator
from math import gcd
from typing import ClassVar

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import GroupsMismatch
from archspec.ops.base import Counts, Shape, Tensor, Text, require_map, show, thousands
from archspec.ops.fields import Pair, PositiveInt, Size, Truth
from archspec.ops.sliding import Sliding


class Conv2d(Sliding):
    """A 2-d convolution, `nn.Conv2d`, with every kind of zero padding.

    Output size: `⌊(W − F + P_before + P_after)/S⌋ + 1`; parameters
    `(k_h·k_w·C_in/groups + 1)·C_out`; multiply-accumulates `k_h·k_w·C_in/groups` for each of the
    `C_out·H·W` outputs.
    """

    op_name: ClassVar = "conv2d"
    aliases: ClassVar = {"kernel_num": "out_channels"}
    weighted: ClassVar = True
    overwritable: ClassVar = True

    out_channels: PositiveInt
    stride: Size = (1, 1)
    groups: PositiveInt = 1
    bias: Truth = True

    @property
    def strides(self) -> Pair:
        return self.stride

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        for which, count in (("input", channels), ("output", self.out_channels)):
            if count % self.groups:
                common = gcd(channels, self.out_channels)
                divisors = ", ".join(
                    str(d) for d in range(1, min(common, 64) + 1) if common % d == 0
                )
                raise Fault(
                    GroupsMismatch,
                    "groups",
                    which=which,
                    channels=count,
                    groups=self.groups,
                    divisors=divisors,
                )
        return (self.out_channels, *self.map_size(shape))

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return self.with_map_size((self.out_channels, *shape[1:]))

    def tensors(self, shape: Shape) -> tuple[Tensor, ...]:
        weight = Tensor("weight", (self.out_channels, shape[0] // self.groups, *self.kernel_size))
        return (weight, Tensor("bias", (self.out_channels,))) if self.bias else (weight,)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        channels, height, width = output
        outputs = channels * height * width
        kernel = self.kernel_size[0] * self.kernel_size[1] * (shape[0] // self.groups)
        return Counts(macs=outputs * kernel, bias=outputs if self.bias else 0)

    @property
    def _letters(self) -> str:
        return "k·k·C_in/g" if self.groups > 1 else "k·k·C_in"

    def _per_output(self, shape: Shape) -> str:
        channels = f"{shape[0]}/{self.groups}" if self.groups > 1 else str(shape[0])
        return f"{self.kernel_size[0]}·{self.kernel_size[1]}·{channels}"

    def explain_params(self, shape: Shape) -> Iterator[Text]:
        total = sum(tensor.numel for tensor in self.tensors(shape))
        kernel = self._per_output(shape)
        kernel = f"({kernel} + 1)" if self.bias else kernel
        letters = f"({self._letters} + 1)·C_out" if self.bias else f"{self._letters}·C_out"
        yield Text("parameters", f"{letters} = {kernel}·{self.out_channels} = {thousands(total)}")

    def explain_macs(self, shape: Shape) -> Iterator[Text]:
        output = self.output_shape(shape)
        total = thousands(self.counts(shape, output).macs)
        each = show(output).replace("×", "·")
        yield Text(
            "MACs", f"{self._letters} · C_out·H·W = {self._per_output(shape)} · {each} = {total}"
        )
