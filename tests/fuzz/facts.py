"""What the guard asks of a network and its ops; only here does it know how they are built."""

from collections.abc import Iterator, Sequence
from typing import Any

from archspec.graph.network import Network, Node, Scope
from archspec.ops import OPS_BY_NAME, ChannelsLast, Op, Shape, Tensor, channels_of
from archspec.ops.shape import places_of

Last = ChannelsLast
"""The shape of a map whose channels are last, from its sizes."""


def is_last(shape: Shape) -> bool:
    """Whether the channels of a map are last."""
    return isinstance(shape, ChannelsLast)


def channels(shape: Shape) -> int:
    """The channels of a map, or the features of a vector."""
    return channels_of(shape)


def places(shape: Shape) -> Shape:
    """The height and width of a map, whichever way round it is; nothing of a vector."""
    return places_of(shape)


def merges(op: str) -> bool:
    """Whether an op takes several inputs."""
    return OPS_BY_NAME[op].arity == "several"


def is_merge(op: Any) -> bool:
    """Whether what a row says behind `op` is the name of such an op."""
    return op in OPS_BY_NAME and merges(op)


def output_of(op: Op, shapes: Sequence[Shape]) -> Shape:
    """The shape of an op's output; raises `Fault`."""
    return op.infer(shapes)[0]


def op_of(node: Node) -> Op:
    """The op of a node of a network without faults."""
    assert node.op is not None
    return node.op


def arriving(network: Network, node: Node) -> tuple[Shape, ...]:
    """The shapes of a node's inputs."""
    shapes = network.arriving(node)
    assert shapes is not None
    return shapes


def given(network: Network, node: Node) -> Shape | None:
    """The shape of a node's output, None where that is unknown."""
    return network.shape_of(node.output)


def entering(network: Network, scope: Scope) -> Shape | None:
    """The shape of what arrives at a body."""
    return network.shape_of(scope.sources[0])


def leaving(network: Network, scope: Scope) -> Shape | None:
    """The shape of what leaves a body."""
    return network.shape_of(scope.output)


def tensors_of(node: Node) -> tuple[Tensor, ...]:
    """The parameters and buffers that a node's op has."""
    return node.module.tensors or ()


def named_tensors(network: Network) -> Iterator[tuple[str, Tensor]]:
    """All parameters and buffers, by their names in the state_dict."""
    for node in network.nodes:
        for tensor in tensors_of(node):
            yield (f"{node.path}.{tensor.name}" if tensor.name else node.path), tensor


def beginnings(node: Node) -> dict[str, Any]:
    """How a node's parameters begin, by name, where something is said of that."""
    return dict(node.module.init or {})
