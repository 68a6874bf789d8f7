"""YAML text → plain data, with the place of every value beside it.

The text is read from libyaml's events, not with a YAML loader: that closes the traps of YAML 1.1
(`no`, `010`, `1e-3`, duplicate keys, aliases, tags), gives positions for nearly nothing, and
needs no recursion, so neither nesting nor size can hurt.
"""

import re
from array import array
from itertools import count as count_from
from math import isfinite
from typing import Any, NamedTuple

import yaml

from archspec.diagnostics import Diagnostic, Position, SpecPath
from archspec.diagnostics.source import (
    AnchorOrAlias,
    DuplicateKey,
    KeyNotText,
    SeveralDocuments,
    Tag,
    TooDeep,
    TooLarge,
    TooManyValues,
    YamlSyntax,
)

MAX_DEPTH = 120
MAX_BYTES = 8 * 2**20
MAX_VALUES = 500_000
"""Keys, values and brackets: what reading costs, whatever a text's length."""
MAX_FAULTS = 100
_COLUMNS = 2**20  # a position is one integer, line·2²⁰ + column, to keep a row's positions small

Data = Any
"""Nested dicts (with text keys), lists, texts, numbers, truth values, None."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?P<fraction>(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?)"
    r"|[-+]?(?P<bare>\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?)"
)
_MERGE = "<<"
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


class Marks:
    """Where the items of one list or mapping stand; parallel to the data, in its order."""

    __slots__ = ("inner", "keys", "order", "values")

    def __init__(self, *, mapping: bool) -> None:
        self.keys: array[int] | None = array("Q") if mapping else None
        self.values: array[int] = array("Q")
        self.order: dict[str, int] | None = None  # key → place among the keys, once asked for
        self.inner: dict[int, Marks] | None = None  # a row of plain values has none

    def nest(self, index: int, inner: "Marks") -> None:
        """Keep the marks of the item at `index`, a list or mapping itself."""
        if self.inner is None:
            self.inner = {}
        self.inner[index] = inner


class Document(NamedTuple):
    """A text that was read: its data, and where everything stands."""

    text: str
    file: str
    data: Data
    marks: Marks | None
    faults: tuple[Diagnostic, ...]

    def locate(self, path: SpecPath, *, on_key: bool = False) -> Position:
        """Where the value at `path` (or its key) stands; as near to it as the data goes."""
        data, marks, place = self.data, self.marks, _COLUMNS + 1
        for position, part in enumerate(path):
            index = _index(data, part, marks)
            if index is None or marks is None:
                break
            last = position == len(path) - 1
            keys = marks.keys
            place = keys[index] if on_key and last and keys is not None else marks.values[index]
            data = data[part]
            marks = marks.inner.get(index) if marks.inner else None
        return Position(*divmod(place, _COLUMNS))


def _index(data: Data, part: str | int, marks: Marks | None) -> int | None:
    if isinstance(data, dict) and marks is not None:
        if marks.order is None:
            marks.order = {key: index for index, key in enumerate(data)}
        return marks.order.get(str(part))
    if isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data):
        return part
    return None


def read(text: str, file: str = "<text>") -> Document:
    """Read a spec's text; everything wrong with it is in the document's `faults`."""
    size = len(text.encode(errors="replace"))
    if size > MAX_BYTES:
        fault = TooLarge((), at=Position(1, 1), size=size, limit=MAX_BYTES)
        return Document("", file, None, None, (fault,))
    reader = _Reader()
    try:
        reader.run(text)
    except yaml.MarkedYAMLError as error:
        unclosed = error.context is not None and "flow" in error.context
        mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
        at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        help_ = _advice(error, text)
        reader.faults.append(YamlSyntax((), at=at, problem=_problem(error), help=help_))
    except UnicodeEncodeError as error:
        at = _place(text, error.start)
        reader.faults.append(YamlSyntax((), at=at, problem="a lone surrogate is not a character"))
    except yaml.reader.ReaderError as error:
        at = _place(text, error.position)
        problem = f"the character {_character(error)} is not allowed"
        reader.faults.append(YamlSyntax((), at=at, problem=problem))
    complete = not any(
        isinstance(fault, YamlSyntax | TooDeep | TooManyValues | KeyNotText)
        for fault in reader.faults
    )
    return Document(
        text, file, reader.root if complete else None, reader.marks, tuple(reader.faults)
    )


def _place(text: str, index: int) -> Position:
    before = text[:index]
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _character(error: yaml.reader.ReaderError) -> str:
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return f"U+{code:04X}"


def _problem(error: yaml.MarkedYAMLError) -> str:
    return " ".join(part for part in (error.context, error.problem) if part)


def _advice(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or ""
    mark = error.problem_mark
    lines = text.split("\n")
    if mark and mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        return "indent with spaces; YAML takes no tabs"
    if "mapping values are not allowed" in problem:
        return "a `:` inside a text needs quotes around it; otherwise check the indentation"
    if "flow" in (error.context or "") and "expected ',' or" in problem:
        return 'check that brackets are closed; a text with brackets in it is quoted: `"w[0]"`'
    if "tag" in (error.context or ""):
        return "`!` begins a tag; a condition is turned round by `not`"
    if "expected ',' or" in problem or "did not find expected" in problem:
        return "check that brackets are closed and that rows of a list begin in the same column"
    return ""


class _Stop(Exception):
    """Ends reading early; the reason is among the faults."""


class _Level:
    """A list or mapping being read; in a mapping, the key that waits for its value."""

    __slots__ = ("container", "is_mapping", "key", "key_place", "marks")

    def __init__(self, *, is_mapping: bool) -> None:
        self.container: Data = {} if is_mapping else []
        self.marks = Marks(mapping=is_mapping)
        self.is_mapping = is_mapping
        self.key: str | None = None
        self.key_place = 0

    def put(self, value: Data, place: int, inner: Marks | None) -> None:
        """Take the next value; that of a key given before is dropped, the first one stays."""
        container, marks = self.container, self.marks
        if marks.keys is None:
            container.append(value)
        else:
            key, self.key = self.key, None
            if key in container or key == _MERGE:
                return
            container[key] = value
            marks.keys.append(self.key_place)
        marks.values.append(place)
        if inner is not None:
            marks.nest(len(container) - 1, inner)


class _Reader:
    """Consumes events and builds the data; `level` is the innermost that is open."""

    def __init__(self) -> None:
        self.outermost = self.level = _Level(is_mapping=False)  # its one item is the document
        self.around: list[_Level] = []
        self.faults: list[Diagnostic] = []
        self.documents = 0

    @property
    def root(self) -> Data:
        """The document's data; None where it has none."""
        return self.outermost.container[0] if self.outermost.container else None

    @property
    def marks(self) -> Marks | None:
        """Where the document's items stand; None where it is no list or mapping."""
        return (self.outermost.marks.inner or {}).get(0)

    def run(self, text: str) -> None:
        loader = _LOADER(text)
        next_event, scalar = loader.get_event, self.scalar
        try:
            for count in count_from(0):
                event = next_event()
                kind = type(event)
                if count > MAX_VALUES:
                    self.fault(TooManyValues, event, limit=MAX_VALUES)
                    return
                if kind is yaml.ScalarEvent:  # most of them
                    scalar(event)
                elif kind in _HANDLERS:
                    _HANDLERS[kind](self, event)
                elif kind is yaml.StreamEndEvent:
                    return
        except _Stop:
            return
        finally:
            loader.dispose()

    def fault(self, kind: type[Diagnostic], event: Any, **facts: Any) -> None:
        mark = event.start_mark
        self.faults.append(kind((), at=Position(mark.line + 1, mark.column + 1), **facts))
        if len(self.faults) >= MAX_FAULTS:
            raise _Stop

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self.fault(SeveralDocuments, event)
            raise _Stop

    def scalar(self, event: Any) -> None:
        """Take a key, or a value that is neither a list nor a mapping."""
        if event.anchor or event.tag:
            self._refuse(event)
        level, text = self.level, event.value
        mark = event.start_mark
        place = (mark.line + 1) * _COLUMNS + mark.column + 1
        if level.key is None and level.is_mapping:
            level.key, level.key_place = text, place
            if text in level.container or text == _MERGE:
                self._refuse_key(level, event)
        else:
            level.put(_resolve(text) if event.implicit[0] else text, place, None)

    def alias(self, event: Any) -> None:
        self.fault(AnchorOrAlias, event, what=f"the alias `*{event.anchor}`")
        self._put(None, event, None, "alias")

    def start(self, event: Any) -> None:
        if event.anchor or event.tag:
            self._refuse(event)
        if len(self.around) >= MAX_DEPTH:
            self.fault(TooDeep, event, limit=MAX_DEPTH)
            raise _Stop
        is_mapping = type(event) is yaml.MappingStartEvent
        inner = _Level(is_mapping=is_mapping)
        self._put(inner.container, event, inner.marks, "mapping" if is_mapping else "list")
        self.around.append(self.level)
        self.level = inner

    def end(self, event: Any) -> None:
        del event
        self.level = self.around.pop()

    def _refuse(self, event: Any) -> None:
        if event.anchor:
            self.fault(AnchorOrAlias, event, what=f"the anchor `&{event.anchor}`")
        if event.tag:
            self.fault(Tag, event, tag=event.tag)

    def _put(self, value: Data, event: Any, inner: Marks | None, found: str) -> None:
        """Take what cannot be a key."""
        if self.level.is_mapping and self.level.key is None:
            self.fault(KeyNotText, event, found=found)
            raise _Stop
        mark = event.start_mark
        self.level.put(value, (mark.line + 1) * _COLUMNS + mark.column + 1, inner)

    def _refuse_key(self, level: _Level, event: Any) -> None:
        key = event.value
        if key == _MERGE:
            self.fault(AnchorOrAlias, event, what="the merge key `<<`")
        if key in level.container:
            assert level.marks.keys is not None
            first = level.marks.keys[list(level.container).index(key)] // _COLUMNS
            self.fault(DuplicateKey, event, key=key, first=first)


_HANDLERS: dict[type, Any] = {
    yaml.SequenceStartEvent: _Reader.start,
    yaml.MappingStartEvent: _Reader.start,
    yaml.SequenceEndEvent: _Reader.end,
    yaml.MappingEndEvent: _Reader.end,
    yaml.AliasEvent: _Reader.alias,
    yaml.DocumentStartEvent: _Reader.document,
}


def _resolve(text: str) -> Data:
    """What a plain scalar means: YAML 1.2's null, true, false and numbers; otherwise the text.

    `1e-3` is a number. `no` stays text, `010` too: what they are depends on who reads them, and
    whoever needs a number or a truth value says how to write it.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    number = _NUMBER.fullmatch(text)
    if number is None or len(text) > 40:
        return text
    if number["fraction"] or number["bare"]:
        value = float(text.replace("_", ""))
        return value if isfinite(value) else text
    return int(text)
