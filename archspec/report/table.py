"""The layer table: aligned, and as wide as the page allows.

Rows are made twice, once to measure and once to print, instead of being kept: 100 000 layers need
no more memory than ten.
"""

from typing import NamedTuple

from archspec.analysis.results import Results
from archspec.graph.network import Network
from archspec.report.page import Page, columns, pad
from archspec.report.rows import Cells, Row, rows, sums


class Column(NamedTuple):
    """A column: which cell, under which title; `least` is how narrow it may be cut."""

    cell: str
    title: str
    align: str = "<"
    least: int | None = None
    gap: str = "  "


PATH = Column("path", "layer")
NAME = Column("name", "layer", least=16)
SHORT_NAME = Column("name", "layer", least=10)
OP = Column("op", "op")
SHORT_OP = Column("op", "op", least=11)
KERNEL = Column("kernel", "kernel", ">")
STRIDE = Column("stride", "stride", ">")
PADDING = Column("padding", "padding", ">")
PAD = Column("padding", "pad", ">")
WINDOW = Column("window", "window")
ARRIVING = Column("arriving", "in", ">")
FLOW = Column("output", "out", gap=" → ")
OUTPUT = Column("output", "output")
PARAMS = Column("params", "parameters", ">")
SHORT_PARAMS = Column("params", "params", ">")
MACS = Column("macs", "MACs", ">")
FIELD = Column("field", "receptive field", ">")
SHORT_FIELD = Column("field", "field", ">")

LAYOUTS: tuple[tuple[Column, ...], ...] = (
    (PATH, OP, KERNEL, STRIDE, PADDING, ARRIVING, FLOW, PARAMS, MACS, FIELD),
    (PATH, OP, KERNEL, STRIDE, PADDING, ARRIVING, FLOW, SHORT_PARAMS, MACS, SHORT_FIELD),
    # In a chain, what goes in is what the row above puts out.
    (PATH, OP, KERNEL, STRIDE, PADDING, OUTPUT, SHORT_PARAMS, MACS, SHORT_FIELD),
    (NAME, OP, KERNEL, STRIDE, PAD, OUTPUT, SHORT_PARAMS, MACS, SHORT_FIELD),
    (NAME, SHORT_OP, WINDOW, OUTPUT, SHORT_PARAMS, MACS, SHORT_FIELD),
    (NAME, SHORT_OP, WINDOW, OUTPUT, SHORT_PARAMS, MACS),
    (SHORT_NAME, SHORT_OP, WINDOW, OUTPUT, SHORT_PARAMS),
    (SHORT_NAME, SHORT_OP, OUTPUT, SHORT_PARAMS),
)
"""From the fullest to the narrowest: the first that fits is taken."""

_Plan = list[tuple[int, Column, int, str]]
"""For each column of a layout: which cell of a row, the column, its width, the gap before it."""

_LEGEND = "window: kernel/stride +padding"
_TITLES = {"macs": "MACs", "field": "receptive field", "window": "kernel, stride, padding"}


def write_table(page: Page, network: Network, results: Results) -> None:
    """Write the table of a network with its sums, and say which columns found no room."""
    total = sums(network, results, network.root, "total", "total")._replace(arriving="")
    widths = [0] * len(Cells._fields)
    for row in rows(page, network, results):
        _measure(row.cells, widths)
    _measure(total, widths)
    layout, fitted = _fit(page, dict(zip(Cells._fields, widths, strict=True)))
    plan = [
        (Cells._fields.index(column.cell), column, width, _gap(page, column))
        for column, width in zip(layout, fitted, strict=True)
    ]
    titles = Cells("", "")._replace(**{column.cell: column.title for column in layout})
    rule = page.paint("─" * (sum(fitted) + _gaps(page, layout)), "dim")
    page.write(page.paint(_line(page, Row(titles), plan), "bold"))
    page.write(rule)
    for row in rows(page, network, results):
        page.write(_line(page, row, plan))
    page.write(rule)
    page.write(page.paint(_line(page, Row(total), plan), "bold"))
    for remark in _remarks(layout):
        page.write(page.paint(remark, "dim"))


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
            least = layout[index].least
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
    quiet = cells.params == cells.macs == "0" and not cells.window and not row.is_group
    painted = page.color and not quiet
    parts: list[str] = []
    for index, column, width, gap in plan:
        text = cells[index]
        if column.least is not None:
            text = page.elide(text, width)
        if parts:
            parts.append(gap if cells.arriving else " " * len(gap))
        padded = pad(text, width, column.align)
        parts.append(_painted(page, padded, column, row) if painted else padded)
    line = "".join(parts).rstrip()
    return page.paint(line, "dim") if quiet else line


def _painted(page: Page, padded: str, column: Column, row: Row) -> str:
    text = padded.strip()
    if text == "?":
        return page.paint(padded, "warning")
    if row.is_group:
        return page.paint(padded, "bold") if column.cell in ("path", "name") else padded
    if column.cell == "path" and row.parent:
        return page.paint(padded[: row.parent], "dim") + padded[row.parent :]
    quiet = column.cell == "arriving" or (text == "0" and column.align == ">")
    return page.paint(padded, "dim") if quiet else padded


def _remarks(layout: tuple[Column, ...]) -> list[str]:
    shown = {column.cell for column in layout}
    remarks = [_LEGEND] if "window" in shown else []
    gone = [title for cell, title in _TITLES.items() if cell not in shown]
    if "kernel" in shown:
        gone = [title for title in gone if title != _TITLES["window"]]
    if gone:
        remarks.append(f"no room for: {', '.join(gone)}")
    return remarks
