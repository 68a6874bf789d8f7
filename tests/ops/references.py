"""What the ops beyond the usual ones compute, written down without the layers generated code uses.

`tests/targets/reference.py` has the usual ones; every reference takes the op, a batch, and the
op's tensors by name.
"""

import math
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

Tensors = Mapping[str, torch.Tensor]
Reference = Callable[[Any, torch.Tensor, Tensors], torch.Tensor]


def padded(op: Any, x: torch.Tensor) -> torch.Tensor:
    """Zeros around a batch, as a window's padding says."""
    from tests.targets.reference import ends  # that module collects the references of this one

    (top, bottom), (left, right) = (ends(op, axis, x.shape[2 + axis]) for axis in (0, 1))
    return F.pad(x, (left, right, top, bottom))


def channels_of(x: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """A number a channel, to be combined with a batch (N, C, …)."""
    return tensor.view(1, -1, *([1] * (x.ndim - 2)))


def depthwise_conv2d(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    x, several = padded(op, x), op.channel_multiplier
    planes = [
        F.conv2d(x[:, i // several, None], t["weight"][i, None], None, op.stride, 0, op.dilation)
        for i in range(x.shape[1] * several)
    ]
    result = torch.cat(planes, 1)
    return result + channels_of(result, t["bias"]) if op.bias else result


def conv_transpose2d(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    """Every input paints a window; then the padding is cut off."""
    (down, across), (high, wide) = op.stride, op.kernel_size
    fan, width = x.shape[1] // op.groups, op.out_channels // op.groups
    reach = [d * (k - 1) + 1 + o for d, k, o in zip(op.dilation, op.kernel_size, op.output_padding)]  # noqa: B905 - pairs
    sizes = [(x.shape[2 + i] - 1) * op.stride[i] + reach[i] for i in (0, 1)]
    canvas = torch.zeros(len(x), op.out_channels, *sizes, dtype=x.dtype)
    for row, column, a, b in product(*map(range, (x.shape[2], x.shape[3], high, wide))):
        place = (row * down + a * op.dilation[0], column * across + b * op.dilation[1])
        for g in range(op.groups):
            ins, outs = slice(g * fan, (g + 1) * fan), slice(g * width, (g + 1) * width)
            paint = x[:, ins, row, column] @ t["weight"][ins, :, a, b]
            canvas[:, outs, place[0], place[1]] += paint
    (top, left), (bottom, right) = op.padding, (s - p for s, p in zip(sizes, op.padding))  # noqa: B905 - pairs
    canvas = canvas[:, :, top:bottom, left:right]
    return canvas + channels_of(canvas, t["bias"]) if op.bias else canvas


def partial_conv2d(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    x, kernels, planes = padded(op, x), list(t["weight"]), []
    for i, reads in enumerate(op.table):
        each = [F.conv2d(x[:, j, None], kernels.pop(0)[None, None], None, op.stride) for j in reads]
        planes.append(torch.stack(each).sum(0) + (t["bias"][i] if op.bias else 0))
    return torch.cat(planes, 1)


def scaled_avg_pool(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    (high, wide), (down, across) = op.kernel_size, op.strides
    windows = x.unfold(2, high, down).unfold(3, wide, across)
    sums = windows.sum((-2, -1))
    return sums * channels_of(sums, t["weight"]) + channels_of(sums, t["bias"])


def rbf(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    del op
    columns = [((x - prototype) ** 2).sum(1) for prototype in t["weight"]]
    return torch.stack(columns, 1)


def adaptive_max_pool(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    bins = [
        [slice(i * size // n, math.ceil((i + 1) * size / n)) for i in range(n)]
        for size, n in zip(x.shape[2:], op.output_size, strict=True)
    ]
    lines = [[x[:, :, r, c].amax((2, 3)) for c in bins[1]] for r in bins[0]]
    return torch.stack([torch.stack(line, -1) for line in lines], -2)


def mean(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    dims = op.axes(tuple(x.shape[1:])) if op.dim else (2, 3)
    count = math.prod(x.shape[dim] for dim in dims)
    return x.sum(dims, keepdim=op.keepdim) / count


def _standardised(x: torch.Tensor, dims: list[int], eps: float) -> torch.Tensor:
    centred = x - x.mean(dims, keepdim=True)
    result: torch.Tensor = centred / ((centred**2).mean(dims, keepdim=True) + eps).sqrt()
    return result


def group_norm(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    parts = x.tensor_split(op.num_groups, dim=1)
    result = torch.cat([_standardised(p, list(range(1, x.ndim)), op.eps) for p in parts], 1)
    if op.affine:
        result = result * channels_of(x, t["weight"]) + channels_of(x, t["bias"])
    return result


def instance_norm(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    if op.track_running_stats:
        mean_, variance = (channels_of(x, t[f"running_{name}"]) for name in ("mean", "var"))
        result: torch.Tensor = (x - mean_) / (variance + op.eps).sqrt()
    else:
        result = _standardised(x, [2, 3], op.eps)
    if op.affine:
        result = result * channels_of(x, t["weight"]) + channels_of(x, t["bias"])
    return result


def layer_norm(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    rank = len(op.normalized_shape or (1,))
    result = _standardised(x, list(range(-rank, 0)), op.eps)
    result = result * t["weight"] if "weight" in t else result
    return result + t["bias"] if "bias" in t else result


def layer_norm2d(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    result = _standardised(x, [1], op.eps)
    if op.elementwise_affine:
        result = result * channels_of(x, t["weight"]) + channels_of(x, t["bias"])
    return result


def pad_channels(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    result = torch.zeros(len(x), op.before + x.shape[1] + op.after, *x.shape[2:], dtype=x.dtype)
    result[:, op.before : op.before + x.shape[1]] = x
    return result


def channel_shuffle(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    each = x.shape[1] // op.groups
    order = [g * each + i for i in range(each) for g in range(op.groups)]
    return x[:, order]


def pixel_shuffle(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    r = op.upscale_factor
    channels, height, width = x.shape[1] // r**2, x.shape[2] * r, x.shape[3] * r
    result = torch.empty(len(x), channels, height, width, dtype=x.dtype)
    for i, a, b in product(range(channels), range(r), range(r)):
        result[:, i, a::r, b::r] = x[:, i * r * r + a * r + b]
    return result


def pixel_unshuffle(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    r = op.downscale_factor
    places = product(range(x.shape[1]), range(r), range(r))
    return torch.stack([x[:, i, a::r, b::r] for i, a, b in places], 1)


def upsample(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    """Along each axis a matrix: how much of each input an output takes."""
    for axis in (0, 1):
        size = x.shape[2 + axis]
        output = op.size[axis] if op.size else size * op.scale_factor[axis]
        weights = torch.zeros(size, output, dtype=x.dtype)
        for u in range(output):
            if op.mode == "nearest":
                weights[u * size // output, u] = 1
                continue
            place = max((u + 0.5) * size / output - 0.5, 0)
            if op.align_corners:
                place = u * (size - 1) / (output - 1) if output > 1 else 0
            first = min(int(place), size - 1)
            weights[first, u] += 1 - (place - first)
            weights[min(first + 1, size - 1), u] += place - first
        x = (x.transpose(2 + axis, 3) @ weights).transpose(2 + axis, 3)
    return x


def zero_pad2d(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    (top, bottom), (left, right) = op.padding
    height, width = x.shape[2:]
    sizes = (height + top + bottom, width + left + right)
    result = torch.zeros(*x.shape[:2], *sizes, dtype=x.dtype)
    result[:, :, top : top + height, left : left + width] = x
    return result


def prelu(op: Any, x: torch.Tensor, t: Tensors) -> torch.Tensor:
    del op
    return torch.where(x > 0, x, x * channels_of(x, t["weight"]))


def _log_of_one_plus_exp(x: torch.Tensor) -> torch.Tensor:
    return (1 + x.exp()).log()


def softplus(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    smooth = _log_of_one_plus_exp(op.beta * x) / op.beta
    return torch.where(op.beta * x > op.threshold, x, smooth)


MORE: dict[str, Reference] = {
    "depthwise_conv2d": depthwise_conv2d,
    "conv_transpose2d": conv_transpose2d,
    "partial_conv2d": partial_conv2d,
    "rbf": rbf,
    "scaled_avg_pool": scaled_avg_pool,
    "adaptive_max_pool": adaptive_max_pool,
    "mean": mean,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "layer_norm2d": layer_norm2d,
    "stochastic_depth": lambda _, x, __: x,
    "layer_scale": lambda _, x, t: x * t[""],
    "permute": lambda op, x, _: torch.einsum("nchw->nhwc" if op.dims[3] == 1 else "nhwc->nchw", x),
    "chunk": lambda op, x, _: x.tensor_split(op.chunks, dim=1)[op.index],
    "slice": lambda op, x, _: x[:, op.start : op.stop],
    "pad_channels": pad_channels,
    "channel_shuffle": channel_shuffle,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "upsample": upsample,
    "zero_pad2d": zero_pad2d,
    "prelu": prelu,
    "softplus": softplus,
    "mish": lambda _, x, __: x * _log_of_one_plus_exp(x).tanh(),
    "hardtanh": lambda op, x, _: torch.where(
        x < op.min_val, op.min_val, torch.where(x > op.max_val, op.max_val, x)
    ),
    "scaled_tanh": lambda _, x, __: 1.7159 * (1 - 2 / (1 + (4 * x / 3).exp())),
}
