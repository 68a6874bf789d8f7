"""What would make paths of different sizes meet: which row lost a pixel, and inputs that fit."""

from collections.abc import Iterator, Mapping, Sequence

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.shapes import InputNotRead, MergeMismatch
from archspec.graph.build import build
from archspec.graph.network import INPUT, Network, Node, Value
from archspec.language.model import Spec
from archspec.language.source import Data
from archspec.ops import Shape, show
from archspec.ops.resize import Upsample
from archspec.ops.shape import kind_of, places_of
from archspec.ops.transposed import ConvTranspose2d

FARTHEST = 64
"""By so many pixels an input may be larger or smaller that is named as one that fits."""
MOST_NODES = 20_000
"""Nodes of all the networks that are tried."""
MOST_MERGES = 8


def advise(
    spec: Spec, overrides: Mapping[str, Data], network: Network, faults: Sequence[Diagnostic]
) -> None:
    """Give faults about sizes that do not meet the help that would mend them."""
    merges = [fault for fault in faults if isinstance(fault, MergeMismatch)]
    at_path = {node.path: node for node in network.nodes} if merges else {}
    fitting: list[str] | None = None
    for fault in merges[:MOST_MERGES]:
        node = at_path.get(fault.path)
        shapes = [network.shape_of(value) for value in node.inputs] if node is not None else []
        if node is None or not _differ_in_places(shapes):
            continue
        if fitting is None:
            fitting = _fitting(spec, overrides, network)
        told = [*_lost(network, node), *fitting, *_mended(network, node), fault.help]
        fault.help = "; ".join(filter(None, told))


def _differ_in_places(shapes: Sequence[Shape | None]) -> bool:
    known = [shape for shape in shapes if shape is not None and kind_of(shape) == "map"]
    return len(known) == len(shapes) and len({places_of(shape) for shape in known}) > 1


def _smallest(network: Network, node: Node) -> int:
    """Which of its inputs has the fewest places."""
    sizes = [places_of(network.shape_of(value) or ()) for value in node.inputs]
    return sizes.index(min(sizes))


def _lost(network: Network, node: Node) -> Iterator[str]:
    """The nearest row on the way to the smallest input that leaves out what it cannot divide."""
    value: Value = node.inputs[_smallest(network, node)]
    while value.node != INPUT:
        before = network.nodes[value.node]
        arriving = network.arriving(before)
        if arriving is None or before.op is None:
            return
        if any(kind is InputNotRead for kind, _, _ in before.op.remarks(arriving)):
            to = show(places_of(network.shape_of(value) or ()))
            yield f"{before.path} makes {to} of {show(places_of(arriving[0]))} and leaves a rest"
            return
        value = before.inputs[0]


def _mended(network: Network, node: Node) -> Iterator[str]:
    """What the last row of the smallest input could say, where it makes its input larger."""
    small = _smallest(network, node)
    value = node.inputs[small]
    if value.node == INPUT:
        return
    last = network.nodes[value.node]
    own = places_of(network.shape_of(value) or ())
    wanted = max(places_of(network.shape_of(other) or ()) for other in node.inputs)
    more = [target - size for target, size in zip(wanted, own, strict=True)]
    if isinstance(last.op, Upsample):
        yield f"or give {last.path} `size: {list(wanted)}` in place of `scale_factor`"
    elif isinstance(last.op, ConvTranspose2d):
        added = [had + extra for had, extra in zip(last.op.output_padding, more, strict=True)]
        limits = zip(added, last.op.stride, last.op.dilation, strict=True)
        if all(0 <= padding < max(stride, dilation) for padding, stride, dilation in limits):
            yield f"or give {last.path} `output_padding: {_short(added)}`"


def _short(pair: Sequence[int]) -> str:
    return f"{pair[0]}" if pair[0] == pair[1] else f"{list(pair)}"


def _fitting(spec: Spec, overrides: Mapping[str, Data], network: Network) -> list[str]:
    """The nearest smaller and the nearest larger input with which all paths meet."""
    shape = network.input_shape
    if shape is None or kind_of(shape) != "map":
        return []
    left = MOST_NODES
    found: list[str] = []
    for sign in (-1, 1):
        for distance in range(1, FARTHEST + 1):
            places = [size + sign * distance for size in shape[1:]]
            left -= len(network.nodes)
            if left < 0 or 2 * min(places) < min(shape[1:]):
                break
            _, faults = build(spec._replace(input=[shape[0], *places]), overrides)
            if not any(fault.severity == "error" for fault in faults):
                found.append(_side(places))
                break
    return [f"inputs of {' or '.join(found)} fit"] if found else []


def _side(places: Sequence[int]) -> str:
    return str(places[0]) if len(set(places)) == 1 else show(places)
