"""The dispatch table: op class → how PyTorch spells it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from archspec.ops import Op
from archspec.ops.activation import (
    ELU,
    GELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from archspec.ops.channels import (
    ChannelShuffle,
    Chunk,
    PadChannels,
    PixelShuffle,
    PixelUnshuffle,
    Slice,
)
from archspec.ops.conv import Conv2d, DepthwiseConv2d
from archspec.ops.lenet import RBF, PartialConv2d, ScaledAvgPool, ScaledTanh
from archspec.ops.linear import Linear
from archspec.ops.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LayerNorm2d,
    LocalResponseNorm,
)
from archspec.ops.pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d, Mean
from archspec.ops.reshape import Dropout, Flatten, Identity, Permute
from archspec.ops.residual import LayerScale, StochasticDepth
from archspec.ops.resize import Upsample, ZeroPad2d
from archspec.ops.transposed import ConvTranspose2d
from archspec.targets.torch import emit_norm, emit_reshape, emit_spatial
from archspec.targets.torch.layout import Keyword, tuple_of
from archspec.targets.torch.spelling import Row, Spelling, call, function
from archspec.targets.torch.windows import avg_pool, conv2d, max_pool

Emitter = Callable[[Any, Row], Spelling]


def adaptive_avg_pool(op: AdaptiveAvgPool2d, row: Row) -> Spelling:
    """`nn.AdaptiveAvgPool2d`."""
    del row
    height, width = map(str, op.output_size)
    output = height if (height, width) == ("1", "1") else tuple_of(height, width)
    return Spelling(call("nn.AdaptiveAvgPool2d", output), function("F.adaptive_avg_pool2d", output))


def linear(op: Linear, row: Row) -> Spelling:
    """`nn.Linear`."""
    features = [row.symbols.channels, row.value("out_features", op.out_features)]
    return Spelling(call("nn.Linear", features, row.keyword("bias", op.bias, default=True)))


def batch_norm(op: BatchNorm, row: Row) -> Spelling:
    """`nn.BatchNorm2d` for maps, `nn.BatchNorm1d` for vectors."""
    options = [
        *row.keyword("eps", op.eps, 1e-5),
        *row.keyword("momentum", op.momentum, 0.1),
        *row.keyword("affine", op.affine, default=True),
        *row.keyword("track_running_stats", op.track_running_stats, default=True),
    ]
    dimensions = len(row.shape) - 1 or 1
    return Spelling(call(f"nn.BatchNorm{dimensions}d", row.symbols.channels, options))


def local_response_norm(op: LocalResponseNorm, row: Row) -> Spelling:
    """`nn.LocalResponseNorm`."""
    options = [
        Keyword("size", row.value("size", op.size)),
        *row.keyword("alpha", op.alpha, 1e-4),
        *row.keyword("beta", op.beta, 0.75),
        *row.keyword("k", op.k, 1.0),
    ]
    return Spelling(
        call("nn.LocalResponseNorm", options), function("F.local_response_norm", options)
    )


def dropout(op: Dropout, row: Row) -> Spelling:
    """`nn.Dropout`; the probability is always written, as it is in papers."""
    p = row.keyword("p", op.p)
    training = [Keyword("training", "self.training")]
    return Spelling(call("nn.Dropout", p), function("F.dropout", p, training))


def flatten(op: Flatten, row: Row) -> Spelling:
    """`nn.Flatten`, or `torch.flatten` from dimension 1 on."""
    del op, row
    return Spelling(call("nn.Flatten"), function("torch.flatten", "1"))


def identity(op: Identity, row: Row) -> Spelling:
    """`nn.Identity`; as a function it is its argument."""
    del op, row
    return Spelling(call("nn.Identity"), lambda x: x)


def activation(layer: str, name: str, **defaults: object) -> Emitter:
    """An activation that can work in place; `defaults` are its attributes and PyTorch's values."""

    def emit(op: Op, row: Row) -> Spelling:
        options = list(_options(op, row, defaults))
        # Autograd refuses to work in place where the slope below zero is negative.
        reversible = all(_is_known_positive(op, row, attribute) for attribute in defaults)
        in_place = [Keyword("inplace", "True")] if row.owns_input and reversible else []
        return Spelling(
            call(f"nn.{layer}", options, in_place),
            function(name, options),
            is_activation=True,
        )

    return emit


