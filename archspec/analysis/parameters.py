"""Parameters and buffers of every node, without a module being made."""

from collections.abc import Iterable
from typing import NamedTuple

from archspec.graph.network import Module, Network, Node


class Parameters(NamedTuple):
    """Numbers that a module holds: trained ones, and buffers (running statistics, counters)."""

    trainable: int = 0
    buffers: int = 0


_NOTHING = Parameters()


def count_parameters(network: Network) -> tuple[Parameters | None, ...]:
    """Parameters of the module that each node calls; None where its op or its input is unknown.

    Several nodes may call one module: who sums takes each module once (`first_calls`).
    """
    return tuple(network.of_twins(lambda node: _count(node.module)))


def _count(module: Module) -> Parameters | None:
    if not module.tensors:
        return None if module.tensors is None else _NOTHING
    trainable = sum(tensor.numel for tensor in module.tensors if tensor.trainable)
    return Parameters(trainable, sum(t.numel for t in module.tensors) - trainable)


def first_calls(nodes: Iterable[Node]) -> list[Node]:
    """The nodes without those that call a module once more."""
    listed = list(nodes)
    if len({node.module.index for node in listed}) == len(listed):
        return listed
    return list({node.module.index: node for node in reversed(listed)}.values())[::-1]
