"""Fully connected layers."""

from collections.abc import Iterator
from math import prod
from typing import ClassVar

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import NotFlat
from archspec.ops.base import Counts, Tensor, Text, Unary, all_channels, thousands
from archspec.ops.fields import PositiveInt, Truth
from archspec.ops.mixing import Groups
from archspec.ops.shape import Shape, channels_of, is_map, kind_of, show, with_channels
from archspec.ops.taps import View


class Linear(Unary):
    """A fully connected layer, `nn.Linear`: parameters `(F_in + 1)·F_out`, `F_in·F_out` MACs.

    On a map that `permute` has turned to (H, W, C) it works on the channels, at each place alike.
    """

    op_name: ClassVar = "linear"
    aliases: ClassVar = {"kernel_num": "out_features"}
    weighted: ClassVar = True
    backward_needs: ClassVar = frozenset({"input"})

    out_features: PositiveInt
    bias: Truth = True

    def output_shape(self, shape: Shape) -> Shape:
        if kind_of(shape) == "channels_last":
            return with_channels(shape, self.out_features)
        if len(shape) != 1:
            flat = thousands(prod(shape))
            raise Fault(NotFlat, op=self.op_name, shape=show(shape), flat=flat)
        return (self.out_features,)

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        del shape
        return (self.out_features,)

    def ratio(self, shape: Shape) -> None:
        del shape

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        weight = Tensor("weight", (self.out_features, channels_of(shape)))
        return (weight, Tensor("bias", (self.out_features,))) if self.bias else (weight,)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        outputs = prod(output)
        return Counts(macs=channels_of(shape) * outputs, bias=outputs if self.bias else 0)

    def view(self, shape: Shape) -> View:
        return None if is_map(shape) else "global"

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        return all_channels(shape, output)

    def output_text(self, shape: Shape) -> Iterator[Text]:
        del shape
        yield Text("output", f"out_features = {self.out_features}")

    def params_text(self, shape: Shape) -> Iterator[Text]:
        total = thousands(sum(tensor.numel for tensor in self.state(shape)))
        features = channels_of(shape)
        inputs = f"({features} + 1)" if self.bias else str(features)
        letters = "(F_in + 1)·F_out" if self.bias else "F_in·F_out"
        yield Text("parameters", f"{letters} = {inputs}·{self.out_features} = {total}")

    def macs_text(self, shape: Shape) -> Iterator[Text]:
        features = channels_of(shape)
        letters, numbers = "F_in·F_out", f"{features}·{self.out_features}"
        if is_map(shape):
            letters, numbers = f"{letters} · H·W", f"{numbers} · {shape[0]}·{shape[1]}"
        total = thousands(self.counts(shape, self.output_shape(shape)).macs)
        yield Text("MACs", f"{letters} = {numbers} = {total}")
