"""Normalisations: they change the scale of what arrives, never its shape."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar

from pydantic import PlainValidator

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import (
    LargeMomentum,
    NormalizedShape,
    NormOfOneNumber,
    NormOfOnePicture,
)
from archspec.ops.base import (
    Counts,
    Remark,
    Tensor,
    Text,
    Unary,
    all_channels,
    require_channels_first,
    require_map,
    require_parts,
    thousands,
)
from archspec.ops.fields import (
    NotNegative,
    Number,
    PositiveInt,
    PositiveNumber,
    Truth,
    read_whole,
    spell,
)
from archspec.ops.mixing import EACH, Groups, Neighbours
from archspec.ops.shape import Shape, kind_of, show
from archspec.ops.taps import View

LARGE_MOMENTUM = 0.9
"""Nobody means that: it is what others call a momentum of 0.1."""


class Normalisation(Unary):
    """What all normalisations share."""

    role: ClassVar = "norm"
    backward_needs: ClassVar = frozenset({"input"})

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del output
        return Counts(norm=prod(shape))


class BatchNorm(Normalisation):
    """Batch normalisation, `nn.BatchNorm2d` on maps and `nn.BatchNorm1d` on vectors.

    Per channel a trainable scale and shift, and as buffers the running mean and variance and the
    number of batches seen.
    """

    op_name: ClassVar = "batch_norm"

    eps: PositiveNumber = 1e-5
    momentum: Number | None = 0.1
    affine: Truth = True
    track_running_stats: Truth = True

    def output_shape(self, shape: Shape) -> Shape:
        require_channels_first(self.op_name, shape)
        return shape

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        return _scale(shape[0]) * self.affine + _running(shape[0]) * self.track_running_stats

    def view(self, shape: Shape) -> View:
        """Without running statistics evaluation, too, takes those of the whole map."""
        return None if self.track_running_stats or len(shape) == 1 else "global"

    def remarks_on(self, shape: Shape) -> Iterator[Remark]:
        if shape[1:] == (1, 1):
            yield Remark(NormOfOnePicture, "", {"shape": show(shape)})
        if self.momentum is not None and self.momentum >= LARGE_MOMENTUM:
            facts = {"momentum": spell(self.momentum), "kept": f"{1 - self.momentum:.3g}"}
            yield Remark(LargeMomentum, "momentum", facts)

    def params_text(self, shape: Shape) -> Iterator[Text]:
        yield from _explain_scale(shape[0]) if self.affine else ()


class InstanceNorm(Normalisation):
    """Normalises each channel of each picture by itself, `nn.InstanceNorm2d`.

    Its statistics are of the whole map, so every output sees all of it.
    """

    op_name: ClassVar = "instance_norm"

    eps: NotNegative = 1e-5
    momentum: Number | None = 0.1
    affine: Truth = False
    track_running_stats: Truth = False

    def output_shape(self, shape: Shape) -> Shape:
        _, height, width = require_map(self.op_name, shape)
        if height * width == 1:
            facts = {"op": self.op_name, "what": "the places of a map", "shape": show(shape)}
            help_ = "leave it out, or put it before what makes the map so small"
            raise Fault(NormOfOneNumber, result="PyTorch refuses that", help=help_, **facts)
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return shape if kind_of(shape) == "map" else None

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        return _scale(shape[0]) * self.affine + _running(shape[0]) * self.track_running_stats

    def view(self, shape: Shape) -> View:
        """With running statistics, an evaluation looks at a single place; training never does."""
        del shape
        return None if self.track_running_stats else "global"

    def params_text(self, shape: Shape) -> Iterator[Text]:
        yield from _explain_scale(shape[0]) if self.affine else ()


class GroupNorm(Normalisation):
    """Normalises groups of channels of each picture, `nn.GroupNorm` (Wu & He 2018).

    Its statistics are of the whole map, so every output sees all of it.
    """

    op_name: ClassVar = "group_norm"

    num_groups: PositiveInt
    eps: NotNegative = 1e-5
    affine: Truth = True

    def output_shape(self, shape: Shape) -> Shape:
        require_channels_first(self.op_name, shape)
        require_parts("num_groups", "channels", shape[0], self.num_groups)
        if self.eps == 0 and prod(shape) == self.num_groups:
            raise _nothing_over_nothing(self.op_name, "the numbers of a group", shape)
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape:
        return shape

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        return _scale(shape[0]) * self.affine

    def view(self, shape: Shape) -> View:
        del shape
        return "global"

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        del output
        return Groups(shape[0] // self.num_groups, shape[0] // self.num_groups)

    def params_text(self, shape: Shape) -> Iterator[Text]:
        yield from _explain_scale(shape[0]) if self.affine else ()


def _sizes(value: object) -> Shape | None:
    """`normalized_shape`: one size, or several."""
    if value is None:
        return None
    sizes = value if isinstance(value, list | tuple) else [value]
    if not sizes:
        raise ValueError(f"normalized_shape is a size or several, not {spell(value)}")
    return tuple(read_whole(size, 1, "a size") for size in sizes)


Sizes = Annotated[Shape | None, PlainValidator(_sizes)]


class LayerNorm(Normalisation):
    """Normalises over the last dimensions, `nn.LayerNorm` (Ba, Kiros & Hinton 2016).

    These are the features of a vector, and the channels of a map that `permute` has turned to
    (H, W, C). On a map (C, H, W) `normalized_shape` says which are meant, `[C, H, W]` for all of
    it; over the channels of such a map goes `layer_norm2d`.
    """

    op_name: ClassVar = "layer_norm"

    normalized_shape: Sizes = None
    eps: NotNegative = 1e-5
    elementwise_affine: Truth = True
    bias: Truth = True

    def output_shape(self, shape: Shape) -> Shape:
        if self.normalized_shape is None and kind_of(shape) == "map":
            problem = f"layer_norm normalises over the last dimension, the width of {show(shape)}"
            help_ = (
                f"over the channels: `layer_norm2d`; over all: `normalized_shape: {list(shape)}`"
            )
            raise Fault(NormalizedShape, problem=problem, help=help_)
        sizes = self.sizes(shape)
        if shape[-len(sizes) :] != sizes:
            problem = f"normalized_shape is {show(sizes)}, but {show(shape)} does not end in that"
            raise Fault(NormalizedShape, "normalized_shape", problem=problem)
        if self.eps == 0 and prod(sizes) == 1:
            raise _nothing_over_nothing(self.op_name, "the numbers of the last dimensions", shape)
        return shape

    def sizes(self, shape: Shape) -> Shape:
        """The sizes of the last dimensions over which it normalises."""
        return self.normalized_shape or (shape[-1],)

    def shape_in_spite(self, shape: Shape) -> Shape:
        return shape

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        sizes = self.sizes(shape)
        weight, bias = Tensor("weight", sizes), Tensor("bias", sizes)
        return (weight, *((bias,) * self.bias)) if self.elementwise_affine else ()

    def view(self, shape: Shape) -> View:
        """Over the channels of a map each place sees itself; over anything else, all of it."""
        channels = kind_of(shape) == "channels_last" and len(self.sizes(shape)) == 1
        return None if channels else "global"

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        """The channels of a map (C, H, W) are the first dimension, and often not among the last."""
        apart = kind_of(shape) == "map" and len(self.sizes(shape)) < len(shape)
        return EACH if apart else all_channels(shape, output)

    def params_text(self, shape: Shape) -> Iterator[Text]:
        if self.elementwise_affine:
            sizes = self.sizes(shape)
            each = show(sizes).replace("×", "·")
            times, letters = ("2·", "2·F") if self.bias else ("", "F")
            total = thousands(sum(tensor.numel for tensor in self.state(shape)))
            yield Text("parameters", f"{letters} = {times}{each} = {total}")


class LayerNorm2d(Normalisation):
    """Normalises over the channels at each place of a map (C, H, W), as ConvNeXt does.

    It is `nn.LayerNorm` between two permutations (Liu et al., A ConvNet for the 2020s, 2022).
    """

    op_name: ClassVar = "layer_norm2d"

    eps: NotNegative = 1e-5
    elementwise_affine: Truth = True

    def output_shape(self, shape: Shape) -> Shape:
        channels, _, _ = require_map(self.op_name, shape)
        if self.eps == 0 and channels == 1:
            raise _nothing_over_nothing(self.op_name, "the channels", shape)
        return shape

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return shape if kind_of(shape) == "map" else None

    def state(self, shape: Shape) -> tuple[Tensor, ...]:
        return _scale(shape[0]) * self.elementwise_affine

    def mixing(self, shape: Shape, output: Shape) -> Groups:
        return all_channels(shape, output)

    def params_text(self, shape: Shape) -> Iterator[Text]:
        yield from _explain_scale(shape[0]) if self.elementwise_affine else ()


class LocalResponseNorm(Normalisation):
    """Local response normalisation across channels, `nn.LocalResponseNorm` (AlexNet 2012, 3.3).

    `b_i = a_i / (k + α/n Σ a_j²)^β` over the n channels around i. PyTorch divides α by n; the
    paper does not.
    """

    op_name: ClassVar = "local_response_norm"

    size: PositiveInt
    alpha: NotNegative = 1e-4
    beta: Number = 0.75
    k: NotNegative = 1.0

    def output_shape(self, shape: Shape) -> Shape:
        require_map(self.op_name, shape)
        return shape

    def mixing(self, shape: Shape, output: Shape) -> Neighbours:
        del shape, output
        return Neighbours(self.size // 2, (self.size - 1) // 2)


def _nothing_over_nothing(op: str, what: str, shape: Shape) -> Fault:
    """The fault of a norm of one number whose `eps` is 0."""
    facts = {"op": op, "what": what, "shape": show(shape)}
    result, help_ = "with eps 0 the result is 0/0", "an eps above 0 gives 0"
    return Fault(NormOfOneNumber, "eps", result=result, help=help_, **facts)


def _scale(channels: int) -> tuple[Tensor, ...]:
    return Tensor("weight", (channels,)), Tensor("bias", (channels,))


def _running(channels: int) -> tuple[Tensor, ...]:
    return (
        Tensor("running_mean", (channels,), trainable=False),
        Tensor("running_var", (channels,), trainable=False),
        Tensor("num_batches_tracked", (), trainable=False),
    )


def _explain_scale(channels: int) -> Iterator[Text]:
    yield Text("parameters", f"2·C = 2·{channels} = {thousands(2 * channels)}")
