"""YAML text → plain data, with the place of every value beside it.

The text is read from libyaml's events, not with a YAML loader: that closes the traps of YAML 1.1
(`no`, `010`, `1e-3`, duplicate keys, aliases, tags), gives positions for nearly nothing, and
needs no recursion, so neither nesting nor size can hurt.
"""

import re
from array import array
from dataclasses import dataclass
from math import isfinite
from typing import Any

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
    YamlSyntax,
)

MAX_DEPTH = 120
MAX_BYTES = 64 * 2**20
MAX_FAULTS = 100
_COLUMNS = 2**20  # a position is one integer, line·2²⁰ + column, to keep a row's positions small

Data = Any
"""Nested dicts (with text keys), lists, texts, numbers, truth values, None."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)(?P<fraction>(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?)"
    r"|[-+]?(?P<bare>\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?)"
)
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


class Marks:
    """Where the items of one list or mapping stand; parallel to the data, in its order."""

    __slots__ = ("inner", "keys", "values")

    def __init__(self, *, mapping: bool) -> None:
        self.keys: array[int] | None = array("Q") if mapping else None
        self.values: array[int] = array("Q")
        self.inner: dict[int, Marks] | None = None  # a row of plain values has none

    def nest(self, index: int, inner: "Marks") -> None:
        """Keep the marks of the item at `index`, a list or mapping itself."""
        if self.inner is None:
            self.inner = {}
        self.inner[index] = inner


@dataclass(frozen=True, slots=True)
class Document:
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
            index = _index(data, part)
            if index is None or marks is None:
                break
            last = position == len(path) - 1
            keys = marks.keys
            place = keys[index] if on_key and last and keys is not None else marks.values[index]
            data = data[part]
            marks = marks.inner.get(index) if marks.inner else None
        return Position(*divmod(place, _COLUMNS))


def _index(data: Data, part: str | int) -> int | None:
    if isinstance(data, dict):
        return list(data).index(part) if part in data else None
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
        mark = error.problem_mark or error.context_mark
        at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        reader.faults.append(YamlSyntax((), at=at, problem=_problem(error), help=_advice(error)))
    except UnicodeEncodeError as error:
        at = _place(text, error.start)
        reader.faults.append(YamlSyntax((), at=at, problem="a lone surrogate is not a character"))
    except yaml.reader.ReaderError as error:
        at = _place(text, error.position)
        problem = f"the character {_character(error)} is not allowed"
        reader.faults.append(YamlSyntax((), at=at, problem=problem))
    complete = not any(isinstance(fault, YamlSyntax | TooDeep) for fault in reader.faults)
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


def _advice(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if "\\t" in problem or "tab" in problem:
        return "indent with spaces; YAML takes no tabs"
    if "mapping values are not allowed" in problem:
        return "a `:` inside a text needs quotes around it; otherwise check the indentation"
    if "expected ',' or" in problem or "did not find expected" in problem:
        return "check that brackets are closed and that rows of a list begin in the same column"
    return ""


class _Stop(Exception):
    """Ends reading early; the reason is among the faults."""


class _Reader:
    """Consumes events and builds the data with an explicit stack."""

    def __init__(self) -> None:
        self.root: Data = None
        self.marks: Marks | None = None
        self.faults: list[Diagnostic] = []
        self.documents = 0
        # one entry a level: the container, its marks, the key waiting for its value
        self.stack: list[tuple[Data, Marks]] = []
        self.keys: list[str | None] = []

    def run(self, text: str) -> None:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                handler = _HANDLERS.get(type(event))
                if handler:
                    handler(self, event)
                if len(self.faults) >= MAX_FAULTS:
                    return
        except _Stop:
            return

    def fault(self, kind: type[Diagnostic], event: Any, **facts: Any) -> None:
        mark = event.start_mark
        self.faults.append(kind((), at=Position(mark.line + 1, mark.column + 1), **facts))

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self.fault(SeveralDocuments, event)
            raise _Stop

    def scalar(self, event: Any) -> None:
        if event.anchor or event.tag:
            self._refuse(event)
        value: Data = event.value
        if event.implicit[0]:
            value = _resolve(value)
        stack = self.stack
        if not stack:
            self.root = value
            return
        container, marks = stack[-1]
        mark = event.start_mark
        place = (mark.line + 1) * _COLUMNS + mark.column + 1
        if type(container) is list:
            container.append(value)
            marks.values.append(place)
        elif self.keys[-1] is None:
            self._key(event.value, container, marks, event, place)
        else:
            self._put(container, marks, value, place)

    def alias(self, event: Any) -> None:
        self.fault(AnchorOrAlias, event, what=f"the alias `*{event.anchor}`")
        self._place(None, event)

    def start(self, event: Any) -> None:
        if event.anchor or event.tag:
            self._refuse(event)
        if len(self.stack) >= MAX_DEPTH:
            self.fault(TooDeep, event, limit=MAX_DEPTH)
            raise _Stop
        mapping = type(event) is yaml.MappingStartEvent
        container: Data = {} if mapping else []
        marks = Marks(mapping=mapping)
        self._place(container, event, marks)
        self.stack.append((container, marks))
        self.keys.append(None)

    def end(self, event: Any) -> None:
        del event
        self.stack.pop()
        self.keys.pop()

    def _refuse(self, event: Any) -> None:
        if event.anchor:
            self.fault(AnchorOrAlias, event, what=f"the anchor `&{event.anchor}`")
        if event.tag:
            self.fault(Tag, event, tag=event.tag)

    def _place(self, value: Data, event: Any, inner: Marks | None = None) -> None:
        """Put a container (or what stands for an alias) where the text has it."""
        if not self.stack:
            self.root, self.marks = value, inner
            return
        container, marks = self.stack[-1]
        mark = event.start_mark
        place = (mark.line + 1) * _COLUMNS + mark.column + 1
        if type(container) is list:
            if inner is not None:
                marks.nest(len(container), inner)
            container.append(value)
            marks.values.append(place)
            return
        if self.keys[-1] is None:
            found = "mapping" if type(value) is dict else "list" if type(value) is list else "alias"
            self.fault(KeyNotText, event, found=found)
            raise _Stop
        if inner is not None:
            marks.nest(len(container), inner)
        self._put(container, marks, value, place)

    def _key(self, key: str, container: Data, marks: Marks, event: Any, place: int) -> None:
        if key in container:
            assert marks.keys is not None
            first = marks.keys[list(container).index(key)] // _COLUMNS
            self.fault(DuplicateKey, event, key=key, first=first)
            key = f"{key}\0{len(container)}"  # kept apart, so that the marks stay parallel
        self.keys[-1] = key
        assert marks.keys is not None
        marks.keys.append(place)

    def _put(self, container: Data, marks: Marks, value: Data, place: int) -> None:
        container[self.keys[-1]] = value
        marks.values.append(place)
        self.keys[-1] = None


_HANDLERS: dict[type, Any] = {
    yaml.ScalarEvent: _Reader.scalar,
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
