"""Poolings in PyTorch, with every kind of padding."""

from collections.abc import Sequence

from archspec.ops.lenet import ScaledAvgPool
from archspec.ops.pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d, Mean
from archspec.targets.python.tree import (
    Attribute,
    Call,
    Expr,
    Keyword,
    List,
    Literal,
    Name,
    Tuple,
    call,
)
from archspec.targets.torch.emit.convolution import has_sides, is_dynamic
from archspec.targets.torch.emit.padding import Plan, planned, sides
from archspec.targets.torch.emit.row import Options, Row, Spelling, Wrap, function

_INFINITY = call("float", Literal("-inf"))


def max_pool(op: MaxPool2d, row: Row) -> Spelling:
    """`nn.MaxPool2d`; padding it does not know is −∞ around its input."""
    padding = planned(op, row)
    dilation = row.sizes("dilation", op.dilation, (1, 1))
    if is_dynamic(op, row, padding):
        return Spelling(_module("MaxPool2dSame", op, row, dilation))
    rounding = _ceil_mode(op, row)
    if not has_sides(row, padding):
        options = (*row.sizes("padding", padding.pair, (0, 0)), *dilation, *rounding)
        return _either("nn.MaxPool2d", "F.max_pool2d", op, row, options)
    around = sides(row, padding)
    if _last_windows_may_miss(op, row, padding):
        options = (Keyword("pad", around), *dilation, *rounding)
        return Spelling(_module("PaddedMaxPool2d", op, row, options))
    pool = _either("nn.MaxPool2d", "F.max_pool2d", op, row, (*dilation, *rounding))
    fill = call("nn.ConstantPad2d", around, _INFINITY)
    return _after_padding(pool, fill, around, Keyword("value", _INFINITY))


def avg_pool(op: AvgPool2d, row: Row) -> Spelling:
    """`nn.AvgPool2d`; padding it does not know is zeros around its input, counted or not."""
    padding = planned(op, row)
    count = row.option("count_include_pad", op.count_include_pad, default=True)
    if is_dynamic(op, row, padding):
        return Spelling(_module("AvgPool2dSame", op, row, count))
    rounding = _ceil_mode(op, row)
    if not has_sides(row, padding):
        options = (*row.sizes("padding", padding.pair, (0, 0)), *rounding, *count)
        return _either("nn.AvgPool2d", "F.avg_pool2d", op, row, options)
    around = sides(row, padding)
    if count or _last_windows_may_miss(op, row, padding):
        options = (Keyword("pad", around), *rounding, *count)
        return Spelling(_module("PaddedAvgPool2d", op, row, options))
    pool = _either("nn.AvgPool2d", "F.avg_pool2d", op, row, rounding)
    return _after_padding(pool, call("nn.ZeroPad2d", around), around)


def _ceil_mode(op: MaxPool2d | AvgPool2d, row: Row) -> Options:
    """'same' fits exactly, so that nothing is left to round."""
    return () if op.padding == "same" else row.option("ceil_mode", op.ceil_mode, default=False)


def _last_windows_may_miss(op: MaxPool2d | AvgPool2d, row: Row, padding: Plan) -> bool:
    """Whether a window might begin in the padding after the input, where none is wanted."""
    return bool(_ceil_mode(op, row)) and (padding.ends_padded or row.is_open("padding"))


def _module(layer: str, op: MaxPool2d | AvgPool2d, row: Row, options: Options) -> Call:
    kernel = Keyword("kernel_size", row.size("kernel_size", op.kernel_size))
    return call(layer, kernel, *row.sizes("stride", op.stride, None), *options)


def _either(
    layer: str, name: str, op: MaxPool2d | AvgPool2d, row: Row, options: Options
) -> Spelling:
    kernel = Keyword("kernel_size", row.size("kernel_size", op.kernel_size))
    stride = row.sizes("stride", op.stride, None)
    return Spelling(_module(layer, op, row, options), function(name, kernel, *stride, *options))


def _after_padding(pool: Spelling, fill: Call, around: Expr, *value: Keyword) -> Spelling:
    """A pooling without padding of its own behind padding that is no part of it."""
    pad, plain = function("F.pad", around, *value), pool.function
    assert pool.module is not None
    assert plain is not None
    return Spelling(
        module=call("nn.Sequential", fill, pool.module),
        function=lambda values: plain([pad(values)]),
        padding=pad,
        bare=pool.module,
    )


def adaptive_avg_pool(op: AdaptiveAvgPool2d, row: Row) -> Spelling:
    """`nn.AdaptiveAvgPool2d`."""
    height, width = op.output_size
    size = row.value("output_size", 1 if (height, width) == (1, 1) else (height, width))
    return Spelling(call("nn.AdaptiveAvgPool2d", size), function("F.adaptive_avg_pool2d", size))


def adaptive_max_pool(op: AdaptiveMaxPool2d, row: Row) -> Spelling:
    """`nn.AdaptiveMaxPool2d`."""
    size = row.size("output_size", op.output_size)
    return Spelling(call("nn.AdaptiveMaxPool2d", size), function("F.adaptive_max_pool2d", size))


def scaled_avg_pool(op: ScaledAvgPool, row: Row) -> Spelling:
    """A module of its own, an `nn.AvgPool2d` with weights."""
    kernel = Keyword("kernel_size", row.size("kernel_size", op.kernel_size))
    stride = row.sizes("stride", op.stride, None)
    return Spelling(call("ScaledAvgPool2d", row.channels, kernel, *stride))


def mean(op: Mean, row: Row) -> Spelling:
    """`x.mean([2, 3])`."""
    dims: Expr = List(tuple(map(Literal, op.axes(row.shape))))
    if row.is_open("dim"):
        dims = row.value("dim", None)
        if isinstance(dims, Tuple):
            dims = List(dims.items)
        elif len(op.dim or ()) == 1:  # one number, and no list that has a name
            dims = List((dims,))
    keepdim = row.option("keepdim", op.keepdim, default=False)
    return Spelling(call("Mean", dims, *keepdim), method("mean", dims, *keepdim))


def method(name: str, *arguments: Expr | Keyword) -> Wrap:
    """`x.name(…)`; of anything but a plain name, `torch.name(…, …)`."""

    def wrap(values: Sequence[Expr]) -> Expr:
        if isinstance(values[0], Name):
            return Call(Attribute(values[0], name), arguments)
        return call(f"torch.{name}", values[0], *arguments)

    return wrap
