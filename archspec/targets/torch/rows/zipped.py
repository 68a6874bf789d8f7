"""A table whose columns are lists that stand elsewhere: those are gone through side by side."""

from collections.abc import Sequence
from typing import NamedTuple

from archspec.targets.python.tree import Expr, For, Literal, Name, Statement, Subscript, Tuple, call
from archspec.targets.torch.rows.facts import Facts


class Zipped(NamedTuple):
    """The columns of a table: a list each, or None for the one that counts from `start` on."""

    lists: tuple[Expr | None, ...]
    start: int

    def loop(self, names: Sequence[str], body: tuple[Statement, ...]) -> For:
        """`for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1)`."""
        pairs = tuple(zip(names, self.lists, strict=True))
        columns = [(name, column) for name, column in pairs if column is not None]
        target: Expr = Tuple(tuple(Name(name) for name, _ in columns))
        over: Expr = call("zip", *(column for _, column in columns), strict=Literal(value=True))
        if len(columns) == 1:
            target, over = Name(columns[0][0]), columns[0][1]
        counters = [name for name, column in pairs if column is None]
        if not counters or counters[0].startswith("_"):
            return For(target, over, body)
        start = {"start": Literal(self.start)} if self.start else {}
        return For(Tuple((Name(counters[0]), target)), call("enumerate", over, **start), body)


def zipped(facts: Facts, block: str, table: Expr) -> Zipped | None:
    """The columns of a table, where all are lists that have an item for each row; else None."""
    rows = (
        [row.items for row in table.items if isinstance(row, Tuple)]
        if isinstance(table, Tuple)
        else []
    )
    if len(rows) < 2 or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return None
    lists: list[Expr | None] = []
    start = None
    for column in zip(*rows, strict=True):
        found = _list_of(facts, block, column)
        if found is None and start is None:
            start = _counts_from(column)
            if start is None:
                return None
        elif found is None:
            return None
        lists.append(found)
    if all(found is None for found in lists):
        return None
    return Zipped(tuple(lists), start or 0)


def _list_of(facts: Facts, block: str, column: Sequence[Expr]) -> Expr | None:
    """The list whose items a column holds, in their order and all of them."""
    first = column[0]
    if not isinstance(first, Subscript) or not isinstance(first.value, Name):
        return None
    wanted = tuple(Subscript(first.value, Literal(i)) for i in range(len(column)))
    if tuple(column) != wanted:
        return None
    values = [names.get(first.value.id) for names in facts.environments(block)]
    fit = all(isinstance(value, list | tuple) and len(value) == len(column) for value in values)
    return first.value if fit else None


def _counts_from(column: Sequence[Expr]) -> int | None:
    """The number from which a column counts upwards, row by row."""
    values = [
        cell.value for cell in column if isinstance(cell, Literal) and type(cell.value) is int
    ]
    if len(values) != len(column):
        return None
    first = values[0]
    assert isinstance(first, int)
    return first if values == list(range(first, first + len(values))) else None
