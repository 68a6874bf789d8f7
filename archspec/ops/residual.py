"""What the branches of residual networks carry: a trained scale, and a chance to be left out."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import PlainValidator

from archspec.ops.base import Counts, Tensor, Text, Unary, thousands
from archspec.ops.fields import Number, Probability, spell
from archspec.ops.shape import Shape, channel_axis, channels_of


def _mode(value: object) -> str:
    if value not in ("row", "batch"):
        raise ValueError(f"mode has to be row or batch, not {spell(value)}")
    return str(value)


class StochasticDepth(Unary):
    """Leaves out a residual branch in training with probability p, else divides it by 1 − p.

    Whole samples become zero where `nn.Dropout` drops single elements; with `mode: batch` the whole
    batch does (Huang et al., Deep Networks with Stochastic Depth, 2016).
    """

    op_name: ClassVar = "stochastic_depth"
    role: ClassVar = "dropout"
    words: ClassVar = {"mode": frozenset({"row", "batch"})}
    backward_needs: ClassVar = frozenset()
    is_view: ClassVar = True

    p: Probability
    mode: Annotated[Literal["row", "batch"], PlainValidator(_mode)] = "row"


class LayerScale(Unary):
    """A trained factor for each channel, one `nn.Parameter` of C numbers that begin small.

    The parameter bears the step's own name (Touvron et al., Going deeper with Image Transformers,
    2021; ConvNeXt has it at the end of its residual branches).
    """

    op_name: ClassVar = "layer_scale"
    backward_needs: ClassVar = frozenset({"input"})

    init_value: Number = 1e-6

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        """One tensor without a name: its path is that of the step itself."""
        return (Tensor("", self.parameter_shape(shape)),)

    def parameter_shape(self, shape: Shape) -> Shape:
        """What multiplies an input of `shape`: (C, 1, 1), or (C,) where the channels are last."""
        behind = len(shape) - 1 - channel_axis(shape)
        return (channels_of(shape), *((1,) * behind))

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del output
        return Counts(elementwise=prod(shape))

    def params_text(self, shape: Shape) -> Iterator[Text]:
        yield Text("parameters", f"C = {thousands(channels_of(shape))}")
