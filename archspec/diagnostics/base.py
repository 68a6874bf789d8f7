"""The shape of a diagnostic: a value that is collected, located when shown, never raised."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
Severity = Literal["error", "warning", "note"]
SpecPath = tuple[str | int, ...]


class Position(NamedTuple):
    """A place in a text; both numbers start at 1."""

    line: int
    column: int


class Diagnostic:
    """One problem in a spec: what is wrong (`message`), where, and what would mend it (`help`).

    A subclass is a kind of problem: its docstring is its page in `docs/diagnostics.md`, its
    `template` the message with the facts left open. Subclasses are plain classes, not
    dataclasses, because every cold start of `check` pays for the whole catalogue.

    `where` is a path into the spec (`("layers", 2, "padding")`); line and column are looked up
    only when it is shown. `on_key` points at the key instead of its value, and `at` is for
    problems met before there is any path (YAML that cannot be parsed). `offset` counts the
    characters from the start of a value to the fault inside it. `among` says which variants of a
    family have the problem, where not all of them do. `cause` is what is to be mended where that
    stands elsewhere, a variable for one: what it brings about in several places is told once, with
    the places that it is seen in `also`.

    `told_by` are the facts that tell two problems of this kind apart which have one place; without
    it, the message does, but for its numbers: they may differ from place to place of a repeated
    row, and from variant to variant. What `follows` may be there only because of an error further
    up: beside an error it is not told.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity] = "error"
    template: ClassVar[str]
    advice: ClassVar[str] = ""
    told_by: ClassVar[tuple[str, ...] | None] = None
    follows: ClassVar[bool] = False

    __slots__ = (
        *("also", "among", "at", "cause", "facts", "help", "offset", "on_key", "path", "where"),
    )

    def __init__(
        self,
        where: SpecPath,
        *,
        on_key: bool = False,
        at: Position | None = None,
        offset: int = 0,
        path: str = "",
        help: str | None = None,  # noqa: A002 - the field's name in the JSON schema
        **facts: object,
    ) -> None:
        self.where = where
        self.on_key = on_key
        self.at = at
        self.offset = offset
        self.path = path
        self.among = ""
        self.cause = ""
        self.also: frozenset[SpecPath] = frozenset()
        self.facts: Mapping[str, object] = facts
        self.help = self.advice.format(**facts) if help is None else help

    @property
    def message(self) -> str:
        """The problem in one sentence, with its numbers."""
        more = len(self.also)
        places = f" (and in {more} more place{'s' if more > 1 else ''})" if more else ""
        return self.template.format(**self.facts) + places + self.among

    @property
    def subject(self) -> str:
        """What it is about, beside its place; of a row with several places, the row alone."""
        if self.path:
            return ""
        if self.told_by is None:
            return _NUMBER.sub("#", self.template.format(**self.facts) + self.among)
        return " ".join(str(self.facts.get(name)) for name in self.told_by)

    def __repr__(self) -> str:
        return f"<{self.code} {self.name} at {self.where}: {self.message}>"


class Fault(Exception):
    """Raised by an op about itself; the pass that asked turns it into a located diagnostic.

    `attribute` is the attribute to point at, or None for the whole row.
    """

    def __init__(self, kind: type[Diagnostic], attribute: str | None = None, **facts: Any) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.attribute = attribute
        self.facts = facts
