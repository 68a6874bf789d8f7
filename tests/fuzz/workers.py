"""Trials in processes of their own: generated code may take its process with it."""

import warnings
from collections.abc import Callable, Iterator
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

from tests.fuzz.campaign import Campaign, Example, Report
from tests.fuzz.draft import CheckCrashed
from tests.fuzz.failure import Failure
from tests.fuzz.generator import make
from tests.fuzz.trial import Fields

HANGS = 120.0
"""Seconds after which a process that says nothing is given up."""


def reports(seed: int, fields: Fields) -> Iterator[Report]:
    """The trials of all specs of a seed, without end; one that dies is reported as well."""
    number = 0
    while True:
        for report in of_one_process(seed, number, fields):
            yield report
            number = report.number + 1


def of_one_process(
    seed: int, first: int, fields: Fields, work: Callable[..., None] | None = None
) -> Iterator[Report]:
    """Trials from a number on, up to and with the one that takes the process down."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work or _work, args=(there, seed, first, fields), daemon=True)
    process.start()
    there.close()
    number = first
    try:
        while here.poll(HANGS):
            report: Report = here.recv()
            number = report.number + 1
            yield report
        yield _lost(seed, number, "does not come to an end")
    except EOFError:
        yield _lost(seed, number, "takes its process down")
    finally:
        process.kill()
        process.join()


def _lost(seed: int, number: int, message: str) -> Report:
    failure = Failure("process lost", message)
    try:
        text = make(seed, number).text
    except CheckCrashed as crash:
        text = crash.text
    example = Example(failure, text, str(number), seed, number)
    return Report(number, True, (failure,), (example,))  # noqa: FBT003 - `is_valid`


def _work(connection: Connection, seed: int, first: int, fields: Fields) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    campaign = Campaign(seed, fields=fields)
    for number in count(first):
        connection.send(campaign.run(number))
