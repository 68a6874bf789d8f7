"""What a row of the layer table says: the cells of every group and node, in reading order."""

from collections.abc import Iterator
from typing import NamedTuple

from archspec.analysis.receptive_field import Field, ReceptiveField
from archspec.analysis.results import Results
from archspec.analysis.sums import Sums
from archspec.graph.network import INPUT, Network, Node, Scope, Value
from archspec.ops import Op, Shape
from archspec.ops.sliding import Sliding
from archspec.report import figures
from archspec.report.folding import Folding, contents, label
from archspec.report.page import Page
from archspec.report.reads import Reading

SIGNS = {"groups": "g", "dilation": "d"}
"""Short forms of an op's attributes."""
CARRIED = "·"
"""Stands for the name of a layer that the row above carries along."""
TRAINING, TRAINING_SIGN = "(training only)", "*"
"""Marks what evaluation leaves out, in full and in short."""
_DEEPEST = 8
"""Levels of indentation; rows further inside stay there."""


Names = tuple[str, str, str, str]
"""A row's `path`, `name`, `short` and `tight`."""


class Cells(NamedTuple):
    """The texts of a row.

    `path` names it in full, `name` within the rows around it, `short` as well, but with a mere
    dot for a layer that the row above carries along (`conv1_activation`), `tight` the same with
    less indentation; `short_op` has the marks of `SIGNS`; `rounded` are the parameters with a
    decimal prefix; `short_field` is `427+` where only gates see everything.
    """

    path: str
    name: str
    short: str
    tight: str
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
    short_field: str = ""


class Row(NamedTuple):
    """A row's cells; `parent` counts the characters before the last part of its path."""

    cells: Cells
    parent: int = 0
    is_group: bool = False


class _Place(NamedTuple):
    """An item, how deep it stands on the page and in the folding, and what is before it."""

    item: Scope | Node
    indent: int
    depth: int
    body: Scope
    before: Value
    training: bool


def rows(page: Page, sums: Sums, folding: Folding) -> Iterator[Row]:
    """Every group and node that is not folded as a row, made anew each time.

    So no table is ever in memory. The texts are safe to print: what the spec gives goes through
    `page.clean`.
    """
    network, results = sums.network, sums.results
    reading = Reading(page, network)
    pending = _places(network.root, 0, 1, training=False)
    while pending:
        place = pending.pop()
        item = place.item
        path, name = page.clean(item.path), page.clean(item.name)
        parent = max(len(path) - len(name), 0)
        levels = min(place.indent, _DEEPEST)
        indent = "  " * levels
        note = reading.note(item, place.body, place.before)
        training = place.training or sums.is_training_only(item)
        marks = _Marks(note, training and not place.training)
        if isinstance(item, Node):
            short = CARRIED if item.role and item.named else name
            names = (path, indent + name, indent + short, " " * levels + short)
            yield Row(_cells(page, network, results, item, names, marks), parent)
            continue
        is_open = folding.opens(item, place.depth)
        if is_open:
            inside = folding.inside(item, place.depth)
            pending += _places(item, place.indent + 1, inside, training=training)
        names = (path, indent + name, indent + name, " " * levels + name)
        cells = cells_of(sums, item, names)
        what = page.clean(label(item) if is_open else label(item) or contents(item))
        cells = cells._replace(op=marks.on(what), short_op=marks.on(what, short=True))
        if not is_open:
            kernel, stride, padding = _window(_only_window(item))
            cells = cells._replace(kernel=kernel, stride=stride, padding=padding)
        yield Row(cells, parent, is_group=True)


def _places(body: Scope, indent: int, depth: int, *, training: bool) -> list[_Place]:
    """The items of a body, the first one last."""
    places, before = [], body.sources[0]
    for child in body.children:
        places.append(_Place(child, indent, depth, body, before, training))
        before = child.output
    places.reverse()
    return places


class _Marks(NamedTuple):
    """What a row says beside its op: what it reads, and that evaluation leaves it out."""

    note: str
    training: bool

    def on(self, op: str, *, short: bool = False) -> str:
        training = (TRAINING_SIGN if short else TRAINING) if self.training else ""
        return " ".join(part for part in (op, training, self.note) if part)


