"""The layer table: aligned, and as wide as the page allows.

Rows are made twice, once to measure and once to print, instead of being kept: 100 000 layers need
no more memory than ten.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from archspec.analysis.results import Results
from archspec.analysis.sums import Sums
from archspec.graph.network import Network
from archspec.report import figures
from archspec.report.folding import Folding
from archspec.report.page import Page, columns, pad
from archspec.report.rows import (
    CARRIED,
    SIGNS,
    TRAINING,
    TRAINING_SIGN,
    Cells,
    Row,
    cells_of,
    rows,
)

MOST_ROWS = 10_000
"""A table that is longer shows its beginning: nobody reads on, and every row takes its time."""


class Column(NamedTuple):
    """A column: which cell, under which title; `least` is how narrow it may be cut."""

    cell: str
    title: str
    align: str = "<"
    least: int | None = None
    gap: str = "  "


PATH = Column("path", "layer")
NAME = Column("name", "layer")
SHORT = Column("short", "layer")
CUT_NAME = Column("short", "layer", least=8)
ANY_NAME = Column("short", "layer", least=1)
TIGHT_NAME = Column("tight", "layer", least=1)
OP = Column("op", "op")
SHORT_OP = Column("short_op", "op")
CUT_OP = Column("short_op", "op", least=8)
KERNEL = Column("kernel", "kernel", ">")
STRIDE = Column("stride", "stride", ">")
PADDING = Column("padding", "padding", ">")
PAD = Column("padding", "pad", ">")
K = Column("kernel", "k", ">")
S = Column("stride", "s", ">", gap=" ")
P = Column("padding", "p", ">", gap=" ")
NEAR_K = Column("kernel", "k", ">", gap=" ")
ARRIVING = Column("arriving", "in", ">")
FLOW = Column("output", "out", gap=" → ")
OUTPUT = Column("output", "output")
PARAMETERS = Column("params", "parameters", ">")
PARAMS = Column("params", "params", ">")
ROUNDED = Column("rounded", "params", ">")
MACS = Column("macs", "MACs", ">")
RECEPTIVE_FIELD = Column("field", "receptive field", ">")
FIELD = Column("short_field", "field", ">")

LAYOUTS: tuple[tuple[Column, ...], ...] = (
    (PATH, OP, KERNEL, STRIDE, PADDING, ARRIVING, FLOW, PARAMETERS, MACS, RECEPTIVE_FIELD),
    (PATH, OP, KERNEL, STRIDE, PADDING, ARRIVING, FLOW, PARAMS, MACS, FIELD),
    (NAME, OP, KERNEL, STRIDE, PAD, ARRIVING, FLOW, PARAMS, MACS, FIELD),
    (NAME, SHORT_OP, K, S, P, ARRIVING, FLOW, PARAMS, MACS, FIELD),
    (SHORT, SHORT_OP, K, S, P, ARRIVING, FLOW, PARAMS, MACS, FIELD),
    (SHORT, SHORT_OP, K, S, P, ARRIVING, FLOW, ROUNDED, MACS, FIELD),
    (CUT_NAME, CUT_OP, NEAR_K, S, P, ARRIVING, FLOW, ROUNDED, MACS, FIELD),
    # From here on columns are left out. First what goes in: the row above puts it out.
    (CUT_NAME, CUT_OP, K, S, P, OUTPUT, PARAMS, MACS, FIELD),
    (CUT_NAME, CUT_OP, K, S, P, OUTPUT, ROUNDED, MACS, FIELD),
    (CUT_NAME, CUT_OP, K, S, P, OUTPUT, ROUNDED, MACS),
    (CUT_NAME, CUT_OP, OUTPUT, ROUNDED, MACS),
    (CUT_NAME, CUT_OP, OUTPUT, ROUNDED),
    (CUT_NAME, OUTPUT, ROUNDED),
    (CUT_NAME, OUTPUT),
    (ANY_NAME,),
)
"""From the fullest to the narrowest, which fits anywhere: the first that fits is taken."""

_LEAST_OP = 5
"""What is left of an op's name so that the sources behind it have room."""
GATED = "+"
"""Behind a field that gates widen to everything."""
BOUND = "≤"
"""Before a field that is a bound."""
_NAMES = frozenset({"path", "name", "short", "tight"})
_SAME = {"short_op": "op", "rounded": "params", "short_field": "field"}
"""Columns that say in short what another one says."""
_Plan = list[tuple[int, Column, int, str]]
"""For each column of a layout: which cell of a row, the column, its width, the gap before it."""
_OPS = frozenset({"op", "short_op"})
_OP_CELLS = frozenset(Cells._fields.index(cell) for cell in _OPS)
_WINDOW = frozenset({"kernel", "stride", "padding"})
"""Columns that are empty, and lend their room, where a row without a window says what it reads."""

