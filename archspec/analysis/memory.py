"""Bytes: of the parameters, and of what a forward pass produces, in 32-bit floats."""

from math import prod
from typing import NamedTuple

from archspec.analysis.parameters import Parameters
from archspec.graph.network import Network

BYTES = 4
"""Bytes of a float32, the default type of PyTorch's parameters and activations."""


class Memory(NamedTuple):
    """Bytes per sample and network: `activations` are what nodes that are run put out."""

    parameters: int
    activations: int


def count_bytes(
    network: Network, parameters: tuple[Parameters | None, ...]
) -> tuple[Memory | None, ...]:
    """Bytes of each node's parameters (with buffers) and output; None where unknown."""
    return tuple(
        None
        if held is None or shapes is None
        else Memory(
            BYTES * (held.trainable + held.buffers),
            BYTES * sum(map(prod, shapes)) if network.is_run(node) else 0,
        )
        for node, held, shapes in zip(network.nodes, parameters, network.shapes, strict=True)
    )
