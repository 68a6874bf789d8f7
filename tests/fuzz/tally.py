"""The sum of many trials: how many, what failed how often, and what was covered."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.campaign import Example, Report
from tests.fuzz.constructs import CONSTRUCTS
from tests.fuzz.coverage import AN_HOUR, Coverage
from tests.fuzz.failure import KINDS, normalised


class Tally:
    """Adds reports up; failures with one signature are one line, with an example of each form."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self.specs = 0
        self.valid = 0
        self.faulty = 0
        self.signatures: Counter[str] = Counter()
        self.plain: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.examples: dict[tuple[str, str], Example] = {}
        self.began = time.monotonic()

    def add(self, report: Report) -> None:
        """Count a trial."""
        self.specs += 1
        self.valid += report.is_valid
        self.faulty += bool(report.failures)
        self.plain.update([normalised(report.plain)] if report.plain else [])
        self.coverage.add(report.attributes, report.constructs)
        self.signatures.update(failure.signature for failure in report.failures)
        self.kinds.update(failure.kind for failure in report.failures)
        for example in report.examples:
            key = (example.failure.signature, example.essence)
            if key not in self.examples or len(example.text) < len(self.examples[key].text):
                self.examples[key] = example

    @property
    def minutes(self) -> float:
        """How long it has gone on."""
        return (time.monotonic() - self.began) / 60

    def line(self) -> str:
        """How fast, how many are valid, and what was found."""
        minutes = self.minutes
        kinds = ", ".join(f"{self.kinds[kind]} {kind}" for kind in KINDS if self.kinds[kind])
        return (
            f"{minutes:5.1f} min  {self.specs} specs ({self.specs / max(minutes, 1e-9):.0f}/min), "
            f"{self.valid / max(self.specs, 1):.0%} valid, {self.faulty} faulty; "
            f"{kinds or 'nothing found'}"
        )

    def summary(self) -> Iterator[str]:
        """What was covered, what was not often enough, and all failures by their number."""
        minutes = self.minutes
        yield from self.coverage.table()
        yield ""
        yield from (f"{name:40} {self.coverage.constructs[name]:8}" for name in CONSTRUCTS)
        yield f"\nconstructs under {AN_HOUR} an hour: {', '.join(self._rare(minutes)) or 'none'}"
        rare, (rarest, least) = self.coverage.rare(minutes), self.coverage.rarest()
        op, attribute, kind = rarest
        yield f"\nleast in an hour: {60 * least / minutes:.0f}, {op}.{attribute} as {kind}"
        yield f"under {AN_HOUR} an hour: {len(rare)}"
        for (op, attribute, kind), count in rare:
            yield f"  {count:3} {op}.{attribute} as {kind}"
        yield ""
        share = self.plain.total() / max(self.valid, 1)
        yield f"in the plain form: {share:.0%} of the specs, because"
        yield from (f"{count:6} × {reason}" for reason, count in self.plain.most_common(12))
        yield ""
        for signature, count in self.signatures.most_common():
            yield f"{count:6} × {signature}"
        yield self.line()

    def _rare(self, minutes: float) -> list[str]:
        """The constructs that occurred less often than they have to in that time."""
        least = AN_HOUR * minutes / 60
        return [name for name in CONSTRUCTS if self.coverage.constructs[name] < least]

    def write_to(self, folder: Path) -> None:
        """The smallest example of each group as a file, called after the spec's number."""
        folder.mkdir(parents=True, exist_ok=True)
        for example in self.examples.values():
            path = folder / f"{example.failure.kind.replace(' ', '-')}-{example.number}.yaml"
            path.write_text(example.write(), encoding="utf-8")
