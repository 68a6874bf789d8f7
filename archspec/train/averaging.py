"""A running average of a network's weights, which evaluates better than the weights themselves."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from archspec.train.errors import TrainError


class Average:
    """An exponential moving average of a network's parameters and floating-point buffers.

    After each update a ← d·a + (1 − d)·w with d = min(`decay`, (1 + t) / (10 + t)), t updates
    having gone before: the first averages do not cling to where training began (TensorFlow's
    ExponentialMovingAverage). Whole numbers are copied. Only tensor operations are used, on the
    network's own devices, so distributed tensors are averaged shard by shard.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.num_updates = 0
        self.tensors = {name: tensor.clone() for name, tensor in _state(network)}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights as they are after a step."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        alike: dict[type, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for name, tensor in _state(network):
            if tensor.is_floating_point():
                alike[type(tensor)].append((self.tensors[name], tensor))
            else:
                self.tensors[name].copy_(tensor)
        for pairs in alike.values():  # sharded parameters apart from buffers, which are whole
            averages, weights = zip(*pairs, strict=True)
            torch._foreach_lerp_(averages, weights, 1 - decay)  # one pass, as in torch.optim

    @contextmanager
    def swapped(self, network: nn.Module) -> Iterator[None]:
        """Within the block `network` has the averages; after it, its weights to the bit."""
        kept = {name: tensor.clone() for name, tensor in _state(network)}
        try:
            _fill(network, self.tensors)
            yield
        finally:
            _fill(network, kept)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes; its tensors are the average's own."""
        return {"num_updates": self.num_updates, "tensors": self.tensors}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved average; raises TrainError when it is of another network."""
        tensors = state["tensors"]
        shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
            raise TrainError("the saved average of the weights is of another network", 2)
        self.num_updates = int(state["num_updates"])
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])


def _state(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All parameters and buffers by name, without gradients; each once, if it has several names."""
    for name, tensor in chain(network.named_parameters(), network.named_buffers()):
        yield name, tensor.detach()


@torch.no_grad()
def _fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in _state(network):
        tensor.copy_(tensors[name])