_TITLES = {
    "op": "op",
    "kernel": "kernel",
    "stride": "stride",
    "padding": "padding",
    "arriving": "input",
    "output": "output",
    "params": "parameters",
    "macs": "MACs",
    "field": "receptive field",
}
"""What a remark calls the columns that found no room."""


def write_table(page: Page, network: Network, results: Results, depth: int | None = None) -> None:
    """Write the table of a network with its sums, and say which columns found no room.

    Rows deeper than `depth` are folded into one; without it, the blocks of a large network are.
    """
    folding = Folding.of(network, depth)
    sums = Sums(network, results)
    total = cells_of(sums, network.root, ("total",) * 4)
    total = total._replace(arriving="")  # a sum reads nothing
    widths, spilling = [0] * len(Cells._fields), [0] * len(Cells._fields)
    signs: dict[str, None] = {}
    shown = count = 0
    for row in _first(rows(page, sums, folding)):
        _measure(page, row.cells, widths, spilling)
        signs |= _signs(page, row.cells)
        shown += not row.is_group
        count += 1
    _measure(page, total, widths, spilling)
    needs = zip(Cells._fields, zip(widths, spilling, strict=True), strict=True)
    layout, fitted = _fit(page, dict(needs))
    plan = [
        (Cells._fields.index(column.cell), column, width, _gap(page, column))
        for column, width in zip(layout, fitted, strict=True)
    ]
    titles = Cells("", "", "", "")._replace(**{column.cell: column.title for column in layout})
    rule = page.paint("─" * (sum(fitted) + _gaps(page, layout)), "dim")
    page.write(page.paint(_line(page, Row(titles), plan), "bold"))
    page.write(rule)
    for row in _first(rows(page, sums, folding)):
        page.write(_line(page, row, plan))
    page.write(rule)
    page.write(page.paint(_line(page, Row(total), plan), "bold"))
    hidden = len(network.nodes) - shown
    more = f"and {figures.counted(hidden, 'more layer')}; --format json has them all"
    folded = f"folded: {figures.counted(hidden, 'layer')}; --depth all shows them"
    last = (more if count == MOST_ROWS else folded) if hidden else ""
    for remark in _remarks(page, layout, signs, last):
        for line in page.wrap(remark, 0, 2):
            page.write(page.paint(line, "dim"))


def _first(listed: Iterator[Row]) -> Iterator[Row]:
    return islice(listed, MOST_ROWS)


def _measure(page: Page, cells: Cells, widths: list[int], spilling: list[int]) -> None:
    spills = _spills(page, cells)
    for index, text in enumerate(cells):
        kept = spilling if spills and index in _OP_CELLS else widths
        if len(text) > kept[index] or not text.isascii():
            kept[index] = max(kept[index], columns(text))


def _spills(page: Page, cells: Cells) -> bool:
    """Whether a row's op may reach into the columns of its window, which it has not."""
    return page.back_arrow in cells.op and not cells.kernel


def _fit(page: Page, needs: dict[str, tuple[int, int]]) -> tuple[tuple[Column, ...], list[int]]:
    """The fullest layout that the page has room for, and its columns' widths.

    `needs` are the widths of the cells, and those of the ops that spill into the next columns.
    """
    for layout in LAYOUTS:
        fitted = [max(needs[column.cell][0], len(column.title)) for column in layout]
        room = _room(page, layout, fitted)
        for index, column in enumerate(layout):
            fitted[index] = max(fitted[index], needs[column.cell][1] - room)
        if page.width is None:
            return layout, fitted
        excess = sum(fitted) + _gaps(page, layout) - page.width
        for index in (1, 0):  # the op gives way before the name
            least = layout[index].least if index < len(layout) else None
            if excess > 0 and least is not None and fitted[index] > least:
                cut = min(excess, fitted[index] - least)
                fitted[index] -= cut
                excess -= cut
        if excess <= 0:
            break
    if fitted[0] < needs[layout[0].cell][0]:
        layout = (TIGHT_NAME, *layout[1:])
    return layout, fitted


def _room(page: Page, layout: tuple[Column, ...], fitted: list[int]) -> int:
    """How many columns an op may spill into."""
    return sum(
        len(_gap(page, column)) + width
        for column, width in zip(layout, fitted, strict=True)
        if column.cell in _WINDOW
    )


def _gap(page: Page, column: Column) -> str:
    return column.gap.replace("→", page.arrow)


def _gaps(page: Page, layout: tuple[Column, ...]) -> int:
    return sum(len(_gap(page, column)) for column in layout[1:])


