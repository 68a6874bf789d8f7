"""Operations of every node, per sample; `Counts.macs` are the multiply-accumulates."""

from archspec.graph.network import Network, Node
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

    def of_node(node: Node) -> Counts | None:
        arriving, outputs = network.arriving(node), network.shapes[node.index]
        if node.op is None or arriving is None or outputs is None:
            return None
        return node.op.operations(arriving, outputs)

    counts = network.of_twins(of_node)
    if network.run is None:
        return tuple(counts)
    return tuple(
        count if runs or shapes is None else Counts()
        for count, runs, shapes in zip(counts, network.run, network.shapes, strict=True)
    )


def weigh(counts: Counts, convention: str) -> int:
    """The counts as one figure, by the convention's weights."""
    return sum(
        count * weight for count, weight in zip(counts, CONVENTIONS[convention][1], strict=True)
    )
