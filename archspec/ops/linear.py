"""Fully connected layers."""

from collections.abc import Iterator
from math import prod
from typing import ClassVar

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import NotFlat
from archspec.ops.base import Counts, Op, Shape, Tensor, Text, View, show, thousands
from archspec.ops.fields import PositiveInt, Truth


class Linear(Op):
    """A fully connected layer, `nn.Linear`: parameters `(F_in + 1)·F_out`, `F_in·F_out` MACs."""

    op_name: ClassVar = "linear"
    weighted: ClassVar = True
    overwritable: ClassVar = True

    out_features: PositiveInt
    bias: Truth = True

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            flat = thousands(prod(shape))
            raise Fault(NotFlat, shape=show(shape), flat=flat)
        return (self.out_features,)

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        del shape
        return (self.out_features,)

    def tensors(self, shape: Shape) -> tuple[Tensor, ...]:
        weight = Tensor("weight", (self.out_features, shape[0]))
        return (weight, Tensor("bias", (self.out_features,))) if self.bias else (weight,)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        return Counts(macs=shape[0] * output[0], bias=output[0] if self.bias else 0)

    def view(self, shape: Shape) -> View:
        del shape
        return "global"

    def explain_output(self, shape: Shape) -> Iterator[Text]:
        del shape
        yield Text("output", f"out_features = {self.out_features}")

    def explain_params(self, shape: Shape) -> Iterator[Text]:
        total = thousands(sum(tensor.numel for tensor in self.tensors(shape)))
        inputs = f"({shape[0]} + 1)" if self.bias else str(shape[0])
        letters = "(F_in + 1)·F_out" if self.bias else "F_in·F_out"
        yield Text("parameters", f"{letters} = {inputs}·{self.out_features} = {total}")

    def explain_macs(self, shape: Shape) -> Iterator[Text]:
        total = thousands(shape[0] * self.out_features)
        yield Text("MACs", f"F_in·F_out = {shape[0]}·{self.out_features} = {total}")
