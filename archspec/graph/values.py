"""From what is written to what it is worth: expressions evaluated, attributes validated."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from keyword import iskeyword
from math import prod
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import ValidationError

from archspec import expressions
from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.foreign import FOLLOWING, suggest_key, suggest_value
from archspec.diagnostics.language import (
    ContradictsInput,
    FollowsFromInput,
    InvalidExpression,
    InvalidValue,
    MissingKey,
    UnknownKey,
    WrongType,
)
from archspec.diagnostics.notation import as_here
from archspec.diagnostics.wording import describe, did_you_mean, suggest
from archspec.expressions import (
    UNKNOWN,
    Configured,
    DependsOnUnknown,
    ExpressionError,
    Reference,
    Value,
    Word,
    extent,
)
from archspec.graph.arriving import NAMES, seen
from archspec.graph.inherited import Inherited, Row
from archspec.language.rows import MAX_FAULTS, SUGAR
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, Op, Shape, channels_of
from archspec.ops.fields import spell
from archspec.ops.linear import Linear
from archspec.ops.shape import kind_of

PLACES = frozenset({"i", "j", *NAMES})
"""Names that are there in some rows and not in others, so that each row is told."""
MOST_NAMES = 1000
"""So many names are looked at for one that is none."""
MAX_HELD = 10_000
"""So many items a written value holds beside those that are written: names stand for lists."""


def evaluate(
    value: Data, names: Mapping[str, Value], where: SpecPath, faults: list[Diagnostic]
) -> Any:
    """A written value with its expressions computed, at any depth; faults are collected.

    None where that cannot be done, also where a name is `UNKNOWN`: then it has been told.
    """
    if type(value) is str:
        known = names.get(value)
        if type(known) is int and value.isidentifier() and value not in expressions.CONSTANTS:
            return known  # the name of a number: most are no more than that
        return _computed(value, names, where, faults)
    if type(value) not in (list, dict):
        return value
    held: list[int] = []
    filled = _filled(value, names, where, faults, held)
    if sum(held) > MAX_HELD:
        problem = f"the names in a list stand for at most {MAX_HELD} items all together"
        faults.append(InvalidValue(where, problem=problem))
        return None
    return filled


def _filled(
    value: Data,
    names: Mapping[str, Value],
    where: SpecPath,
    faults: list[Diagnostic],
    held: list[int],
) -> Any:
    """A list or mapping with its expressions computed; `held` is how much these stand for."""
    if type(value) is list:
        return [_filled(item, names, (*where, i), faults, held) for i, item in enumerate(value)]
    if type(value) is dict:
        if "op" in value:
            return _configured(value, names, where, faults)
        items = value.items()
        return {key: _filled(item, names, (*where, key), faults, held) for key, item in items}
    found = evaluate(value, names, where, faults) if type(value) is str else value
    if type(found) in (list, dict):
        held.append(extent(found)[0])
    return found


def as_rows(table: Any) -> Any:
    """The rows of a table that may be written by its columns; anything else is left as it is."""
    if not isinstance(table, dict) or not all(isinstance(c, list) for c in table.values()):
        return table
    if len({len(cells) for cells in table.values()}) != 1:
        return table
    return [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]


def _configured(
    value: Mapping[str, Data],
    names: Mapping[str, Value],
    where: SpecPath,
    faults: list[Diagnostic],
) -> Reference | None:
    """An op with attributes: `{op: leaky_relu, negative_slope: 0.1}`; None where one is faulty."""
    op = evaluate(value["op"], names, (*where, "op"), faults)
    cls = OPS_BY_NAME.get(str(op)) if isinstance(op, Reference) else None
    if cls is None:
        if op is not None:
            faults.append(_no_op_with_attributes(op, (*where, "op")))
        return None
    before = len(faults)
    given: dict[str, Any] = dict(op.attributes) if isinstance(op, Configured) else {}
    places: dict[str, SpecPath] = {}
    for key, written in value.items():
        if key == "op":
            continue
        name, at = cls.aliases.get(key, key), (*where, key)
        is_word = _is_word(cls, name, written)
        seen = seen_by(cls, name, written, names)
        given[name] = Word(written) if is_word else evaluate(written, seen, at, faults)
        places[name] = at
        if given[name] is None and written is not None:
            return None  # why that is not known has been told
    if len(faults) == before:
        OpFactory(faults, {}).check(cls, given, places, where)
    if len(faults) > before:
        return None
    return Configured(str(op), given) if given else op


def _no_op_with_attributes(op: Any, where: SpecPath) -> Diagnostic:
    if isinstance(op, Reference):
        problem = f"{op} is a block, and a block is a value by its name alone"
        return InvalidValue(where, problem=problem, help="give its arguments where it is used")
    wanted = "the name of an op, in a value with attributes"
    return WrongType(where, what="`op`", wanted=wanted, found=describe(op))


def _computed(
    text: str, names: Mapping[str, Value], where: SpecPath, faults: list[Diagnostic]
) -> Any:
    try:
        return expressions.evaluate(expressions.parse(text), names)
    except DependsOnUnknown:
        return None
    except ExpressionError as error:
        if not reads_misnamed(text, names):
            faults.append(expression_fault(error, text, where))
        return None


def reads_misnamed(text: str, names: Mapping[str, Value]) -> bool:
    """Whether a text reads a name that is none, `num-classes` for one, which has been told."""
    held = (name for name in islice(names, MOST_NAMES) if name in text)
    # An argument may be called as a word of Python; of a variable so called nothing is known.
    misnamed = (n for n in held if not n.isidentifier() or (names[n] is UNKNOWN and iskeyword(n)))
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in misnamed)


def expression_fault(error: ExpressionError, text: str, where: SpecPath) -> Diagnostic:
    """What is told of an expression that cannot be computed."""
    fault = InvalidExpression(where, offset=error.column, text=shorten(text), problem=error.problem)
    fault.help = as_here(text)
    if error.missing and error.missing not in PLACES:
        fault.cause = cause_at(where, error.missing)
    return fault


def shorten(text: str) -> str:
    """A text for a message, cut off where it is long."""
    return text if len(text) <= 60 else f"{text[:57]}..."


_AS_THEY_ARE = (int, Inherited)
PLAIN = frozenset((int, float, bool))
"""What an attribute is without anything to compute."""


class Names(Protocol):
    """What a factory has to know of a body: `names` for expressions, `fixed` channels or not."""

    names: dict[str, Value]
    fixed: bool
    shared: bool


class OpFactory:
    """Makes ops from what is written; equal ones are one, over all networks that share `made`.

    `names` are those of the spec, which its defaults see.
    """

    def __init__(
        self,
        faults: list[Diagnostic],
        made: dict[Any, Op],
        names: Mapping[str, Value] = MappingProxyType({}),
    ) -> None:
        self.faults = faults
        self.made = made
        self.names = names

    def make(
        self,
        cls: type[Op],
        written: Mapping[str, Data],
        places: Mapping[str, SpecPath],
        row: SpecPath,
        arriving: Shape | None,
        body: Names,
    ) -> Op | None:
        """An op with its attributes, or None where one of them is faulty.

        `places` says where each attribute stands; `row` is where a missing one is missed.
        Expressions see the body's names, and outside blocks what arrives at the row.
        """
        names = body.names
        if not body.fixed and not PLAIN.issuperset(map(type, written.values())):
            names.update(seen(arriving))
        before = len(self.faults)
        values = {
            key: value
            if type(value) in _AS_THEY_ARE
            or key not in cls.model_fields
            or _is_word(cls, key, value)
            else evaluate(value, seen_by(cls, key, value, names), places[key], self.faults)
            for key, value in written.items()
        }
        waiting = [key for key, value in values.items() if type(value) is Inherited]
        if waiting:
            self._compute(waiting, cls, values, written, places, arriving)
        faulty = len(self.faults) > before
        if faulty:
            _hint_at_words(cls, written, self.faults[before:], places)
            _hint_at_attributes(cls, written, values, names, self.faults[before:], places)
        incomplete = len(values) < len(written)  # why has been told
        unsure = faulty or incomplete or None in values.values()
        key = None if unsure else (cls, repr(values), *map(type, values.values()))
        if key in self.made:
            return self.made[key]
        try:
            op = cls(**values)
        except ValidationError as error:
            kept = self._without_following(cls, values, places, arriving)
            if len(kept) < len(values):
                rest = {key: written[key] for key in kept}
                return self.make(cls, rest, places, row, arriving, body)
            blind = {key for key, value in written.items() if depends_on_unknown(value, names)}
            told = {place for key, place in places.items() if key in blind}
            told.update(fault.where for fault in self.faults[before:])
            count = len(self.faults)
            self._report(cls, error, places, row, values, told)
            _tell_cause(self.faults[count:], written, places)
            return None
        if None in values.values() and any(depends_on_unknown(v, names) for v in written.values()):
            return None
        if key is not None:
            self.made[key] = op
        return None if faulty or incomplete else op

    def _compute(
        self,
        waiting: Sequence[str],
        cls: type[Op],
        values: dict[str, Any],
        written: Mapping[str, Data],
        places: Mapping[str, SpecPath],
        arriving: Shape | None,
    ) -> None:
        """Put what they are worth in the places of defaults; take out what cannot be computed."""
        names = {**self.names, **seen(arriving)}
        given = {key: value for key, value in values.items() if key not in waiting}
        row = Row(cls, written, given, names, places, self.faults, evaluate)
        for key in waiting:
            if key not in cls.model_fields:
                continue
            values[key] = row.value(key)
            if values[key] is UNKNOWN:
                del values[key]

    def check(
        self,
        cls: type[Op],
        given: Mapping[str, Any],
        places: Mapping[str, SpecPath],
        where: SpecPath,
    ) -> None:
        """Tell what no op of a class takes; what is required may be given elsewhere."""
        try:
            cls(**given)
        except ValidationError as error:
            self._report(cls, error, {**dict.fromkeys(given, where), **places}, None, given, ())

    def _without_following(
        self,
        cls: type[Op],
        values: Mapping[str, Any],
        places: Mapping[str, SpecPath],
        arriving: Shape | None,
    ) -> dict[str, Any]:
        """The attributes without those that follow from what arrives; whether they do is told."""
        following = {key for key in values if key in FOLLOWING and key not in cls.model_fields}
        self.faults += (
            fault
            for key in following
            if (fault := following_fault(key, values[key], places[key], arriving, cls))
        )
        return {key: value for key, value in values.items() if key not in following}

    def _report(
        self,
        cls: type[Op],
        error: ValidationError,
        places: Mapping[str, SpecPath],
        row: SpecPath | None,
        given: Mapping[str, Any],
        told: Collection[SpecPath],
    ) -> None:
        problems = error.errors(include_url=False)[: len(cls.model_fields) + MAX_FAULTS]
        known = [*cls.model_fields, *cls.aliases, *(SUGAR if cls.weighted else ())]
        unknown = [str(p["loc"][0]) for p in problems if p["type"] == "extra_forbidden"]
        misspelt = {suggest_key(key, known) for key in unknown}
        nested = {own for key in unknown if isinstance(given[key], dict) for own in given[key]}
        for problem in problems:
            key = str(problem["loc"][0]) if problem["loc"] else ""
            place = places.get(key)
            if problem["type"] == "missing" and (place or key in nested):
                continue  # its default cannot be computed, and that has been told; or its place is
            if place and any(where[: len(place)] == place for where in told):
                continue  # its expression is faulty, and that has been told
            if problem["type"] == "missing" and (row is None or did_you_mean(key) in misspelt):
                continue  # it is there, under another name, or may be elsewhere
            if problem["type"] == "missing":
                assert row is not None
                fault: Diagnostic = MissingKey(
                    row, owner=cls.op_name, key=key, help=_missing(key, given)
                )
            elif problem["type"] == "extra_forbidden":
                help_ = suggest_key(key, known, cls.op_name, given[key])
                if given[key] is None and not help_.startswith("did you"):
                    help_ = f"a comma ends a value; several are a list, `[…, {key[:60]}]`"
                fault = UnknownKey(places[key], on_key=True, owner=cls.op_name, key=key, help=help_)
            else:
                reason = str(problem["msg"]).removeprefix("Value error, ")
                fault = InvalidValue(places[key], problem=_named(key, reason))
                fault.help = suggest_value(cls.op_name, key, given)
                if key in cls.words and isinstance(given.get(key), str):
                    fault.help = suggest(str(given[key]), sorted(cls.words[key]))
                elif not fault.help and given.get(key) in (0, 1) and "true or false" in reason:
                    fault.help = f"write `{key}: {'true' if given[key] else 'false'}`"
            self.faults.append(fault)


def _tell_cause(
    faults: Sequence[Diagnostic], written: Mapping[str, Data], places: Mapping[str, SpecPath]
) -> None:
    """Say of values that are no more than the name of a variable that this is what is wrong."""
    names = {places[key]: text for key, text in written.items() if type(text) is str}
    for fault in faults:
        name = names.get(fault.where, "")
        if name.isidentifier():
            fault.cause = cause_at(fault.where, name)


def cause_at(where: SpecPath, name: str) -> str:
    """A variable that is to be mended: the network's, or that of the block that a place is in."""
    return f"{where[1]}.{name}" if where[:1] == ("blocks",) else name


