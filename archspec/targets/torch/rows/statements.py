"""Modules added one by one to a list: what conditions and loops in a body make necessary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from archspec.graph.resolve import HOLE
from archspec.graph.values import as_rows
from archspec.language.model import Control, Step
from archspec.language.source import Data
from archspec.targets.python.arithmetic import free_names
from archspec.targets.python.language import is_row
from archspec.targets.python.tree import (
    Assign,
    Augment,
    Call,
    Evaluate,
    Expr,
    For,
    Format,
    If,
    List,
    Literal,
    Name,
    Starred,
    Statement,
    Subscript,
    Tuple,
    call,
    dotted,
    names_in,
)
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.rows.annotations import is_optional_op, of_mixed
from archspec.targets.torch.rows.passes import Passes
from archspec.targets.torch.rows.records import table_in
from archspec.targets.torch.rows.refusal import CannotWrite
from archspec.targets.torch.rows.zipped import zipped

if TYPE_CHECKING:
    from archspec.targets.torch.rows.modules import Modules
    from archspec.targets.torch.rows.single import Piece

_RUNNING = ("channels", "in_channels", "width")
"""What a variable is called that holds the channels from step to step."""
_MODULE = dotted("nn.Module")


class Statements:
    """Fills a list, or an `OrderedDict` where modules have names, and makes one module of it."""

    def __init__(self, modules: "Modules", steps: Sequence[Step]) -> None:
        self.modules = modules
        self.unit = modules.unit
        self.steps = steps
        self.ordered = any(step.name is not None for step in steps)
        self.layers = self.unit.fresh("layers", "stage", "blocks")
        self.pending: list[Expr] = []
        self.started = False
        self.held: dict[str, Expr] = {}  # variables of loops that are over, and what they hold

    def write(self, channels: Expr, head: Expr) -> tuple[Call, Expr]:
        """The statements of all steps; the module, and the channels that leave it."""
        for step in self.steps:
            channels = self._step(step, channels)
        if self.pending or not self.started:
            self.flush()
        self.unit.taken.discard(self.layers)
        layers = Name(self.layers)
        module = Call(head, (layers if self.ordered else Starred(layers),))
        self.modules.built.add(module)
        return module, channels

    def _step(self, step: Step, channels: Expr) -> Expr:
        self.modules.see(channels)
        when = self.modules.condition(step)
        if when is False:
            return channels
        if step.spread and (step.name is None or "{" in step.name):
            self.flush()
            return _Loop(self, step).write(channels)
        if when is not True:
            self.flush()
            return self.conditional(step, when, channels)
        if self.ordered and not self.started:
            self.flush()
        return self.plain(step, channels)

    def conditional(self, step: Step, when: Expr, channels: Expr) -> Expr:
        """A step under an `if`; the channels behind it."""
        with self.unit.inside() as body:
            out = self.plain(step, channels)
            self.flush()
        self.unit.add(If(when, tuple(body)))
        return self.modules.either(when, out, channels)

    def plain(self, step: Step, channels: Expr) -> Expr:
        """A step that is there once; the channels behind it."""
        pieces = self.modules.pieces(step, channels)
        self.modules.require_modules(pieces)
        for piece in pieces:
            self._add(piece)
            channels = piece.out
        return channels

    def _add(self, piece: "Piece") -> None:
        assert piece.module is not None
        if piece.when:
            self.flush()
            with self.unit.inside() as body:
                self._add(replace(piece, when=None))
                self.flush()
            self.unit.add(If(piece.when, tuple(body)))
        elif self.ordered:
            place = Subscript(Name(self.layers), self._key(piece.name))
            self.unit.add(Assign(place, piece.module))
        else:
            self.pending.append(piece.module)
            if self.modules.is_built(piece.module):
                self.flush()

    def flush(self) -> None:
        """Write what waits; the first time, what declares the list."""
        waiting = List(tuple(self.pending))
        if not self.started:
            self._declare(waiting)
        elif len(self.pending) == 1:
            append = dotted(f"{self.layers}.append")
            self.unit.add(Evaluate(Call(append, (self.pending[0],))))
        elif self.pending:
            self.unit.add(Augment(Name(self.layers), "+", waiting))
        self.started = True
        self.pending.clear()

    def _declare(self, first: List) -> None:
        kind: Expr = Subscript(Name("list"), _MODULE)
        value: Expr = first
        if self.ordered:
            kind = Subscript(Name("OrderedDict"), (Name("str"), _MODULE))
            value = call("OrderedDict")
        known = self.layers in self.unit.annotated
        self.unit.annotated.add(self.layers)
        self.unit.assign(self.layers, value, None if known else kind)

    def _key(self, name: str | None) -> Expr:
        """The key of a module in an OrderedDict."""
        if name is None:
            return call("str", call("len", Name(self.layers)))
        if "{" not in name:
            return Literal(name)
        parts: list[Expr] = []
        for i, part in enumerate(HOLE.split(name)):
            if i % 2:
                parts.append(self.unit.expr(part))
                self.unit.use(parts[-1])
            elif part:
                parts.append(Literal(part))
        return Format(tuple(parts))


@dataclass
class _Header:
    """The `for` lines of a loop: what kind, over what, and the names they bind."""

    levels: list[tuple[str, Expr, list[str]]] = field(default_factory=list)
    bound: dict[str, Expr] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)
    times: Expr | None = None

    @property
    def names(self) -> set[str]:
        """What the loop's names are called in Python."""
        return set(free_names(*self.bound.values()))

    def name_of(self, key: str) -> str:
        """What one of them is called."""
        expr = self.bound[key]
        assert isinstance(expr, Name)
        return expr.id


