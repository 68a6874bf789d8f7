"""The paths that meet in a merge: what each is, and the rows that are of it alone."""

from typing import NamedTuple

from archspec.graph.network import INPUT, INPUT_NAME, Network, Node, Value
from archspec.graph.resolve import PREVIOUS
from archspec.ops import Shape
from archspec.ops.sliding import Sliding

FARTHEST = 200
"""So many rows of a path are looked at."""
MOST_PATHS = 64


class Path(NamedTuple):
    """One input of a merge: what it is, and the rows of it alone, the last of them first."""

    place: int
    merge: Node
    value: Value
    shape: Shape
    rows: tuple[Node, ...]


def paths_to(network: Network, node: Node) -> list[Path]:
    """The paths that meet in a merge, without what they have in common; none where too many."""
    if len(node.inputs) > MOST_PATHS:
        return []
    leading = [_leading_to(network, value) for value in node.inputs]
    paths = []
    for place, end in enumerate(node.inputs):
        others = [found for i, found in enumerate(leading) if i != place]
        rows: list[Node] = []
        value = end
        while value.node != INPUT and not any(value.node in found for found in others):
            row = network.nodes[value.node]
            if len(rows) == FARTHEST or not row.inputs:
                break
            rows.append(row)
            value = row.inputs[0]
        paths.append(Path(place, node, end, network.shape_of(end) or (), tuple(rows)))
    return paths


def _leading_to(network: Network, value: Value) -> set[int]:
    """The nodes that a value follows from."""
    found, pending = set(), [value.node]
    while pending:
        index = pending.pop()
        if index != INPUT and index not in found:
            found.add(index)
            pending += [value.node for value in network.nodes[index].inputs]
    return found


def called(node: Node) -> str:
    """The path of a row; its op as well where it has no name of its own."""
    return node.path if node.named else f"{node.path} ({node.op_name})"


def name_of(path: Path) -> str:
    """What the end of a path is called in a sentence."""
    step = path.merge.step
    if step is not None and step.inputs is not None and len(step.inputs) == len(path.merge.inputs):
        read = step.inputs[path.place]
        if read != PREVIOUS:
            return "the input" if read == INPUT_NAME else read
    return called(path.rows[0]) if path.rows else f"branch {path.place}"


def strides_of(path: Path) -> int:
    """By how much the rows of a path divide the height of what arrives."""
    total = 1
    for row in path.rows:
        total *= row.op.strides[0] if isinstance(row.op, Sliding) else 1
    return total
