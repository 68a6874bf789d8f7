"""Many specs one after the other: what they found, grouped, with the smallest example of each."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.fuzz.coverage import Coverage
from tests.fuzz.draft import CheckCrashed, sites
from tests.fuzz.failure import KINDS, Failure
from tests.fuzz.generator import make
from tests.fuzz.known import is_known
from tests.fuzz.shrink import shrink
from tests.fuzz.text import to_yaml
from tests.fuzz.trial import examine

SHRUNK = 8
"""How many of the failures with one signature are made smaller: they may be of several kinds."""
SHARE = 0.4
"""How much of the time that may take."""


class Example(NamedTuple):
    """A failure, the spec that shows it, and where that came from."""

    failure: Failure
    text: str
    seed: int
    number: int

    def write(self) -> str:
        """A file of it."""
        lines = [
            f"# {self.failure.signature}",
            f"# {self.failure.message.splitlines()[0]} {self.failure.where}".rstrip(),
            f"# python -m tests.fuzz --seed {self.seed} --only {self.number}",
        ]
        return "\n".join(lines) + "\n" + self.text


class Campaign:
    """A run: specs from a seed, the failures by what they are, and what was covered."""

    def __init__(self, seed: int, *, with_fields: bool = True, shrinks: bool = True) -> None:
        self.seed = seed
        self.with_fields = with_fields
        self.shrinks = shrinks
        self.coverage = Coverage()
        self.specs = 0
        self.valid = 0
        self.faulty = 0
        self.hits: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.examples: dict[str, dict[str, Example]] = {}
        self.began = time.monotonic()
        self.shrinking = 0.0
        self.shrunk: Counter[str] = Counter()

    def run(self, number: int) -> tuple[Failure, ...]:
        """Put the spec of a number on trial."""
        self.specs += 1
        try:
            made = make(self.seed, number)
        except CheckCrashed as crash:
            failure = Failure("crash in check", str(crash))
            self._count(failure)
            self._keep(failure, failure.signature, crash.text, number)
            self.faulty += 1
            return (failure,)
        outcome = examine(made.text, with_fields=self.with_fields)
        self.valid += outcome.check is not None
        if outcome.check is not None:
            self.coverage.add(made.data, outcome.check)
        self.faulty += bool(outcome.failures)
        told = {failure.signature: failure for failure in outcome.failures}
        for failure in told.values():
            self._count(failure)
            self._example(failure, made.data, number)
        return tuple(told.values())

    def _count(self, failure: Failure) -> None:
        self.hits[failure.signature] += 1
        self.kinds[failure.kind] += 1

    def _example(self, failure: Failure, data: dict[str, Any], number: int) -> None:
        signature = failure.signature
        elapsed = time.monotonic() - self.began
        is_due = self.shrunk[signature] < SHRUNK and self.shrinking <= SHARE * elapsed + 10
        if self.shrunk[signature] and (not is_due or not _is_numeric(failure)):
            return
        self.shrunk[signature] += 1
        start = time.monotonic()
        if self.shrinks and is_due:
            data = shrink(data, lambda text: signature in _signatures(text, failure))
        self.shrinking += time.monotonic() - start
        essence = _essence(data) if _is_numeric(failure) else ""
        self._keep(failure, essence, to_yaml(data), number)

    def _keep(self, failure: Failure, essence: str, text: str, number: int) -> None:
        examples = self.examples.setdefault(failure.signature, {})
        if essence not in examples or len(text) < len(examples[essence].text):
            examples[essence] = Example(failure, text, self.seed, number)

    @property
    def unknown(self) -> list[str]:
        """The signatures of failures that are not on the list of known ones."""
        return [signature for signature in self.hits if not is_known(signature)]

    def tally(self) -> str:
        """One line: how fast, how many are valid, and what was found."""
        minutes = (time.monotonic() - self.began) / 60
        kinds = ", ".join(f"{self.kinds[kind]} {kind}" for kind in KINDS if self.kinds[kind])
        return (
            f"{minutes:5.1f} min  {self.specs} specs ({self.specs / max(minutes, 1e-9):.0f}/min), "
            f"{self.valid / max(self.specs, 1):.0%} valid, {self.faulty} faulty; "
            f"{kinds or 'nothing found'}"
        )

    def report(self) -> Iterator[str]:
        """All failures by signature, the most frequent first."""
        for signature, count in self.hits.most_common():
            mark = "known " if is_known(signature) else ""
            yield f"{count:6} × {mark}{signature}"

    def write_to(self, folder: Path) -> None:
        """The smallest example of each group as a file."""
        folder.mkdir(parents=True, exist_ok=True)
        number = 0
        for signature in sorted(self.examples):
            for example in self.examples[signature].values():
                number += 1
                stem = example.failure.kind.replace(" ", "-")
                path = folder / f"{number:03}-{stem}.yaml"
                path.write_text(example.write(), encoding="utf-8")


def _signatures(text: str, failure: Failure) -> set[str]:
    outcome = examine(text, with_fields=failure.kind == "field differs")
    return {failure.signature for failure in outcome.failures}


def _is_numeric(failure: Failure) -> bool:
    """Whether the message says little: then the smallest spec tells faults apart."""
    return failure.kind not in ("refused", "crash in check", "slow")


_STRUCTURE = (
    *("from", "when", "repeat", "each", "branches", "layers", "norm", "activation", "dropout"),
    "init",
)


def _essence(data: dict[str, Any]) -> str:
    """What a small spec consists of: its sections, and the constructs and ops of its rows."""
    found = {key for key in data if key not in ("archspec", "name", "input", "layers", "vars")}
    for site in sites(data):
        found.update(key for key in site.row if key in _STRUCTURE)
        found.add(str(site.row.get("op", "")) if site.row.get("op") in _TELLING else "")
    return " ".join(sorted(found))


_TELLING = frozenset(
    {"add", "mul", "concat", "layer_scale", "flatten", "linear", "rbf", "batch_norm", "group_norm"}
)
