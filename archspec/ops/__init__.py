"""Every op there is, in one tuple."""

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
from archspec.ops.base import Counts, Op, Ratio, Tensor, Text, Unary, thousands
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
from archspec.ops.merge import Add, Concat, Merge, Mul
from archspec.ops.mixing import Mixing
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
from archspec.ops.shape import ChannelsLast, Shape, Shapes, channels_of, show
from archspec.ops.taps import Reach, Reading, Tap, Taps, View, Window
from archspec.ops.transposed import ConvTranspose2d

__all__ = [
    "OPS",
    "OPS_BY_NAME",
    "ChannelsLast",
    "Counts",
    "Merge",
    "Mixing",
    "Op",
    "Ratio",
    "Reach",
    "Reading",
    "Shape",
    "Shapes",
    "Tap",
    "Taps",
    "Tensor",
    "Text",
    "Unary",
    "View",
    "Window",
    "channels_of",
    "show",
    "thousands",
]

OPS: tuple[type[Op], ...] = (
    Conv2d,
    DepthwiseConv2d,
    ConvTranspose2d,
    PartialConv2d,
    Linear,
    RBF,
    MaxPool2d,
    AvgPool2d,
    ScaledAvgPool,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    Mean,
    LocalResponseNorm,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    LayerNorm2d,
    InstanceNorm,
    Dropout,
    StochasticDepth,
    LayerScale,
    Flatten,
    Permute,
    Identity,
    Add,
    Mul,
    Concat,
    Chunk,
    Slice,
    PadChannels,
    ChannelShuffle,
    PixelShuffle,
    PixelUnshuffle,
    Upsample,
    ZeroPad2d,
    ReLU,
    ReLU6,
    LeakyReLU,
    PReLU,
    ELU,
    GELU,
    SiLU,
    Hardswish,
    Hardsigmoid,
    Mish,
    Softplus,
    Sigmoid,
    Tanh,
    ScaledTanh,
    Hardtanh,
    Softmax,
    LogSoftmax,
)

OPS_BY_NAME: dict[str, type[Op]] = {op.op_name: op for op in OPS}
