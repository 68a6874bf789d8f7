"""What a row's `when`, `repeat`, `each` and `beside` come to."""

from collections.abc import Sequence

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import InvalidName, InvalidValue, WrongType
from archspec.diagnostics.wording import describe
from archspec.expressions import UNKNOWN, Configured
from archspec.expressions import Value as Worth
from archspec.graph import declared
from archspec.graph.bounds import MAX_STEPS, Bounds
from archspec.graph.frame import Frame
from archspec.graph.resolve import Resolver
from archspec.graph.values import as_rows, shorten
from archspec.language.model import Step
from archspec.language.source import Data
from archspec.ops.fields import spell

Row = dict[str, Worth]
"""The columns of a table's row, and what stands there."""


class Conditions:
    """Computes what decides whether and how often a step is run."""

    def __init__(
        self,
        resolver: Resolver,
        bounds: Bounds,
        faults: list[Diagnostic],
        ran: dict[SpecPath, bool],
    ) -> None:
        self.ran = ran  # by row, whether one under a condition was there at all
        self.resolver = resolver
        self.bounds = bounds
        self.faults = faults

    def wanted(self, step: Step, frame: Frame) -> bool:
        """Whether `when` keeps a step; one that cannot be computed does."""
        if step.control is None or step.control.when is None:
            return True
        written = step.control.when
        if type(written) in (int, float) and written not in (0, 1):
            problem = f"`when` is a condition, and {spell(written)} is none: it is always met"
            help_ = "compare something with it, as `when: stride == 2`"
            self.faults.append(InvalidValue(step.where("when"), problem=problem, help=help_))
            return True
        value = self.resolver.control(step, "when", written, frame)
        if value is None or isinstance(value, int | float):
            there = value is None or bool(value)
            self.note(step, there=there)
            return there
        where, found = step.where("when"), describe(value)
        fault = WrongType(where, what="`when`", wanted="true or false", found=found)
        self.faults.append(fault)
        return True

    def note(self, step: Step, *, there: bool) -> None:
        """Note of a row that it is there, or is left out."""
        self.ran[step.at] = there or self.ran.get(step.at, False)

    def times(self, step: Step, frame: Frame) -> int:
        """How often a step is repeated."""
        if step.control is None or step.control.repeat is None:
            return 1
        return self._count(step, "repeat", step.control.repeat, frame, 1)

    def table(self, step: Step, frame: Frame) -> list[Row]:
        """The rows of `each`, one empty row where there is none."""
        if step.control is None or step.control.each is None:
            return [{}]
        rows = as_rows(self.resolver.control(step, "each", step.control.each, frame))
        if rows is None or (isinstance(rows, dict) and None in rows.values()):
            return []  # why has been told
        return self._rows(step, "each", step.control.each, rows)

    def beside(self, step: Step, frame: Frame) -> list[Row]:
        """A row for each of the branches that a step stands for: `beside: 3`, or a table."""
        assert step.control is not None
        written = step.control.beside
        value = as_rows(self.resolver.control(step, "beside", written, frame))
        if value is None or (isinstance(value, dict) and None in value.values()):
            return []  # why has been told
        if isinstance(value, list | dict):
            return self._rows(step, "beside", written, value)
        return [{}] * self._whole(step, "beside", value, 0)

    def _count(self, step: Step, key: str, written: Data, frame: Frame, otherwise: int) -> int:
        value = self.resolver.control(step, key, written, frame)
        return otherwise if value is None else self._whole(step, key, value, otherwise)

    def _whole(self, step: Step, key: str, value: Data, otherwise: int) -> int:
        """A number of places; `otherwise` where it is none, which is told."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is int and 0 <= value <= MAX_STEPS:
            return value
        table = " or a table" if key == "beside" else ""
        problem = f"{key} is a whole number from 0 to {MAX_STEPS}{table}, not {spell(value)}"
        self.faults.append(InvalidValue(step.where(key), problem=problem))
        return otherwise

    def _rows(self, step: Step, key: str, written: Data, rows: Data) -> list[Row]:
        """The rows of a table; none where it is none, which is told."""
        where = step.where(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.faults.append(_no_table(key, rows, where))
            return []
        self.bounds.work += len(rows)
        for index, row in enumerate(rows):
            odd = row.keys() ^ rows[0].keys()
            if odd:
                problem = f"every row needs the same keys; not all have `{shorten(min(odd))}`"
                at = (*where, index) if isinstance(written, list) else where
                self.faults.append(InvalidValue(at, problem=problem))
                return []
        for name in rows[0] if rows else ():
            reason = declared.reserved(name)
            if reason:
                facts = {"what": "a column", "name": name[:64], "reason": reason}
                self.faults.append(InvalidName(where, **facts))
                return []
        if isinstance(written, list):
            _without_what_is_unknown(rows, written)
        return rows


def _no_table(key: str, rows: Data, where: SpecPath) -> Diagnostic:
    """The fault of a table that has no rows."""
    if isinstance(rows, dict) and rows:
        lengths = {n: len(c) if isinstance(c, list) else "no list" for n, c in rows.items()}
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        return InvalidValue(where, problem=f"columns are lists of equal length; {told[:200]}")
    wanted = "a list of rows, such as `[{width: 64, stride: 1}, {width: 128, stride: 2}]`"
    fault = WrongType(where, what=f"`{key}`", wanted=wanted, found=describe(rows))
    if isinstance(rows, list) and any(isinstance(row, Configured) for row in rows):
        fault.help = "a row with `op` is an op with attributes; call that column otherwise"
    elif isinstance(rows, list) and rows and not any(isinstance(row, dict) for row in rows):
        fault.help = f"give the column a name: `{key}: {{c: {spell(rows)}}}`"
    return fault


def _without_what_is_unknown(rows: Sequence[Row], written: Sequence[Data]) -> None:
    """Columns whose expressions could not be computed, which has been told, are unknown."""
    for row, texts in zip(rows, written, strict=True):
        unknown = (key for key in row if row[key] is None and isinstance(texts[key], str))
        row.update(dict.fromkeys(unknown, UNKNOWN))
