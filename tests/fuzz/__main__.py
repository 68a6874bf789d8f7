"""`python -m tests.fuzz`: random specs for some minutes, and what they found."""

import argparse
import random
import sys
import time
from pathlib import Path

from tests.fuzz import workers
from tests.fuzz.generator import make
from tests.fuzz.proving import prove_one
from tests.fuzz.tally import Tally
from tests.fuzz.trial import examine

EVERY = 10.0
"""Seconds between two lines of the tally."""


def main() -> int:
    """Run; 1 when anything failed."""
    arguments = _parser().parse_args()
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    if arguments.only is not None:
        return _one(seed, arguments.only)
    print(f"seed {seed}", flush=True)
    tally = Tally()
    until = shown = time.monotonic()
    until += 60 * arguments.minutes
    for report in workers.reports(seed, arguments.fields):
        tally.add(report)
        for example in report.examples:
            print(f"#{example.number}: {example.failure.signature}", flush=True)
        if report.examples and arguments.keep is not None:
            tally.write_to(arguments.keep)
        if time.monotonic() - shown > EVERY:
            shown = time.monotonic()
            print(tally.line(), flush=True)
        if time.monotonic() > until or tally.specs == arguments.specs:
            break
    print("\n".join(tally.summary()))
    return 1 if tally.faulty else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--seed", type=int, help="where specs come from; a new one without it")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write an example of each fault")
    parser.add_argument("--specs", type=int, default=-1, help="stop after that many specs")
    parser.add_argument("--only", type=int, metavar="N", help="show and try the spec of a number")
    parser.add_argument(
        "--fields",
        choices=("none", "all"),
        default="all",
        help="receptive fields: compare none, or all",
    )
    return parser


def _one(seed: int, number: int) -> int:
    made = make(seed, number)
    print(made.text)
    outcome = examine(made.text)
    print(outcome.source)
    failures = list(outcome.failures)
    if outcome.check is not None and not failures:
        failures += prove_one(made.text, outcome.check)
    for failure in failures:
        print(f"{failure.kind}: {failure.message} {failure.where}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