def pure_activation(layer: str, name: str, **defaults: object) -> Emitter:
    """An activation that cannot work in place."""

    def emit(op: Op, row: Row) -> Spelling:
        options = list(_options(op, row, defaults))
        module = call(f"nn.{layer}", options)
        return Spelling(module, function(name, options), is_activation=True)

    return emit


def _options(op: Op, row: Row, defaults: Mapping[str, object]) -> Iterator[Keyword]:
    for attribute, default in defaults.items():
        value = getattr(op, attribute)
        if isinstance(value, str):
            yield from [Keyword(attribute, f'"{value}"')] if value != default else []
        else:
            yield from row.keyword(attribute, value, default)


def _is_known_positive(op: Op, row: Row, attribute: str) -> bool:
    return attribute not in row.symbols.attributes and getattr(op, attribute) > 0


EMITTERS: Mapping[type[Op], Emitter] = {
    Conv2d: conv2d,
    Linear: linear,
    MaxPool2d: max_pool,
    AvgPool2d: avg_pool,
    AdaptiveAvgPool2d: adaptive_avg_pool,
    LocalResponseNorm: local_response_norm,
    BatchNorm: batch_norm,
    Dropout: dropout,
    Flatten: flatten,
    Identity: identity,
    DepthwiseConv2d: emit_spatial.depthwise_conv2d,
    ConvTranspose2d: emit_spatial.conv_transpose2d,
    PartialConv2d: emit_spatial.partial_conv2d,
    RBF: emit_spatial.rbf,
    AdaptiveMaxPool2d: emit_spatial.adaptive_max_pool,
    ScaledAvgPool: emit_spatial.scaled_avg_pool,
    ScaledTanh: emit_spatial.scaled_tanh,
    PReLU: emit_spatial.prelu,
    GroupNorm: emit_norm.group_norm,
    LayerNorm: emit_norm.layer_norm,
    LayerNorm2d: emit_norm.layer_norm2d,
    InstanceNorm: emit_norm.instance_norm,
    StochasticDepth: emit_norm.stochastic_depth,
    LayerScale: emit_norm.layer_scale,
    Permute: emit_reshape.permute,
    Mean: emit_reshape.mean,
    Chunk: emit_reshape.chunk,
    Slice: emit_reshape.slice_,
    PadChannels: emit_reshape.pad_channels,
    ChannelShuffle: emit_reshape.channel_shuffle,
    PixelShuffle: emit_reshape.pixel_shuffle,
    PixelUnshuffle: emit_reshape.pixel_unshuffle,
    Upsample: emit_reshape.upsample,
    ZeroPad2d: emit_reshape.zero_pad2d,
    ReLU: activation("ReLU", "F.relu"),
    ReLU6: activation("ReLU6", "F.relu6"),
    LeakyReLU: activation("LeakyReLU", "F.leaky_relu", negative_slope=0.01),
    ELU: activation("ELU", "F.elu", alpha=1.0),
    SiLU: activation("SiLU", "F.silu"),
    Hardswish: activation("Hardswish", "F.hardswish"),
    Hardsigmoid: activation("Hardsigmoid", "F.hardsigmoid"),
    Mish: activation("Mish", "F.mish"),
    Softplus: pure_activation("Softplus", "F.softplus", beta=1.0, threshold=20.0),
    Hardtanh: pure_activation("Hardtanh", "F.hardtanh", min_val=-1.0, max_val=1.0),
    GELU: pure_activation("GELU", "F.gelu", approximate="none"),
    Sigmoid: pure_activation("Sigmoid", "torch.sigmoid"),
    Tanh: pure_activation("Tanh", "torch.tanh"),
    Softmax: pure_activation("Softmax", "F.softmax", dim=None),
    LogSoftmax: pure_activation("LogSoftmax", "F.log_softmax", dim=None),
}


def spell_step(op: Op, row: Row) -> Spelling:
    """How a step is written; KeyError for an op without an emitter."""
    spelling = EMITTERS[type(op)](op, row)
    if row.symbols.attributes:
        return replace(spelling, function=None)  # forward cannot see the constructor's arguments
    return spelling