def following_fault(
    key: str, given: Any, where: SpecPath, arriving: Shape | None, cls: type[Op] | None = None
) -> Diagnostic | None:
    """What is told of a number that follows from what arrives: `in_channels: 64`."""
    if arriving is None:
        return None  # why that is not known has been told
    flattened = cls is Linear and kind_of(arriving) == "map"
    count = prod(arriving) if flattened else channels_of(arriving)
    if given == count:
        return FollowsFromInput(where, on_key=True, key=key, count=count)
    behind = ", flattened" if flattened else ""
    told = spell(given)
    return ContradictsInput(where, on_key=True, key=key, given=told, count=count, behind=behind)


def _hint_at_words(
    cls: type[Op],
    written: Mapping[str, Data],
    faults: Sequence[Diagnostic],
    places: Mapping[str, SpecPath],
) -> None:
    """Say which words an attribute takes where its text was no expression: `samee`."""
    for key, words in cls.words.items():
        text = written.get(key)
        for fault in faults if type(text) is str else ():
            if fault.where == places[key] and "did you mean" not in fault.message:
                fault.help = suggest(str(text), sorted(words))


def _hint_at_attributes(
    cls: type[Op],
    written: Mapping[str, Data],
    values: Mapping[str, Any],
    names: Mapping[str, Value],
    faults: Sequence[Diagnostic],
    places: Mapping[str, SpecPath],
) -> None:
    """Say of an expression that reads the row's own attributes, as those of defaults may."""
    given = {key: v for key, v in values.items() if type(v) in PLAIN and key in cls.model_fields}
    for key, value in written.items():
        for fault in faults if type(value) in (str, list) else ():
            missing = fault.cause.rpartition(".")[2]
            there = fault.where[: len(places[key])] == places[key]
            if not there or missing not in cls.model_fields or missing == key:
                continue
            text = value if type(value) is str else f"[{', '.join(map(str, value))}]"
            worth = None
            with suppress(ExpressionError, DependsOnUnknown):
                worth = expressions.evaluate(expressions.parse(text), {**names, **given})
            number = f"`{key}: {spell(worth)}`" if worth is not None else "the number"
            fault.cause = ""  # another row has another number
            fault.help = (
                f"write {number} here; a row's own attributes are read in `defaults` alone, "
                f"as `defaults: {{{cls.op_name}: {{{key}: {shorten(text)}}}}}`"
            )


