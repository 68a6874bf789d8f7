"""Which rows of a network's tree are shown, and what stands for those that are not."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from archspec.graph.network import Network, Node, Scope

MOST_ROWS = 60
"""A network of more layers than that is shown with its blocks and repeated steps folded."""
_LEAST_ROWS = 8
"""Fewer rows than that say too little: blocks are opened then."""
ALL = 10**6
"""The depth at which everything is open."""


class Folding(NamedTuple):
    """What is open: the rows above `depth`, counted from 1, or, `by_blocks`, what is no block.

    With `by_blocks`, groups are open whatever their depth, and `depth` counts only the blocks and
    repeated steps around a row; a group of nothing but one block is a repeated step as well.
    """

    depth: int
    by_blocks: bool = False

    @classmethod
    def of(cls, network: Network, depth: int | None = None) -> "Folding":
        """The folding for a depth that was asked for, or the one that suits the network."""
        if depth is not None:
            return cls(depth)
        if len(network.nodes) <= MOST_ROWS:
            return cls(ALL)
        for level in range(1, 4):
            folding = cls(level, by_blocks=True)
            if folding.shows_enough(network.root):
                return folding
        return cls(ALL)

    def shows_enough(self, root: Scope) -> bool:
        """Whether there are rows enough to say something."""
        pending = [(child, 1) for child in root.children]
        shown = 0
        while pending and shown < _LEAST_ROWS:
            item, depth = pending.pop()
            shown += 1
            if isinstance(item, Scope) and self.opens(item, depth):
                pending.extend((child, self.inside(item, depth)) for child in item.children)
        return shown >= _LEAST_ROWS

    def opens(self, scope: Scope, depth: int) -> bool:
        """Whether the rows inside a scope at this depth are shown."""
        return depth < self.depth or (self.by_blocks and not _is_unit(scope))

    def inside(self, scope: Scope, depth: int) -> int:
        """The depth of the rows inside a scope."""
        return depth if self.by_blocks and not _is_unit(scope) else depth + 1


def _is_unit(scope: Scope) -> bool:
    """Whether a scope is one thing, or one thing several times, and not a mere group."""
    if scope.kind != "group":
        return True
    blocks = {c.block.name if isinstance(c, Scope) and c.block else "" for c in scope.children}
    return len(blocks) == 1 and "" not in blocks


def label(scope: Scope) -> str:
    """What a scope is: `Bottleneck`, `3 × Bottleneck`, or nothing for a group."""
    if scope.block is not None:
        return scope.block.name
    return contents(scope) if scope.kind == "repeat" else ""


def contents(scope: Scope) -> str:
    """What a scope holds, counted: `3 × Bottleneck`, `2 × conv2d + Fire`, `7 steps`."""
    counted = Counter(_kinds(scope.children))
    if len(counted) > 2 or not all(counted):
        return f"{counted.total()} step{'' if counted.total() == 1 else 's'}"
    return " + ".join(f"{n} × {kind}" if n > 1 else kind for kind, n in counted.items())


def _kinds(items: Iterable[Scope | Node]) -> Iterator[str]:
    """The op or block of each step; "" for a group. What a row carries along is part of it."""
    for item in items:
        if isinstance(item, Scope):
            yield label(item) if item.kind == "block" else ""
        elif not item.role:
            yield item.op_name
