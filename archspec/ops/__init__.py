"""Every op there is, in one tuple."""

from archspec.ops.activation import (
    ELU,
    GELU,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from archspec.ops.base import Counts, Op, Shape, Tensor, Text, View, Window, show, thousands
from archspec.ops.conv import Conv2d
from archspec.ops.linear import Linear
from archspec.ops.norm import BatchNorm, LocalResponseNorm
from archspec.ops.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from archspec.ops.reshape import Dropout, Flatten, Identity

__all__ = [
    "OPS",
    "OPS_BY_NAME",
    "Counts",
    "Op",
    "Shape",
    "Tensor",
    "Text",
    "View",
    "Window",
    "show",
    "thousands",
]

OPS: tuple[type[Op], ...] = (
    Conv2d,
    Linear,
    MaxPool2d,
    AvgPool2d,
    AdaptiveAvgPool2d,
    LocalResponseNorm,
    BatchNorm,
    Dropout,
    Flatten,
    Identity,
    ReLU,
    ReLU6,
    LeakyReLU,
    ELU,
    GELU,
    SiLU,
    Hardswish,
    Hardsigmoid,
    Sigmoid,
    Tanh,
    Softmax,
    LogSoftmax,
)

OPS_BY_NAME: dict[str, type[Op]] = {op.op_name: op for op in OPS}
