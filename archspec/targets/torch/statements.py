"""Modules added one by one to a list: what conditions and loops in a body make necessary."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from archspec.expressions import Reference
from archspec.language.model import Control, Step
from archspec.language.source import Data
from archspec.targets.torch.fold import free_names
from archspec.targets.torch.layout import INDENT, Bracketed, Expr, flat
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.passes import Passes
from archspec.targets.torch.unit import When

if TYPE_CHECKING:
    from archspec.targets.torch.modules import Modules, Piece

_RUNNING = ("channels", "arriving", "width")
"""What a variable is called that holds the channels from step to step."""
_ASSIGNED = re.compile(r"\s*(\w+) = ")
_HOLE = re.compile(r"\{([^{}]*)\}")


class Statements:
    """Fills a list, or an `OrderedDict` where modules have names, and makes one module of it."""

    def __init__(self, modules: "Modules", steps: Sequence[Step]) -> None:
        self.modules = modules
        self.unit = modules.unit
        self.steps = steps
        self.ordered = any(step.name is not None for step in steps)
        self.layers = self.unit.fresh("layers", "stage", "inner")
        self.pending: list[Bracketed] = []
        self.started = False
        self.held: dict[str, str] = {}  # variables of loops that are over, and what they hold

    def write(self, channels: str, head: str) -> tuple[Bracketed, str]:
        """The statements of all steps; the module, and the channels that leave it."""
        for step in self.steps:
            channels = self._step(step, channels)
        if self.pending or not self.started:
            self.flush()
        self.unit.taken.discard(self.layers)
        module = Bracketed(head, (self.layers if self.ordered else f"*{self.layers}",))
        self.modules.built.add(module)
        return module, channels

    def _step(self, step: Step, channels: str) -> str:
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

    def conditional(self, step: Step, when: When, channels: str) -> str:
        """A step under an `if`; the channels behind it."""
        assert isinstance(when, str)
        self.unit.write(f"if {when}:", "")
        with self.unit.indented():
            out = self.plain(step, channels)
            self.flush()
        return self.modules.either(when, out, channels)

    def plain(self, step: Step, channels: str) -> str:
        """A step that is there once; the channels behind it."""
        pieces = self.modules.pieces(step, channels)
        self.modules.require_modules(pieces)
        for piece in pieces:
            self._add(piece)
            channels = piece.out
        return channels

    def _add(self, piece: "Piece") -> None:
        if piece.when:
            self.flush()
            self.unit.write(f"if {piece.when}:", "")
            with self.unit.indented():
                self._add(replace(piece, when=None))
                self.flush()
        elif self.ordered:
            self.unit.write(f"{self.layers}[{self._key(piece.name)}] = ", piece.module)
        else:
            self.pending.append(piece.module)
            if self.modules.is_built(piece.module):
                self.flush()

    def flush(self) -> None:
        """Write what waits; the first time, what declares the list."""
        waiting = Bracketed("", tuple(self.pending), "[]")
        if not self.started:
            self._declare(waiting)
        elif len(self.pending) == 1:
            self.unit.write("", Bracketed(f"{self.layers}.append", (self.pending[0],)))
        elif self.pending:
            self.unit.write(f"{self.layers} += ", waiting)
        self.started = True
        self.pending.clear()

    def _declare(self, first: Bracketed) -> None:
        kind, empty = "list[nn.Module]", "[]"
        if self.ordered:
            kind, empty = "OrderedDict[str, nn.Module]", "OrderedDict()"
            self.unit.heads.add("OrderedDict")
        known = self.layers in self.unit.annotated
        self.unit.annotated.add(self.layers)
        prefix = f"{self.layers} = " if known else f"{self.layers}: {kind} = "
        self.unit.write(prefix, first if self.pending and not self.ordered else empty)

    def _key(self, name: str | None) -> str:
        """The key of a module in an OrderedDict."""
        if name is None:
            return f"str(len({self.layers}))"
        if "{" not in name:
            return f'"{name}"'
        return 'f"' + _HOLE.sub(lambda hole: f"{{{self._used(hole[1])}}}", name) + '"'

    def _used(self, written: str) -> str:
        text = self.unit.text(written)
        self.unit.use(text)
        return text


@dataclass
class _Header:
    """The `for` lines of a loop: what kind, over what, and the names they bind."""

    levels: list[tuple[str, Expr, list[str]]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    times: str = ""


class _Loop:
    """A repeated step as a `for` loop, or two: over a table, and over a range."""

    def __init__(self, statements: Statements, step: Step) -> None:
        assert step.control is not None
        self.statements = statements
        self.modules = statements.modules
        self.unit = statements.unit
        self.step = step
        self.control: Control = step.control
        self.header = self._header()

    def write(self, channels: str) -> str:
        """The statements; the channels that leave the last iteration.

        The body is written twice: once with a variable for what arrives, to see what becomes of
        the channels, and then as it has to be.
        """
        unit, names = self.unit, set(self.header.texts.values())
        saved = unit.save()
        held = (name for name, text in self.statements.held.items() if text == channels)
        running = channels if channels in self.modules.running else next(held, "")
        running = running or unit.fresh(*(n for n in _RUNNING if n not in names))
        unit.whole.add(running)
        out, inner = self._iterate(running)
        unit.restore(saved)
        reads = re.compile(rf"\b{running}\b")
        needed = any(reads.search(line) for line in [*inner, out])
        if not needed or out == running or (out == channels and not free_names(out) & names):
            self._write_lines(self._iterate(channels)[1])
            return channels if out == running else out
        passes = Passes(
            running, out, channels, self.header.times, self.header.texts["i"], tuple(names)
        )
        arriving = passes.growing() if len(self.header.levels) == 1 and passes.times else None
        if arriving is None:
            return self._with_variable(running, channels)
        unit.use(channels)
        self._write_lines(self._iterate(arriving)[1])
        return passes.out() or channels

    def _with_variable(self, running: str, channels: str) -> str:
        """The loop with a variable that holds the channels from one iteration to the next."""
        unit = self.unit
        unit.taken.add(running)
        unit.whole.add(running)
        unit.use(channels)
        if running != channels and self.statements.held.get(running) != channels:
            unit.write(f"{running} = ", channels)
        self.statements.held.pop(running, None)
        out, inner = self._iterate(running)
        unit.use(out)
        indent = " " * (unit.indent + INDENT * len(self.header.levels))
        inner.append(f"{indent}{running} = {out}")
        self._write_lines(inner)
        made = {found[1] for line in inner if (found := _ASSIGNED.match(line))}
        bound = {*self.header.texts.values(), running, *made}
        if not free_names(out) & bound and not self.modules.may_be_empty(self.control):
            self.statements.held[running] = out
            return out
        self.modules.running.add(running)
        return running

    def _iterate(self, arriving: str) -> tuple[str, list[str]]:
        """The channels that leave an iteration, and the lines of the loop's body."""
        unit = self.unit
        outer, unit.lines = unit.lines, []
        depth, widths = unit.indent, dict(unit.widths)
        unit.indent += INDENT * len(self.header.levels)
        with self.modules.bound(self.header.texts, self.header.whole):
            out = self._iteration(arriving)
        unit.widths = widths  # what stands for expressions of the loop's names ends with it
        unit.indent = depth
        inner, unit.lines = unit.lines, outer
        return out, inner

    def _iteration(self, channels: str) -> str:
        self.modules.see(channels)
        once = self.step._replace(control=None, inputs=None)
        written = self.control.when
        when = True if written is None else self.unit.condition(written)
        if when is False:
            return channels
        if when is not True:
            self.unit.use(str(when))
            return self.statements.conditional(once, when, channels)
        out = self.statements.plain(once, channels)
        self.statements.flush()
        return out

    def _header(self) -> _Header:
        """The `for` lines, and the names they bind."""
        unit, header = self.unit, _Header()
        self.levels = header.levels
        if self.control.each is not None:
            rows, table = self._table()
            names = {key: self._loop_name(key) for key in (rows[0] if rows else ())}
            header.texts.update(names)
            header.whole |= {key for key in names if all(type(row[key]) is int for row in rows)}
            header.levels.append(("each", table, list(names.values())))
        if self.control.repeat is not None:
            with self.modules.bound(header.texts, header.whole):  # `i` is still that around it
                header.times = self.modules.times(self.control)
                unit.use(header.times)
            index = self._index("i", "k")
            header.texts["i"] = index
            header.levels.append(("repeat", header.times, [index]))
        if "i" not in header.texts:
            header.texts["i"] = self._index("index", "position")
        single = len(header.levels) == 1
        header.texts["j"] = header.texts["i"] if single else self._index("index", "position")
        header.whole |= {"i", "j"}
        return header

    def _index(self, *bases: str) -> str:
        """A name for a counter that nothing around it has, and no column of the table."""
        columns = {name for _, _, names in self.levels for name in names}
        names = (*bases, *(f"{bases[0]}{i}" for i in range(2, len(columns) + 9)))
        return self.unit.fresh(*(name for name in names if name not in columns))

    def _loop_name(self, key: str) -> str:
        name = key if usable_argument(key) else f"{key}_"
        return name if name not in self.unit.taken else self.unit.fresh(f"{name}_")

    def _table(self) -> tuple[list[dict[str, Any]], Expr]:
        """The rows of `each` as they are in one network, and the table's text."""
        rows = self.modules.facts.rows_of(self.step, self.unit.block)
        written = self.control.each
        if isinstance(written, str):
            text = self.unit.text(written)
            self.unit.use(text)
            return rows, text
        cells = (Bracketed("", tuple(map(self._cell, row.values()))) for row in written)
        return rows, Bracketed("", tuple(cells), spread=True)

    def _cell(self, value: Data) -> str:
        if isinstance(value, Reference):
            return self.unit.spell_name(value)
        text = self.modules.argument(value)
        self.unit.use(text)
        return text

    def _write_lines(self, inner: list[str]) -> None:
        """The `for` lines and the body; names that the body does not read begin with `_`."""
        unit, header = self.unit, self.header
        counts = [flat(over) or "" for kind, over, _ in header.levels if kind == "repeat"]
        body = "\n".join(inner)
        counter = header.texts["j"]
        counted = counter != header.texts["i"] and _reads(body, counter)
        if counted:
            unit.write(f"{counter} = ", "0")
        indent = unit.indent
        for kind, over, names in header.levels:
            read = "\n".join([body, *counts])
            shown = [name if _reads(read, name) else f"_{name}" for name in names]
            if kind == "repeat":
                index = "_" if shown[0].startswith("_") else shown[0]
                unit.write(f"for {index} in ", Bracketed("range", (over,)), ":")
            else:
                self._write_each(over, shown, body)
            unit.indent += INDENT
        unit.lines += inner
        if counted:
            unit.write(f"{counter} += ", "1")
        unit.indent = indent

    def _write_each(self, over: Expr, shown: list[str], body: str) -> None:
        names = ", ".join(shown) + ("," if len(shown) == 1 else "")
        index = self.header.texts["i"]
        if len(self.header.levels) == 1 and _reads(body, index):
            self.unit.write(f"for {index}, ({names}) in ", Bracketed("enumerate", (over,)), ":")
        else:
            self.unit.write(f"for {names} in ", over, ":")


def _reads(text: str, name: str) -> bool:
    """Whether a name stands in a text."""
    return bool(re.search(rf"\b{name}\b", text))