class _Loop:
    """A repeated step as a `for` loop, or two: over a table, and over a range."""

    def __init__(self, statements: Statements, step: Step) -> None:
        assert step.control is not None
        self.statements = statements
        self.modules = statements.modules
        self.unit = statements.unit
        self.step = step
        self.control: Control = step.control
        self.header = _Header()
        self._read_header()

    def write(self, channels: Expr) -> Expr:
        """The statements; the channels that leave the last iteration.

        The body is written twice: once with a variable for what arrives, to see what becomes of
        the channels, and then as it has to be.
        """
        unit, names = self.unit, self.header.names
        saved = unit.save()
        running = self._running(channels, names)
        unit.whole.add(running)
        out, inner = self._iterate(Name(running))
        unit.restore(saved)
        needed = running in names_in(*inner, out)
        steady = out == channels and not free_names(out) & names
        steady = steady and running not in self.statements.held  # it goes on as those before
        if not needed or out == Name(running) or steady:
            self._write_loop(self._iterate(channels)[1])
            return channels if out == Name(running) else out
        passes = Passes(
            running,
            out,
            channels,
            self.header.times,
            self.header.name_of("i"),
            tuple(names),
        )
        arriving = passes.growing() if len(self.header.levels) == 1 and passes.times else None
        if arriving is None:
            return self._with_variable(running, channels)
        unit.use(channels)
        self._write_loop(self._iterate(arriving)[1])
        return passes.out() or channels

    def _running(self, channels: Expr, names: set[str]) -> str:
        """The variable that holds the channels: one that is there already, or a new one."""
        if isinstance(channels, Name) and channels.id in self.modules.running:
            return channels.id
        held = (name for name, expr in self.statements.held.items() if expr == channels)
        return next(held, "") or self.unit.fresh(*(n for n in _RUNNING if n not in names))

    def _with_variable(self, running: str, channels: Expr) -> Expr:
        """The loop with a variable that holds the channels from one iteration to the next."""
        unit = self.unit
        unit.taken.add(running)
        unit.whole.add(running)
        unit.use(channels)
        if Name(running) != channels and self.statements.held.get(running) != channels:
            unit.assign(running, channels)
        self.statements.held.pop(running, None)
        out, inner = self._iterate(Name(running))
        unit.use(out)
        inner = [*inner, Assign(Name(running), out)]
        self._write_loop(inner)
        made = {
            node.target.id
            for node in inner
            if isinstance(node, Assign) and isinstance(node.target, Name)
        }
        bound = {*self.header.names, running, *made}
        if not free_names(out) & bound and not self.modules.may_be_empty(self.control):
            self.statements.held[running] = out
            return out
        self.modules.running.add(running)
        return Name(running)

    def _iterate(self, arriving: Expr) -> tuple[Expr, list[Statement]]:
        """The channels that leave an iteration, and the loop's body."""
        unit = self.unit
        widths = dict(unit.widths)
        with (
            unit.inside() as inner,
            self.modules.looping(self.header.bound, self.header.whole, self.header.optional),
        ):
            out = self._iteration(arriving)
        unit.widths = widths  # what stands for expressions of the loop's names ends with it
        return out, inner

    def _iteration(self, channels: Expr) -> Expr:
        self.modules.see(channels)
        once = self.step._replace(control=None, inputs=None)
        written = self.control.when
        when = True if written is None else self.unit.condition(written)
        if when is False:
            return channels
        if not isinstance(when, bool):
            self.unit.use(when)
            return self.statements.conditional(once, when, channels)
        out = self.statements.plain(once, channels)
        self.statements.flush()
        return out

    # --- the header --------------------------------------------------------------------------

    def _read_header(self) -> None:
        """The `for` lines, and the names they bind."""
        unit, header = self.unit, self.header
        self.levels = header.levels
        if self.control.each is not None:
            rows, table = self._table()
            names = self._bind_columns(rows, table)
            whole = (rows[0] if rows else {}).keys()
            header.whole |= {key for key in whole if all(type(row[key]) is int for row in rows)}
            header.optional |= {key for key in whole if self._may_be_missing(key)}
            header.levels.append(("each", table, names))
        if self.control.repeat is not None:
            with self.modules.looping(header.bound, header.whole):  # `i` is still that around it
                header.times = self.modules.times(self.control)
                unit.use(header.times)
            index = self._index("i", "k")
            header.bound["i"] = Name(index)
            header.levels.append(("repeat", header.times, [index]))
        if "i" not in header.bound:
            header.bound["i"] = Name(self._index("index", "position"))
        single = len(header.levels) == 1
        header.bound["j"] = header.bound["i"] if single else Name(self._index("index", "position"))
        header.whole |= {"i", "j"}

    def _bind_columns(self, rows: Sequence[Mapping[str, Any]], table: Expr) -> list[str]:
        """Bind the columns of the table; the names that the `for` line gives."""
        record = self.unit.records.get(table_in(table))
        if record is not None:
            row = self.unit.fresh("config", "row")
            self.unit.taken.discard(row)  # only the loop has it
            self.header.bound.update(record.columns(row))
            return [row]
        names = {key: self._loop_name(key) for key in (rows[0] if rows else ())}
        self.header.bound.update({key: Name(name) for key, name in names.items()})
        return list(names.values())

    def _may_be_missing(self, column: str) -> bool:
        """Whether a column of the table names ops in some rows, and none in others."""
        facts = self.modules.facts
        environments = facts.environments(self.unit.block)
        tables = [as_rows(facts.value_of(self.control.each, names)) for names in environments]
        return is_optional_op([row[column] for table in tables for row in table or ()])

    def _index(self, *bases: str) -> str:
        """A name for a counter that nothing around it has, and no column of the table."""
        columns = {name for _, _, names in self.levels for name in names}
        names = (*bases, *(f"{bases[0]}{i}" for i in range(2, len(columns) + 9)))
        return self.unit.fresh(*(name for name in names if name not in columns))

    def _loop_name(self, key: str) -> str:
        name = key if usable_argument(key) else f"{key}_"
        return name if name not in self.unit.taken else self.unit.fresh(f"{name}_")

    def _table(self) -> tuple[list[dict[str, Any]], Expr]:
        """The rows of `each` as they are in one network, and the table."""
        rows = self.modules.facts.rows_of(self.step, self.unit.block)
        written = self.control.each
        if isinstance(written, str):
            expr = self.unit.expr(written)
            self.unit.use(expr)
            return rows, expr
        if isinstance(written, dict):
            written = self._rows_of(written, len(rows))
        cells = [Tuple(tuple(map(self._cell, row.values()))) for row in written]
        if written and not is_row(written[0]):
            return rows, Tuple(tuple(cell.items[0] for cell in cells))
        return rows, self.unit.fitted(Tuple(tuple(cells), spread=True), rows)

    def _rows_of(self, columns: Mapping[str, Data], count: int) -> list[dict[str, Data]]:
        """The rows of a table that is written by its columns: `widths` is `widths[i]` in each."""
        facts, block = self.modules.facts, self.unit.block
        tables = (as_rows(facts.value_of(columns, names)) for names in facts.environments(block))
        if any(not isinstance(table, list) or len(table) != count for table in tables):
            raise CannotWrite(self.step.at, "its table is not of one length everywhere")
        return [
            {
                name: cells[i] if isinstance(cells, list) else f"({cells})[{i}]"
                for name, cells in columns.items()
            }
            for i in range(count)
        ]

    def _cell(self, value: Data) -> Expr:
        expr = self.unit.argument(value)
        self.unit.use(expr)
        return expr

    # --- the loop ----------------------------------------------------------------------------

    def _write_loop(self, body: Sequence[Statement]) -> None:
        """The loops and their body; names that the body does not read begin with `_`."""
        unit, header = self.unit, self.header
        counts = [over for kind, over, _ in header.levels if kind == "repeat"]
        counter = header.name_of("j")
        counted = counter != header.name_of("i") and counter in names_in(*body)
        if counted:
            unit.assign(counter, Literal(0))
            body = [*body, Augment(Name(counter), "+", Literal(1))]
        read = names_in(*body, *counts)
        statements: tuple[Statement, ...] = tuple(body)
        for kind, over, names in reversed(header.levels):
            shown = [name if name in read else f"_{name.rstrip('_')}" for name in names]
            if kind == "repeat":
                index = "_" if shown[0].startswith("_") else shown[0]
                statements = (For(Name(index), call("range", over), statements),)
            else:
                statements = (self._over_rows(over, shown, read, statements),)
        for statement in statements:
            unit.add(statement)

    def _over_rows(
        self, over: Expr, shown: Sequence[str], read: frozenset[str], body: tuple[Statement, ...]
    ) -> For:
        single = len(self.header.levels) == 1
        columns = zipped(self.modules.facts, self.unit.block, over)
        if columns is not None and not (single and self.header.name_of("i") in read):
            return columns.loop(shown, body)
        mixed = None
        if isinstance(over, Tuple):
            rows = self.modules.facts.rows_of(self.step, self.unit.block)
            mixed = of_mixed([rows], self.unit.spell_name)
        if isinstance(over, Tuple) and (over.spread or mixed is not None):
            name = self.unit.fresh("stages", "table")
            self.unit.assign(name, over, mixed)
            over = Name(name)
        target: Expr = Tuple(tuple(map(Name, shown)))
        if len(shown) < 2:
            target = Name(shown[0] if shown else "_")
        index = self.header.name_of("i")
        if single and index in read:
            return For(Tuple((Name(index), target)), call("enumerate", over), body)
        return For(target, over, body)
