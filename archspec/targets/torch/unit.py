"""One class while it is written: its lines, its names, and how expressions are spelt in it."""

import keyword
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from archspec import expressions
from archspec.expressions import Reference, Value
from archspec.language.source import Data
from archspec.ops import Op
from archspec.targets.base import CannotWrite
from archspec.targets.torch.arguments import RATES
from archspec.targets.torch.facts import Facts, Leaf
from archspec.targets.torch.fold import fold, free_names, substitute
from archspec.targets.torch.layout import INDENT, Bracketed, Expr, lines, tuple_of
from archspec.targets.torch.names import TAKEN
from archspec.targets.torch.spelling import Symbols
from archspec.targets.torch.text import is_whole, spell
from archspec.targets.torch.text import names_in as names_in_text

BODY = 8
"""The indentation of a method's statements."""
OPTIONAL = "type[nn.Module] | None"
"""The annotation of an op that may be missing."""
When = str | bool
"""A condition as Python, or its truth where that is known."""
LONGEST = 59
"""A longer expression gets a name of its own."""


class TooLong(Exception):
    """An expression would not fit on a line; `names` are the variables in it."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of a constructor: name, annotation, and default, None where it is required.

    `key` is what the spec calls it, where Python needs another name.
    """

    name: str
    annotation: str
    default: str | None = None
    key: str = ""


@dataclass
class Saved:
    """What a trial leaves behind, to be undone."""

    lines: list[str]
    indent: int
    taken: set[str]
    used: set[str]
    heads: set[str]
    widths: dict[str, str]
    annotated: set[str]


