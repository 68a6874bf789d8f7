"""Bytes: of the parameters, and of what a forward pass produces, in 32-bit floats."""

from math import prod
from typing import NamedTuple

from archspec.analysis.parameters import Parameters
from archspec.graph.network import Network, Node

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

    def of_node(node: Node) -> Memory | None:
        held, shapes = parameters[node.index], network.shapes[node.index]
        if held is None or shapes is None:
            return None
        return Memory(BYTES * (held.trainable + held.buffers), BYTES * sum(map(prod, shapes)))

    found = network.of_twins(of_node)
    if network.run is None:
        return tuple(found)
    return tuple(
        memory if runs or memory is None else memory._replace(activations=0)
        for memory, runs in zip(found, network.run, strict=True)
    )
