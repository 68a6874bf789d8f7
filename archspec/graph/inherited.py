"""Attributes that a row has from the spec's `defaults`: expressions of its other attributes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import InvalidValue
from archspec.expressions import UNKNOWN, PerAxis, Value, Word
from archspec.graph.words import words_in
from archspec.language.source import Data
from archspec.ops import Op
from archspec.ops.fields import Pair

Evaluate = Callable[[Data, Mapping[str, Value], SpecPath, list[Diagnostic]], Any]


class Inherited(NamedTuple):
    """A default with something to compute.

    It belongs to the spec, wherever the row stands: it sees the spec's variables, the attributes of
    the row, which hide variables of their names, and as `in_channels` what arrives at the row.
    """

    written: Data


def inherited(cls: type[Op], key: str, written: Data) -> Data:
    """A default as a row has it: a plain value, or one that is still to be computed."""
    pending = [written]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and item not in cls.words.get(key, ()):
            return Inherited(written)
        if isinstance(item, dict | list):
            pending += item.values() if isinstance(item, dict) else item
    return written


def read_by(cls: type[Op], key: str, written: Data, variables: Collection[str]) -> dict[str, str]:
    """The attributes that the default of one may read, by what they are called there.

    In its own default an attribute's name is that of a variable, where there is one: `eps: eps`.
    """
    named = {name: cls.aliases.get(name, name) for name in words_in(written)}
    known = {name: other for name, other in named.items() if other in cls.model_fields}
    return {n: other for n, other in known.items() if other != key or n not in variables}


def as_seen(cls: type[Op], key: str, value: Any) -> Any:
    """What an attribute is in an expression: a size is one number, or one for each axis.

    UNKNOWN where two sizes are no numbers, which is told of the attribute itself.
    """
    if _is_size(cls, key) and isinstance(value, list | tuple) and len(value) == 2:
        if not all(type(size) in (int, float) for size in value):
            return UNKNOWN
        return value[0] if value[0] == value[1] else PerAxis(value)
    return Word(value) if type(value) is str else value


def _is_size(cls: type[Op], key: str) -> bool:
    """Whether two numbers are height and width."""
    annotation: Any = cls.model_fields[key].annotation
    return annotation in (Pair, _OPTIONAL)


_OPTIONAL: Any = Pair | None


def default_of(cls: type[Op], key: str) -> Any:
    """What an attribute is that nothing is said of: ((0, 0), (0, 0)) is 0; UNKNOWN if required."""
    field = cls.model_fields[key]
    value = UNKNOWN if field.is_required() else field.default
    while isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return value


class Row:
    """Computes the defaults of one row, each when the first asks for it.

    `given` are the attributes that its row says, `names` what is seen beside all attributes.
    """

    def __init__(
        self,
        cls: type[Op],
        written: Mapping[str, Data],
        given: Mapping[str, Any],
        names: Mapping[str, Value],
        places: Mapping[str, SpecPath],
        faults: list[Diagnostic],
        evaluate: Evaluate,
    ) -> None:
        self.cls = cls
        self.written = written
        self.names = names
        self.places = places
        self.faults = faults
        self.evaluate = evaluate
        self.worth = dict(given)
        self.open: list[str] = []  # attributes that wait for others

    def value(self, key: str) -> Any:
        """What an attribute is worth, UNKNOWN where it cannot be computed, which is told."""
        if key in self.worth:
            return self.worth[key]
        written = self.written.get(key)
        if not isinstance(written, Inherited):
            self.worth[key] = default_of(self.cls, key)
            if self.worth[key] is None and key == "stride" and "kernel_size" in self.written:
                self.worth[key] = self.value("kernel_size")  # of poolings
        elif key in self.open:
            cycle = " → ".join([*self.open[self.open.index(key) :], key])
            problem = f"`{key}` follows from itself: {cycle}"
            self.faults.append(InvalidValue(self.places[key], problem=problem))
            return UNKNOWN
        else:
            self.open.append(key)
            self.worth[key] = self._computed(key, written.written)
            self.open.pop()
        return self.worth[key]

    def _computed(self, key: str, written: Data) -> Any:
        seen = {
            name: as_seen(self.cls, attribute, self.value(attribute))
            for name, attribute in read_by(self.cls, key, written, self.names).items()
        }
        words = {word: Word(word) for word in self.cls.words.get(key, ())}
        where = self.places[key]
        before = len(self.faults)
        value = self.evaluate(written, {**self.names, **seen, **words}, where, self.faults)
        for fault in self.faults[before:]:
            fault.help = fault.help or "defaults see the spec's `vars` and the row's attributes"
        if holds_axes(value):
            problem = f"{key}: a size by axis stands alone; one axis is `kernel_size[0]`"
            self.faults.append(InvalidValue(where, problem=problem))
            return UNKNOWN
        return UNKNOWN if value is None else self._as_given(key, value)

    def _as_given(self, key: str, value: Any) -> Any:
        """As a row would give it: a pair of padding would be before and after."""
        if not isinstance(value, PerAxis):
            return value
        if _is_size(self.cls, key):
            return list(value)
        return dict(zip(("height", "width"), value, strict=True))


def holds_axes(value: Any) -> bool:
    """Whether a size by axis stands in a list or a mapping, where it would mean something else."""
    parts: Iterable[Any] = ()
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
    return any(isinstance(part, PerAxis) or holds_axes(part) for part in parts)
