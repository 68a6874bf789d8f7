"""Which steps of a network are run: those that lead to what it gives back."""

from collections.abc import Iterable

from archspec.graph.network import INPUT, Network


def leading_to(network: Network, outputs: Iterable[int]) -> list[bool]:
    """Which steps the outputs depend on."""
    needed = [False] * len(network.nodes)
    for index in outputs:
        if index != INPUT:
            needed[index] = True
    for node in reversed(network.nodes):
        if needed[node.index]:
            for index in node.inputs:
                if index != INPUT:
                    needed[index] = True
    return needed


def running(network: Network, *, training: bool) -> list[bool]:
    """The steps that a mode runs; what leads to outputs of training alone evaluation does not."""
    outputs = network.outputs.items()
    left_out = frozenset() if training else network.training_only
    return leading_to(network, [index for name, index in outputs if name not in left_out])
