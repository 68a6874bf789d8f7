"""Specs on trial one after the other, and each kind of failure with its smallest example."""

import time
from collections import Counter
from typing import Any, NamedTuple

from tests.fuzz.constructs import constructs
from tests.fuzz.coverage import Occurrence, attributes_in
from tests.fuzz.draft import CheckCrashed, sites
from tests.fuzz.failure import Failure
from tests.fuzz.generator import make
from tests.fuzz.proving import prove_one
from tests.fuzz.shrink import shrink
from tests.fuzz.text import to_yaml
from tests.fuzz.trial import Fields, examine

SHRUNK = 8
"""How many of the failures with one signature are made smaller: they may be of several kinds."""
PROVEN = 25
"""One of so many that are right is to be proven as well."""
SHARE = 0.4
"""How much of the time that may take."""


class Example(NamedTuple):
    """A failure, and the spec that shows it; `essence` is what that consists of."""

    failure: Failure
    text: str
    essence: str
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


class Report(NamedTuple):
    """What the trial of one spec gave."""

    number: int
    is_valid: bool
    failures: tuple[Failure, ...]
    examples: tuple[Example, ...] = ()
    attributes: frozenset[Occurrence] = frozenset()
    constructs: frozenset[str] = frozenset()
    plain: str = ""


class Campaign:
    """Tries the specs of a seed; makes those smaller that show something new."""

    def __init__(self, seed: int, *, fields: Fields = "all", shrinks: bool = True) -> None:
        self.seed = seed
        self.fields: Fields = fields
        self.shrinks = shrinks
        self.began = time.monotonic()
        self.shrinking = 0.0
        self.shown: Counter[str] = Counter()

    def run(self, number: int) -> Report:
        """Put the spec of a number on trial."""
        try:
            made = make(self.seed, number)
        except CheckCrashed as crash:
            failure = Failure("crash in check", str(crash))
            example = Example(failure, crash.text, "", self.seed, number)
            return Report(number, False, (failure,), (example,))  # noqa: FBT003 - `is_valid`
        outcome = examine(made.text, fields=self.fields)
        failures = outcome.failures
        if outcome.check is not None and not failures and number % PROVEN == 0:
            failures = tuple(prove_one(made.text, outcome.check))
        told = {failure.signature: failure for failure in reversed(failures)}
        examples = [self._example(failure, made.data, number) for failure in told.values()]
        report = Report(
            number,
            outcome.check is not None,
            tuple(told.values()),
            tuple(example for example in examples if example is not None),
        )
        if outcome.check is None:
            return report
        return report._replace(
            attributes=frozenset(attributes_in(made.data, outcome.check)),
            constructs=frozenset(constructs(made.data, outcome.check)),
            plain=outcome.plain,
        )

    def _example(self, failure: Failure, data: dict[str, Any], number: int) -> Example | None:
        """A spec with this failure: smaller than it was found, where there is time for that."""
        signature, start = failure.signature, time.monotonic()
        is_due = self.shrinking <= SHARE * (start - self.began) + 10
        most = SHRUNK if _says_little(failure) else 1
        if self.shown[signature] and (self.shown[signature] >= most or not is_due):
            return None
        self.shown[signature] += 1
        if self.shrinks and is_due:
            data = shrink(data, lambda text: signature in self._signatures(text, failure))
        self.shrinking += time.monotonic() - start
        essence = _essence(data) if _says_little(failure) else ""
        return Example(failure, to_yaml(data), essence, self.seed, number)

    def _signatures(self, text: str, failure: Failure) -> set[str]:
        fields: Fields = self.fields if failure.kind == "field differs" else "none"
        outcome = examine(text, fields=fields)
        failures = outcome.failures
        if failure.kind == "not proven" and outcome.check is not None and not failures:
            failures = tuple(prove_one(text, outcome.check))
        return {found.signature for found in failures}


def _says_little(failure: Failure) -> bool:
    """Whether faults of several kinds have this message: then the smallest specs tell them."""
    return failure.kind not in ("refused", "crash in check", "slow")


_STRUCTURE = (
    *("from", "when", "repeat", "each", "beside", "else", "branches", "layers"),
    *("norm", "activation", "dropout", "init"),
)
_TELLING = frozenset(
    {"add", "mul", "concat", "layer_scale", "flatten", "linear", "rbf", "batch_norm", "group_norm"}
)


def _essence(data: dict[str, Any]) -> str:
    """What a small spec consists of: its sections, and the constructs and ops of its rows."""
    found = {key for key in data if key not in ("archspec", "name", "input", "layers", "vars")}
    for site in sites(data):
        found.update(key for key in site.row if key in _STRUCTURE)
        found.update({str(site.row.get("op"))} & _TELLING)
    return " ".join(sorted(found))
