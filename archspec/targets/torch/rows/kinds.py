"""Blocks whose uses are of several kinds, which no argument tells apart: a class for each."""

from collections.abc import Iterator, Mapping, Sequence

from archspec.diagnostics import SpecPath
from archspec.graph.network import Network, Node, Scope, Value
from archspec.language.model import Block, Body, Spec, Step
from archspec.ops import channels_of
from archspec.targets.python.text import flat
from archspec.targets.python.tree import Literal
from archspec.targets.torch.emit import Row, spell_step

FINEST = 1
MOST_KINDS = 4
"""A block of more kinds than that is no longer one that a person would write several times."""


class Kinds:
    """The blocks to be `split`, each into as many as its uses have kinds, among all networks.

    With how finely: of other classes, or of the same that read each other in another way.
    `spec` is the first network's, with the new blocks in it, and `name_of` gives the one that a
    scope is of. A row inside them stands at a place of its own, as if it had been written twice.
    """

    def __init__(self, networks: Sequence[Network], split: Mapping[str, int]) -> None:
        self.spec: Spec = networks[0].spec
        self.several: set[str] = set()  # the blocks that are one kind of what the spec has as one
        self._names: dict[int, str] = {}
        for block, finely in split.items():
            self._split(block, kinds_of(networks, block, finely))

    def _split(self, block: str, kinds: Sequence[Sequence[Scope]]) -> None:
        for number, scopes in enumerate(kinds, start=1):
            name = block
            while number > 1 and name in self.spec.blocks:
                name = f"{block}{number}" if name == block else f"{name}_"
            written = _moved_block(self.spec.blocks[block], name)
            self.spec = self.spec._replace(blocks={**self.spec.blocks, name: written})
            self.several.add(name)
            self._names.update((id(scope), name) for scope in scopes)

    def name_of(self, scope: Scope) -> str:
        """The name of the block that a scope is of."""
        assert scope.block is not None
        return self._names.get(id(scope), scope.block.name)

    @staticmethod
    def place(at: SpecPath, block: str) -> SpecPath:
        """Where a row of a block stands, the block being called so."""
        return at if at[1] == block else ("blocks", block, *at[2:])


def kinds_of(networks: Sequence[Network], block: str, finely: int = 0) -> list[list[Scope]]:
    """The uses of a block by their kind: of the same classes, or else by all that is known.

    What is taken more `finely` is of the same classes in the same order of reading.
    """
    uses = [(network, scope) for network in networks for scope in _uses(network, block)]
    for signature in (_wired if finely else _classes, _everything):
        found: dict[object, list[Scope]] = {}
        for network, scope in uses:
            found.setdefault(signature(network, scope), []).append(scope)
        if len(found) > 1:
            break
    return list(found.values())


def _uses(network: Network, block: str) -> Iterator[Scope]:
    for item in network.root.walk():
        if isinstance(item, Scope) and item.block is not None and item.block.name == block:
            yield item


def _classes(network: Network, scope: Scope) -> tuple[object, ...]:
    """Which class of PyTorch, or which function, stands at which place."""
    return tuple((path, *_spelled(network, node)) for path, node in _inside(scope))


def _wired(network: Network, scope: Scope) -> tuple[object, ...]:
    """The same, with what each of them reads, and what the block is given."""
    nodes = [node for _, node in _inside(scope)]
    first = nodes[0].index if nodes else 0
    names: dict[Value, int] = {value: -1 - i for i, value in enumerate(scope.sources)}
    names.update((node.output, node.index - first) for node in nodes)
    read = tuple(tuple(names.get(value) for value in node.inputs) for node in nodes)
    return (scope.given, read, *_classes(network, scope))


def _everything(network: Network, scope: Scope) -> tuple[object, ...]:
    """The ops with their attributes, and what arrives."""
    arriving = [_shape(network, value) for value in scope.sources]
    inner = [(path, node.op_name, repr(node.op)) for path, node in _inside(scope)]
    return (*arriving, *inner)


def _inside(scope: Scope) -> Iterator[tuple[str, Node]]:
    for node in scope.nodes():
        yield node.path.removeprefix(scope.path), node


def _spelled(network: Network, node: Node) -> tuple[str, ...]:
    shapes = network.arriving(node)
    if node.op is None or shapes is None:
        return ()
    spelling = spell_step(node.op, Row(shapes, Literal(channels_of(shapes[0]))))
    return (node.op_name, "" if spelling.module is None else flat(spelling.module.function))


def _shape(network: Network, value: Value) -> object:
    return network.shape_of(value)


def _moved_block(block: Block, name: str) -> Block:
    return block._replace(name=name, body=_moved_body(block.body, name))


def _moved_body(body: Body, name: str) -> Body:
    steps = tuple(_moved(step, name) for step in body.steps)
    return Body(Kinds.place(body.at, name), steps)


def _moved(step: Step, name: str) -> Step:
    branches = step.branches and tuple(
        _moved_body(branch, name) if isinstance(branch, Body) else _moved(branch, name)
        for branch in step.branches
    )
    body = step.body and _moved_body(step.body, name)
    return step._replace(at=Kinds.place(step.at, name), body=body, branches=branches)
