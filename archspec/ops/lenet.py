"""The parts of LeNet-5 as it was published that no later network has.

LeCun, Bottou, Bengio & Haffner, Gradient-Based Learning Applied to Document Recognition, 1998.
"""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar

from pydantic import PlainValidator

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import NoSuchChannel, NotFlat
from archspec.ops.activation import Activation
from archspec.ops.base import Counts, Tensor, Text, Unary, all_channels, require_map, thousands
from archspec.ops.fields import OptionalSize, Pair, PositiveInt, Size, Truth, read_whole, spell
from archspec.ops.mixing import Groups, Listed
from archspec.ops.shape import Shape, show
from archspec.ops.sliding import Sliding
from archspec.ops.taps import View

Table = tuple[tuple[int, ...], ...]
MAX_CONNECTIONS = 1_000_000


class ScaledAvgPool(Sliding):
    """Subsampling with a trained coefficient and bias a channel, the layers S2 and S4 of LeNet-5.

    Every window is summed, times its channel's coefficient, plus its channel's bias: an
    `nn.AvgPool2d` with 2·C parameters.
    """

    op_name: ClassVar = "scaled_avg_pool"
    weighted: ClassVar = True
    words: ClassVar = {}
    backward_needs: ClassVar = frozenset({"input"})
    padding: ClassVar = ((0, 0), (0, 0))  # type: ignore[misc]  # the paper has none
    dilation: ClassVar = (1, 1)  # type: ignore[misc]  # the paper has none

    stride: OptionalSize = None

    @property
    def strides(self) -> Pair:
        return self.stride or self.kernel_size

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        return (channels, *self.map_size(shape))

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return self.with_map_size(shape[0], shape)

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        return Tensor("weight", (shape[0],)), Tensor("bias", (shape[0],))

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del shape
        outputs = prod(output)
        windows = outputs * prod(self.kernel_size)
        return Counts(bias=outputs, pool=windows, elementwise=outputs)

    def params_text(self, shape: Shape) -> Iterator[Text]:
        yield Text("parameters", f"2·C = 2·{shape[0]} = {thousands(2 * shape[0])}")


def _table(value: object) -> Table:
    """For each output, the input channels that it reads."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"table has a list of input channels for each output, not {spell(value)}")
    if sum(len(row) for row in value if isinstance(row, list | tuple)) > MAX_CONNECTIONS:
        raise ValueError(f"table has more than {thousands(MAX_CONNECTIONS)} connections")
    rows = []
    for i, row in enumerate(value):
        if not isinstance(row, list | tuple) or not row:
            raise ValueError(f"table: output {i} has a list of input channels, not {spell(row)}")
        channels = tuple(read_whole(channel, 0, "an input channel") for channel in row)
        if len(set(channels)) < len(channels):
            raise ValueError(f"table: output {i} reads a channel twice: {spell(row)}")
        rows.append(channels)
    return tuple(rows)


Channels = Annotated[Table, PlainValidator(_table)]


class PartialConv2d(Sliding):
    """A convolution whose outputs read some of the input channels, the layer C3 of LeNet-5.

    `table` lists for each output the channels it reads, from 0. Parameters
    `k_h·k_w·connections + C_out`, multiply-accumulates `k_h·k_w·connections` at each place. In
    PyTorch it is an `nn.Conv2d` that holds no weights but those.
    """

    op_name: ClassVar = "partial_conv2d"
    weighted: ClassVar = True
    backward_needs: ClassVar = frozenset({"input"})
    dilation: ClassVar = (1, 1)  # type: ignore[misc]  # the paper has none

    table: Channels
    stride: Size = (1, 1)
    bias: Truth = True

    @property
    def strides(self) -> Pair:
        return self.stride

    @property
    def connections(self) -> int:
        """How many pairs of an input and an output channel have weights."""
        return sum(map(len, self.table))

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        highest = max(map(max, self.table))
        if highest >= channels:
            what = f"the table reads channel {highest}"
            raise Fault(NoSuchChannel, "table", what=what, channels=channels, last=channels - 1)
        return (len(self.table), *self.map_size(shape))

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return self.with_map_size(len(self.table), shape)

    def ratio(self, shape: Shape) -> None:
        del shape

    def mixing(self, shape: Shape, output: Shape) -> Listed:
        del shape, output
        return Listed(self.table)

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        del shape
        weight = Tensor("weight", (self.connections, *self.kernel_size))
        return (weight, Tensor("bias", (len(self.table),))) if self.bias else (weight,)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del shape
        _, height, width = output
        macs = self.connections * prod(self.kernel_size) * height * width
        return Counts(macs=macs, bias=prod(output) if self.bias else 0)

    def _kernels(self) -> str:
        return f"{self.kernel_size[0]}·{self.kernel_size[1]}·{self.connections}"

    def params_text(self, shape: Shape) -> Iterator[Text]:
        total = thousands(sum(tensor.numel for tensor in self.state(shape)))
        letters, numbers = "k·k·connections", self._kernels()
        if self.bias:
            letters, numbers = f"{letters} + C_out", f"{numbers} + {len(self.table)}"
        yield Text("parameters", f"{letters} = {numbers} = {total}")

    def macs_text(self, shape: Shape) -> Iterator[Text]:
        output = self.output_shape(shape)
        total = thousands(self.counts(shape, output).macs)
        each = show(output[1:]).replace("×", "·")
        yield Text("MACs", f"k·k·connections · H·W = {self._kernels()} · {each} = {total}")


class ScaledTanh(Activation):
    """`1.7159·tanh(2x/3)`, LeNet-5's squashing function: `nn.Tanh` with f(1) = 1, f(−1) = −1."""

    op_name: ClassVar = "scaled_tanh"
    backward_needs: ClassVar = frozenset()


class RBF(Unary):
    """Squared distances to trained prototypes, the output layer of LeNet-5.

    `y_i = Σ_j (x_j − w_ij)²`, with one prototype of F_in numbers a class; the smallest output is
    the answer. A difference and a square for each: no multiply-accumulates. As many parameters as
    an `nn.Linear` without a bias. `trainable: false` keeps the prototypes as they begin, at random
    −1 and +1.
    """

    op_name: ClassVar = "rbf"
    weighted: ClassVar = True
    backward_needs: ClassVar = frozenset()

    out_features: PositiveInt
    trainable: Truth = True

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            flat = thousands(prod(shape))
            raise Fault(NotFlat, op=self.op_name, shape=show(shape), flat=flat)
        return (self.out_features,)

    def shape_in_spite(self, shape: Shape) -> Shape:
        del shape
        return (self.out_features,)

    def ratio(self, shape: Shape) -> None:
        del shape

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        return (Tensor("weight", (self.out_features, shape[0]), trainable=self.trainable),)

    def counts(self, shape: Shape, output: Shape) -> Counts:
        return Counts(elementwise=2 * shape[0] * output[0])

    def view(self, shape: Shape) -> View:
        del shape
        return "global"

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        return all_channels(shape, output)

    def output_text(self, shape: Shape) -> Iterator[Text]:
        del shape
        yield Text("output", f"out_features = {self.out_features}")

    def params_text(self, shape: Shape) -> Iterator[Text]:
        if self.trainable:
            total = thousands(shape[0] * self.out_features)
            product = f"F_in·F_out = {shape[0]}·{self.out_features} = {total}"
            yield Text("parameters", product)