def cells_of(sums: Sums, scope: Scope, names: Names) -> Cells:
    """A group's cells behind its names: what goes in and comes out, and the sums of its nodes.

    Operations are those of evaluation, unless it leaves out all of the group.
    """
    network, results = sums.network, sums.results
    if not sums.has_nodes(scope):
        return Cells(*names)
    totals = results.whole if scope is network.root else sums.totals(scope)
    macs = totals.macs
    if sums.is_training_only(scope):
        counts = sums.counts(scope)
        macs = None if counts is None else counts.macs
    output = network.output if scope is network.root else scope.output
    seen, ungated = fields_at(results, output)
    return Cells(
        *names,
        arriving=figures.shape(network.shape_of(scope.sources[0])),
        output=figures.shape(network.shape_of(output)),
        params=figures.exact(totals.num_params),
        rounded=figures.rounded(totals.num_params),
        macs=figures.rounded(macs),
        field=figures.field(seen, ungated),
        short_field=figures.short_field(seen, ungated),
    )


def fields_at(results: Results, value: Value) -> tuple[Field | None, Field | None]:
    """The receptive field of a node's units, and the one without gates; of the input, a pixel's."""
    if value.node == INPUT:
        return ReceptiveField(), ReceptiveField()
    return results.fields[value.node], results.ungated_fields[value.node]


def _cells(
    page: Page, network: Network, results: Results, node: Node, names: Names, marks: _Marks
) -> Cells:
    index, op = node.index, node.op
    held, counts = results.parameters[index], results.operations[index]
    op_name, attributes = page.clean(node.op_name), _attributes(op)
    params = None if held is None else held.trainable
    seen, ungated = results.fields[index], results.ungated_fields[index]
    return Cells(
        *names,
        marks.on(op_name + attributes),
        marks.on(op_name + _shortened(attributes), short=True),
        *_window(op),
        _arriving(network.input_shapes(node)),
        figures.shape(network.shape_of(node.output)),
        figures.exact(params),
        figures.rounded(params),
        figures.rounded(None if counts is None else counts.macs),
        figures.field(seen, ungated),
        figures.short_field(seen, ungated),
    )


def _arriving(shapes: tuple[Shape | None, ...]) -> str:
    """One shape, or how many different ones; the rows that give them show them."""
    return figures.shape(shapes[0]) if len(set(shapes)) == 1 else f"{len(shapes)} inputs"


def _only_window(scope: Scope) -> Op | None:
    """The window of a block that has no other: its convolution with a norm and an activation."""
    windows = []
    for node in scope.nodes() if scope.kind == "block" else ():
        if node.op is not None and (node.op.weighted or isinstance(node.op, Sliding)):
            windows.append(node.op)
            if len(windows) > 1:
                return None
    return windows[0] if windows else None


def _window(op: Op | None) -> tuple[str, str, str]:
    """Kernel, stride and padding; nothing where there is no window."""
    if not isinstance(op, Sliding):
        return "", "", ""
    kernel, stride = figures.pair(op.kernel_size), figures.pair(op.strides)
    if isinstance(op.padding, str):
        return kernel, stride, op.padding
    ends = ["{}".format(a if a == b else f"{a},{b}") for a, b in op.padding]
    return kernel, stride, ends[0] if ends[0] == ends[1] else "×".join(ends)


def _attributes(op: Op | None) -> str:
    """The attributes beside the window's without which a row would be read wrong."""
    attributes = {} if op is None else vars(op)
    groups, dilation = attributes.get("groups", 1), attributes.get("dilation", (1, 1))
    marks = "" if groups == 1 else f" groups={groups}"
    if dilation != (1, 1):
        marks += f" dilation={figures.pair(dilation)}"
    return f"{marks} ceil_mode" if attributes.get("ceil_mode") else marks


def _shortened(marks: str) -> str:
    if not marks:
        return marks
    for attribute, sign in SIGNS.items():
        marks = marks.replace(f" {attribute}=", f" {sign}=")
    return marks.replace(" ceil_mode", " ceil")
