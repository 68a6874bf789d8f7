"""A network once more with other variables, where only rows at its end read them.

`num_classes` stands in the last row of most networks: what comes before is the same.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from archspec.diagnostics import SpecPath
from archspec.expressions import Value as Worth
from archspec.graph.leaves import give
from archspec.graph.network import Memory, Network, Node, Scope
from archspec.graph.values import OpFactory
from archspec.graph.words import words_in
from archspec.language.model import Body, Spec, Step
from archspec.ops import OPS_BY_NAME


def with_tail(network: Network, names: Mapping[str, Worth]) -> Network | None:
    """The network with these names' values in place of its variables', or None.

    Only rows of ops at its end, under no condition, may read what differs; then nothing else has to
    be computed. None as well where one of them does not take its value.
    """
    differing = {name for name, value in network.vars.items() if names.get(name) != value}
    memory = network.memory or Memory()
    tail = _tail(network)
    first = next((i for i, n in enumerate(tail) if _words(n.step, memory) & differing), len(tail))
    own = {node.at for node in tail[first:]}
    if any(_words(step, memory) & differing for step in _others(network.spec.body, own)):
        return None
    if _around(network.spec, memory) & differing:
        return None
    return _replaced(network, tail[first:], names)


def _words(step: Step | None, memory: Memory) -> frozenset[str]:
    """Every word in a row, at any depth: all names that it may read, and others."""
    assert step is not None
    if step.at not in memory.words:
        memory.words[step.at] = words_in(step)
    return memory.words[step.at]


def _around(spec: Spec, memory: Memory) -> frozenset[str]:
    """The words of what all rows take from the spec."""
    if () not in memory.words:
        memory.words[()] = words_in(spec.input, spec.defaults, spec.init)
    return memory.words[()]


def _others(body: Body, own: Collection[SpecPath]) -> Iterator[Step]:
    """The steps of a body, and of the groups in it, but for some rows."""
    for step in body.steps:
        if step.at in own:
            continue
        if step.body is not None and any(at[: len(step.at)] == step.at for at in own):
            yield step._replace(at=(*step.at, "#"), body=None)
            yield from _others(step.body, own)
        else:
            yield step


def _tail(network: Network) -> list[Node]:
    """The nodes at the end that are rows of the network's own, whatever the variables are."""
    found: list[Node] = []
    pending: list[Node | Scope] = [*network.root.children]
    while pending:
        child = pending.pop()
        step = child.step
        if step is None or step.control is not None or step.branches is not None:
            break
        if isinstance(child, Scope):
            if child.kind != "group":
                break
            pending += child.children
        elif child.role or step.init is not None or step.sugar or step.op not in OPS_BY_NAME:
            break
        else:
            found.append(child)
    return found[::-1]


def _replaced(network: Network, tail: Sequence[Node], names: Mapping[str, Worth]) -> Network | None:
    """The network with the ops of some nodes at its end made anew."""
    start = tail[0].index if tail else len(network.nodes)
    if start + len(tail) != len(network.nodes):
        return None
    nodes, shapes, twins = list(network.nodes), list(network.shapes), list(network.twins)
    changed = network._replace(vars={name: names[name] for name in network.vars})
    factory = OpFactory([], {}, names)
    body = _Body({**names})
    for node in tail:
        arriving = changed.arriving(node)
        if node.op is None or arriving is None:
            return None
        places = dict.fromkeys(node.written, node.at)
        op = factory.make(type(node.op), node.written, places, node.at, arriving[0], body)
        given, tensors, fault = give(op, arriving)
        if op is None or given is None or fault is not None:
            return None
        if [t.name for t in tensors or ()] != [t.name for t in node.module.tensors or ()]:
            return None  # others begin in another way
        nodes[node.index] = node._replace(module=node.module._replace(op=op, tensors=tensors))
        shapes[node.index], twins[node.index] = given, node.index
        changed = changed._replace(shapes=tuple(shapes))
    root = _with_nodes(network.root, nodes, start)
    return changed._replace(root=root, nodes=tuple(nodes), twins=tuple(twins))


def _with_nodes(scope: Scope, nodes: Sequence[Node], start: int) -> Scope:
    """A scope with other nodes from an index on."""
    children: list[Node | Scope] = []
    for child in scope.children:
        if isinstance(child, Node):
            children.append(nodes[child.index])
        else:
            children.append(_with_nodes(child, nodes, start) if _last(child) >= start else child)
    return scope._replace(children=tuple(children))


def _last(scope: Scope) -> int:
    """The index of the last node in a scope, -1 where there is none."""
    for child in reversed(scope.children):
        last = child.index if isinstance(child, Node) else _last(child)
        if last >= 0:
            return last
    return -1


class _Body:
    """What expressions of the network's own body see."""

    fixed = shared = False

    def __init__(self, names: dict[str, Worth]) -> None:
        self.names = names
