"""What ops that look through a window compute: convolutions and poolings, with all padding."""

from math import inf
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

from archspec.ops.conv import Conv2d, DepthwiseConv2d
from archspec.ops.lenet import PartialConv2d, ScaledAvgPool
from archspec.ops.pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from archspec.ops.sliding import Sliding
from archspec.ops.transposed import ConvTranspose2d
from archspec.proof.call import Call

Pair = tuple[int, int]


class Span(NamedTuple):
    """A window along one axis: padding before, and what lies behind the last window's end.

    `behind` counts from the end of the input: padding that windows reach, or, where it is less
    than 0, elements that none does.
    """

    before: int
    behind: int
    after: int


def spans(op: Sliding, x: Tensor) -> tuple[Span, Span]:
    """Where the windows lie along height and width of a batch (N, C, H, W)."""
    down, across = (_span(op, axis, x.shape[2 + axis]) for axis in (0, 1))
    return down, across


def _span(op: Sliding, axis: int, size: int) -> Span:
    stride = op.strides[axis]
    extent = op.dilation[axis] * (op.kernel_size[axis] - 1) + 1
    if op.padding == "same":  # ⌈size/stride⌉ come out, and an odd element goes to the end
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        before, after = total // 2, total - total // 2
    else:
        before, after = (0, 0) if op.padding == "valid" else op.padding[axis]
    room = before + size + after - extent
    count = room // stride + 1
    if op.rounds_up and room % stride and count * stride < before + size:
        count += 1  # a partial window, as it begins before the padding at the end
    return Span(before, (count - 1) * stride + extent - before - size, after)


def around(x: Tensor, spans_: tuple[Span, Span], value: float = 0.0) -> Tensor:
    """A batch with what its windows cover, and nothing else: padded, and cut where none reaches."""
    (top, bottom, _), (left, right, _) = spans_
    padded = F.pad(x, (left, max(right, 0), top, max(bottom, 0)), value=value)
    # What is cut off may be padding as well: a window that ends before the input does not read it.
    height, width = padded.shape[2] + min(bottom, 0), padded.shape[3] + min(right, 0)
    return padded[:, :, :height, :width]


def conv2d(op: Conv2d, call: Call) -> Tensor:
    """Cross-correlation, as everywhere in deep learning."""
    x = around(call.x, spans(op, call.x))
    bias = call.tensor("bias") if op.bias else None
    return F.conv2d(x, call.tensor("weight"), bias, op.stride, 0, op.dilation, op.groups)


def depthwise_conv2d(op: DepthwiseConv2d, call: Call) -> Tensor:
    """Channel i gives the outputs from `i·channel_multiplier` on."""
    x = around(call.x, spans(op, call.x))
    x = x.repeat_interleave(op.channel_multiplier, dim=1)
    weight = call.tensor("weight")
    return per_channel(x, weight, op.stride, op.dilation) + _shift(op.bias, call)


def per_channel(x: Tensor, weight: Tensor, stride: Pair, dilation: Pair) -> Tensor:
    """Each channel with a kernel of its own, (C, 1, k_h, k_w), summed place by place of it."""
    high, wide = weight.shape[2:]
    rows, columns = (
        (x.shape[2 + axis] - dilation[axis] * (weight.shape[2 + axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    total = x.new_zeros(())
    for i in range(high):
        for j in range(wide):
            top, left = i * dilation[0], j * dilation[1]
            seen = x[
                :,
                :,
                top : top + (rows - 1) * stride[0] + 1 : stride[0],
                left : left + (columns - 1) * stride[1] + 1 : stride[1],
            ]
            total = total + seen * weight[:, :, i, j].reshape(1, -1, 1, 1)
    return total


def _shift(bias: bool, call: Call) -> Tensor:  # noqa: FBT001 - an op's attribute
    return call.tensor("bias").reshape(1, -1, 1, 1) if bias else call.x.new_zeros(())


def partial_conv2d(op: PartialConv2d, call: Call) -> Tensor:
    """Each output reads the channels in its row; the weights stand in the table's order."""
    x = around(call.x, spans(op, call.x))
    weight, outputs, first = call.tensor("weight"), [], 0
    for reads in op.table:
        kernel = weight[first : first + len(reads)].unsqueeze(0)
        outputs.append(F.conv2d(x[:, list(reads)], kernel, None, op.stride))
        first += len(reads)
    return torch.cat(outputs, dim=1) + _shift(op.bias, call)


def conv_transpose2d(op: ConvTranspose2d, call: Call) -> Tensor:
    """Every input paints a window; padding cuts off the ends."""
    bias = call.tensor("bias") if op.bias else None
    return F.conv_transpose2d(
        call.x,
        call.tensor("weight"),
        bias,
        op.stride,
        op.padding,
        op.output_padding,
        op.groups,
        op.dilation,
    )


def max_pool(op: MaxPool2d, call: Call) -> Tensor:
    """Padding is −∞."""
    x = around(call.x, spans(op, call.x), -inf)
    return F.max_pool2d(x, op.kernel_size, op.strides, dilation=op.dilation)


def avg_pool(op: AvgPool2d, call: Call) -> Tensor:
    """A window's sum over how many places it has: padding's among them, or not.

    What lies behind the padding at the end, where a rounded-up window reaches, counts never.
    """
    x, sides = call.x, spans(op, call.x)
    ones = x.new_ones(1, 1, *x.shape[2:])
    if op.count_include_pad:
        (top, _, bottom), (left, _, right) = sides
        ones = F.pad(ones, (left, right, top, bottom), value=1.0)
        sides = (Span(0, sides[0].behind - bottom, 0), Span(0, sides[1].behind - right, 0))
    return _sums(op, around(x, spans(op, x))) / _sums(op, around(ones, sides))


def _sums(op: AvgPool2d | ScaledAvgPool, x: Tensor) -> Tensor:
    return F.avg_pool2d(x, op.kernel_size, op.strides, divisor_override=1)


def scaled_avg_pool(op: ScaledAvgPool, call: Call) -> Tensor:
    """A window's sum, times its channel's coefficient, plus its channel's bias."""
    coefficient = call.tensor("weight").reshape(1, -1, 1, 1)
    return _sums(op, call.x) * coefficient + _shift(bias=True, call=call)


def adaptive_avg_pool(op: AdaptiveAvgPool2d, call: Call) -> Tensor:
    """Output i of n averages from ⌊i·W/n⌋ to ⌈(i + 1)·W/n⌉."""
    return F.adaptive_avg_pool2d(call.x, op.output_size)


def adaptive_max_pool(op: AdaptiveMaxPool2d, call: Call) -> Tensor:
    """Output i of n is the maximum from ⌊i·W/n⌋ to ⌈(i + 1)·W/n⌉."""
    return F.adaptive_max_pool2d(call.x, op.output_size)
