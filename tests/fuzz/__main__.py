"""`python -m tests.fuzz`: random specs for some minutes, and what they found."""

import argparse
import random
import sys
import time
from pathlib import Path

import torch

from tests.fuzz.campaign import Campaign
from tests.fuzz.generator import make
from tests.fuzz.trial import examine

EVERY = 10.0
"""Seconds between two lines of the tally."""


def main() -> int:
    """Run; 1 when anything that is not known failed."""
    arguments = _parser().parse_args()
    torch.set_num_threads(1)
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    if arguments.only is not None:
        return _one(seed, arguments.only)
    print(f"seed {seed}", flush=True)
    campaign = Campaign(seed, with_fields=not arguments.no_fields)
    until = time.monotonic() + 60 * arguments.minutes
    shown, number = time.monotonic(), 0
    while time.monotonic() < until and number != arguments.specs:
        campaign.run(number)
        number += 1
        if time.monotonic() - shown > EVERY:
            shown = time.monotonic()
            print(campaign.tally(), flush=True)
    _tell(campaign, arguments.minutes)
    if arguments.keep is not None:
        campaign.write_to(arguments.keep)
    return 1 if campaign.unknown else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--seed", type=int, help="where specs come from; a new one without it")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write an example of each fault")
    parser.add_argument("--specs", type=int, default=-1, help="stop after that many specs")
    parser.add_argument("--only", type=int, metavar="N", help="show and try the spec of a number")
    parser.add_argument("--no-fields", action="store_true", help="compare no receptive fields")
    return parser


def _one(seed: int, number: int) -> int:
    made = make(seed, number)
    print(made.text)
    outcome = examine(made.text)
    print(outcome.source)
    for failure in outcome.failures:
        print(f"{failure.kind}: {failure.message} {failure.where}")
    return 1 if outcome.failures else 0


def _tell(campaign: Campaign, minutes: float) -> None:
    print("\n".join(campaign.coverage.table()))
    rare = campaign.coverage.rare(minutes)
    print(f"\nunder 20 an hour: {len(rare)}")
    for occurrence, count in rare:
        print(f"  {count:3} {occurrence.op}.{occurrence.attribute} as {occurrence.kind}")
    print()
    print("\n".join(campaign.report()))
    print(campaign.tally())


if __name__ == "__main__":
    sys.exit(main())
