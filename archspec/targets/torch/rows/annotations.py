"""What the arguments of a class are annotated with, and values as those annotations want them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from archspec.expressions import Reference, Value, Word
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Binary,
    Call,
    Conditional,
    Expr,
    Lambda,
    Literal,
    Name,
    Subscript,
    Tuple,
    dotted,
    names_in,
)

OPTIONAL = Binary(Subscript(Name("type"), dotted("nn.Module")), "|", Literal(None))
"""The annotation of an op that may be missing."""
_ANY_LENGTH = Literal(...)


Spell: TypeAlias = Callable[[str], Expr]


def annotation_of(values: Sequence[Value], spell: Spell) -> Expr:
    """The annotation for an argument that takes these values.

    Of an op that may be missing, which the spec calls false, it is `type[nn.ReLU] | None`.
    """
    if is_optional_op(values):
        there = [value for value in values if value is not False]
        return Binary(annotation_of(there, spell), "|", Literal(None))
    kinds = list(dict.fromkeys(_annotation(value, spell) for value in values)) or [Name("int")]
    texts = [flat(kind) for kind in kinds]
    if set(texts) == {"int", "float"}:
        return Name("float")
    sizes = {len(value) for value in values if isinstance(value, list | tuple)}
    if sizes == {2} and "tuple[int, ...]" in texts:  # a height and a width
        pair = Subscript(Name("tuple"), (Name("int"), Name("int")))
        kinds = [pair if flat(kind) == "tuple[int, ...]" else kind for kind in kinds]
        texts = list(map(flat, kinds))
    tuples = [text for text in texts if text.startswith("tuple[")]
    if len(tuples) > 1 and len(tuples) == len(kinds):
        return _annotation([item for value in values for item in _items(value)], spell)
    if all(isinstance(value, Reference) for value in values) and values:
        return _one_of_classes(values, spell)
    ordered = [kind for _, kind in sorted(zip(texts, kinds, strict=True), key=lambda pair: pair[0])]
    return _union(ordered)


_NUMBERS = {Name("int"), Name("float")}
_MADE = Subscript(Name("Callable"), (_ANY_LENGTH, dotted("nn.Module")))
"""What makes modules: a class, or one with some of its arguments given."""


def _one_of_classes(values: Sequence[Value], spell: Spell) -> Expr:
    """`type[BasicBlock | Bottleneck]`."""
    classes = [spell(value) for value in values if isinstance(value, Reference)]
    if any(isinstance(cls, Call | Lambda) for cls in classes):
        return _MADE
    return Subscript(Name("type"), _union(sorted(dict.fromkeys(classes), key=flat)))


def _items(value: Value) -> Sequence[Value]:
    """The items of a list, or of a row of a table."""
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list | tuple) else ()


def _union(kinds: Sequence[Expr]) -> Expr:
    joined = kinds[0]
    for kind in kinds[1:]:
        joined = Binary(joined, "|", kind)
    return joined


def _annotation(value: Value, spell: Spell) -> Expr:
    if isinstance(value, Reference):
        return _one_of_classes([value], spell)
    if isinstance(value, Word):
        return Name("str")
    if isinstance(value, list | tuple):
        inner = list(dict.fromkeys(_annotation(item, spell) for item in value))
        if set(inner) == {Name("int"), Name("float")}:
            inner = [Name("float")]
        return Subscript(Name("tuple"), (_common(inner), _ANY_LENGTH))
    if isinstance(value, Mapping):
        if len(value) == 1:
            return _annotation(next(iter(value.values())), spell)
        return Subscript(Name("tuple"), tuple(_annotation(v, spell) for v in value.values()))
    return Name(type(value).__name__)


def _common(kinds: Sequence[Expr]) -> Expr:
    """One annotation for items of several kinds: of rows, column by column."""
    if len(kinds) < 2:
        return kinds[0] if kinds else Name("int")  # of nothing nobody can tell
    rows = [k.index for k in kinds if isinstance(k, Subscript) and isinstance(k.index, tuple)]
    if len(rows) == len(kinds) and len({len(row) for row in rows}) == 1:
        columns = (list(dict.fromkeys(column)) for column in zip(*rows, strict=True))
        return Subscript(Name("tuple"), tuple(_common(column) for column in columns))
    classes = [k.index for k in kinds if isinstance(k, Subscript) and k.value == Name("type")]
    if len(classes) == len(kinds):
        return Subscript(Name("type"), _union(classes))  # type: ignore[arg-type]  # no slices
    made = _MADE in kinds and all(map(_is_made_of, kinds))
    if made or set(kinds) == _NUMBERS:
        return _MADE if made else Name("float")
    there = [kind for kind in kinds if kind != Name("bool")]
    if len(there) < len(kinds) and all(map(_is_made_of, there)):
        return Binary(_common(there), "|", Literal(None))
    return _union(kinds)


def _is_made_of(kind: Expr) -> bool:
    """Whether an annotation is that of an op or a block."""
    return kind == _MADE or (isinstance(kind, Subscript) and kind.value == Name("type"))


def of_mixed(values: Sequence[Value], spell: Spell) -> Expr | None:
    """The annotation of a table that holds classes beside partial ones, which no checker joins."""
    found = annotation_of(values, spell)
    return found if "Callable" in names_in(found) else None


# --- ops that may be missing ----------------------------------------------------------------------


def is_optional_op(values: Sequence[Value]) -> bool:
    """Whether values are ops, or blocks, and false where there is none."""
    there = [value for value in values if value is not False]
    some = 0 < len(there) < len(values)
    return some and all(isinstance(value, Reference) for value in there)


def is_optional(annotation: Expr) -> bool:
    """Whether an annotation is that of an op that may be missing."""
    return isinstance(annotation, Binary) and annotation.right == Literal(None)


def fitted(expr: Expr, annotation: Expr) -> Expr:
    """A value as its annotation wants it: None where the spec says false for no op at all."""
    if isinstance(expr, Conditional):
        body, orelse = fitted(expr.body, annotation), fitted(expr.orelse, annotation)
        return replace(expr, body=body, orelse=orelse)
    if is_optional(annotation):
        return Literal(None) if expr == Literal(value=False) else expr
    match expr, annotation:
        case Tuple(items=items), Subscript(value=Name(id="tuple"), index=(*kinds,)):
            if kinds[1:] == [_ANY_LENGTH]:
                kinds = [kinds[0]] * len(items)
            if len(kinds) == len(items):
                pairs = zip(items, kinds, strict=True)
                return replace(expr, items=tuple(fitted(*pair) for pair in pairs))  # type: ignore[arg-type]  # no slices
    return expr
