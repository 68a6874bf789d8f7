"""One node while it is interpreted: what arrives at it, and the tensors that it owns."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from archspec.proof.rounding import Rounding


class Call(NamedTuple):
    """What an op computes with. `channel_dim` is the dimension of the channels of the input.

    `buffers` are the statistics that were written so far, by name; `keep` writes more. With a
    `rounding` numbers are off.
    """

    inputs: tuple[Tensor, ...]
    channel_dim: int
    path: str
    state: Mapping[str, Tensor]
    buffers: dict[str, Tensor]
    training: bool
    rounding: Rounding | None = None

    @property
    def x(self) -> Tensor:
        """The input, the first one of several."""
        return self.inputs[0]

    def tensor(self, name: str) -> Tensor:
        """A parameter, or a buffer as it stands; without a name the node is the parameter."""
        key = self._key(name)
        return self.buffers[key] if key in self.buffers else self.state[key]

    def keep(self, name: str, value: Tensor) -> None:
        """What a buffer is from now on."""
        self.buffers[self._key(name)] = value.detach()

    def _key(self, name: str) -> str:
        return f"{self.path}.{name}" if name else self.path
