"""The processes that train together: one, or as many as torchrun has started.

Everything here does the obvious thing for a world of one, so that the trainer is written once.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from archspec.train.errors import TrainError

PATIENCE = timedelta(minutes=30)  # the others wait that long while one of them decodes pictures


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes; `local_rank` counts those of this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to people."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there are no others."""
        return self.size == 1

    def wait(self) -> None:
        """Until all processes are here."""
        if not self.is_alone:
            dist.barrier()

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if not self.is_alone:
            dist.all_reduce(tensor)
        return tensor

    def copy_from_main(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite `tensors` with those of the main process."""
        if not self.is_alone:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def told_by_main(self, value: Any) -> Any:
        """The main process's `value`, plain data, in all of them."""
        if self.is_alone:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def heard_from_all(self, value: Any) -> list[Any]:
        """Every process's `value`, plain data, in the order of their ranks, in all of them."""
        if self.is_alone:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values


ALONE = World()


def started_by_torchrun() -> bool:
    """Whether this process is one of several, by the variables that torchrun sets."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The world that torchrun has made, left at the block's end; that of one without torchrun.

    On CUDA each process takes the GPU of its local rank. Raises TrainError when the others are
    lost on the way.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    world = World(
        rank=int(os.environ["RANK"]),
        size=int(os.environ["WORLD_SIZE"]),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
    )
    if device.type == "cuda":
        torch.cuda.set_device(world.local_rank)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
        yield world
    except RuntimeError as error:  # what gloo and NCCL raise when a connection breaks
        if not _is_lost_connection(error):
            raise
        raise TrainError("the connection to the other processes was lost") from error
    dist.destroy_process_group()  # not after an error: it would wait for those that are gone


def own_device(device: torch.device, world: World) -> torch.device:
    """The device of this process: on CUDA the GPU of its local rank."""
    if device.type != "cuda" or world.is_alone:
        return device
    if world.local_rank >= torch.cuda.device_count():
        raise TrainError(
            f"process {world.local_rank} of this machine has no GPU: there are "
            f"{torch.cuda.device_count()}; start no more processes than that",
            exit_code=2,
        )
    return torch.device("cuda", world.local_rank)


def _is_lost_connection(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or bool(_LOST.search(str(error)))


_LOST = re.compile(r"gloo/transport|NCCL|[Cc]onnection (?:closed|reset) by peer")
