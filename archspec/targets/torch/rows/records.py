"""The rows of a table that a network is given, as a class: `StageConfig(kernel=3, width=16)`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.expressions import Reference, Value, Word
from archspec.targets.python.tree import (
    Attribute,
    Call,
    Class,
    Expr,
    Field,
    Keyword,
    Literal,
    Name,
    Slice,
    Subscript,
    Tuple,
)
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.rows.annotations import (
    Spell,
    annotation_of,
    fitted,
    is_optional_op,
)

FEWEST = 3
"""Rows of fewer columns are unpacked: nobody has to count what stands where."""
_OF_TUPLES = frozenset({"count", "index"})
_COUNTERS = frozenset({"i", "j"})
"""What a loop calls its turns, which a column hides."""


@dataclass(frozen=True)
class Record:
    """The class of a table's rows: a field for each column, by what the spec calls it."""

    name: str
    fields: Mapping[str, Expr]
    by_name: bool

    @property
    def definition(self) -> Class:
        """The class."""
        fields = tuple(Field(key, annotation) for key, annotation in self.fields.items())
        return Class(self.name, Name("NamedTuple"), fields=fields)

    @property
    def annotation(self) -> Expr:
        """What a table of such rows is."""
        return Subscript(Name("tuple"), (Name(self.name), Literal(...)))

    def table(self, rows: Sequence[Mapping[str, Value]], cell: Callable[[Value], Expr]) -> Tuple:
        """The table, each row on a line; truth values are told by name, and so is all beside."""
        return Tuple(tuple(self._row(row, cell) for row in rows), spread=True)

    def _row(self, row: Mapping[str, Value], cell: Callable[[Value], Expr]) -> Call:
        values = {key: fitted(cell(row[key]), self.fields[key]) for key in self.fields}
        if self.by_name:
            return Call(Name(self.name), tuple(Keyword(k, v) for k, v in values.items()))
        return Call(Name(self.name), tuple(values.values()))

    def columns(self, row: str) -> dict[str, Expr]:
        """What the columns are called where a loop calls its row `row`."""
        return {key: Attribute(Name(row), key) for key in self.fields}


def record_of(name: str, tables: Sequence[Any], spell: Spell) -> Record | None:
    """The class, called `name`, of the rows of tables; None where they are no such rows."""
    rows = [row for table in tables if isinstance(table, list | tuple) for row in table]
    if not rows or not all(isinstance(table, list | tuple) for table in tables):
        return None
    if not all(isinstance(row, Mapping) and [*row] == [*rows[0]] for row in rows):
        return None
    keys = [*rows[0]]
    if len(keys) < FEWEST or not all(map(_is_field, keys)):
        return None
    columns = {key: [row[key] for row in rows] for key in keys}
    if any(_is_written(cell) for column in columns.values() for cell in column):
        return None
    fields = {key: annotation_of(_distinct(column), spell) for key, column in columns.items()}
    told = (column for column in columns.values() if not is_optional_op(column))
    return Record(name, fields, any(type(cell) is bool for column in told for cell in column))


def record_name(variable: str) -> str:
    """What the class of a table's rows is called: of `stages`, `StageConfig`."""
    one = variable.removesuffix("s") if not variable.endswith("ss") else variable
    return "".join(part[:1].upper() + part[1:] for part in one.split("_")) + "Config"


def table_in(expr: Expr) -> str:
    """The name of the table that an expression is, or is cut out of; "" for any other."""
    if isinstance(expr, Subscript) and isinstance(expr.index, Slice):
        expr = expr.value
    return expr.id if isinstance(expr, Name) else ""


def _is_field(key: str) -> bool:
    free = not key.startswith("_") and key not in _OF_TUPLES | _COUNTERS
    return free and key.isidentifier() and usable_argument(key)


def _is_written(cell: Any) -> bool:
    """Whether a cell is an expression that nobody has worked out."""
    return isinstance(cell, str) and not isinstance(cell, Reference | Word)


def _distinct(values: Sequence[Value]) -> list[Value]:
    return list({repr(value): value for value in values}.values())