def seen_by(
    cls: type[Op], key: str, value: Data, names: Mapping[str, Value]
) -> Mapping[str, Value]:
    """What the expression of an attribute sees: the words that it takes come before all else."""
    words = cls.words.get(key) if type(value) is str else None
    return names if words is None else {**names, **{word: Word(word) for word in words}}


def _is_word(cls: type[Op], key: str, value: Data) -> bool:
    return type(value) is str and value in cls.words.get(key, ())


def depends_on_unknown(value: Data, names: Mapping[str, Value]) -> bool:
    """Whether any expression in a written value needs a name that is `UNKNOWN`."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif type(item) is str:
            try:
                read = expressions.parse(item).names
            except ExpressionError:
                read = frozenset({item})
            if any(names.get(name) is UNKNOWN for name in read):
                return True
            if not read <= names.keys() and reads_misnamed(item, names):
                return True
    return False


def _named(key: str, reason: str) -> str:
    """A field's message with the attribute's name in it."""
    if reason.startswith("this "):
        return key + reason.removeprefix("this")
    return reason if reason.startswith(key) else f"{key}: {reason}"


def _missing(key: str, given: Collection[str]) -> str:
    if key == "out_features" and "kernel_size" in given:
        return "the width of a linear layer goes into out_features, not into kernel_size"
    if key == "out_channels" and "out_features" in given:
        return "a convolution's width is called out_channels"
    return f"for example `{key}: {_EXAMPLES.get(key, 1)}`"


_EXAMPLES = {"out_channels": 64, "kernel_size": 3, "out_features": 1000, "size": 5}
