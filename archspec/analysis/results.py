"""Everything the passes found out about a network, in one frozen structure."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from archspec.analysis.fields import Fields, receptive_fields
from archspec.analysis.macs import count_operations
from archspec.analysis.memory import Memory, count_bytes
from archspec.analysis.parameters import Parameters, count_parameters, first_calls
from archspec.analysis.receptive_field import Field
from archspec.graph.network import Network, Node
from archspec.ops import Counts


class Totals(NamedTuple):
    """Sums over nodes; None where one of them is unknown.

    `num_params` are all parameters, `buffers` the numbers that are stored but not trained,
    `training_only_params` belong to heads that evaluation leaves out. `macs` are
    multiply-accumulates per sample; `weighted_layers` counts convolutions and linear layers.
    """

    num_params: int | None
    trainable_params: int | None
    buffers: int | None
    training_only_params: int | None
    macs: int | None
    weighted_layers: int | None


class Results(NamedTuple):
    """Results by node index, None where something is unknown.

    Parameters are those of the module that a node calls: sums have each module once, however often
    it is called, and the operations of every call. `whole` are the totals of all nodes. `seen`
    gives the fields, which are found when they are asked for: code is written without them.
    """

    parameters: tuple[Parameters | None, ...]
    operations: tuple[Counts | None, ...]
    memory: tuple[Memory | None, ...]
    seen: Callable[[], Fields]
    evaluated: tuple[bool, ...] | None = None
    whole: Totals = Totals(*[None] * 6)

    @property
    def fields(self) -> tuple[Field | None, ...]:
        """The field of each node's units: what all paths to it see together."""
        return self.seen().all_paths

    @property
    def ungated_fields(self) -> tuple[Field | None, ...]:
        """The same without paths that have seen the whole map."""
        return self.seen().without_gates

    def totals(self, nodes: Iterable[Node]) -> Totals:
        """The sums over some nodes, a group's.

        Parameters are all there are; operations and layers those that evaluation runs.
        """
        everything = list(nodes)
        nodes = self.in_evaluation(everything)
        modules = first_calls(nodes)
        held = kept = _known([self.parameters[node.index] for node in modules])
        if len(nodes) < len(everything):
            held = _known([self.parameters[node.index] for node in first_calls(everything)])
        counts = self.counts(nodes)
        ops = [node.module.op for node in modules]
        weighted = _known([None if op is None else op.weighted for op in ops])
        trainable = None if held is None else _trainable(held)
        only = None if held is None or kept is None else _trainable(held) - _trainable(kept)
        return Totals(
            num_params=trainable,
            trainable_params=trainable,
            buffers=None if held is None else sum([p.buffers for p in held]),
            training_only_params=only,
            macs=None if counts is None else counts.macs,
            weighted_layers=None if weighted is None else sum(weighted),
        )

    def in_evaluation(self, nodes: Iterable[Node]) -> list[Node]:
        """Those of the nodes that evaluation runs."""
        if self.evaluated is None:
            return list(nodes)
        return [node for node in nodes if self.evaluated[node.index]]

    def counts(self, nodes: Iterable[Node]) -> Counts | None:
        """Operations of some nodes together."""
        known = _known([self.operations[node.index] for node in nodes])
        if known is None:
            return None
        return Counts(*(sum(column) for column in zip(*known, strict=True))) if known else Counts()

    def bytes(self, nodes: Iterable[Node]) -> Memory | None:
        """Bytes of some nodes together."""
        listed = list(nodes)
        known = _known(self.memory[node.index] for node in listed)
        if known is None:
            return None
        held = (self.memory[node.index] for node in first_calls(listed))
        activations = sum(memory.activations for memory in known)
        return Memory(sum(memory.parameters for memory in held if memory), activations)


def _trainable(held: Iterable[Parameters]) -> int:
    return sum([parameters.trainable for parameters in held])


def _known(values: Iterable[Any]) -> list[Any] | None:
    """The values, or None when one of them is unknown."""
    listed = list(values)
    return None if None in listed else listed


def analyse(network: Network) -> Results:
    """Run every pass over a network."""
    parameters = count_parameters(network)
    results = Results(
        parameters=parameters,
        operations=count_operations(network),
        memory=count_bytes(network, parameters),
        seen=cache(lambda: receptive_fields(network)),
        evaluated=network.evaluated,
    )
    return results._replace(whole=results.totals(network.nodes))
