"""Operations of every node, per sample; `Counts.macs` are the multiply-accumulates."""

from typing import Any

from archspec.graph.network import Network, alike
from archspec.ops import Counts

CONVENTIONS: dict[str, tuple[str, Counts]] = {
    # name: (who counts like that, weights of Counts(macs, bias, norm, activation, pool))
    "torchvision": ("torchvision's _ops: multiply-accumulates", Counts(macs=1)),
    "flop_counter": ("PyTorch's FlopCounterMode: 2 per multiply-accumulate", Counts(macs=2)),
    "ptflops": ("ptflops (aten): multiply-accumulates and bias additions", Counts(macs=1, bias=1)),
    "fvcore": ("fvcore: multiply-accumulates, 2 per normalised element", Counts(macs=1, norm=2)),
}
"""Ways of counting that published figures use, as weights of the counts."""


def count_operations(network: Network) -> tuple[Counts | None, ...]:
    """Operations of each node; None where its op or its input is unknown, or it cannot say.

    A node that is not run has none.
    """
    counts: list[Counts | None] = []
    known: dict[Any, Counts | None] = {}  # of the same op on the same shapes
    for node, outputs in zip(network.nodes, network.shapes, strict=True):
        arriving = network.arriving(node)
        if node.op is None or arriving is None or outputs is None:
            counts.append(None)
        elif network.is_run(node):
            key = alike(node.op, arriving)
            if key not in known:
                known[key] = node.op.operations(arriving, outputs)
            counts.append(known[key])
        else:
            counts.append(Counts())
    return tuple(counts)


def weigh(counts: Counts, convention: str) -> int:
    """The counts as one figure, by the convention's weights."""
    return sum(
        count * weight for count, weight in zip(counts, CONVENTIONS[convention][1], strict=True)
    )
