"""Convolutions in PyTorch, with every kind of padding."""

from archspec.ops.conv import Conv2d, Convolution, DepthwiseConv2d
from archspec.ops.lenet import PartialConv2d
from archspec.ops.sliding import Sliding
from archspec.ops.transposed import ConvTranspose2d
from archspec.targets.python.arithmetic import product
from archspec.targets.python.tree import Expr, Keyword, List, Literal, call, literal
from archspec.targets.torch.emit.padding import Plan, is_asymmetric, planned, sides
from archspec.targets.torch.emit.row import Options, Row, Spelling, function


def conv2d(op: Conv2d, row: Row) -> Spelling:
    """`nn.Conv2d`."""
    width = row.value("out_channels", op.out_channels)
    return _convolution(op, row, width, row.option("groups", op.groups, 1))


def depthwise_conv2d(op: DepthwiseConv2d, row: Row) -> Spelling:
    """`nn.Conv2d` with as many groups as channels."""
    factor = row.value("channel_multiplier", op.channel_multiplier)
    width = product(row.channels, factor)
    return _convolution(op, row, width, (Keyword("groups", row.channels),))


def _convolution(op: Convolution, row: Row, width: Expr, groups: Options) -> Spelling:
    padding = planned(op, row)
    given = (row.channels, width)
    kernel = Keyword("kernel_size", row.size("kernel_size", op.kernel_size))
    stride = row.sizes("stride", op.stride, (1, 1))
    rest = (
        *row.sizes("dilation", op.dilation, (1, 1)),
        *groups,
        *row.option("bias", op.bias, default=True),
    )
    follows = op.padding == "same" and row.is_open("kernel_size", "dilation")
    if is_dynamic(op, row, padding) or (follows and padding.kind == "sides"):
        return Spelling(call("Conv2dSame", *given, kernel, *stride, *rest), width=width)
    if has_sides(row, padding) and not follows:
        pad = sides(row, padding)
        return Spelling(
            module=call("PaddedConv2d", *given, kernel, Keyword("pad", pad), *stride, *rest),
            padding=function("F.pad", pad),
            bare=call("nn.Conv2d", *given, kernel, *stride, *rest),
            width=width,
        )
    amount = row.sizes("padding", padding.pair, (0, 0))
    at_rest = amount and op.padding == "same" and op.stride == (1, 1)
    if not row.is_open("padding") and (follows or at_rest):
        amount = (Keyword("padding", Literal("same")),)  # torch knows it without a stride
    return Spelling(call("nn.Conv2d", *given, kernel, *stride, *amount, *rest), width=width)


def is_dynamic(op: Sliding, row: Row, padding: Plan) -> bool:
    """Whether the amount of padding can only be known when something arrives."""
    strided = op.padding == "same" and (row.is_open("stride") or op.strides != (1, 1))
    geometry = row.is_open("kernel_size", "stride", "dilation")
    return padding.kind == "dynamic" or (strided and geometry)


def has_sides(row: Row, padding: Plan) -> bool:
    """Whether every side has a padding of its own, as it is or as it is written."""
    return padding.kind == "sides" or is_asymmetric(row.attributes.get("padding", Literal(0)))


def conv_transpose2d(op: ConvTranspose2d, row: Row) -> Spelling:
    """`nn.ConvTranspose2d`."""
    width = row.value("out_channels", op.out_channels)
    return Spelling(
        call(
            "nn.ConvTranspose2d",
            row.channels,
            width,
            Keyword("kernel_size", row.size("kernel_size", op.kernel_size)),
            *row.sizes("stride", op.stride, (1, 1)),
            *row.sizes("padding", op.padding, (0, 0)),
            *row.sizes("output_padding", op.output_padding, (0, 0)),
            *row.option("groups", op.groups, 1),
            *row.option("bias", op.bias, default=True),
            *row.sizes("dilation", op.dilation, (1, 1)),
        ),
        width=width,
    )


def partial_conv2d(op: PartialConv2d, row: Row) -> Spelling:
    """A module of its own, with the weights of the connections in its table."""
    table: Expr = List(tuple(List(tuple(map(Literal, reads))) for reads in op.table))
    if row.is_open("table"):
        table = row.value("table", None)
    (top, bottom), (left, right) = (op.ends(axis, n) for axis, n in enumerate(row.shape[1:]))
    around = (left, right, top, bottom)
    pad = sides(row, planned(op, row)) if row.is_open("padding") else literal(around)
    return Spelling(
        call(
            "PartialConv2d",
            row.channels,
            table,
            Keyword("kernel_size", row.size("kernel_size", op.kernel_size)),
            *((Keyword("pad", pad),) if any(around) or row.is_open("padding") else ()),
            *row.sizes("stride", op.stride, (1, 1)),
            *row.option("bias", op.bias, default=True),
        )
    )
