"""Ops that compute nothing: they drop, pass on or rearrange."""

from collections.abc import Iterator
from math import prod
from typing import ClassVar

from archspec.ops.base import Op, Shape, Text, show, thousands
from archspec.ops.fields import Probability


class Dropout(Op):
    """Inverted dropout, `nn.Dropout`: in training drop with probability p and divide by 1 − p."""

    op_name: ClassVar = "dropout"
    role: ClassVar = "dropout"

    p: Probability = 0.5


class Identity(Op):
    """Passes its input on, `nn.Identity`."""

    op_name: ClassVar = "identity"
    role: ClassVar = "activation"


class Flatten(Op):
    """A map (C, H, W) as a vector of C·H·W, `nn.Flatten`."""

    op_name: ClassVar = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def explain_output(self, shape: Shape) -> Iterator[Text]:
        product = show(shape).replace("×", "·")
        yield Text("output", f"{product} = {thousands(prod(shape))}")