def _line(page: Page, row: Row, plan: _Plan) -> str:
    cells = row.cells
    # A row that passes everything on stands back behind those that compute.
    quiet = cells.params == cells.macs == "0" and not cells.kernel and not row.is_group
    quiet = quiet and page.back_arrow not in cells.op
    painted = page.color and not quiet
    spilling = _spills(page, cells)
    room = sum(len(gap) + width for _, column, width, gap in plan if column.cell in _WINDOW)
    parts: list[str] = []
    for index, column, width, gap in plan:
        if spilling and column.cell in _WINDOW:
            continue
        text, wide = cells[index], width
        if spilling and column.cell in _OPS:
            wide += room
        if column.least is not None:
            text = _cut(page, text, wide)
        if parts:
            parts.append(gap if cells.arriving else " " * len(gap))
        padded = pad(text, wide, column.align)
        parts.append(_painted(page, padded, column, row) if painted else padded)
    line = "".join(parts).rstrip()
    return page.paint(line, "dim") if quiet else line


def _cut(page: Page, text: str, width: int) -> str:
    """A name or an op as wide as its column; of `conv2d g=2` the mark is kept."""
    if page.back_arrow in text and columns(text) > width:
        op, _, sources = text.partition(f" {page.back_arrow} ")
        room = width - columns(sources) - len(f" {page.back_arrow} ")
        if sources and room >= _LEAST_OP:
            return f"{page.elide_end(op, room)} {page.back_arrow} {sources}"
        return page.elide_end(text, width)
    op, blank, marks = text.lstrip().partition(" ")
    room = width - len(marks) - 1
    if blank and columns(text) > width and room >= len(page.ellipsis) + 2:
        return f"{page.elide_end(op, room)} {marks}"
    return page.elide(text, width)


def _painted(page: Page, padded: str, column: Column, row: Row) -> str:
    text = padded.strip()
    if text == "?":
        return page.paint(padded, "warning")
    if column.cell in _OPS and page.back_arrow in padded:
        op, arrow, sources = padded.partition(page.back_arrow)
        return op + page.paint(arrow + sources, "dim")
    if row.is_group:
        return page.paint(padded, "bold") if column.cell in _NAMES else padded
    if column.cell == "path" and row.parent:
        return page.paint(padded[: row.parent], "dim") + padded[row.parent :]
    quiet = column.cell == "arriving" or (text == "0" and column.align == ">")
    return page.paint(padded, "dim") if quiet else padded


def _signs(page: Page, cells: Cells) -> dict[str, None]:
    """What a row's cells have in them that wants to be explained."""
    signs: dict[str, None] = {}
    if cells.name != cells.short:
        signs[CARRIED] = None
    if cells.op != cells.short_op:
        signs |= {sign: None for name, sign in SIGNS.items() if f" {name}=" in cells.op}
        if TRAINING in cells.op:
            signs[TRAINING_SIGN] = None
    if page.back_arrow in cells.op:
        signs[page.back_arrow] = None
    if cells.field != cells.short_field:
        signs[GATED] = None
    if BOUND in cells.field:
        signs[BOUND] = None
    return signs


def _remarks(
    page: Page, layout: tuple[Column, ...], signs: Iterable[str], hidden: str
) -> Iterator[str]:
    """What the short titles and the signs mean, what is hidden, which columns found no room."""
    titles = {column.cell: column.title for column in layout}
    meanings = {"k": "kernel", "s": "stride", "p": "padding"} if titles.get("stride") == "s" else {}
    if "short_op" in titles:
        meanings |= {sign: name for name, sign in SIGNS.items() if sign in signs}
    legend = [f"{', '.join(meanings)}: {', '.join(meanings.values())}"] if meanings else []
    if titles.keys() & {"short", "tight"} and CARRIED in signs:
        legend.append(f"{CARRIED}: part of the row above")
    if page.back_arrow in signs and ("op" in titles or "short_op" in titles):
        legend.append(f"{page.back_arrow}: reads, where that is not the row above")
    if "short_op" in titles and TRAINING_SIGN in signs:
        legend.append(f"{TRAINING_SIGN}: only in training, not among the MACs below")
    if "short_field" in titles and GATED in signs:
        legend.append(f"{GATED}: and everything, through gates")
    if titles.keys() & {"field", "short_field"} and BOUND in signs:
        legend.append(f"{BOUND}: at most, units may see less")
    yield from _packed(page, legend)
    if hidden:
        yield hidden
    shown = {_SAME.get(cell, cell) for cell in titles}
    gone = [title for cell, title in _TITLES.items() if cell not in shown]
    if gone:
        yield f"no room for: {', '.join(gone)}"


def _packed(page: Page, parts: Iterable[str]) -> list[str]:
    """The parts on as few lines as have room for them."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}; {part}" if lines else part
        if lines and (page.width is None or columns(joined) <= page.width):
            lines[-1] = joined
        else:
            lines.append(part)
    return lines
