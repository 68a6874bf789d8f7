"""Steps as modules: rows, blocks, groups, and repetition, as the constructor makes them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol

from archspec.language.model import Control, Step
from archspec.language.rows import SUGAR
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.ops.channels import PadChannels
from archspec.ops.sliding import Sliding
from archspec.targets.torch.arguments import OUTPUT_WIDTHS, names_in
from archspec.targets.torch.emitters import spell_step
from archspec.targets.torch.exprs import contains, depth, is_in_place, mentions, renamed
from archspec.targets.torch.facts import Leaf, common
from archspec.targets.torch.fold import add_up, atom, free_names, substitute
from archspec.targets.torch.layout import Bracketed, Comprehension, Expr, Keyword
from archspec.targets.torch.padding import plan
from archspec.targets.torch.passes import Passes
from archspec.targets.torch.spelling import Row, Spelling, Symbols
from archspec.targets.torch.statements import Statements
from archspec.targets.torch.text import product, spell
from archspec.targets.torch.unit import Argument, CannotWrite, Unit

MAX_DEPTH = 3
"""Groups stand in each other so deep; those further inside get a variable, `group1`."""
MAX_INLINE = 20
"""A width that is longer, or computed, gets a name where a later step needs it again."""


class BlockClass(Protocol):
    """What a use of a block has to know of its class."""

    name: str
    block: str
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
        if step.spread and step.name is not None and "{" not in step.name:
            module, out = self.repeated(step, channels)
            return [Piece(step.name, module, out, step)]
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
        if leaves[0].op.arity == "several":
            problem = "paths meet here inside a group, which is a plain row of modules in code"
            self._refuse(leaves[0], f"{problem}; make the group a block")
        leaf = min(leaves, key=_padding_order)
        symbols = self.unit.symbols(leaf, channels)
        symbols = self._with_named_width(leaf, symbols)
        owns = all(self.facts.owns_input(leaf) for leaf in leaves)
        spelling = spell_step(leaf.op, Row(leaf.arriving, symbols, owns))
        module = spelling.module
        self._require_spelt(leaf, symbols, module)
        callee = self._callee(step, role)
        if callee is not None:
            items = tuple(item for item in module.items if not is_in_place(item))
            module = Bracketed(callee, items)
            spelling = Spelling(module)
        name = step.name
        if name is not None and role:
            name = f"{name}_{role}"
        self.unit.use(channels)
        return Piece(name, module, self._leaving(leaves, channels, symbols), step, spelling, leaf)

    def _callee(self, step: Step, role: str) -> str | None:
        """What stands for the op where the row names it by an expression, else None."""
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
        if isinstance(leaf.op, PadChannels):
            row = Row(leaf.arriving, symbols, owns_input=False)
            ends = (row.value("before", leaf.op.before), row.value("after", leaf.op.after))
            return add_up([channels, *ends])
        ratio = common(leaf.op.channel_ratio((leaf.arriving,)) for leaf in leaves)
        if leaf.op.channel_ratio((leaf.arriving,)) is None:
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
            if not contains(module, text):
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
            text = texts.get(argument.key)
            if text is None and argument.default is None:
                text = texts[argument.key] = self._default(classes[0], argument.key, texts)
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
            items = [renamed(item, out, name) for item in items]
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
        if len(classes) == 1 and not text.isidentifier():
            return classes[0].name  # the other is in no network, and not written
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
        if isinstance(value, dict):
            value = list(value.values())
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
        names = {argument.key: argument.name for argument in cls.arguments}
        known: dict[str, str] = {}
        for key, default in self.facts.spec.blocks[cls.block].args.items():
            if key in texts:
                known[names.get(key, key)] = texts[key]
            elif default is not None:
                known[names.get(key, key)] = self._default(cls, key, texts)
        return substitute(cls.out, {**known, "in_channels": channels})

    def _default(self, cls: BlockClass, key: str, texts: dict[str, str]) -> str:
        """The default of an argument, in which others may stand, in the terms of the user."""
        args = self.facts.spec.blocks[cls.block].args
        default = args.get(key)
        if not isinstance(default, str):
            return self.argument(default)
        known = {name: texts.get(name) or "" for name in args}
        for name in names_in(default) & args.keys():
            known[name] = known[name] or self._default(cls, name, texts)
        return self.unit.text_with(default, known)

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
        return Statements(self, there).write(channels, head)

    def _simple(
        self, steps: Sequence[Step], channels: str, head: str
    ) -> tuple[Bracketed, str] | None:
        """All modules inside one call, None where a condition or a loop does not allow that."""
        parts: list[tuple[str | None, Expr]] = []
        for step in steps:
            self.see(channels)
            when = self.condition(step)
            if when is False:
                continue
            found = self._parts(step, channels) if when is True else None
            if found is None:
                return None
            inside, channels = found
            parts += inside
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

    def _parts(self, step: Step, channels: str) -> tuple[list[tuple[str | None, Expr]], str] | None:
        """What a step puts into a call, and the channels behind it; None for statements."""
        if step.spread and step.name is None:
            found = self._comprehension(step, channels)
            return None if found is None else ([(None, found[0])], found[1])
        if step.spread and "{" in (step.name or ""):
            return None
        pieces = self.pieces(step, channels)
        self.require_modules(pieces)
        if any(self.is_built(piece.module) or piece.when for piece in pieces):
            return None
        return [(piece.name, self._within(piece.module)) for piece in pieces], pieces[-1].out

    @staticmethod
    def require_modules(pieces: Sequence[Piece]) -> None:
        """A parameter without a module of its own cannot stand in a row of modules."""
        for piece in pieces:
            if piece.module.head == "nn.Parameter":
                problem = "it holds a bare parameter, which a row of modules cannot"
                raise CannotWrite(piece.step.at, f"{problem}; name it, in a block with a merge")

    def _within(self, module: Bracketed) -> Expr:
        """A module as it stands in a group: a variable's name in place of one too deep."""
        if depth(module) < MAX_DEPTH:
            return module
        numbered = (f"group{i}" for i in count(1))
        name = next(name for name in numbered if name not in self.unit.taken)
        self.unit.taken.add(name)
        self.unit.write(f"{name} = ", module)
        return name

    def is_built(self, expr: Expr) -> bool:
        """Whether a list that the next group will fill anew stands in an expression."""
        if isinstance(expr, str):
            return False
        return expr in self.built or any(map(self.is_built, expr.parts))

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

    # --- loops -------------------------------------------------------------------------------

    def _comprehension(self, step: Step, channels: str) -> tuple[Comprehension, str] | None:
        """A repeated step as one expression, None where it takes statements."""
        control = step.control
        assert control is not None
        unit = self.unit
        if control.each is not None or control.when is not None or step.name is not None:
            return None
        once = step._replace(control=None, name=None, inputs=None)
        times = self.times(control)
        saved = unit.save()
        with self.bound({"i": "i", "j": "i"}, {"i", "j"}):
            arriving = unit.fresh("channels")
            unit.whole.add(arriving)
            trial = self.pieces(once, arriving)
            added = "\n".join(unit.lines[len(saved.lines) :])
            steady = len(trial) == 1 and not re.search(
                rf"\b(i|{arriving})\b|:$", added, re.MULTILINE
            )
            unit.restore(saved)
            if not steady:
                return None
            passes = Passes(arriving, trial[0].out, channels, times, "i", ("i",))
            needed = mentions(trial[0].module, arriving)
            text = passes.arriving() if needed else channels
            changes = passes.out() != channels
            if text is None or passes.out() is None or (changes and self.may_be_empty(control)):
                return None
            (piece,) = self.pieces(once, text)
        unit.use(times)
        index = "i" if mentions(piece.module, "i") else "_"
        return Comprehension(piece.module, f"for {index} in range({times})"), passes.out() or ""

    def either(self, when: str, there: str, absent: str) -> str:
        """The channels behind a step that may be missing."""
        if there == absent or self.facts.agree(self.unit, when, there, absent):
            return there
        return f"{atom(there)} if {when} else {atom(absent)}"

    def may_be_empty(self, control: Control) -> bool:
        """Whether a step is repeated no time at all in some object of the class."""
        if not isinstance(control.repeat, str):
            return bool(control.repeat == 0)
        return any(
            self.facts.value_of(control.repeat, names) == 0
            for names in self.facts.environments(self.unit.block)
        )

    def times(self, control: Control) -> str:
        """How often a step is repeated, as Python."""
        if isinstance(control.repeat, str):
            text = self.unit.text(control.repeat)
            return text if self.unit.is_whole(text) else f"int({text})"
        return spell(control.repeat)

    @contextmanager
    def bound(self, texts: dict[str, str], whole: set[str]) -> Iterator[None]:
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


def _padding_order(leaf: Leaf) -> int:
    """Nodes whose padding is the hardest to write come first: they decide how it is written."""
    if not isinstance(leaf.op, Sliding):
        return 0
    return ("dynamic", "sides", "native").index(plan(leaf.op, leaf.arriving).kind)


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
