"""`archspec runs`: compare runs in a table."""

import csv
import re
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from archspec.cli.training import as_json, printable, told_by_trainer

if TYPE_CHECKING:
    from archspec.report.page import Page
    from archspec.train.seeing.runs_table import RunRow

GAP = "  "
LEAST_NAME = 12  # columns of a terminal that a run's name is not cut below
WIDEST = 24  # columns that a recipe's value may take


class Order(StrEnum):
    """What the table is sorted by."""

    ACCURACY = "accuracy"
    LOSS = "loss"
    SPEED = "speed"
    WHEN = "when"
    NAME = "name"


class TableFormat(StrEnum):
    """How a table is printed."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the runs are, at any depth.")
    ] = Path("runs"),
    sort: Annotated[Order, typer.Option(help="What to sort by, the best first.")] = Order.ACCURACY,
    format_: Annotated[
        TableFormat, typer.Option("--format", help="How to print.")
    ] = TableFormat.TEXT,
) -> None:
    """Compare runs in a table: what each came to, and the values in which their recipes differ.

    Accuracy is the best on the held-out pictures, loss that of the last epoch. In a narrow
    terminal, columns are left out; in a pipe there are all.
    """
    with told_by_trainer():
        from archspec.train.seeing.runs_table import as_record, differing, in_order, read_runs

        rows = in_order(read_runs(folder), sort.value)
    names = differing(rows)
    if format_ is TableFormat.TEXT:
        _print_table(rows, names, folder)
        return
    records = [as_record(row, names) for row in rows]
    if format_ is TableFormat.JSON:
        print(as_json(records))
        return
    flat = [record | record.pop("recipe") for record in records]
    if flat:
        writer = csv.DictWriter(sys.stdout, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        for record in flat:
            writer.writerow({key: _cell(value) for key, value in record.items()})


def _cell(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


class Column(NamedTuple):
    """A column of the table; of those that there is no room for, the greatest `rank` goes first."""

    head: str
    rank: int
    value: Callable[["RunRow"], str]
    align: str = "<"


def _number(text: str, value: float | None) -> str:
    return "–" if value is None else format(value, text)


def _epochs(row: "RunRow") -> str:
    return "–" if row.epochs is None else f"{row.epochs}/{row.planned}"


def _last_part(path: str | None) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path if path else "–"


def _local(row: "RunRow") -> str:
    return "–" if row.when is None else f"{row.when.astimezone():%Y-%m-%d %H:%M}"


COLUMNS = (
    Column("accuracy", 1, lambda row: _number(".1%", row.accuracy), ">"),
    Column("state", 2, lambda row: row.state),
    Column("epochs", 3, _epochs, ">"),
    Column("loss", 4, lambda row: _number(".4f", row.loss), ">"),
    Column("images/s", 7, lambda row: _number(".0f", row.images_per_second), ">"),
    Column("network", 5, lambda row: row.network or "–"),
    Column("data", 8, lambda row: _last_part(row.data)),
    Column("device", 10, lambda row: row.device or "–"),
    Column("when", 9, _local),
)
RECIPE_RANK = 6


def _plain(value: object) -> str:
    """A recipe's value in as few digits as tell it; lists are written out already."""
    if isinstance(value, float):
        return f"{value:g}"
    return re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):g}", str(value))


def _of_recipe(name: str) -> Column:
    def value(row: "RunRow") -> str:
        found = row.recipe.get(name)
        return "–" if found is None else _plain(found)

    return Column(name, RECIPE_RANK, value)


def _print_table(rows: Sequence["RunRow"], names: Sequence[str], folder: Path) -> None:
    from archspec.report.page import Page

    page = Page.on(sys.stdout)
    if not rows:
        page.write(page.clean(printable(f"there are no runs in {folder}")))
        return
    columns = _fitting(page, [*COLUMNS, *map(_of_recipe, names)], rows)
    _write_rows(page, columns, rows)
    for row in rows:
        if row.problem:
            said = page.clean(printable(f"{row.name} {row.state}: {row.problem}"))
            for line in page.wrap(said, 0, 2):
                page.write(line)


def _texts(page: "Page", column: Column, rows: Sequence["RunRow"]) -> list[str]:
    """The column's cells, its head first."""
    values = [page.clean(printable(column.value(row))) for row in rows]
    return [column.head, *(page.elide(value, WIDEST) for value in values)]


def _fitting(page: "Page", columns: list[Column], rows: Sequence["RunRow"]) -> list[Column]:
    """The columns that there is room for beside the names of the runs."""
    from archspec.report.page import columns as width_of

    if page.width is None:
        return columns
    longest = max(width_of(page.clean(printable(row.name))) for row in rows)
    left = page.width - max(LEAST_NAME, min(longest, page.width // 3))
    kept = []
    for column in sorted(columns, key=lambda column: column.rank):
        left -= len(GAP) + max(map(width_of, _texts(page, column, rows)))
        if left < 0:
            break
        kept.append(column)
    return [column for column in columns if column in kept]


def _write_rows(page: "Page", columns: Sequence[Column], rows: Sequence["RunRow"]) -> None:
    from archspec.report.page import columns as width_of
    from archspec.report.page import pad

    cells = [_texts(page, column, rows) for column in columns]
    widths = [max(map(width_of, texts)) for texts in cells]
    names = ["run", *(page.clean(printable(row.name)) for row in rows)]
    room = max(map(width_of, names))
    if page.width is not None:
        room = min(room, max(LEAST_NAME, page.width - sum(widths) - len(GAP) * len(widths)))
    for place, name in enumerate(names):
        line = [pad(page.elide(name, room), room)]
        line += [
            pad(texts[place], width, column.align)
            for column, texts, width in zip(columns, cells, widths, strict=True)
        ]
        text = GAP.join(line).rstrip()
        page.write(page.paint(text, "bold") if place == 0 else text)
