"""How PyTorch spells each op: one table, op class → emitter."""

from collections.abc import Callable, Mapping
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
from archspec.ops.merge import Add, Concat, Mul
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
from archspec.targets.torch.emit import convolution, merge, norm, pooling, reshape
from archspec.targets.torch.emit.activation import Activation, prelu
from archspec.targets.torch.emit.row import Row, Spelling, WatchedRow, Wrap, Written

__all__ = ["EMITTERS", "Row", "Spelling", "WatchedRow", "Wrap", "Written", "spell_step"]

Emitter = Callable[[Any, Row], Spelling]

EMITTERS: Mapping[type[Op], Emitter] = {
    Conv2d: convolution.conv2d,
    DepthwiseConv2d: convolution.depthwise_conv2d,
    ConvTranspose2d: convolution.conv_transpose2d,
    PartialConv2d: convolution.partial_conv2d,
    Linear: reshape.linear,
    RBF: reshape.rbf,
    MaxPool2d: pooling.max_pool,
    AvgPool2d: pooling.avg_pool,
    ScaledAvgPool: pooling.scaled_avg_pool,
    AdaptiveAvgPool2d: pooling.adaptive_avg_pool,
    AdaptiveMaxPool2d: pooling.adaptive_max_pool,
    Mean: pooling.mean,
    LocalResponseNorm: norm.local_response_norm,
    BatchNorm: norm.batch_norm,
    GroupNorm: norm.group_norm,
    LayerNorm: norm.layer_norm,
    LayerNorm2d: norm.layer_norm2d,
    InstanceNorm: norm.instance_norm,
    Dropout: norm.dropout,
    StochasticDepth: norm.stochastic_depth,
    LayerScale: norm.layer_scale,
    Flatten: reshape.flatten,
    Permute: reshape.permute,
    Identity: reshape.identity,
    Add: merge.add,
    Mul: merge.mul,
    Concat: merge.concat,
    Chunk: reshape.chunk,
    Slice: reshape.slice_,
    PadChannels: reshape.pad_channels,
    ChannelShuffle: reshape.channel_shuffle,
    PixelShuffle: reshape.pixel_shuffle,
    PixelUnshuffle: reshape.pixel_unshuffle,
    Upsample: reshape.upsample,
    ZeroPad2d: reshape.zero_pad2d,
    PReLU: prelu,
    ReLU: Activation("ReLU", "F.relu", in_place=True),
    ReLU6: Activation("ReLU6", "F.relu6", in_place=True),
    LeakyReLU: Activation("LeakyReLU", "F.leaky_relu", in_place=True, negative_slope=0.01),
    ELU: Activation("ELU", "F.elu", in_place=True, alpha=1.0),
    SiLU: Activation("SiLU", "F.silu", in_place=True),
    Hardswish: Activation("Hardswish", "F.hardswish", in_place=True),
    Hardsigmoid: Activation("Hardsigmoid", "F.hardsigmoid", in_place=True),
    Mish: Activation("Mish", "F.mish", in_place=True),
    Softplus: Activation("Softplus", "F.softplus", beta=1.0, threshold=20.0),
    Hardtanh: Activation("Hardtanh", "F.hardtanh", min_val=-1.0, max_val=1.0),
    GELU: Activation("GELU", "F.gelu", approximate="none"),
    Sigmoid: Activation("Sigmoid", "torch.sigmoid"),
    Tanh: Activation("Tanh", "torch.tanh"),
    ScaledTanh: reshape.scaled_tanh,
    Softmax: Activation("Softmax", "F.softmax", dim=None),
    LogSoftmax: Activation("LogSoftmax", "F.log_softmax", dim=None),
}


def spell_step(op: Op, row: Row) -> Spelling:
    """How a step is written; KeyError for an op without an emitter."""
    return EMITTERS[type(op)](op, row)
