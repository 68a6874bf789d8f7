"""Steps as modules: rows, blocks, groups, and repetition, as the constructor makes them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from archspec.expressions import Reference
from archspec.language.model import Control, Step
from archspec.language.rows import SUGAR
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.targets.torch.arguments import OUTPUT_WIDTHS
from archspec.targets.torch.emitters import EMITTERS, spell_step
from archspec.targets.torch.facts import Leaf, common
from archspec.targets.torch.fold import add_up, atom, free_names, substitute, terms_of
from archspec.targets.torch.layout import Bracketed, Comprehension, Expr, Keyword, flat
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.padding import is_dynamic
from archspec.targets.torch.spelling import Row, Spelling, Symbols
from archspec.targets.torch.text import product, spell
from archspec.targets.torch.unit import Argument, CannotWrite, Unit

MAX_INLINE = 20
"""A width that is longer, or computed, gets a name where a later step needs it again."""
_RUNNING = ("channels", "arriving", "width")
"""What a variable is called that holds the channels from step to step."""
_ASSIGNED = re.compile(r"\s*(\w+) = ")
_HOLE = re.compile(r"\{([^{}]*)\}")


class BlockClass(Protocol):
    """What a use of a block has to know of its class."""

    name: str
    arguments: tuple[Argument, ...]
    takes_channels: bool
    out: str | None


@dataclass(frozen=True)
class Piece:
    """One module: its name in its body (None: its position), how it is made, what it gives on.

    `when` is the condition under which a row carries it along.
    """

    name: str | None
    module: Bracketed
    out: str
    step: Step
    spelling: Spelling | None = None
    leaf: Leaf | None = None
    when: str | None = None


Add = Callable[[Piece], None]


class Modules:
    """Writes the modules of one class; `class_of` gives the class of a block."""

    def __init__(self, unit: Unit, class_of: Callable[[str], BlockClass]) -> None:
        self.unit = unit
        self.class_of = class_of
        self.facts = unit.facts
        self.running: set[str] = set()  # variables that hold the channels from step to step
        self.loops = 0  # how many loops stand around what is written
        self.built: set[Bracketed] = set()  # modules made of a list that statements filled

    # --- rows --------------------------------------------------------------------------------

    def pieces(self, step: Step, channels: str) -> list[Piece]:
        """The modules of one step: a group, a block, or a row and what it carries along."""
        if step.body is not None:
            module, out = self.sequence(step.body.steps, channels)
            return [Piece(step.name, module, out, step)]
        if self.facts.blocks_of(step):
            return [self._block(step, channels)]
        pieces = [self.row(step, "", channels)]
        for role in SUGAR:
            if self.facts.nodes_of(step, role):
                piece = self.row(step, role, pieces[-1].out)
                pieces.append(replace(piece, when=self.carried_when(step, role)))
        return pieces

    def carried_when(self, step: Step, role: str) -> str | None:
        """The condition under which a row carries something along: that its value is not false."""
        if len(self.facts.nodes_of(step, role)) == len(self.facts.nodes_of(step)):
            return None
        written = step.sugar.get(role) or self.facts.spec.defaults.get(step.op or "", {}).get(role)
        text = self.unit.text(written) if isinstance(written, str) else "True"
        self.unit.use(text)
        return f"{text} is not None" if text in self.unit.optional else text

    def row(self, step: Step, role: str, channels: str) -> Piece:
        """The module of a row itself, or of what it carries along as `role`."""
        self.see(channels)
        leaves = self.facts.nodes_of(step, role)
        leaf = next((leaf for leaf in leaves if is_dynamic(leaf.op, leaf.arriving)), leaves[0])
        symbols = self.unit.symbols(leaf, channels)
        symbols = self._with_named_width(leaf, symbols)
        owns = all(self.facts.owns_input(leaf) for leaf in leaves)
        spelling = spell_step(leaf.op, Row(leaf.arriving, symbols, owns))
        module = spelling.module
        self._require_spelt(leaf, symbols, module)
        callee = self._callee(step, role)
        if callee is not None:
            items = tuple(item for item in module.items if not _is_in_place(item))
            module = Bracketed(callee, items)
            spelling = Spelling(module)
        name = step.name
        if name is not None and role:
            name = f"{name}_{role}"
        self.unit.use(channels)
        return Piece(name, module, self._leaving(leaves, channels, symbols), step, spelling, leaf)

    def _callee(self, step: Step, role: str) -> str | None:
        """What stands for the op where the row names it by an expression; None where it does not."""
        written: Data = step.op
        if role:
            written = step.sugar.get(role)
            if written is None:
                written = self.facts.spec.defaults.get(step.op or "", {}).get(role)
        if isinstance(written, dict):
            written = written.get("op")
        if not isinstance(written, str) or written in OPS_BY_NAME:
            return None
        text = self.unit.text(written)
        self.unit.use(text)
        if not free_names(text) - self.unit.class_names and "if" not in text.split():
            return None  # known here, as if it had been written
        return text if text.replace(".", "").isidentifier() else f"({text})"

    def _with_named_width(self, leaf: Leaf, symbols: Symbols) -> Symbols:
        """A computed width that is needed again gets a name."""
        for width in OUTPUT_WIDTHS:
            text = symbols.attributes.get(width)
            if not isinstance(text, str):
                continue
            computed = "(" in text or " if " in text or len(text) > MAX_INLINE
            if computed and self.facts.is_read_later(leaf):
                name = self.unit.named(text, width.removeprefix("out_"))
                return Symbols(symbols.channels, {**symbols.attributes, width: name})
        return symbols

    def _leaving(self, leaves: Sequence[Leaf], channels: str, symbols: Symbols) -> str:
        """The text of the channels that a row gives on."""
        for width in OUTPUT_WIDTHS:
            text = symbols.attributes.get(width)
            if isinstance(text, str):
                return text
        leaf = leaves[0]
        factor = symbols.attributes.get("channel_multiplier")
        if isinstance(factor, str):
            return substitute(f"({channels}) * ({factor})", {})
        ratio = common(leaf.op.channel_ratio(leaf.arriving) for leaf in leaves)
        if leaf.op.channel_ratio(leaf.arriving) is None:
            width = common(channels_of(leaf.output) for leaf in leaves)
            if width is None:
                self._refuse(leaf, "its width is not the same wherever the block is used")
            return str(width)
        if ratio is None:
            self._refuse(
                leaf,
                "the map that arrives is not of one size wherever the block is used, so the number "
                "of features behind it cannot be an expression of the block's arguments",
            )
        text = product(channels, ratio.factors)
        return substitute(f"({text}) // {ratio.divisor}", {}) if ratio.divisor > 1 else text

    def _require_spelt(self, leaf: Leaf, symbols: Symbols, module: Bracketed) -> None:
        """An attribute that varies has to stand in what is written."""
        for attribute, text in symbols.attributes.items():
            if not _contains(module, text):
                self._refuse(leaf, f"{attribute} of {leaf.op.op_name} cannot be an expression here")

    def _refuse(self, leaf: Leaf, problem: str) -> Any:
        raise CannotWrite(leaf.node.at, problem)

    # --- blocks ------------------------------------------------------------------------------

    def see(self, channels: str) -> None:
        """Outside blocks, `in_channels` is what arrives at the row."""
        if not self.unit.block:
            self.unit.texts["in_channels"] = channels

    def _block(self, step: Step, channels: str) -> Piece:
        self.see(channels)
        classes = [self.class_of(name) for name in self.facts.blocks_of(step)]
        head = self._head(step, classes)
        given = {**step.attributes, **step.sugar}
        texts = {name: self.argument(value) for name, value in given.items()}
        items: list[Expr | Keyword] = []
        if any(cls.takes_channels for cls in classes):
            items.append(channels)
            self.unit.use(channels)
        positional = True
        for argument in self._arguments(classes):
            text = texts.get(argument.name)
            if text is None or text == argument.default:
                positional = False
                continue
            for name in free_names(text):
                self.unit.use(name)
            plain = positional and argument.default is None and argument.annotation != "bool"
            positional = plain
            items.append(text if plain else Keyword(argument.name, text))
        outs = {cls.name: self._block_out(step, cls, channels, texts) for cls in classes}
        out = _chosen(head, outs)
        if self._deserves_name(out) and out in texts.values():
            self.unit.use(out)
            name = self.unit.named(out, "width")
            items = [_renamed(item, out, name) for item in items]
            out = name
        elif self._is_long(out) and self.facts.is_used_behind(step):
            self.unit.use(out)
            out = self.unit.named(out, "channels")
        return Piece(step.name, Bracketed(head, tuple(items)), out, step)

    def _is_long(self, text: str) -> bool:
        """Whether a width is too long to be read again and again; loops have their own variable."""
        return self.loops == 0 and not text.isidentifier() and len(text) > MAX_INLINE

    @staticmethod
    def _deserves_name(text: str) -> bool:
        """Whether a width is computed in a way that one would not write twice."""
        return "(" in text or " if " in text

    def _head(self, step: Step, classes: Sequence[BlockClass]) -> str:
        assert step.op is not None
        if step.op in self.facts.spec.blocks:
            return classes[0].name
        text = self.unit.text(step.op)
        self.unit.use(text)
        return text if text.isidentifier() else f"({text})"

    def _arguments(self, classes: Sequence[BlockClass]) -> list[Argument]:
        """The arguments that any of the classes takes, in order."""
        found: dict[str, Argument] = {}
        for cls in classes:
            for argument in cls.arguments:
                found.setdefault(argument.name, argument)
        return sorted(found.values(), key=lambda argument: argument.default is not None)

    def argument(self, value: Data) -> str:
        """The text of a value that is handed on."""
        if isinstance(value, str):
            return self.unit.text(value)
        if isinstance(value, list):
            inner = [self.argument(item) for item in value]
            return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
        return spell(value)

    def _block_out(self, step: Step, cls: BlockClass, channels: str, texts: dict[str, str]) -> str:
        """The channels that a block gives on, in the terms of its user."""
        if cls.out is None:
            scopes = self.facts.scopes[step.at, "block"]
            width = common(
                channels_of(self.facts.shape(inner.network, inner.scope.output)) for inner in scopes
            )
            if width is None:
                problem = "how many channels leave this block cannot be said with its arguments"
                raise CannotWrite(step.at, problem)
            return str(width)
        bound = {a.name: a.default for a in cls.arguments if a.default is not None}
        defaults = {
            name: spell(value) if not isinstance(value, str) else self.unit.text(value)
            for name, value in self.facts.spec.blocks[cls.name].args.items()
            if value is not None
        }
        return substitute(cls.out, {**defaults, **bound, **texts, "in_channels": channels})

    # --- bodies ------------------------------------------------------------------------------

    def sequence(
        self, steps: Sequence[Step], channels: str, head: str = "nn.Sequential"
    ) -> tuple[Bracketed, str]:
        """Steps one after the other as one module, and the channels that leave it."""
        there = [step for step in steps if self.facts.is_there(step)]
        saved = self.unit.save()
        simple = self._simple(there, channels, head)
        if simple is not None:
            return simple
        self.unit.restore(saved)
        return self._statements(there, channels, head)

    def _simple(
        self, steps: Sequence[Step], channels: str, head: str
    ) -> tuple[Bracketed, str] | None:
        """All modules inside one call, None where a condition or a loop does not allow that."""
        parts: list[tuple[str | None, Expr]] = []
        for step in steps:
            self.see(channels)
            when = self.condition(step)
            if not isinstance(when, bool):
                return None
            if not when:
                continue
            if step.spread:
                if step.name is not None and "{" not in step.name:
                    module, channels = self.repeated(step, channels)
                    if self._is_built(module):
                        return None
                    parts.append((step.name, module))
                    continue
                found = self._comprehension(step, channels)
                if found is None:
                    return None
                part, channels = found
                parts.append((None, part))
                continue
            for piece in self.pieces(step, channels):
                if self._is_built(piece.module) or piece.when:
                    return None
                parts.append((piece.name, piece.module))
                channels = piece.out
        loops = any(isinstance(part, Comprehension) for _, part in parts)
        by_position = all(name in (None, str(i)) for i, (name, _) in enumerate(parts))
        spread = len(parts) > 1 and not (loops and len(parts) == 2)
        if by_position:
            return Bracketed(head, tuple(part for _, part in parts), spread=spread), channels
        if loops:
            return None
        pairs = (
            Bracketed("", (f'"{i if name is None else name}"', part))
            for i, (name, part) in enumerate(parts)
        )
        listed = Bracketed("", tuple(pairs), "[]", spread=spread)
        return Bracketed(head, (Bracketed("OrderedDict", (listed,)),)), channels

    def _is_built(self, expr: Expr) -> bool:
        """Whether a list that the next group will fill anew stands in an expression."""
        if isinstance(expr, str):
            return False
        return expr in self.built or any(map(self._is_built, expr.parts))

    def repeated(self, step: Step, channels: str) -> tuple[Bracketed, str]:
        """A repeated step with a name: a group of its own."""
        assert step.control is not None
        return self.sequence([step._replace(name=None, inputs=None)], channels)

    def condition(self, step: Step) -> str | bool:
        """A step's `when`, where it is no part of a loop."""
        if step.control is None or step.control.when is None or step.spread:
            return True
        text = self.unit.condition(step.control.when)
        if isinstance(text, str):
            self.unit.use(text)
        return text

    # --- statements --------------------------------------------------------------------------

    def _statements(self, steps: Sequence[Step], channels: str, head: str) -> tuple[Bracketed, str]:
        """Modules added one by one to a list, or under their names to an `OrderedDict`."""
        unit = self.unit
        ordered = any(step.name is not None for step in steps)
        layers = unit.fresh("layers", "stage", "inner")
        kind, empty = ("list[nn.Module]", "[]")
        if ordered:
            kind, empty = "OrderedDict[str, nn.Module]", "OrderedDict()"
            unit.heads.add("OrderedDict")
        declaration = layers if layers in unit.annotated else f"{layers}: {kind}"
        unit.annotated.add(layers)
        pending: list[Bracketed] = []
        started = False

        def flush() -> None:
            nonlocal started
            if not started:
                first = Bracketed("", tuple(pending), "[]") if pending and not ordered else empty
                unit.write(f"{declaration} = ", first)
            elif len(pending) == 1:
                unit.write("", Bracketed(f"{layers}.append", (pending[0],)))
            elif pending:
                unit.write(f"{layers} += ", Bracketed("", tuple(pending), "[]"))
            started = True
            pending.clear()

        def add(piece: Piece) -> None:
            if piece.when:
                flush()
                unit.write(f"if {piece.when}:", "")
                with unit.indented():
                    add(replace(piece, when=None))
                    flush()
                return
            if not ordered:
                pending.append(piece.module)
                if self._is_built(piece.module):
                    flush()
                return
            name = self._key(piece.name, layers)
            unit.write(f"{layers}[{name}] = ", piece.module)

        for step in steps:
            self.see(channels)
            when = self.condition(step)
            if when is False:
                continue
            if step.spread or when is not True:
                flush()
            if step.spread:
                channels = self._loop(step, channels, add, flush)
            elif when is True:
                if ordered and not started:
                    flush()
                channels = self._plain(step, channels, add)
            else:
                assert isinstance(when, str)
                unit.write(f"if {when}:", "")
                with unit.indented():
                    out = self._plain(step, channels, add)
                    flush()
                channels = self._either(step, when, out, channels)
        if pending or not started:
            flush()
        unit.taken.discard(layers)
        module = Bracketed(head, (layers if ordered else f"*{layers}",))
        self.built.add(module)
        return module, channels

    def _plain(self, step: Step, channels: str, add: Add) -> str:
        if step.spread and step.name is not None and "{" not in step.name:
            module, channels = self.repeated(step, channels)
            add(Piece(step.name, module, channels, step))
            return channels
        for piece in self.pieces(step, channels):
            add(piece)
            channels = piece.out
        return channels

    def _key(self, name: str | None, layers: str) -> str:
        """The key of a module in an OrderedDict."""
        if name is None:
            return f"str(len({layers}))"
        if "{" not in name:
            return f'"{name}"'
        return 'f"' + _HOLE.sub(lambda hole: f"{{{self._hole(hole[1])}}}", name) + '"'

    def _hole(self, written: str) -> str:
        text = self.unit.text(written)
        self.unit.use(text)
        return text

    def _either(self, step: Step, when: str, there: str, absent: str) -> str:
        """The channels behind a step that may be missing."""
        if there == absent or self.facts.agree(self.unit, when, there, absent):
            return there
        return f"{atom(there)} if {when} else {atom(absent)}"

    # --- loops -------------------------------------------------------------------------------

    def _comprehension(self, step: Step, channels: str) -> tuple[Comprehension, str] | None:
        """A repeated step as one expression, None where it takes statements."""
        control = step.control
        assert control is not None
        unit = self.unit
        if control.each is not None or control.when is not None or step.name is not None:
            return None
        once = step._replace(control=None, name=None, inputs=None)
        times = self._count(control)
        saved = unit.save()
        with self._bound({"i": "i", "j": "i"}, {"i", "j"}):
            arriving = unit.fresh("channels")
            unit.whole.add(arriving)
            trial = self.pieces(once, arriving)
            added = "\n".join(unit.lines[len(saved.lines) :])
            steady = len(trial) == 1 and not re.search(rf"\b(i|{arriving})\b|:$", added, re.M)
            unit.restore(saved)
            if not steady:
                return None
            passes = _Passes(arriving, trial[0].out, channels, times, "i", ("i",))
            needed = _mentions(trial[0].module, arriving)
            text = passes.arriving() if needed else channels
            if text is None or passes.out() is None:
                return None
            (piece,) = self.pieces(once, text)
        unit.use(times)
        index = "i" if _mentions(piece.module, "i") else "_"
        return Comprehension(piece.module, f"for {index} in range({times})"), passes.out() or ""

    def _count(self, control: Control) -> str:
        """How often a step is repeated, as Python."""
        if isinstance(control.repeat, str):
            text = self.unit.text(control.repeat)
            return text if self.unit.is_whole(text) else f"int({text})"
        return spell(control.repeat)

    @contextmanager
    def _bound(self, texts: dict[str, str], whole: set[str]) -> Iterator[None]:
        """Names of a loop, while its body is written."""
        unit = self.unit
        before, numbers = dict(unit.texts), set(unit.whole)
        taken = set(unit.taken)
        unit.texts.update(texts)
        unit.whole |= {texts[name] for name in whole if name in texts}
        unit.taken |= set(texts.values())
        self.loops += 1
        yield
        self.loops -= 1
        unit.texts = before
        unit.whole = numbers
        unit.taken = taken | {name for name in unit.taken if name in unit.widths}

    def _loop(self, step: Step, channels: str, add: Add, flush: Callable[[], None]) -> str:
        """A repeated step as statements; the channels that leave the last iteration."""
        unit = self.unit
        loop = self._header(step)
        saved = unit.save()
        bound = set(loop.texts.values())
        running = channels if channels in self.running else ""
        running = running or unit.fresh(*(n for n in _RUNNING if n not in bound))
        unit.whole.add(running)

        def iterate(arriving: str) -> tuple[str, list[str]]:
            """The lines of the loop's body, and the channels that leave it."""
            outer, unit.lines = unit.lines, []
            depth = unit.indent
            unit.indent += 4 * len(loop.levels)
            widths = dict(unit.widths)
            with self._bound(loop.texts, loop.whole):
                out = self._iteration(step, arriving, add, flush)
            unit.widths = widths  # what the loop's names stand for ends with it
            unit.indent = depth
            inner, unit.lines = unit.lines, outer
            return out, inner

        out, inner = iterate(running)
        unit.restore(saved)
        reads = re.compile(rf"\b{running}\b")
        needed = any(reads.search(line) for line in inner) or bool(reads.search(out))
        names = set(loop.texts.values())
        if not needed or out == running:
            leaving, inner = iterate(channels)
            out = channels if out == running else out
            self._write_loop(loop, inner)
            return self._behind(out, names, channels, loop)
        if out == channels and not free_names(out) & names:
            _, inner = iterate(channels)
            self._write_loop(loop, inner)
            return channels
        passes = _Passes(running, out, channels, loop.times, loop.texts["i"], tuple(bound))
        arriving = passes.growing() if len(loop.levels) == 1 and loop.times else None
        if arriving is not None:
            unit.use(channels)
            _, inner = iterate(arriving)
            self._write_loop(loop, inner)
            return passes.out() or channels
        unit.taken.add(running)
        unit.whole.add(running)
        if running != channels:
            unit.write(f"{running} = ", channels)
        unit.use(channels)
        out, inner = iterate(running)
        unit.use(out)
        inner.append(" " * (unit.indent + 4 * len(loop.levels)) + f"{running} = {out}")
        self._write_loop(loop, inner)
        if not free_names(out) & (names | {running} | self._made_inside(inner)):
            return out
        self.running.add(running)
        return running

    def _made_inside(self, inner: Sequence[str]) -> set[str]:
        """The names that the lines of a loop define."""
        return {found[1] for line in inner if (found := _ASSIGNED.match(line))}

    def _behind(self, out: str, names: set[str], channels: str, loop: "_Header") -> str:
        """What leaves a loop whose body does not need what arrives."""
        if not free_names(out) & names:
            return out
        last = common(channels_of(self.facts.shape(i.network, i.scope.output)) for i in loop.scopes)
        return channels if last is None else str(last)

    def _iteration(self, step: Step, channels: str, add: Add, flush: Callable[[], None]) -> str:
        control = step.control
        assert control is not None
        unit = self.unit
        self.see(channels)
        once = step._replace(control=None, inputs=None)
        when = True if control.when is None else unit.condition(control.when)
        if when is False:
            return channels
        if when is True:
            out = self._plain(once, channels, add)
            flush()
            return out
        assert isinstance(when, str)
        unit.use(when)
        unit.write(f"if {when}:", "")
        with unit.indented():
            out = self._plain(once, channels, add)
            flush()
        return self._either(step, when, out, channels)

    def _header(self, step: Step) -> "_Header":
        """The `for` lines of a repeated step, and the names they bind."""
        control = step.control
        assert control is not None
        unit = self.unit
        header = _Header([], {}, set(), [])
        if control.each is not None:
            rows, table = self._table(step)
            names = {}
            for key in rows[0] if rows else ():
                safe = key if usable_argument(key) else f"{key}_"
                names[key] = safe if safe not in unit.taken else unit.fresh(f"{safe}_")
            header.texts.update(names)
            header.whole |= {key for key in names if all(type(r[key]) is int for r in rows)}
            header.levels.append(("each", table, list(names.values())))
        if control.repeat is not None:
            index = "i" if "i" not in unit.taken else unit.fresh("k")
            header.texts["i"] = index
            header.whole.add("i")
            with self._bound(header.texts, header.whole):
                times = self._count(control)
                unit.use(times)
            header.times = times
            header.levels.append(("repeat", times, [index]))
        elif "i" not in header.texts:
            header.texts["i"] = unit.fresh("index")
            header.whole.add("i")
        if len(header.levels) == 1:
            header.texts["j"] = header.texts["i"]
        else:
            header.texts["j"] = unit.fresh("index")
        header.whole.add("j")
        return header

    def _table(self, step: Step) -> tuple[list[dict[str, Any]], Expr]:
        """The rows of `each` as they are in one network, and the table's text."""
        assert step.control is not None
        written = step.control.each
        if isinstance(written, str):
            text = self.unit.text(written)
            self.unit.use(text)
            return self.facts.rows_of(step, self.unit.block), text
        return self.facts.rows_of(step, self.unit.block), self._listed(written)

    def _listed(self, rows: Sequence[dict[str, Data]]) -> Bracketed:
        cells = (Bracketed("", tuple(self._cell(value) for value in row.values())) for row in rows)
        return Bracketed("", tuple(cells), spread=True)

    def _cell(self, value: Data) -> str:
        if isinstance(value, Reference):
            return self.unit.spell_name(value)
        text = self.argument(value)
        self.unit.use(text)
        return text

    def _write_loop(self, loop: "_Header", inner: list[str]) -> None:
        """The `for` lines and the body; names that the body does not read begin with `_`."""
        unit = self.unit
        body = "\n".join(inner)
        counter = loop.texts["j"]
        counted = counter != loop.texts.get("i") and bool(re.search(rf"\b{counter}\b", body))
        if counted:
            unit.write(f"{counter} = ", "0")
        indent = unit.indent
        for kind, over, names in loop.levels:
            counts = [flat(o) or "" for k, o, _ in loop.levels if k == "repeat"]
            later = "\n".join([body, *counts])
            shown = [n if re.search(rf"\b{n}\b", later) else f"_{n}" for n in names]
            if kind == "repeat":
                index = "_" if shown[0].startswith("_") else shown[0]
                unit.write(f"for {index} in ", Bracketed("range", (over,)), ":")
            else:
                unit.write(*self._each_line(loop, over, shown, body))
            unit.indent += 4
        unit.lines += inner
        if counted:
            unit.write(f"{counter} += ", "1")
        unit.indent = indent

    def _each_line(
        self, loop: "_Header", over: Expr, shown: list[str], body: str
    ) -> tuple[str, Expr, str]:
        names = ", ".join(shown) + ("," if len(shown) == 1 else "")
        index = loop.texts["i"]
        alone = len(loop.levels) == 1
        if alone and re.search(rf"\b{index}\b", body):
            return f"for {index}, ({names}) in ", Bracketed("enumerate", (over,)), ":"
        return f"for {names} in ", over, ":"