@dataclass
class Unit:
    """The state of a class that is being written.

    `values` are names of the language with a known value, `texts` those that something in Python
    stands for. `locals` define such names, in order, wanted only where they are used; `tables` are
    lists with a name. `whole` are Python names that are certainly integers, `optional` those of
    ops that may be missing.
    """

    facts: Facts
    block: str
    values: dict[str, Value] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Expr] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    indent: int = BODY
    taken: set[str] = field(default_factory=lambda: set(TAKEN))
    used: set[str] = field(default_factory=set)
    heads: set[str] = field(default_factory=set)
    widths: dict[str, str] = field(default_factory=dict)
    annotated: set[str] = field(default_factory=set)
    renamed: Mapping[str, str] = field(default_factory=dict)
    class_names: frozenset[str] = frozenset()
    optional: set[str] = field(default_factory=set)

    # --- lines -------------------------------------------------------------------------------

    def write(self, prefix: str, expr: Expr, suffix: str = "") -> None:
        """A statement of the constructor."""
        self.heads.update(heads_of(expr))
        self.lines += lines(prefix, expr, self.indent, suffix)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Statements inside a loop or a condition."""
        self.indent += INDENT
        yield
        self.indent -= INDENT

    def save(self) -> Saved:
        """What has to be remembered to undo what follows."""
        return Saved(
            list(self.lines),
            self.indent,
            set(self.taken),
            set(self.used),
            set(self.heads),
            dict(self.widths),
            set(self.annotated),
        )

    def restore(self, saved: Saved) -> None:
        """Undo everything since `saved`."""
        self.lines = list(saved.lines)
        self.indent = saved.indent
        self.taken = set(saved.taken)
        self.used = set(saved.used)
        self.heads = set(saved.heads)
        self.widths = dict(saved.widths)
        self.annotated = set(saved.annotated)

    def fresh(self, *bases: str) -> str:
        """A local name that nothing has yet; the first of `bases` that is free, or numbered."""
        names = (*bases, *(f"{bases[0]}{i}" for i in range(2, len(self.taken) + 3)))
        name = next(name for name in names if name not in self.taken)
        self.taken.add(name)
        return name

    # --- expressions -------------------------------------------------------------------------

    def spell_name(self, name: str) -> str:
        """The Python name of an op or block that an expression names."""
        return self.renamed.get(name, name)

    def text(self, written: str, *, truth: bool = False) -> str:
        """An expression as Python, what is known being computed; with `truth`, whether it holds."""
        whole = self.whole.__contains__
        named, hoisted = self.spell_name, self._hoisted
        return fold(written, self.values, self.texts, named, hoisted, whole, truth=truth)

    def text_with(self, written: str, texts: Mapping[str, str]) -> str:
        """An expression of another body as Python, `texts` standing for its names."""
        known = {name: text for name, text in texts.items() if text}
        return fold(written, self.values, known, self.spell_name, whole=self.whole.__contains__)

    def _hoisted(self, name: str) -> str:
        """A known list gets a name in the class where a loop looks into it."""
        own = f"{name}_" if keyword.iskeyword(name) else name
        if own not in self.tables:
            self.tables[own] = self.table(self.values[name])
            self.taken.add(own)
            if holds_whole_numbers([self.values[name]]):
                self.whole.add(own)
        return own

    def table(self, value: Value) -> Expr:
        """A value as something that can be broken over lines, the rows of a table each on one."""
        if isinstance(value, Reference):
            return self.spell_name(value)
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple):
            rows = any(isinstance(item, list | tuple | Mapping) for item in value)
            return Bracketed("", tuple(self.table(item) for item in value), spread=rows)
        return self.text(value) if isinstance(value, str) else spell(value)

    def use(self, text: str) -> None:
        """Note which names a Python expression needs."""
        pending = set(free_names(text))
        while pending:
            name = pending.pop()
            if name in self.used:
                continue
            self.used.add(name)
            if name in self.locals:
                pending |= free_names(self.locals[name])

    def is_open(self, text: str) -> bool:
        """Whether an expression depends on anything that the class is given."""
        return bool(free_names(text) - self.class_names)

    def is_whole(self, text: str) -> bool:
        """Whether an expression is certainly an integer."""
        return is_whole(text, self.whole.__contains__)

    def condition(self, written: Data) -> str | bool:
        """A `when` as Python, or the truth value where it is known."""
        if not isinstance(written, str):
            return bool(written)
        text = self.text(written, truth=True)
        if text in ("True", "False") or not names_in_text(text):
            return bool(expressions.evaluate(expressions.parse(text.lower()), {}))
        return text

    def symbols(self, leaf: Leaf, channels: str) -> Symbols:
        """What stands for the numbers of a node, in this class."""
        attributes: dict[str, Expr] = {}
        for attribute, written in leaf.node.written.items():
            if isinstance(written, str | list | dict) and attribute not in ("op", "init"):
                text = self._attribute(leaf, attribute, written)
                if text is not None:
                    attributes[attribute] = text
        return Symbols(channels, attributes)

    def _attribute(self, leaf: Leaf, attribute: str, written: Data) -> Expr | None:
        """An attribute's text, None where it is known and the op's own value will do."""
        if isinstance(written, str):
            return self._open_text(leaf.op, attribute, written)
        if isinstance(written, dict) and not written.keys() <= {"height", "width"}:
            return None
        if not isinstance(written, list | dict):
            return None
        parts = list(written.values()) if isinstance(written, dict) else written
        texts = [self._attribute(leaf, attribute, part) for part in parts]
        if all(text is None for text in texts):
            return None
        problem = ""
        if any(isinstance(part, list | dict) for part in parts):
            problem = "lists in lists cannot be expressions in generated code"
        if attribute == "padding" and isinstance(written, list):
            problem = "padding that is computed is written {height: …, width: …} to be generated"
        if problem:
            raise CannotWrite((*leaf.node.at, attribute), problem)
        spelt = [str(p) if t is None else t for p, t in zip(parts, texts, strict=True)]
        if isinstance(written, dict) and list(written) == ["width", "height"]:
            spelt.reverse()
        return tuple_of(*spelt)

    def _open_text(self, op: Op, attribute: str, written: str) -> str | None:
        """An expression's text, None where it depends on nothing that the class is given."""
        if written in type(op).words.get(attribute, ()):
            return None
        text = self.text(written)
        if not self.is_open(text):
            return None
        whole = attribute not in RATES and _is_integral(getattr(op, attribute, None))
        if whole and not self.is_whole(text):
            text = f"int({text})"
        self.use(text)
        if len(text) > LONGEST:
            raise TooLong(free_names(text))
        return text

    def named(self, text: str, kind: str) -> str:
        """A local name for an expression: the one it has, or a new one, `channels1`."""
        for name, expression in self.widths.items():
            if expression == text:
                return name
        first = () if kind in ("channels", "features") else (kind,)
        numbered = (f"{kind}{i}" for i in count(len(first) + 1))
        name = next(name for name in chain(first, numbered) if name not in self.taken)
        self.taken.add(name)
        self.widths[name] = text
        self.whole.add(name)
        self.write(f"{name} = ", text)
        return name

    def expanded(self, text: str) -> str:
        """An expression with the class's own local names written out."""
        for _ in range(len(self.locals) + len(self.widths) + 1):
            known = {**self.locals, **self.widths}
            inner = {name: known[name] for name in free_names(text) if name in known}
            if not inner:
                return text
            text = substitute(text, inner)
        return text


