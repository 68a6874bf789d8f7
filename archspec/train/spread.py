"""A network over several processes: replicated (DDP) or sharded (FSDP2)."""

from collections.abc import Iterator
from typing import Any, Literal, cast
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from archspec.train.world import World

Strategy = Literal["ddp", "fsdp"]
MIN_SHARDED = 100_000  # parameters; what is smaller is sharded with the rest


def spread(network: nn.Module, strategy: Strategy, world: World, device: torch.device) -> nn.Module:
    """The module to call in training: the network itself for a world of one.

    ddp keeps all of the network in every process and averages the gradients. fsdp keeps a part of
    every parameter, its gradient and its optimiser's state in each, and changes `network` itself.
    """
    if world.is_alone:
        return network
    if strategy == "fsdp":
        return _sharded(network)
    with catch_warnings():
        simplefilter("ignore", FutureWarning)  # newer releases have another option for buffers
        return DistributedDataParallel(
            network,
            device_ids=[device] if device.type == "cuda" else None,
            broadcast_buffers=False,  # but before they are read: see `share_buffers`
        )


def _sharded(network: nn.Module) -> nn.Module:
    """Shard block by block, so that only one block's whole weights are there at a time."""
    from torch.distributed.fsdp import fully_shard

    for block in blocks(network):
        if sum(parameter.numel() for parameter in block.parameters()) >= MIN_SHARDED:
            fully_shard(block)
    fully_shard(network)
    return network


def blocks(network: nn.Module) -> Iterator[nn.Module]:
    """The modules that a network is made of, one after another; lists of them are gone into."""
    for child in network.children():
        if isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            yield from blocks(child)
        else:
            yield child


def is_sharded(network: nn.Module) -> bool:
    """Whether `spread` has sharded the network."""
    return hasattr(network, "set_requires_gradient_sync")


def own_part(tensor: Tensor) -> Tensor:
    """The part that this process has of a sharded tensor; another one as it is."""
    return cast("Any", tensor).to_local() if hasattr(tensor, "to_local") else tensor


def sharded_like(example: Tensor, whole: Tensor) -> Tensor:
    """The tensor, which all processes have, as `example` is: whole, or a part in each of them."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(example, DTensor):
        return whole
    placed = whole.to(example.device)
    return distribute_tensor(placed, example.device_mesh, example.placements)


def reshard(network: nn.Module) -> None:
    """Let go of whole weights that an evaluation has gathered and no backward pass will drop."""
    for module in network.modules():
        if is_sharded(module):
            cast("Any", module).reshard()


def share_buffers(network: nn.Module, world: World) -> None:
    """Give all processes the main one's running statistics; synchronised norms have them anyway."""
    world.copy_from_main(network.buffers())