@dataclass
class _Header:
    """The `for` lines of a loop: what kind, over what, and the names they bind."""

    levels: list[tuple[str, Expr, list[str]]]
    texts: dict[str, str]
    whole: set[str]
    scopes: list[Any]
    times: str = ""


@dataclass(frozen=True)
class _Passes:
    """How the channels go through the iterations of a repeated step.

    `placeholder` stands for what arrives at one iteration, `result` is what leaves it.
    """

    placeholder: str
    result: str
    first: str
    times: str
    index: str
    loop: tuple[str, ...]

    def arriving(self) -> str | None:
        """What arrives at an iteration."""
        if self.result in (self.placeholder, self.first):
            return self.first
        if self._is_steady():
            return f"{atom(self.first)} if {self.index} == 0 else {atom(self.result)}"
        step = self._growth()
        return None if step is None else add_up([self.first, _multiple(self.index, step)])

    def growing(self) -> str | None:
        """What arrives at an iteration where each adds the same; None where they do not."""
        step = self._growth()
        return None if step is None else add_up([self.first, _multiple(self.index, step)])

    def out(self) -> str | None:
        """What leaves the last iteration."""
        if self.result == self.placeholder:
            return self.first
        if self._is_steady():
            return self.result
        step = self._growth()
        return None if step is None else add_up([self.first, _multiple(self.times, step)])

    def _is_steady(self) -> bool:
        return not free_names(self.result) & {self.placeholder, *self.loop}

    def _growth(self) -> str | None:
        """What every iteration adds, None where that is not the same."""
        terms = dict(terms_of(self.result))
        if terms.pop(self.placeholder, 0) != 1:
            return None
        rest = add_up(
            [f"{count} * ({term})" if term else str(count) for term, count in terms.items()]
        )
        return None if free_names(rest) & {self.placeholder, *self.loop} else rest


