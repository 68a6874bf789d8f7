"""What a row of the layer table says: the cells of every group and node, in reading order."""

from collections.abc import Iterator
from typing import NamedTuple

from archspec.analysis.results import Results
from archspec.graph.network import Network, Node, Scope
from archspec.ops import Op
from archspec.ops.sliding import Sliding
from archspec.report import figures
from archspec.report.page import Page

SIGNS = {"groups": "g", "dilation": "d"}
"""Short forms of an op's attributes."""
CARRIED = "·"
"""Stands for the name of a layer that the row above carries along."""
_DEEPEST = 8
"""Levels of indentation; rows further inside stay there."""


Names = tuple[str, str, str]
"""A row's `path`, `name` and `short`."""


class Cells(NamedTuple):
    """The texts of a row.

    `path` names it in full, `name` within the rows around it, `short` as well, but with a mere
    dot for a layer that the row above carries along (`conv1_activation`); `short_op` has
    the marks of `SIGNS`; `rounded` are the parameters with a decimal prefix.
    """

    path: str
    name: str
    short: str
    op: str = ""
    short_op: str = ""
    kernel: str = ""
    stride: str = ""
    padding: str = ""
    arriving: str = ""
    output: str = ""
    params: str = ""
    rounded: str = ""
    macs: str = ""
    field: str = ""


class Row(NamedTuple):
    """A row's cells; `parent` counts the characters before the last part of its path."""

    cells: Cells
    parent: int = 0
    is_group: bool = False


def rows(page: Page, network: Network, results: Results) -> Iterator[Row]:
    """Every group and node as a row; made anew each time, so that no table is ever in memory.

    The texts are safe to print: what the spec gives goes through `page.clean`.
    """
    pending: list[tuple[Scope | Node, int]] = [(c, 0) for c in reversed(network.root.children)]
    while pending:
        item, depth = pending.pop()
        path = page.clean(item.path)
        name = page.clean(item.name)
        parent = max(len(path) - len(name), 0)
        indent = "  " * min(depth, _DEEPEST)
        if isinstance(item, Node):
            short = CARRIED if item.step is None and item.named else name
            names = (path, indent + name, indent + short)
            yield Row(_cells(page, network, results, item, names), parent)
            continue
        pending.extend((child, depth + 1) for child in reversed(item.children))
        name = indent + name
        yield Row(sums(network, results, item, (path, name, name)), parent, is_group=True)


def sums(network: Network, results: Results, scope: Scope, names: Names) -> Cells:
    """A group's cells behind its names: what goes in and comes out, and the sums of its nodes."""
    nodes = tuple(scope.nodes())
    if not nodes:
        return Cells(*names)
    totals = results.totals(nodes)
    return Cells(
        *names,
        arriving=figures.shape(network.shape_of(nodes[0].inputs[0])),
        output=figures.shape(network.shapes[nodes[-1].index]),
        params=figures.exact(totals.num_params),
        rounded=figures.rounded(totals.num_params),
        macs=figures.rounded(totals.macs),
        field=figures.field(results.fields[nodes[-1].index]),
    )


def _cells(page: Page, network: Network, results: Results, node: Node, names: Names) -> Cells:
    index, op = node.index, node.op
    held, counts = results.parameters[index], results.operations[index]
    op_name, marks = page.clean(node.op_name), _marks(op)
    params = None if held is None else held.trainable
    return Cells(
        *names,
        op_name + marks,
        op_name + _shortened(marks) if marks else op_name,
        *_window(op),
        figures.shape(network.shape_of(node.inputs[0])),
        figures.shape(network.shapes[index]),
        figures.exact(params),
        figures.rounded(params),
        figures.rounded(None if counts is None else counts.macs),
        figures.field(results.fields[index]),
    )


def _window(op: Op | None) -> tuple[str, str, str]:
    """Kernel, stride and padding; nothing where there is no window."""
    if not isinstance(op, Sliding):
        return "", "", ""
    kernel, stride = figures.pair(op.kernel_size), figures.pair(op.strides)
    if isinstance(op.padding, str):
        return kernel, stride, op.padding
    ends = ["{}".format(a if a == b else f"{a},{b}") for a, b in op.padding]
    return kernel, stride, ends[0] if ends[0] == ends[1] else "×".join(ends)


def _marks(op: Op | None) -> str:
    """The attributes beside the window's without which a row would be read wrong."""
    attributes = {} if op is None else vars(op)
    groups, dilation = attributes.get("groups", 1), attributes.get("dilation", (1, 1))
    marks = "" if groups == 1 else f" groups={groups}"
    if dilation != (1, 1):
        marks += f" dilation={figures.pair(dilation)}"
    return f"{marks} ceil_mode" if attributes.get("ceil_mode") else marks


def _shortened(marks: str) -> str:
    for attribute, sign in SIGNS.items():
        marks = marks.replace(f" {attribute}=", f" {sign}=")
    return marks.replace(" ceil_mode", " ceil")
