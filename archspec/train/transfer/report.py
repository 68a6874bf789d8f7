"""What became of each tensor when weights of another training were loaded; needs no torch."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from textwrap import wrap
from typing import Any, Literal, NamedTuple

Status = Literal["loaded", "reshaped", "new", "unused"]
Shape = tuple[int, ...]
COUNTER = "num_batches_tracked"  # counts a norm's batches; nothing is computed with it
LONGEST = 40  # characters of a name in the table


@dataclass(frozen=True)
class Entry:
    """One tensor of the network: where its numbers come from, or why they are new.

    `source` and `source_shape` are the tensor of the file that it was given or that did not fit,
    `by_position` says that not the name but the order led to it.
    """

    name: str
    shape: Shape
    status: Status
    reason: str = ""
    source: str | None = None
    source_shape: Shape | None = None
    by_position: bool = False


@dataclass(frozen=True)
class Unused:
    """One tensor of the file that went nowhere."""

    name: str
    shape: Shape
    reason: str


@dataclass(frozen=True)
class Report:
    """Every tensor of the network, in its order, and those of the file that it had no use for.

    `share` is the part of the weights outside the heads that was loaded, by their number.
    """

    entries: tuple[Entry, ...]
    unused: tuple[Unused, ...]
    share: float

    @property
    def new(self) -> tuple[str, ...]:
        """The names of the tensors that keep what they were initialised with."""
        return tuple(entry.name for entry in self.entries if entry.status == "new")

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "share": self.share,
            "entries": [asdict(entry) for entry in self.entries],
            "unused": [asdict(unused) for unused in self.unused],
        }

    def as_text(self, width: int = 80) -> str:
        """A table with a row for neighbouring parts that fared alike, `width` columns wide."""
        told = [e for e in self.entries if not (e.status == "new" and e.name.endswith(COUNTER))]
        rows = [*_rows((entry.name, _outcome(entry)) for entry in told)]
        rows += _rows(
            (unused.name, f"of the file unused: {unused.reason}") for unused in self.unused
        )
        first = max((len(row.part) for row in rows), default=0)
        second = max((len(str(row.number)) for row in rows), default=0)
        return "\n".join(line for row in rows for line in row.lines(first, second, width))


class _Row(NamedTuple):
    part: str
    number: int
    outcome: str

    def lines(self, first: int, second: int, width: int) -> list[str]:
        margin = first + second + 3
        start, *more = wrap(self.outcome, max(width - margin, 20)) or [""]
        told = f"{self.part:{first}}  {self.number:{second}} {start}"
        return [told, *(" " * margin + line for line in more)]


def _outcome(entry: Entry) -> str:
    status = f"{entry.status} by position" if entry.by_position else entry.status
    return f"{status}: {entry.reason}" if entry.reason else status


def _rows(outcomes: Iterable[tuple[str, str]]) -> Iterator[_Row]:
    """A row for every outcome of a part; neighbours whose outcomes are the same share theirs."""
    parts = []
    for part, group in groupby(outcomes, key=lambda pair: pair[0].partition(".")[0]):
        parts.append((part, Counter(outcome for _, outcome in group)))
    for kinds, alike in groupby(parts, key=lambda pair: sorted(pair[1])):
        members = list(alike)
        first, last = _shown(members[0][0]), _shown(members[-1][0])
        name = first if len(members) == 1 else f"{first} … {last}"
        for kind in kinds:
            yield _Row(name, sum(counts[kind] for _, counts in members), kind)
            name = ""


def _shown(name: str) -> str:
    """A name for a terminal: one from a file may be long, or hold anything."""
    plain = "".join(sign if sign.isprintable() else "�" for sign in name)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"


def spell(shape: Shape | None) -> str:
    """A shape as it is written in messages: 64×3×7×7."""
    return "×".join(map(str, shape)) if shape else "one number"
