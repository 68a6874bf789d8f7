"""A block that is used again as it was before: what was made of it then, at another place.

What a block becomes follows from its arguments and from what arrives. Where both are as they were,
its nodes differ in their numbers, their paths and what arrives from outside, and nothing has to be
computed anew. That holds in another network of the same spec as well: one with other
variables, which no block sees.
"""

from collections.abc import Sequence
from typing import NamedTuple

from archspec.graph.network import Module, Node, Scope, Value
from archspec.ops import Shape

Children = Sequence[Scope | Node]
_new = tuple.__new__  # a third of the time of a named tuple's own constructor


class Walked(NamedTuple):
    """What a block became: its nodes are those from `start` to `stop`; `work` is what it took.

    `nodes` and `shapes` are those of the whole network that it was walked in.
    """

    children: tuple[Scope | Node, ...]
    path: str
    sources: tuple[Value, ...]
    outputs: tuple[Value, ...]
    start: int
    stop: int
    work: int
    nodes: list[Node]
    shapes: list[tuple[Shape, ...] | None]


class Copy:
    """What a block became, once more: at `path`, reading `sources`, with nodes from `start` on."""

    def __init__(self, walked: Walked, path: str, sources: tuple[Value, ...], start: int) -> None:
        self.walked = walked
        self.path = path
        self.sources = dict(zip(walked.sources, sources, strict=True))
        self.shift = start - walked.start
        self.skip = len(walked.path)
        self.nodes = [self._node(node) for node in walked.nodes[walked.start : walked.stop]]
        self.children = self._children(walked.children)
        self.outputs = tuple(map(self._value, walked.outputs))

    def _value(self, value: Value) -> Value:
        """The same value here; one from outside the block can only be what arrives at it."""
        node, port = value
        if node < self.walked.start:
            return self.sources[value]
        return _new(Value, (node + self.shift, port))

    def _node(self, node: Node) -> Node:
        index, name, module, op_name, inputs = node[:5]
        shift, path = self.shift, self.path + module.path[self.skip :]
        moved = _new(Module, (module.index + shift, path, *module[2:]))
        read = tuple([self._value(value) for value in inputs])
        return _new(Node, (index + shift, name, moved, op_name, read, *node[5:]))

    def _children(self, children: Children) -> tuple[Scope | Node, ...]:
        first = self.walked.start
        return tuple(
            [
                self.nodes[child.index - first] if isinstance(child, Node) else self._scope(child)
                for child in children
            ]
        )

    def _scope(self, scope: Scope) -> Scope:
        return scope._replace(
            path=self.path + scope.path[self.skip :],
            children=self._children(scope.children),
            sources=tuple(map(self._value, scope.sources)),
            outputs=tuple(map(self._value, scope.outputs)),
        )
