"""Networks that `check` accepts and that cannot be run: generated now and then, never executed."""

from archspec.graph.network import Network
from archspec.ops.pool import Pool
from archspec.ops.sliding import Axis
from tests.fuzz import facts


def sees_padding_only(network: Network) -> bool:
    """Whether a pooling has a window without input: PyTorch writes where it must not, backwards."""
    return any(
        isinstance(node.op, Pool)
        and not all(map(_reads, node.op.axes(facts.arriving(network, node)[0])))
        for node in network.nodes
    )


def _reads(axis: Axis) -> bool:
    """Whether every window along an axis reads some of the input."""
    starts = (unit * axis.stride - axis.before for unit in range(axis.output))
    taps = [axis.dilation * tap for tap in range(axis.kernel)]
    return all(any(0 <= start + tap < axis.size for tap in taps) for start in starts)
