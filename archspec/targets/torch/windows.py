"""Convolutions and poolings in PyTorch, with every kind of padding."""

from archspec.ops.conv import Conv2d
from archspec.ops.pool import AvgPool2d, MaxPool2d
from archspec.targets.torch.layout import Bracketed, Keyword
from archspec.targets.torch.padding import Plan, plan
from archspec.targets.torch.spelling import Row, Spelling, call, function, size, size_keyword


def conv2d(op: Conv2d, row: Row) -> Spelling:
    """`nn.Conv2d`; with unequal padding `F.pad` before it, or a subclass that pads."""
    padding = plan(op, row.shape)
    given = [row.symbols.channels, row.value("out_channels", op.out_channels)]
    kernel = [Keyword("kernel_size", size(op.kernel_size))]
    stride = size_keyword("stride", op.stride, (1, 1))
    rest = [
        *size_keyword("dilation", op.dilation, (1, 1)),
        *row.keyword("groups", op.groups, 1),
        *row.keyword("bias", op.bias, default=True),
    ]
    if padding.kind == "dynamic":
        return Spelling(call("Conv2dSame", given, kernel, stride, rest))
    if padding.kind == "native":
        amount = size_keyword("padding", padding.pair, (0, 0))
        if amount and op.padding == "same" and op.stride == (1, 1):  # torch knows no other
            amount = [Keyword("padding", '"same"')]
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
    dilation = size_keyword("dilation", op.dilation, (1, 1))
    if padding.kind == "dynamic":
        return _module("MaxPool2dSame", op, dilation)
    if padding.kind == "native":
        options = [*_native(padding), *dilation, *_ceil_mode(op)]
        return _either("nn.MaxPool2d", "F.max_pool2d", op, options)
    if _last_windows_may_miss(op, padding):
        return _module("PaddedMaxPool2d", op, [*_pad(padding), *dilation, *_ceil_mode(op)])
    infinity = 'float("-inf")'
    fill = call("nn.ConstantPad2d", padding.sides, infinity)
    pool = _either("nn.MaxPool2d", "F.max_pool2d", op, [*dilation, *_ceil_mode(op)])
    return _after_padding(pool, fill, [Keyword("value", infinity)], padding)


def avg_pool(op: AvgPool2d, row: Row) -> Spelling:
    """`nn.AvgPool2d`; padding it does not know is zeros around its input, counted or not."""
    padding = plan(op, row.shape, most=_half(op))
    count = row.keyword("count_include_pad", op.count_include_pad, default=True)
    if padding.kind == "dynamic":
        return _module("AvgPool2dSame", op, count)
    if padding.kind == "native":
        options = [*_native(padding), *_ceil_mode(op), *count]
        return _either("nn.AvgPool2d", "F.avg_pool2d", op, options)
    if count or _last_windows_may_miss(op, padding):
        return _module("PaddedAvgPool2d", op, [*_pad(padding), *_ceil_mode(op), *count])
    fill = call("nn.ZeroPad2d", padding.sides)
    pool = _either("nn.AvgPool2d", "F.avg_pool2d", op, _ceil_mode(op))
    return _after_padding(pool, fill, [], padding)


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


def _native(padding: Plan) -> list[Keyword]:
    return size_keyword("padding", padding.pair, (0, 0))


def _pad(padding: Plan) -> list[Keyword]:
    return [Keyword("pad", padding.sides)]


def _module(layer: str, op: MaxPool2d | AvgPool2d, options: list[Keyword]) -> Spelling:
    kernel = [Keyword("kernel_size", size(op.kernel_size))]
    return Spelling(call(layer, kernel, size_keyword("stride", op.stride, None), options))


def _either(layer: str, name: str, op: MaxPool2d | AvgPool2d, options: list[Keyword]) -> Spelling:
    stride = size_keyword("stride", op.stride, None)
    module = _module(layer, op, options).module
    return Spelling(module, function(name, size(op.kernel_size), stride, options))


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
