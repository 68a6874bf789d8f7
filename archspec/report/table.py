"""The layer table: aligned, and as wide as the page allows.

Rows are made twice, once to measure and once to print, instead of being kept: 100 000 layers need
no more memory than ten.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from archspec.analysis.results import Results
from archspec.graph.network import Network
from archspec.report.page import Page, columns, pad
from archspec.report.rows import CARRIED, SIGNS, Cells, Row, rows, sums


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
FIELD = Column("field", "field", ">")

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

_NAMES = frozenset({"path", "name", "short"})
_SAME = {"short_op": "op", "rounded": "params"}
"""Columns that say in short what another one says."""
_Plan = list[tuple[int, Column, int, str]]
"""For each column of a layout: which cell of a row, the column, its width, the gap before it."""

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


def write_table(page: Page, network: Network, results: Results) -> None:
    """Write the table of a network with its sums, and say which columns found no room."""
    total = sums(network, results, network.root, ("total", "total", "total"))
    total = total._replace(arriving="")  # a sum reads nothing
    widths = [0] * len(Cells._fields)
    signs: dict[str, None] = {}
    for row in rows(page, network, results):
        _measure(row.cells, widths)
        if row.cells.name != row.cells.short or row.cells.op != row.cells.short_op:
            signs |= _signs(row.cells)
    _measure(total, widths)
    layout, fitted = _fit(page, dict(zip(Cells._fields, widths, strict=True)))
    plan = [
        (Cells._fields.index(column.cell), column, width, _gap(page, column))
        for column, width in zip(layout, fitted, strict=True)
    ]
    titles = Cells("", "", "")._replace(**{column.cell: column.title for column in layout})
    rule = page.paint("─" * (sum(fitted) + _gaps(page, layout)), "dim")
    page.write(page.paint(_line(page, Row(titles), plan), "bold"))
    page.write(rule)
    for row in rows(page, network, results):
        page.write(_line(page, row, plan))
    page.write(rule)
    page.write(page.paint(_line(page, Row(total), plan), "bold"))
    for remark in _remarks(layout, signs):
        for line in page.wrap(remark, 0, 2):
            page.write(page.paint(line, "dim"))


def _measure(cells: Cells, widths: list[int]) -> None:
    for index, text in enumerate(cells):
        if len(text) > widths[index] or not text.isascii():
            widths[index] = max(widths[index], columns(text))


def _fit(page: Page, widths: dict[str, int]) -> tuple[tuple[Column, ...], list[int]]:
    """The fullest layout that the page has room for, and its columns' widths."""
    for layout in LAYOUTS:
        fitted = [max(widths[column.cell], len(column.title)) for column in layout]
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
    return layout, fitted


def _gap(page: Page, column: Column) -> str:
    return column.gap.replace("→", page.arrow)


def _gaps(page: Page, layout: tuple[Column, ...]) -> int:
    return sum(len(_gap(page, column)) for column in layout[1:])


def _line(page: Page, row: Row, plan: _Plan) -> str:
    cells = row.cells
    # A row that passes everything on stands back behind those that compute.
    quiet = cells.params == cells.macs == "0" and not cells.kernel and not row.is_group
    painted = page.color and not quiet
    parts: list[str] = []
    for index, column, width, gap in plan:
        text = cells[index]
        if column.least is not None:
            text = _cut(page, text, width)
        if parts:
            parts.append(gap if cells.arriving else " " * len(gap))
        padded = pad(text, width, column.align)
        parts.append(_painted(page, padded, column, row) if painted else padded)
    line = "".join(parts).rstrip()
    return page.paint(line, "dim") if quiet else line


def _cut(page: Page, text: str, width: int) -> str:
    """A name or an op as wide as its column; of `conv2d g=2` the mark is kept."""
    op, blank, marks = text.lstrip().partition(" ")
    room = width - len(marks) - 1
    if blank and columns(text) > width and room >= len(page.ellipsis) + 2:
        return f"{page.elide_end(op, room)} {marks}"
    return page.elide(text, width)


def _painted(page: Page, padded: str, column: Column, row: Row) -> str:
    text = padded.strip()
    if text == "?":
        return page.paint(padded, "warning")
    if row.is_group:
        return page.paint(padded, "bold") if column.cell in _NAMES else padded
    if column.cell == "path" and row.parent:
        return page.paint(padded[: row.parent], "dim") + padded[row.parent :]
    quiet = column.cell == "arriving" or (text == "0" and column.align == ">")
    return page.paint(padded, "dim") if quiet else padded


def _signs(cells: Cells) -> dict[str, None]:
    """What a row's short cells have in them that wants to be explained."""
    signs = {} if cells.name == cells.short else {CARRIED: None}
    if cells.op != cells.short_op:
        signs |= {sign: None for name, sign in SIGNS.items() if f" {name}=" in cells.op}
    return signs


def _remarks(layout: tuple[Column, ...], signs: Iterable[str]) -> Iterator[str]:
    """What the short titles and the signs mean, and which columns found no room."""
    titles = {column.cell: column.title for column in layout}
    meanings = {"k": "kernel", "s": "stride", "p": "padding"} if titles.get("stride") == "s" else {}
    if "short_op" in titles:
        meanings |= {sign: name for name, sign in SIGNS.items() if sign in signs}
    legend = [f"{', '.join(meanings)}: {', '.join(meanings.values())}"] if meanings else []
    if "short" in titles and CARRIED in signs:
        legend.append(f"{CARRIED}: part of the row above")
    if legend:
        yield "; ".join(legend)
    shown = {_SAME.get(cell, cell) for cell in titles}
    gone = [title for cell, title in _TITLES.items() if cell not in shown]
    if gone:
        yield f"no room for: {', '.join(gone)}"
