"""Batch norm over the batch of all processes, for CPUs; on CUDA PyTorch has its own."""

from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist


class _SumOverAll(torch.autograd.Function):
    """Adds up over all processes, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        del ctx
        (gradient,) = gradients
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d whose mean and variance, in training, are those of all processes' pictures.

    In evaluation it is nn.BatchNorm2d. Ioffe & Szegedy 2015, over a batch that is spread out.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name
        if not self.training:
            return super().forward(input)
        values = input.float()
        axes, shape = (0, 2, 3), (1, -1, 1, 1)
        number = values.new_tensor([values.numel() / values.shape[1]])
        dist.all_reduce(number)
        mean = _sum_over_all(values.sum(axes)) / number
        centred = values - mean.view(shape)
        variance = _sum_over_all(centred.square().sum(axes)) / number
        self._remember(mean.detach(), variance.detach() * number / (number - 1))
        result = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        return result.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats:
            return
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum
        if share is None:  # PyTorch: a plain average over all batches
            share = 1 / int(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def _sum_over_all(values: Tensor) -> Tensor:
    result: Tensor = _SumOverAll.apply(values)
    return result


def synchronise_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with every batch norm taking its statistics over all processes.

    Parameters, buffers and names stay what they are.
    """
    if device.type == "cuda":
        synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call] # torch leaves it so
        return synced
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, _synced(child))
    return network


def _synced(norm: nn.BatchNorm2d) -> SyncedBatchNorm2d:
    """A SyncedBatchNorm2d with the parameters and buffers of `norm` itself, not copies."""
    with torch.device("meta"):
        synced = SyncedBatchNorm2d(
            norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
    for name, parameter in norm.named_parameters(recurse=False):
        synced.register_parameter(name, parameter)
    for name, buffer in norm.named_buffers(recurse=False):
        synced.register_buffer(name, buffer)
    return synced.train(norm.training)
