"""What normalisations compute, and what they remember of it."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

from archspec.ops.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LayerNorm2d,
    LocalResponseNorm,
)
from archspec.proof.call import Call


def _standardised(call: Call, x: Tensor, dims: list[int], eps: float) -> Tensor:
    """Mean 0 and variance 1 over some dimensions.

    The mean is subtracted from numbers that may be much larger than the difference, and eps may be
    all there is in the root: of single numbers nothing is left but rounding.
    """
    variance, mean = torch.var_mean(x, dims, correction=0, keepdim=True)
    spread = torch.sqrt(variance + eps)
    result = (x - mean) / spread
    if call.rounding is None:
        return result
    return call.rounding.of_difference(result, x / spread.detach())


def _by_channel(x: Tensor, numbers: Tensor) -> Tensor:
    """A number a channel, to be combined with a batch (N, C, …)."""
    return numbers.reshape(1, -1, *([1] * (x.dim() - 2)))


def _scaled(x: Tensor, call: Call, *, affine: bool) -> Tensor:
    """With a scale and a shift for each channel, where there are some."""
    if not affine:
        return x
    return x * _by_channel(x, call.tensor("weight")) + _by_channel(x, call.tensor("bias"))


def _with_running(x: Tensor, call: Call, eps: float) -> Tensor:
    mean, variance = (_by_channel(x, call.tensor(f"running_{what}")) for what in ("mean", "var"))
    return (x - mean) / torch.sqrt(variance + eps)


def batch_norm(op: BatchNorm, call: Call) -> Tensor:
    """In training by the batch's own statistics, and always where none are kept."""
    x = call.x
    if op.track_running_stats and not call.training:
        return _scaled(_with_running(x, call, op.eps), call, affine=op.affine)
    others = [dim for dim in range(x.dim()) if dim != 1]
    if op.track_running_stats:
        _remember_batch(op, call, others)
    return _scaled(_standardised(call, x, others, op.eps), call, affine=op.affine)


def _remember_batch(op: BatchNorm, call: Call, dims: list[int]) -> None:
    """Running statistics: weighted by the momentum, or without one the average of all batches."""
    batches = call.tensor("num_batches_tracked") + 1
    call.keep("num_batches_tracked", batches)
    weight = 1 / int(batches) if op.momentum is None else op.momentum
    variance, mean = torch.var_mean(call.x, dims, correction=1)
    _blend(call, "running_mean", mean, weight)
    _blend(call, "running_var", variance, weight)


def _blend(call: Call, name: str, new: Tensor, weight: float) -> None:
    call.keep(name, (1 - weight) * call.tensor(name) + weight * new)


def instance_norm(op: InstanceNorm, call: Call) -> Tensor:
    """Each channel of each picture by itself; in evaluation by running statistics, if there are.

    PyTorch counts no batches here, and without a momentum its running statistics stay as they are.
    """
    x = call.x
    if op.track_running_stats and not call.training:
        return _scaled(_with_running(x, call, op.eps), call, affine=op.affine)
    places = list(range(2, x.dim()))
    if op.track_running_stats:
        weight = op.momentum or 0.0
        variance, mean = torch.var_mean(x, places, correction=1)
        _blend(call, "running_mean", mean.mean(0), weight)
        _blend(call, "running_var", variance.mean(0), weight)
    return _scaled(_standardised(call, x, places, op.eps), call, affine=op.affine)


def group_norm(op: GroupNorm, call: Call) -> Tensor:
    """Neighbouring channels together, with all their places."""
    x = call.x
    grouped = x.reshape(x.shape[0], op.num_groups, -1)
    return _scaled(
        _standardised(call, grouped, [2], op.eps).reshape(x.shape), call, affine=op.affine
    )


def layer_norm(op: LayerNorm, call: Call) -> Tensor:
    """Over the last dimensions, one unless `normalized_shape` has more."""
    rank = 1 if op.normalized_shape is None else len(op.normalized_shape)
    result = _standardised(call, call.x, list(range(-rank, 0)), op.eps)
    if not op.elementwise_affine:
        return result
    result = result * call.tensor("weight")
    return result + call.tensor("bias") if op.bias else result


def layer_norm2d(op: LayerNorm2d, call: Call) -> Tensor:
    """Over the channels, at each place."""
    return _scaled(_standardised(call, call.x, [1], op.eps), call, affine=op.elementwise_affine)


def local_response_norm(op: LocalResponseNorm, call: Call) -> Tensor:
    """Over `size` channels around each, of an even number one more of them before it."""
    before = op.size // 2
    squares = F.pad(call.x.square(), (0, 0, 0, 0, before, op.size - 1 - before))
    windows = squares.unfold(1, op.size, 1).sum(-1)
    return call.x / (op.k + op.alpha / op.size * windows) ** op.beta
