"""Parameters and buffers of every node, without a module being made."""

from typing import NamedTuple

from archspec.graph.network import Network


class Parameters(NamedTuple):
    """Numbers that a module holds: trained ones, and buffers (running statistics, counters)."""

    trainable: int = 0
    buffers: int = 0


_NOTHING = Parameters()


def count_parameters(network: Network) -> tuple[Parameters | None, ...]:
    """Parameters of each node; None where its op or its input is unknown."""
    counts: list[Parameters | None] = []
    for node, output in zip(network.nodes, network.shapes, strict=True):
        arriving = network.shape_of(node.inputs[0])
        if node.op is None or arriving is None or output is None:
            counts.append(None)
            continue
        tensors = node.op.tensors(arriving)
        if not tensors:
            counts.append(_NOTHING)
            continue
        trainable = sum(tensor.numel for tensor in tensors if tensor.trainable)
        counts.append(Parameters(trainable, sum(t.numel for t in tensors) - trainable))
    return tuple(counts)
