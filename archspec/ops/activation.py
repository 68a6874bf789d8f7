"""Activations: element by element (softmax along one dimension); shapes stay as they are."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import PlainValidator

from archspec.diagnostics import Fault
from archspec.diagnostics.language import InvalidValue
from archspec.diagnostics.shapes import AxisMissing, ParametersPerChannel
from archspec.ops.base import Counts, Tensor, Text, Unary, all_channels, require_channels_first
from archspec.ops.fields import NotZero, Number, PositiveInt, spell
from archspec.ops.mixing import EACH, Groups
from archspec.ops.shape import Shape, channel_axis, show
from archspec.ops.taps import View


class Activation(Unary):
    """A function applied to every element."""

    role: ClassVar = "activation"
    backward_needs: ClassVar = frozenset({"input"})

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del output
        return Counts(activation=prod(shape))


class ReLU(Activation):
    """`max(0, x)`, `nn.ReLU`."""

    op_name: ClassVar = "relu"
    backward_needs: ClassVar = frozenset({"output"})


class ReLU6(Activation):
    """`min(max(0, x), 6)`, `nn.ReLU6`."""

    op_name: ClassVar = "relu6"


class LeakyReLU(Activation):
    """`x` above zero and `negative_slope·x` below, `nn.LeakyReLU`."""

    op_name: ClassVar = "leaky_relu"

    negative_slope: Number = 0.01


class PReLU(Activation):
    """`x` above zero and `a·x` below, `nn.PReLU`, with a trained `a` (He et al. 2015).

    `num_parameters` is 1 for all channels, or `in_channels` for one each.
    """

    op_name: ClassVar = "prelu"

    num_parameters: PositiveInt = 1

    def output_shape(self, shape: Shape) -> Shape:
        if self.num_parameters == 1:
            return shape
        require_channels_first(self.op_name, shape)
        if self.num_parameters != shape[0]:
            facts = {"count": self.num_parameters, "channels": shape[0]}
            raise Fault(ParametersPerChannel, "num_parameters", **facts)
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape:
        return shape

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        del shape
        return (Tensor("weight", (self.num_parameters,)),)

    def params_text(self, shape: Shape) -> Iterator[Text]:
        del shape
        yield Text("parameters", f"num_parameters = {self.num_parameters}")


class ELU(Activation):
    """`x` above zero and `alpha·(exp(x) − 1)` below, `nn.ELU`."""

    op_name: ClassVar = "elu"

    alpha: Number = 1.0


def _approximation(value: object) -> str:
    if value not in ("none", "tanh"):
        raise ValueError(f"approximate has to be none or tanh, not {spell(value)}")
    return str(value)


class GELU(Activation):
    """`x·Φ(x)`, `nn.GELU`; `approximate: tanh` for the approximation."""

    op_name: ClassVar = "gelu"
    words: ClassVar = {"approximate": frozenset({"none", "tanh"})}

    approximate: Annotated[Literal["none", "tanh"], PlainValidator(_approximation)] = "none"


class SiLU(Activation):
    """`x·sigmoid(x)`, also called swish, `nn.SiLU`."""

    op_name: ClassVar = "silu"


class Softplus(Activation):
    """`log(1 + exp(beta·x))/beta`, a smooth ReLU, `nn.Softplus`.

    Where beta·x is above `threshold`, it is x itself.
    """

    op_name: ClassVar = "softplus"

    beta: NotZero = 1.0
    threshold: Number = 20.0


class Mish(Activation):
    """`x·tanh(softplus(x))`, `nn.Mish`."""

    op_name: ClassVar = "mish"


class Hardtanh(Activation):
    """`x`, but not below `min_val` nor above `max_val`, `nn.Hardtanh`."""

    op_name: ClassVar = "hardtanh"

    min_val: Number = -1.0
    max_val: Number = 1.0

    def output_shape(self, shape: Shape) -> Shape:
        if self.min_val >= self.max_val:
            written = "max_val" if "max_val" in self.model_fields_set else "min_val"
            problem = f"max_val ({self.max_val:g}) has to be above min_val ({self.min_val:g})"
            raise Fault(InvalidValue, written, problem=problem)
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape:
        return shape


class Hardswish(Activation):
    """`x·relu6(x + 3)/6`, `nn.Hardswish`."""

    op_name: ClassVar = "hardswish"


class Hardsigmoid(Activation):
    """`relu6(x + 3)/6`, `nn.Hardsigmoid`."""

    op_name: ClassVar = "hardsigmoid"


class Sigmoid(Activation):
    """`1/(1 + exp(−x))`, `nn.Sigmoid`."""

    op_name: ClassVar = "sigmoid"
    backward_needs: ClassVar = frozenset({"output"})


class Tanh(Activation):
    """The hyperbolic tangent, `nn.Tanh`."""

    op_name: ClassVar = "tanh"
    backward_needs: ClassVar = frozenset({"output"})


def _dimension(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"dim has to be a whole number, not {spell(value)}")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


class Softmax(Activation):
    """Exponentials that sum to 1 along `dim` (1: the channels or classes), `nn.Softmax`."""

    op_name: ClassVar = "softmax"
    backward_needs: ClassVar = frozenset({"output"})

    dim: Annotated[int, PlainValidator(_dimension)] = 1

    def output_shape(self, shape: Shape) -> Shape:
        if not (1 <= self.dim <= len(shape) or -len(shape) <= self.dim <= -1):
            raise Fault(
                AxisMissing,
                "dim",
                op=self.op_name,
                dim=self.dim,
                shape=show(shape),
                first=1,
                last=len(shape),
            )
        return shape

    def view(self, shape: Shape) -> View:
        """Along the channels of a map each place sees itself; along anything else, all of it."""
        dimension = channel_axis(shape) + 1
        channels = self.dim in (dimension, dimension - 1 - len(shape))
        return None if channels and len(shape) == 3 else "global"

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        channels = self.dim in (channel_axis(shape) + 1, channel_axis(shape) - len(shape))
        return all_channels(shape, output) if channels else EACH


class LogSoftmax(Softmax):
    """The logarithm of softmax, `nn.LogSoftmax`."""

    op_name: ClassVar = "log_softmax"
