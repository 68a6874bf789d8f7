"""Convolutions and poolings in PyTorch, with every kind of padding."""

from archspec.ops.conv import Conv2d, Convolution
from archspec.ops.pool import AvgPool2d, MaxPool2d
from archspec.ops.sliding import Sliding
from archspec.targets.torch.layout import Bracketed, Keyword
from archspec.targets.torch.padding import Plan, plan
from archspec.targets.torch.spelling import Row, Spelling, call, function


def conv2d(op: Conv2d, row: Row) -> Spelling:
    """`nn.Conv2d`."""
    width = row.value("out_channels", op.out_channels)
    return convolution(op, row, width, row.keyword("groups", op.groups, 1))


def convolution(op: Convolution, row: Row, width: str, groups: list[Keyword]) -> Spelling:
    """`nn.Conv2d`; with unequal padding `F.pad` before it, or a subclass that pads."""
    padding = plan(op, row.shape)
    given = [row.symbols.channels, width]
    kernel = [Keyword("kernel_size", row.size("kernel_size", op.kernel_size))]
    stride = row.size_keyword("stride", op.stride, (1, 1))
    rest = [
        *row.size_keyword("dilation", op.dilation, (1, 1)),
        *groups,
        *row.keyword("bias", op.bias, default=True),
    ]
    follows = op.padding == "same" and (row.is_open("kernel_size") or row.is_open("dilation"))
    if _is_dynamic(op, row, padding) or (follows and padding.kind == "sides"):
        return Spelling(call("Conv2dSame", given, kernel, stride, rest))
    if padding.kind == "native" or follows:
        amount = row.size_keyword("padding", padding.pair, (0, 0))
        if follows or (amount and op.padding == "same" and op.stride == (1, 1)):
            amount = [Keyword("padding", '"same"')]  # torch knows it without a stride
        return Spelling(call("nn.Conv2d", given, kernel, stride, amount, rest))
    sides = [Keyword("pad", padding.sides)]
    return Spelling(
        module=call("PaddedConv2d", given, kernel, sides, stride, rest),
        padding=function("F.pad", padding.sides),
        bare=call("nn.Conv2d", given, kernel, stride, rest),
    )


def max_pool(op: MaxPool2d, row: Row) -> Spelling:
    """`nn.MaxPool2d`; padding it does not know is −∞ around its input."""
    padding = plan(op, row.shape, most=_half(op))
    dilation = row.size_keyword("dilation", op.dilation, (1, 1))
    if _is_dynamic(op, row, padding):
        return _module("MaxPool2dSame", op, row, dilation)
    if padding.kind == "native":
        options = [*_native(row, padding), *dilation, *_ceil_mode(op)]
        return _either("nn.MaxPool2d", "F.max_pool2d", op, row, options)
    if _last_windows_may_miss(op, padding):
        return _module("PaddedMaxPool2d", op, row, [*_pad(padding), *dilation, *_ceil_mode(op)])
    infinity = 'float("-inf")'
    fill = call("nn.ConstantPad2d", padding.sides, infinity)
    pool = _either("nn.MaxPool2d", "F.max_pool2d", op, row, [*dilation, *_ceil_mode(op)])
    return _after_padding(pool, fill, [Keyword("value", infinity)], padding)


def avg_pool(op: AvgPool2d, row: Row) -> Spelling:
    """`nn.AvgPool2d`; padding it does not know is zeros around its input, counted or not."""
    padding = plan(op, row.shape, most=_half(op))
    count = row.keyword("count_include_pad", op.count_include_pad, default=True)
    if _is_dynamic(op, row, padding):
        return _module("AvgPool2dSame", op, row, count)
    if padding.kind == "native":
        options = [*_native(row, padding), *_ceil_mode(op), *count]
        return _either("nn.AvgPool2d", "F.avg_pool2d", op, row, options)
    if count or _last_windows_may_miss(op, padding):
        return _module("PaddedAvgPool2d", op, row, [*_pad(padding), *_ceil_mode(op), *count])
    fill = call("nn.ZeroPad2d", padding.sides)
    pool = _either("nn.AvgPool2d", "F.avg_pool2d", op, row, _ceil_mode(op))
    return _after_padding(pool, fill, [], padding)


def _is_dynamic(op: Sliding, row: Row, padding: Plan) -> bool:
    """Whether the amount of padding can only be known when something arrives."""
    strided = op.padding == "same" and (row.is_open("stride") or op.strides != (1, 1))
    geometry = ("kernel_size", "stride", "dilation")
    return padding.kind == "dynamic" or (strided and any(map(row.is_open, geometry)))


def _half(op: MaxPool2d | AvgPool2d) -> tuple[int, int]:
    """The most padding that PyTorch's pooling layers take."""
    height, width = op.kernel_size
    return height // 2, width // 2


def _rounds_up(op: MaxPool2d | AvgPool2d) -> bool:
    """Whether `ceil_mode` matters: 'same' fits exactly, so that nothing is left to round."""
    return op.ceil_mode and op.padding != "same"


def _last_windows_may_miss(op: MaxPool2d | AvgPool2d, padding: Plan) -> bool:
    """Whether a window might begin in the padding after the input, where none is wanted."""
    return _rounds_up(op) and padding.ends_padded


def _ceil_mode(op: MaxPool2d | AvgPool2d) -> list[Keyword]:
    return [Keyword("ceil_mode", "True")] if _rounds_up(op) else []


def _native(row: Row, padding: Plan) -> list[Keyword]:
    return row.size_keyword("padding", padding.pair, (0, 0))


def _pad(padding: Plan) -> list[Keyword]:
    return [Keyword("pad", padding.sides)]


def _module(layer: str, op: MaxPool2d | AvgPool2d, row: Row, options: list[Keyword]) -> Spelling:
    kernel = [Keyword("kernel_size", row.size("kernel_size", op.kernel_size))]
    return Spelling(call(layer, kernel, row.size_keyword("stride", op.stride, None), options))


def _either(
    layer: str, name: str, op: MaxPool2d | AvgPool2d, row: Row, options: list[Keyword]
) -> Spelling:
    stride = row.size_keyword("stride", op.stride, None)
    module = _module(layer, op, row, options).module
    return Spelling(
        module, function(name, row.size("kernel_size", op.kernel_size), stride, options)
    )


def _after_padding(
    pool: Spelling, fill: Bracketed, value: list[Keyword], padding: Plan
) -> Spelling:
    """A pooling without padding of its own behind padding that is no part of it."""
    pad, plain = function("F.pad", padding.sides, value), pool.function
    assert plain is not None
    return Spelling(
        module=Bracketed("nn.Sequential", (fill, pool.module)),
        function=lambda x: plain(pad(x)),
        padding=pad,
        bare=pool.module,
    )