def _multiple(times: str, step: str) -> str:
    plain = step.isidentifier() or step.isdigit()
    return substitute(f"{times} * {step if plain else f'({step})'}", {})


def _renamed(item: Expr | Keyword, text: str, name: str) -> Expr | Keyword:
    """An item with a name in place of an expression."""
    if isinstance(item, Keyword):
        return Keyword(item.name, name) if item.value == text else item
    return name if item == text else item


def _mentions(expr: Expr, name: str) -> bool:
    """Whether a name stands in an expression."""
    if isinstance(expr, str):
        return bool(re.search(rf"\b{name}\b", expr))
    return any(_mentions(part, name) for part in expr.parts)


def _contains(expr: Expr, part: Expr) -> bool:
    """Whether an expression is part of another, as a whole or inside a text."""
    if expr == part:
        return True
    if isinstance(expr, str):
        return isinstance(part, str) and part in expr
    return any(_contains(inner, part) for inner in expr.parts)


def _is_in_place(item: Any) -> bool:
    return isinstance(item, Keyword) and item.name == "inplace"


def _chosen(head: str, outs: dict[str, str]) -> str:
    """One expression for what different classes give on."""
    distinct = list(dict.fromkeys(outs.values()))
    if len(distinct) == 1:
        return distinct[0]
    *first, (_, last) = outs.items()
    text = last
    for name, out in reversed(first):
        text = f"{atom(out)} if {head} is {name} else {atom(text)}"
    return text


__all__ = ["EMITTERS", "Modules", "Piece"]
