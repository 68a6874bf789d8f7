"""Sums of groups, blocks and repeated steps: every node is looked at once, however they nest."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate

from archspec.analysis.results import Results, Totals
from archspec.graph.network import Network, Node, Scope
from archspec.ops import Counts

Item = Scope | Node
NOTHING = (0, 0)
"""The numbers of no nodes."""


class Sums:
    """What the items of a network come to.

    The nodes of a scope have numbers in a row, so that a sum over them is the difference of two
    that were added up from the network's beginning.
    """

    def __init__(self, network: Network, results: Results) -> None:
        self.network = network
        self.results = results

    def nodes(self, item: Item) -> Sequence[Node]:
        """The nodes of an item, in their order."""
        start, stop = self._range(item)
        return self.network.nodes[start:stop]

    def evaluated(self, item: Item) -> Sequence[Node]:
        """Those of them that evaluation runs."""
        return self.results.in_evaluation(self.nodes(item))

    def totals(self, item: Item, *, in_evaluation: bool = False) -> Totals:
        """The same as the results' totals of its nodes, or of those that evaluation runs."""
        if self._shared:
            return self.results.totals(self.evaluated(item) if in_evaluation else self.nodes(item))
        place = self._range(item)
        weighted, counts = self._weighted.of(*place), self._evaluated.of(*place)
        kept = self._kept.of(*place)
        held = kept if in_evaluation else self._held.of(*place)
        return Totals(
            num_params=None if held is None else held[0],
            trainable_params=None if held is None else held[0],
            buffers=None if held is None else held[1],
            training_only_params=None if held is None or kept is None else held[0] - kept[0],
            macs=None if counts is None else counts[0],
            weighted_layers=None if weighted is None else weighted[0],
        )

    def counts(self, item: Item, *, in_evaluation: bool = False) -> Counts | None:
        """The operations of all its nodes, or of those that evaluation runs."""
        column = self._evaluated if in_evaluation else self._counts
        counts = column.of(*self._range(item))
        return None if counts is None else Counts(*counts)

    def has_nodes(self, item: Item, *, in_evaluation: bool = False) -> bool:
        """Whether there is any node in it, or any that evaluation runs."""
        start, stop = self._range(item)
        return self._runs[stop] > self._runs[start] if in_evaluation else stop > start

    def is_training_only(self, item: Item) -> bool:
        """Whether all of an item leads to nothing but outputs that evaluation leaves out."""
        if not self.network.training_only:
            return False  # what is not evaluated is not used at all, which is told as a warning
        if isinstance(item, Node):
            return not self.network.is_evaluated(item)
        return self.has_nodes(item) and not self.has_nodes(item, in_evaluation=True)

    def _range(self, item: Item) -> tuple[int, int]:
        if isinstance(item, Node):
            return item.index, item.index + 1
        if item is self.network.root:
            return 0, len(self.network.nodes)
        return self._ranges[id(item)]

    @cached_property
    def _ranges(self) -> dict[int, tuple[int, int]]:
        """The numbers of the nodes in each scope, from the first on up to the last plus one."""
        scopes = [self.network.root]
        for scope in scopes:  # grows meanwhile
            scopes += [child for child in scope.children if isinstance(child, Scope)]
        found: dict[int, tuple[int, int]] = {}

        def outermost(children: Iterable[Item]) -> tuple[int, int]:
            """The numbers of the first of some items that has any."""
            for item in children:
                if isinstance(item, Node):
                    return item.index, item.index + 1
                if found[id(item)] != NOTHING:
                    return found[id(item)]
            return NOTHING

        for scope in reversed(scopes):  # those inside before those around them
            start, _ = outermost(scope.children)
            _, stop = outermost(reversed(scope.children))
            found[id(scope)] = start, stop
        return found

    @cached_property
    def _shared(self) -> bool:
        """Whether a module is called more than once: it counts once, wherever its calls stand."""
        nodes = self.network.nodes
        return len({node.module.index for node in nodes}) < len(nodes)

    @cached_property
    def _held(self) -> "_Column":
        return _Column(self.results.parameters, 2)

    @cached_property
    def _kept(self) -> "_Column":
        """Parameters of what evaluation runs."""
        if self.results.evaluated is None:
            return self._held
        return _Column(_where(self.results.evaluated, self.results.parameters, (0, 0)), 2)

    @cached_property
    def _counts(self) -> "_Column":
        return _Column(self.results.operations, len(Counts()))

    @cached_property
    def _evaluated(self) -> "_Column":
        """Operations of what evaluation runs."""
        if self.results.evaluated is None:
            return self._counts
        return _Column(
            _where(self.results.evaluated, self.results.operations, Counts()), len(Counts())
        )

    @cached_property
    def _weighted(self) -> "_Column":
        """Convolutions and linear layers that evaluation runs."""
        ops = [node.module.op for node in self.network.nodes]
        weighted = [None if op is None else (int(op.weighted),) for op in ops]
        if self.results.evaluated is None:
            return _Column(weighted, 1)
        return _Column(_where(self.results.evaluated, weighted, (0,)), 1)

    @cached_property
    def _runs(self) -> Sequence[int]:
        evaluated = self.results.evaluated or [True] * len(self.network.nodes)
        return [0, *accumulate(evaluated)]


Row = tuple[int, ...] | None


def _where(flags: Sequence[bool], rows: Iterable[Row], otherwise: Row) -> list[Row]:
    return [row if flag else otherwise for flag, row in zip(flags, rows, strict=True)]


class _Column:
    """Rows of numbers added up from the first on; some are unknown."""

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        nothing = (0,) * width
        known = [nothing, *(nothing if row is None else row for row in rows)]
        self.sums = [[*accumulate(column)] for column in zip(*known, strict=True)]
        self.unknown = [0, *accumulate([row is None for row in rows])]

    def of(self, start: int, stop: int) -> Row:
        """The sums from one row to another, None where one of them is unknown."""
        if self.unknown[stop] > self.unknown[start]:
            return None
        return tuple([column[stop] - column[start] for column in self.sums])
