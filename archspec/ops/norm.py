"""Normalisations."""

from collections.abc import Iterator
from math import prod
from typing import ClassVar

from archspec.ops.base import Counts, Op, Shape, Tensor, Text, require_map, thousands
from archspec.ops.fields import Number, PositiveInt, PositiveNumber, Truth


class BatchNorm(Op):
    """Batch normalisation, `nn.BatchNorm2d` on maps and `nn.BatchNorm1d` on vectors.

    Per channel a trainable scale and shift, and as buffers the running mean and variance and the
    number of batches seen.
    """

    op_name: ClassVar = "batch_norm"
    role: ClassVar = "norm"
    overwritable: ClassVar = True

    eps: PositiveNumber = 1e-5
    momentum: Number | None = 0.1
    affine: Truth = True
    track_running_stats: Truth = True

    def tensors(self, shape: Shape) -> tuple[Tensor, ...]:
        per_channel = (shape[0],)
        affine = (Tensor("weight", per_channel), Tensor("bias", per_channel))
        running = (
            Tensor("running_mean", per_channel, trainable=False),
            Tensor("running_var", per_channel, trainable=False),
            Tensor("num_batches_tracked", (), trainable=False),
        )
        return affine * self.affine + running * self.track_running_stats

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del output
        return Counts(norm=prod(shape))

    def explain_params(self, shape: Shape) -> Iterator[Text]:
        if self.affine:
            yield Text("parameters", f"2·C = 2·{shape[0]} = {thousands(2 * shape[0])}")


class LocalResponseNorm(Op):
    """Local response normalisation across channels, `nn.LocalResponseNorm` (AlexNet 2012, 3.3).

    `b_i = a_i / (k + α/n Σ a_j²)^β` over the n channels around i. PyTorch divides α by n; the
    paper does not.
    """

    op_name: ClassVar = "local_response_norm"
    role: ClassVar = "norm"

    size: PositiveInt
    alpha: Number = 1e-4
    beta: Number = 0.75
    k: Number = 1.0

    def output_shape(self, shape: Shape) -> Shape:
        require_map(self.op_name, shape)
        return shape

    def counts(self, shape: Shape, output: Shape) -> Counts:
        del output
        return Counts(norm=prod(shape))
