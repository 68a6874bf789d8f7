"""What every op computes, by its class: the one table that the interpreter looks into."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

from archspec.ops import Op, activation, channels, lenet, merge, norm, pool, reshape, residual
from archspec.ops.conv import Conv2d, DepthwiseConv2d
from archspec.ops.linear import Linear
from archspec.ops.resize import Upsample, ZeroPad2d
from archspec.ops.transposed import ConvTranspose2d
from archspec.proof import semantics_norms, semantics_windows
from archspec.proof.call import Call
from archspec.proof.chance import draws

Semantics = Callable[[Any, Call], Tensor]


def linear(op: Linear, call: Call) -> Tensor:
    """On a vector, or at each place of a map whose channels are last."""
    return F.linear(call.x, call.tensor("weight"), call.tensor("bias") if op.bias else None)


def rbf(op: lenet.RBF, call: Call) -> Tensor:
    """Squared distances to the prototypes, one a row of the weight."""
    del op
    return (call.x.unsqueeze(1) - call.tensor("weight")).square().sum(2)


def mean(op: pool.Mean, call: Call) -> Tensor:
    """Over height and width, wherever they are, unless `dim` says otherwise."""
    places = [dim for dim in (1, 2, 3) if dim != call.channel_dim]
    return call.x.mean(places if op.dim is None else op.dim, keepdim=op.keepdim)


def dropout(op: reshape.Dropout, call: Call) -> Tensor:
    """Single elements, in training."""
    return _thinned(call.x, op.p, call.x.shape) if call.training else call.x


def stochastic_depth(op: residual.StochasticDepth, call: Call) -> Tensor:
    """Whole samples, or the whole batch, in training."""
    samples = call.x.shape[0] if op.mode == "row" else 1
    shape = (samples, *([1] * (call.x.dim() - 1)))
    return _thinned(call.x, op.p, shape) if call.training else call.x


def _thinned(x: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """Dropped with probability p, and divided by 1 − p; with p = 1 nothing is left."""
    return x * 0 if p == 1 else x * (draws(1 - p, shape, x.dtype) / (1 - p))


def layer_scale(op: residual.LayerScale, call: Call) -> Tensor:
    """A factor for each channel; the tensor has the shape that broadcasts."""
    del op
    return call.x * call.tensor("")


def add(op: merge.Add, call: Call) -> Tensor:
    """The sum, the second of two times `alpha`."""
    first, *others = call.inputs
    return first + op.alpha * others[0] if op.alpha != 1 else reduce(torch.add, others, first)


def mul(op: merge.Mul, call: Call) -> Tensor:
    """The product."""
    del op
    return reduce(torch.mul, call.inputs)


def concat(op: merge.Concat, call: Call) -> Tensor:
    """Behind each other along the channels."""
    del op
    return torch.cat(call.inputs, dim=1)


def chunk(op: channels.Chunk, call: Call) -> Tensor:
    """One of equal parts of the channels."""
    part = call.x.shape[1] // op.chunks
    return call.x[:, op.index * part : (op.index + 1) * part]


def slice_(op: channels.Slice, call: Call) -> Tensor:
    """Some of the channels."""
    return call.x[:, op.start : op.stop]


def pad_channels(op: channels.PadChannels, call: Call) -> Tensor:
    """Zeros before and after the channels."""
    zeros = torch.zeros_like(call.x[:, :1])
    sizes = [-1] * (call.x.dim() - 2)
    ends = (zeros.expand(-1, count, *sizes) for count in (op.before, op.after))
    before, after = ends
    return torch.cat([before, call.x, after], dim=1)


def channel_shuffle(op: channels.ChannelShuffle, call: Call) -> Tensor:
    """Channels g·n + i become i·groups + g."""
    parts = torch.unflatten(call.x, 1, (op.groups, -1))
    return parts.transpose(1, 2).flatten(1, 2)


def pixel_shuffle(op: channels.PixelShuffle, call: Call) -> Tensor:
    """(C·r², H, W) becomes (C, H·r, W·r)."""
    r = op.upscale_factor
    parts = torch.unflatten(call.x, 1, (-1, r, r))  # N, C, r, r, H, W
    return parts.permute(0, 1, 4, 2, 5, 3).flatten(2, 3).flatten(3, 4)


def pixel_unshuffle(op: channels.PixelUnshuffle, call: Call) -> Tensor:
    """(C, H·r, W·r) becomes (C·r², H, W)."""
    r = op.downscale_factor
    parts = torch.unflatten(torch.unflatten(call.x, 3, (-1, r)), 2, (-1, r))  # N, C, H, r, W, r
    return parts.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def upsample(op: Upsample, call: Call) -> Tensor:
    """By a factor, or to a size."""
    size = op.size
    if size is None:
        assert op.scale_factor is not None
        down, across = op.scale_factor
        size = (call.x.shape[2] * down, call.x.shape[3] * across)
    aligned = op.align_corners if op.mode == "bilinear" else None
    return F.interpolate(call.x, size=size, mode=op.mode, align_corners=aligned)


def zero_pad2d(op: ZeroPad2d, call: Call) -> Tensor:
    """Zeros around a map."""
    (top, bottom), (left, right) = op.padding
    return F.pad(call.x, (left, right, top, bottom))


def prelu(op: activation.PReLU, call: Call) -> Tensor:
    """One slope, or one for each channel."""
    del op
    slopes = call.tensor("weight").reshape(1, -1, *([1] * (call.x.dim() - 2)))
    return torch.where(call.x > 0, call.x, slopes * call.x)


def scaled_tanh(op: lenet.ScaledTanh, call: Call) -> Tensor:
    """f(1) = 1 and f(−1) = −1."""
    del op
    return 1.7159 * torch.tanh(2 * call.x / 3)


def softplus(op: activation.Softplus, call: Call) -> Tensor:
    """The input itself where beta·x is above the threshold."""
    return F.softplus(call.x, op.beta, op.threshold)


def _alike(function: Callable[[Tensor], Tensor]) -> Semantics:
    """A function without constants."""
    return lambda _, call: function(call.x)


SEMANTICS: Mapping[type[Op], Semantics] = {
    Conv2d: semantics_windows.conv2d,
    DepthwiseConv2d: semantics_windows.depthwise_conv2d,
    ConvTranspose2d: semantics_windows.conv_transpose2d,
    lenet.PartialConv2d: semantics_windows.partial_conv2d,
    Linear: linear,
    lenet.RBF: rbf,
    pool.MaxPool2d: semantics_windows.max_pool,
    pool.AvgPool2d: semantics_windows.avg_pool,
    lenet.ScaledAvgPool: semantics_windows.scaled_avg_pool,
    pool.AdaptiveAvgPool2d: semantics_windows.adaptive_avg_pool,
    pool.AdaptiveMaxPool2d: semantics_windows.adaptive_max_pool,
    pool.Mean: mean,
    norm.LocalResponseNorm: semantics_norms.local_response_norm,
    norm.BatchNorm: semantics_norms.batch_norm,
    norm.GroupNorm: semantics_norms.group_norm,
    norm.LayerNorm: semantics_norms.layer_norm,
    norm.LayerNorm2d: semantics_norms.layer_norm2d,
    norm.InstanceNorm: semantics_norms.instance_norm,
    reshape.Dropout: dropout,
    residual.StochasticDepth: stochastic_depth,
    residual.LayerScale: layer_scale,
    reshape.Flatten: lambda _, call: call.x.flatten(1),
    reshape.Permute: lambda op, call: call.x.permute(op.dims),
    reshape.Identity: lambda _, call: call.x,
    merge.Add: add,
    merge.Mul: mul,
    merge.Concat: concat,
    channels.Chunk: chunk,
    channels.Slice: slice_,
    channels.PadChannels: pad_channels,
    channels.ChannelShuffle: channel_shuffle,
    channels.PixelShuffle: pixel_shuffle,
    channels.PixelUnshuffle: pixel_unshuffle,
    Upsample: upsample,
    ZeroPad2d: zero_pad2d,
    activation.ReLU: _alike(F.relu),
    activation.ReLU6: _alike(F.relu6),
    activation.LeakyReLU: lambda op, call: F.leaky_relu(call.x, op.negative_slope),
    activation.PReLU: prelu,
    activation.ELU: lambda op, call: F.elu(call.x, op.alpha),
    activation.GELU: lambda op, call: F.gelu(call.x, approximate=op.approximate),
    activation.SiLU: lambda _, call: call.x * torch.sigmoid(call.x),
    activation.Hardswish: _alike(F.hardswish),
    activation.Hardsigmoid: _alike(F.hardsigmoid),
    activation.Mish: lambda _, call: call.x * torch.tanh(F.softplus(call.x)),
    activation.Softplus: softplus,
    activation.Sigmoid: _alike(torch.sigmoid),
    activation.Tanh: _alike(torch.tanh),
    lenet.ScaledTanh: scaled_tanh,
    activation.Hardtanh: lambda op, call: F.hardtanh(call.x, op.min_val, op.max_val),
    activation.Softmax: lambda op, call: torch.softmax(call.x, op.dim),
    activation.LogSoftmax: lambda op, call: torch.log_softmax(call.x, op.dim),
}
"""By the op's own class. A test names the ops that are not here."""
