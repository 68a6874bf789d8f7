"""Convolutions and poolings in PyTorch beside the usual ones."""

from archspec.ops.activation import PReLU
from archspec.ops.conv import DepthwiseConv2d
from archspec.ops.lenet import RBF, PartialConv2d, ScaledAvgPool, ScaledTanh
from archspec.ops.pool import AdaptiveMaxPool2d
from archspec.ops.transposed import ConvTranspose2d
from archspec.targets.torch.layout import Bracketed, Keyword, tuple_of
from archspec.targets.torch.spelling import Row, Spelling, call, function, size, size_keyword
from archspec.targets.torch.text import product
from archspec.targets.torch.windows import convolution


def depthwise_conv2d(op: DepthwiseConv2d, row: Row) -> Spelling:
    """`nn.Conv2d` with as many groups as channels."""
    channels = row.symbols.channels
    width = product(channels, [op.channel_multiplier])
    if row.is_open("channel_multiplier"):
        width = f"{row.value('channel_multiplier', op.channel_multiplier)} * {channels}"
    if channels.isdigit():
        width = str(op.width(row.shape))
    return convolution(op, row, width, [Keyword("groups", channels)])


def conv_transpose2d(op: ConvTranspose2d, row: Row) -> Spelling:
    """`nn.ConvTranspose2d`."""
    given = [row.symbols.channels, row.value("out_channels", op.out_channels)]
    options = [
        Keyword("kernel_size", size(op.kernel_size)),
        *size_keyword("stride", op.stride, (1, 1)),
        *size_keyword("padding", op.padding, (0, 0)),
        *size_keyword("output_padding", op.output_padding, (0, 0)),
        *row.keyword("groups", op.groups, 1),
        *row.keyword("bias", op.bias, default=True),
        *size_keyword("dilation", op.dilation, (1, 1)),
    ]
    return Spelling(call("nn.ConvTranspose2d", given, options))


def partial_conv2d(op: PartialConv2d, row: Row) -> Spelling:
    """A module of its own, with the weights of the connections in its table."""
    table = Bracketed(
        "", tuple(Bracketed("", tuple(map(str, reads)), "[]") for reads in op.table), "[]"
    )
    (top, bottom), (left, right) = (op.ends(axis, n) for axis, n in enumerate(row.shape[1:]))
    sides = (left, right, top, bottom)
    pad = [Keyword("pad", tuple_of(*map(str, sides)))] if any(sides) else []
    options = [
        Keyword("kernel_size", size(op.kernel_size)),
        *pad,
        *size_keyword("stride", op.stride, (1, 1)),
        *row.keyword("bias", op.bias, default=True),
    ]
    return Spelling(call("PartialConv2d", row.symbols.channels, table, options))


def adaptive_max_pool(op: AdaptiveMaxPool2d, row: Row) -> Spelling:
    """`nn.AdaptiveMaxPool2d`."""
    del row
    output = size(op.output_size)
    return Spelling(call("nn.AdaptiveMaxPool2d", output), function("F.adaptive_max_pool2d", output))


def scaled_avg_pool(op: ScaledAvgPool, row: Row) -> Spelling:
    """A module of its own, an `nn.AvgPool2d` with weights."""
    options = [
        Keyword("kernel_size", size(op.kernel_size)),
        *size_keyword("stride", op.stride, None),
    ]
    return Spelling(call("ScaledAvgPool2d", row.symbols.channels, options))


def scaled_tanh(op: ScaledTanh, row: Row) -> Spelling:
    """A module of its own."""
    del op, row
    return Spelling(call("ScaledTanh"))


def prelu(op: PReLU, row: Row) -> Spelling:
    """`nn.PReLU`."""
    is_one = op.num_parameters == 1 and "num_parameters" not in row.symbols.attributes
    count = [] if is_one else [row.value("num_parameters", op.num_parameters)]
    return Spelling(call("nn.PReLU", count))


def rbf(op: RBF, row: Row) -> Spelling:
    """A module of its own; PyTorch has none."""
    features = [row.symbols.channels, row.value("out_features", op.out_features)]
    return Spelling(call("RBF", features, row.keyword("trainable", op.trainable, default=True)))