def holds_whole_numbers(values: Iterable[Value]) -> bool:
    """Whether values are integers, or lists with nothing but integers in them."""
    return all(
        holds_whole_numbers(value) if isinstance(value, list | tuple) else type(value) is int
        for value in values
    )


def _is_integral(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_integral(part) for part in value)
    return type(value) is int


def heads_of(expr: Any) -> Iterator[str]:
    """The heads of all calls in an expression."""
    if isinstance(expr, str):
        return
    head = getattr(expr, "head", None)
    if head is not None:
        yield head
    for part in expr.parts:
        yield from heads_of(part)


def annotation_of(values: Sequence[Value]) -> str:
    """The annotation for an argument that takes these values."""
    kinds = list(dict.fromkeys(_annotation(value) for value in values)) or ["int"]
    if set(kinds) == {"int", "float"}:
        return "float"
    sizes = {len(value) for value in values if isinstance(value, list | tuple)}
    if sizes == {2} and "tuple[int, ...]" in kinds:  # a height and a width
        kinds[kinds.index("tuple[int, ...]")] = "tuple[int, int]"
    tuples = [kind for kind in kinds if kind.startswith("tuple[")]
    if len(tuples) > 1 and len(tuples) == len(kinds):
        return "tuple[float, ...]" if set(tuples) == _NUMBERS else "tuple[tuple, ...]"
    return " | ".join(sorted(kinds))


_NUMBERS = {"tuple[int, ...]", "tuple[float, ...]"}


def _annotation(value: Value) -> str:
    if isinstance(value, Reference):
        return "type[nn.Module]"
    if isinstance(value, list | tuple):
        inner = list(dict.fromkeys(_annotation(item) for item in value))
        if set(inner) == {"int", "float"}:
            inner = ["float"]
        return f"tuple[{inner[0] if len(inner) == 1 else 'tuple'}, ...]"
    if isinstance(value, Mapping):
        inner = [_annotation(item) for item in value.values()]
        return f"tuple[{', '.join(inner)}]"
    return type(value).__name__


def references(op: type[Op]) -> str:
    """The name of an op as it stands in a spec."""
    return op.op_name


def all_names(texts: Iterable[str]) -> frozenset[str]:
    """The free names of several expressions."""
    return frozenset().union(*map(free_names, texts))


__all__ = [
    "BODY",
    "LONGEST",
    "Argument",
    "Bracketed",
    "CannotWrite",
    "Saved",
    "TooLong",
    "Unit",
    "all_names",
    "annotation_of",
    "heads_of",
    "references",
]
