"""A block that is used again as it was before: what was made of it then, at another place.

What a block becomes follows from its arguments and from what arrives. Where both are as they were,
its nodes differ in their numbers, their paths and what arrives from outside, and nothing has to be
computed anew. That holds in another network of the same spec as well: one with other variables, of
which a block sees what the spec's defaults read, and nothing else.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from archspec.graph.network import Module, Node, Scope, Value
from archspec.ops import Shape

Children = Sequence[Scope | Node]
_new = tuple.__new__  # a third of the time of a named tuple's own constructor


class _Line(NamedTuple):
    """What is the same of a node wherever its block stands, and what it reads.

    `read` is the place among the block's nodes of the only value that it reads, or -1 where there
    are others, the `inputs`. `held` is what its module is beside index and path, `rest` what the
    node is beside what stands before it.
    """

    name: str
    suffix: str
    module: int
    held: tuple[Any, ...]
    op_name: str
    read: int
    inputs: tuple[Value, ...]
    rest: tuple[Any, ...]


class Walked:
    """What a block became: its nodes are those from `start` to `stop`; `work` is what it took.

    `nodes` and `shapes` are those of the whole network that it was walked in.
    """

    def __init__(
        self,
        children: tuple[Scope | Node, ...],
        path: str,
        sources: tuple[Value, ...],
        outputs: tuple[Value, ...],
        gives: tuple[str, ...],
        nodes: list[Node],
        shapes: list[tuple[Shape, ...] | None],
        *,
        start: int,
        work: int,
    ) -> None:
        self.children = children
        self.path = path
        self.sources = sources
        self.outputs = outputs
        self.gives = gives
        self.nodes = nodes
        self.shapes = shapes
        self.start, self.stop = start, len(nodes)
        self.work = work

    @cached_property
    def lines(self) -> list[_Line]:
        """Its nodes, taken apart once for all copies."""
        return [self._line(node) for node in self.nodes[self.start : self.stop]]

    @cached_property
    def given(self) -> list[tuple[Shape, ...] | None]:
        """The shapes that its nodes give."""
        return self.shapes[self.start : self.stop]

    @cached_property
    def is_flat(self) -> bool:
        """Whether no scope is in it: its children are its nodes."""
        return all(isinstance(child, Node) for child in self.children)

    def _line(self, node: Node) -> _Line:
        module, inputs = node.module, node.inputs
        alone = len(inputs) == 1 and inputs[0].port == 0 and inputs[0].node >= self.start
        return _Line(
            node.name,
            module.path[len(self.path) :],
            module.index,
            tuple(module[2:]),
            node.op_name,
            inputs[0].node - self.start if alone else -1,
            inputs,
            tuple(node[5:]),
        )


class Copy:
    """What a block became, once more: at `path`, reading `sources`, with nodes from `start` on."""

    __slots__ = ("children", "nodes", "outputs", "path", "shift", "sources", "walked")

    def __init__(self, walked: Walked, path: str, sources: tuple[Value, ...], start: int) -> None:
        self.walked = walked
        self.path = path
        self.sources = dict(zip(walked.sources, sources, strict=True))
        self.shift = start - walked.start
        self.nodes = self._nodes(start)
        flat = walked.is_flat
        self.children = tuple(self.nodes) if flat else self._children(walked.children)
        self.outputs = tuple(map(self._value, walked.outputs))

    def _value(self, value: Value) -> Value:
        """The same value here; one from outside the block can only be what arrives at it."""
        node, port = value
        if node < self.walked.start:
            return self.sources[value]
        return _new(Value, (node + self.shift, port))

    def _nodes(self, start: int) -> list[Node]:
        shift, path = self.shift, self.path
        nodes: list[Node] = []
        lines = enumerate(self.walked.lines, start)
        for index, (name, suffix, module, held, op_name, read, inputs, rest) in lines:
            moved = _new(Module, (module + shift, path + suffix, *held))
            if read >= 0:
                values: tuple[Value, ...] = (_new(Value, (start + read, 0)),)
            else:
                values = tuple([self._value(value) for value in inputs])
            nodes.append(_new(Node, (index, name, moved, op_name, values, *rest)))
        return nodes

    def _children(self, children: Children) -> tuple[Scope | Node, ...]:
        first = self.walked.start
        return tuple(
            [
                self.nodes[child.index - first] if isinstance(child, Node) else self._scope(child)
                for child in children
            ]
        )

    def _scope(self, scope: Scope) -> Scope:
        return elsewhere(
            scope,
            scope.name,
            self.path + scope.path[len(self.walked.path) :],
            self._children(scope.children),
            tuple(map(self._value, scope.sources)),
            tuple(map(self._value, scope.outputs)),
        )


def elsewhere(
    scope: Scope,
    name: str,
    path: str,
    children: tuple[Scope | Node, ...],
    sources: tuple[Value, ...],
    outputs: tuple[Value, ...],
) -> Scope:
    """A scope as it is at another place; `_replace` takes three times as long."""
    _, _, at, named, _, claims, kind, step, block, arguments, _, _, given, gives = scope
    of_row = (claims, kind, step, block, arguments)
    return _new(Scope, (name, path, at, named, children, *of_row, sources, outputs, given, gives))


class Alike(NamedTuple):
    """A place of a repeated block, and what it became, for those after it; what it was given."""

    place: Scope
    walked: Walked
    arguments: str
